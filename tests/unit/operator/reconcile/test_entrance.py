"""The Service that users call is not there as it should be: nobody is served, and Ready must not say otherwise."""

from __future__ import annotations

import pytest
from sampler_rollouts.cluster.errors import RefusedError
from sampler_rollouts.domain.decision.decide import LOOK_SECONDS
from sampler_rollouts.reconcile.reconciler import RETRY_REFUSED

from tests.unit.operator.cluster.builders import SERVICES
from tests.unit.operator.reconcile.world import World, condition, established, refusing, spec

ENTRANCE = f"{SERVICES}/chat-standard"


@pytest.fixture
def world() -> World:
    return World()


def stranger(world: World) -> None:
    world.api.put(ENTRANCE, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "chat-standard"}, "spec": {}})


async def test_a_strangers_service_under_the_name_that_users_call_is_no_ready_rollout(world: World) -> None:
    stranger(world)
    world.declare(spec("a"))
    for _ in range(40):
        await world.turn()
        assert condition(world, "Ready")[0] == "False"

    assert world.status["stage"] == "Serving"
    assert condition(world, "Stalled")[:2] == ("True", "ServiceRefused")
    assert condition(world, "Degraded")[:2] == ("True", "ServiceRefused")
    assert "Service/chat-standard exists" in condition(world, "Ready")[2]
    assert (await world.reconcile()).requeue_after <= RETRY_REFUSED

    world.start()  # R3: what was refused is remembered, until it is tried again.
    await world.turn()
    assert condition(world, "Ready")[:2] == ("False", "ServiceRefused")

    del world.api.objects[ENTRANCE]
    await world.settle(4)
    assert condition(world, "Ready")[0] == "True"
    assert condition(world, "Degraded")[0] == "False"


async def test_it_says_so_too_while_a_release_is_tried(world: World) -> None:
    stranger(world)
    world.declare(spec("a"))
    await world.settle(10)
    world.declare(spec("b"))
    await world.settle(2)

    assert world.status["stage"] == "Progressing"
    assert condition(world, "Degraded")[:2] == ("True", "ServiceRefused")


async def test_a_service_that_went_is_put_back_and_ready_follows_at_the_next_look(world: World) -> None:
    await established(world)
    await world.settle(20)
    del world.api.objects[ENTRANCE]
    assert (await world.reconcile()).requeue_after <= LOOK_SECONDS
    assert condition(world, "Ready")[:2] == ("False", "ServiceMissing")
    assert condition(world, "Reconciling")[0] == "True"
    await world.reconcile()
    assert condition(world, "Ready")[0] == "True"


async def test_a_service_that_selects_nothing_and_cannot_be_mended_is_no_ready_rollout(world: World) -> None:
    await established(world)
    edited = world.api.objects[ENTRANCE]
    edited["spec"]["selector"]["version"] = "2"
    world.api.put(ENTRANCE, edited)
    refusing(world, "services", RefusedError("denied by policy"))
    await world.settle(2)

    assert condition(world, "Stalled")[:2] == ("True", "ServiceRefused")
    assert "denied by policy" in condition(world, "Ready")[2]


async def test_a_revisions_own_service_that_is_refused_concerns_no_user(world: World) -> None:
    world.declare(spec("a"))
    await world.settle(3)
    refusing(world, "services", RefusedError("exceeded quota"))
    world.api.objects = {p: o for p, o in world.api.objects.items() if f"{SERVICES}/chat-cpu" not in p}
    await world.settle(20)

    assert condition(world, "Ready")[0] == "True"
