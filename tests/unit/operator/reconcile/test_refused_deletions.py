"""R18 where the cluster refuses to delete: pods go by scaling, and status tells and remembers what was refused."""

from __future__ import annotations

import pytest
from sampler_rollouts.cluster.errors import DeniedError

from tests.support.kube.api import Write
from tests.unit.operator.reconcile.world import World, begin_bad, condition, established, events, refusing, spec

WORDS = 'admission webhook "protect.example.com" denied the request'


@pytest.fixture
def world() -> World:
    return World()


def replicas(world: World) -> list[int]:
    return sorted(one["spec"]["replicas"] for one in world.api.kinds("deployments").values())


async def rejected_and_protected(world: World, turns: int) -> None:
    await begin_bad(world)
    refusing(world, "deployments", DeniedError(WORDS), "DELETE")
    await world.settle(turns)
    assert world.status["history"][0]["result"] == "RolledBack"


async def test_the_rejected_builds_pods_go_where_nothing_can_be_deleted(world: World) -> None:
    await rejected_and_protected(world, 20)

    assert world.status["stage"] == "Serving"
    assert replicas(world) == [0, 2]
    assert len(world.api.kinds("pods")) == 2


async def test_what_is_left_over_is_degraded_with_the_clusters_words(world: World) -> None:
    await rejected_and_protected(world, 20)
    assert condition(world, "Degraded")[0] == "False"
    await world.settle(30)

    assert condition(world, "Degraded")[:2] == ("True", "NotDeleted")
    assert WORDS in condition(world, "Degraded")[2]
    assert events(world).count("NotDeleted") <= 2
    world.api.before_write = lambda _: None
    await world.settle(4)
    assert replicas(world) == [2]
    assert condition(world, "Degraded")[0] == "False"
    assert "refusals" not in world.status or world.status["refusals"] == []


async def test_where_scaling_is_refused_too_it_is_stalled(world: World) -> None:
    await begin_bad(world)
    (bad,) = [name for name, one in world.api.kinds("deployments").items() if one["spec"]["replicas"] == 1]

    def refuse(write: Write) -> None:
        if write[0] in ("PATCH", "DELETE") and write[1].endswith(bad):
            raise DeniedError(WORDS)

    world.api.before_write = refuse
    await world.settle(60)

    assert world.status["stage"] == "RollingBack"
    assert condition(world, "Stalled")[:2] == ("True", "RolledBack")
    assert condition(world, "Degraded")[:2] == ("True", "PodsNotGone")
    assert WORDS in condition(world, "Degraded")[2]
    assert {"NotScaled", "NotDeleted"} <= set(events(world))


async def test_a_deployment_that_cannot_be_scaled_is_deleted(world: World) -> None:
    """A missing right to patch takes no way out."""
    await begin_bad(world)
    (bad,) = [name for name, one in world.api.kinds("deployments").items() if one["spec"]["replicas"] == 1]

    def refuse(write: Write) -> None:
        if write[0] == "PATCH" and write[1].endswith(bad):
            raise DeniedError(WORDS)

    world.api.before_write = refuse
    await world.settle(20)

    assert bad not in world.api.kinds("deployments")
    assert world.status["stage"] == "Serving"


async def test_pods_are_gone_before_their_deployment_is_deleted(world: World) -> None:
    """A Deployment that waits for somebody's finalizer is scaled by nobody: its pods would stay."""
    await begin_bad(world)
    left: list[int] = []

    def look(write: Write) -> None:
        if write[0] == "DELETE" and "/deployments/" in write[1]:
            revision = write[1].rsplit("-", 1)[1]
            left.append(sum(revision in one for one in world.api.kinds("pods")))

    world.api.before_write = look
    await world.settle(20)

    assert world.status["stage"] == "Serving"
    assert left == [0]
    assert replicas(world) == [2]


async def test_an_operator_that_restarts_often_still_holds_for_what_is_refused(world: World) -> None:
    """R3: the time of pods that the cluster refuses runs on, whoever counts it."""
    await established(world)
    world.declare(spec("b"))
    refusing(world, "deployments", DeniedError("exceeded quota"))
    for turn in range(60):
        if turn % 6 == 5:  # Every twelve seconds; pods have sixty.
            world.start()
        await world.turn()

    assert world.status["stage"] == "Holding"
    assert world.status["rollout"]["hold"]["reason"] == "PodsNotStarted"
    assert "exceeded quota" in world.status["rollout"]["hold"]["message"]
