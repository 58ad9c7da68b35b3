"""R7: a child that the cluster does not accept keeps neither the next look nor anything else waiting."""

from __future__ import annotations

import contextlib

import pytest
from sampler_rollouts.cluster.errors import (
    ConflictError,
    DeniedError,
    NotOursError,
    RefusedError,
    ServerError,
    UnavailableError,
)
from sampler_rollouts.domain.decision.decide import LOOK_SECONDS
from sampler_rollouts.reconcile.reconciler import RETRY_REFUSED

from tests.support.kube.api import Write, copied
from tests.unit.operator.cluster.builders import SERVICES
from tests.unit.operator.reconcile.world import World, begin_bad, established, events, refusing, spec


@pytest.fixture
def world() -> World:
    return World()


REFUSALS = [
    RefusedError("exceeded quota"),
    DeniedError("admission webhook denied the request"),
    ServerError("failed calling webhook"),
    NotOursError("exists"),
    ConflictError("still being deleted"),
    RuntimeError("a bug that one child meets"),
]


@pytest.mark.parametrize("error", REFUSALS)
async def test_a_child_that_can_never_be_applied_does_not_slow_the_looks_down(world: World, error: Exception) -> None:
    """R7: the next look comes when the decision wants it, however often a child was refused."""
    await established(world)
    world.declare(spec("b"))
    refusing(world, "deployments", error)

    for _ in range(12):
        assert (await world.reconcile()).requeue_after <= LOOK_SECONDS


async def test_a_quiet_rollout_with_a_refused_child_is_looked_at_again_soon(world: World) -> None:
    await established(world)
    await world.settle(20)
    assert (await world.reconcile()).requeue_after > RETRY_REFUSED
    refusing(world, "services", RefusedError("exceeded quota"))
    world.api.objects = {path: obj for path, obj in world.api.objects.items() if "/services/" not in path}

    await world.reconcile()
    assert (await world.reconcile()).requeue_after == RETRY_REFUSED


async def test_a_refused_deployment_keeps_no_deadline_from_being_seen(world: World) -> None:
    await established(world)
    world.declare(spec("b"))
    refusing(world, "deployments", RefusedError("exceeded quota"))
    await world.settle(40)

    assert world.status["stage"] == "Holding"
    assert world.status["rollout"]["hold"]["reason"] == "PodsNotStarted"
    assert "exceeded quota" in world.status["rollout"]["hold"]["message"]


@pytest.mark.long
async def test_a_deployment_that_is_accepted_after_all_goes_on(world: World) -> None:
    old = await established(world)
    world.declare(spec("b"))
    refusing(world, "deployments", RefusedError("exceeded quota"))
    await world.settle(40)
    world.api.before_write = lambda _: None
    await world.settle()

    assert world.status["stable"]["hash"] != old


async def test_a_refusal_is_said_once_a_minute_whatever_its_words(world: World) -> None:
    """A message with a port or a time in it would make a new Event and a new status of each look."""
    await established(world)
    world.declare(spec("b"))
    looks = iter(range(1000))

    def refuse(write: Write) -> None:
        if write[0] == "PATCH" and "/deployments/" in write[1]:
            raise RefusedError(f"connection from port {next(looks)} reset")

    world.api.before_write = refuse
    await world.settle(20)

    assert next(looks) > 15
    assert events(world).count("NotApplied") == 1
    assert "port 0 " in world.status["pools"][0]["blocked"]


async def test_a_child_that_cannot_be_deleted_keeps_no_other_alive(world: World) -> None:
    await begin_bad(world)
    await world.settle(3)
    (victim,) = [name for name, one in world.api.kinds("services").items() if "standard" not in name][:1]
    for letter in "xy":  # Two more that nobody wants.
        extra = copied(world.api.kinds("services")[victim])
        extra["metadata"] |= {"name": f"{letter}-{victim}", "uid": f"uid-{letter}"}
        extra["metadata"]["labels"]["samplerrollouts.io/revision"] = letter
        world.api.put(f"{SERVICES}/{letter}-{victim}", extra)

    def refuse(write: Write) -> None:
        if write == ("DELETE", f"{SERVICES}/x-{victim}"):
            raise DeniedError("admission webhook denied the request")

    world.api.before_write = refuse
    await world.reconcile()

    assert f"x-{victim}" in world.api.kinds("services")
    assert f"y-{victim}" not in world.api.kinds("services")
    assert "NotDeleted" in events(world)


async def test_one_kind_that_gets_no_answer_stops_no_other(world: World) -> None:
    """A webhook for Services that hangs looks like a dead server; a rollback is not to wait for it."""
    await begin_bad(world)
    world.api.objects = {path: obj for path, obj in world.api.objects.items() if "/services/" not in path}
    refusing(world, "services", UnavailableError("timed out"))
    for _ in range(20):
        with pytest.raises(UnavailableError):
            await world.turn()

    assert world.status["history"][0]["result"] == "RolledBack"
    assert list(world.end_state()["deployments"].values()) == [2]


@pytest.mark.long
async def test_what_holds_for_pods_that_were_never_made_holds_until_they_are(world: World) -> None:
    """Deployments cannot be scaled, and nobody says why: pods that are there do not show that the rest can start."""
    old = await established(world)
    world.declare(spec("b"))
    await world.settle(2)
    assert len(world.api.kinds("deployments")) == 2
    refusing(world, "deployments", UnavailableError("timed out"))
    for _ in range(60):
        with contextlib.suppress(UnavailableError):
            await world.turn()

    assert world.status["stage"] == "Holding"
    assert events(world).count("PodsNotStarted") == 1
    assert "PodsStarted" not in events(world)
    world.api.before_write = lambda _: None
    await world.settle(20)
    assert world.status["stable"]["hash"] != old
