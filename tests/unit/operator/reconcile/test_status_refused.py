"""A status that the API server never takes (the CRD of another version, a policy): people are told by an Event."""

from __future__ import annotations

import pytest
from sampler_rollouts.cluster.errors import ConflictError, DeniedError, RefusedError
from sampler_rollouts.reconcile.refusals import SAY_AGAIN

from tests.support.kube.api import Write
from tests.unit.operator.reconcile.world import World, established, events, spec


@pytest.fixture
def world() -> World:
    return World()


def refuse_status(world: World, error: Exception) -> None:
    def refuse(write: Write) -> None:
        if write[1].endswith("/status"):
            raise error

    world.api.before_write = refuse


@pytest.mark.parametrize("error", [RefusedError("status.pools: Too many"), DeniedError("forbidden")])
async def test_it_is_said_once_a_minute(world: World, error: Exception) -> None:
    await established(world)
    world.declare(spec("b"))
    refuse_status(world, error)
    for _ in range(int(SAY_AGAIN.total_seconds() / 2)):
        with pytest.raises(type(error)):
            await world.turn()
    said = [event for event in world.api.kinds("events").values() if event["reason"] == "StatusNotWritten"]
    assert len(said) == 1
    assert "series" not in said[0]
    assert str(error) in said[0]["note"]
    assert len(world.api.kinds("deployments")) == 1, "what is not remembered is not done"

    with pytest.raises(type(error)):
        await world.turn()
    assert "series" in world.api.kinds("events")[said[0]["metadata"]["name"]]

    world.api.before_write = lambda _: None
    await world.turn()
    assert len(world.api.kinds("deployments")) == 2


async def test_an_object_that_changed_meanwhile_is_no_news(world: World) -> None:
    await established(world)
    world.declare(spec("b"))
    refuse_status(world, ConflictError("changed"))
    with pytest.raises(ConflictError):
        await world.turn()
    assert "StatusNotWritten" not in events(world)
