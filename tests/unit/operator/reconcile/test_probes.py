"""The prober through whole reconciles: made, left alone, refused without harm, and gone when nothing is under test."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.cluster.errors import DeniedError

from tests.support.kube.api import Write
from tests.unit.operator.reconcile.world import World, image, spec

NAME = "chat-probe"


def probed(letter: str, **changes: Any) -> dict[str, Any]:
    wanted = spec(letter, **changes)
    wanted["quality"] = {**wanted["quality"], "probes": {"requestsPerSecond": "1"}}
    return wanted


def image_of_prober(world: World) -> str:
    found = world.api.kinds("deployments").get(NAME)
    return found["spec"]["template"]["spec"]["containers"][0]["image"] if found else ""


async def until_prober(world: World, letter: str) -> None:
    for _ in range(60):
        await world.turn()
        if image_of_prober(world) == image(letter):
            return
    raise AssertionError(f"no prober of image {letter}")


async def baked(world: World) -> None:
    world.declare(probed("a"))
    await world.settle(60)
    assert world.status["verified"]


@pytest.mark.long
async def test_it_is_there_while_a_release_is_tried_and_bakes_and_then_nothing_of_it_is_left() -> None:
    world = World()
    await baked(world)
    at_rest = world.end_state()
    assert NAME not in at_rest["deployments"]
    world.declare(probed("b"))
    await until_prober(world, "b")
    await world.settle(90)
    done = world.end_state()
    assert len(done["deployments"]) == 1
    assert len(done["services"]) == len(at_rest["services"])
    assert [result for _, result in done["history"]] == ["Promoted", "Established"]


async def test_once_made_it_is_written_no_more() -> None:
    world = World()
    await baked(world)
    world.declare(probed("b", strategy={**spec()["strategy"], "steps": [{"weight": 50, "minDuration": "20m"}]}))
    await until_prober(world, "b")
    await world.settle(5)
    writes = len(world.api.writes)
    await world.settle(10)
    assert [path for _, path in world.api.writes[writes:] if "probe" in path or "/services/" in path] == []


@pytest.mark.long
async def test_a_cluster_that_refuses_it_loses_nothing_but_the_probes() -> None:
    world = World()
    await baked(world)

    def refuse(write: Write) -> None:
        if NAME in write[1]:
            raise DeniedError("no probers here")

    world.api.before_write = refuse
    world.declare(probed("b"))
    await world.settle(90)
    done = world.end_state()
    assert [result for _, result in done["history"]] == ["Promoted", "Established"]
    assert done["verified"] == done["stable"]
    assert ("Degraded", "False", "AsWanted") in done["conditions"]


@pytest.mark.long
async def test_the_prober_goes_also_where_a_rollback_goes_on() -> None:
    world = World()
    await baked(world)
    world.traffic.bad_images.add(image("b"))
    world.declare(probed("b"))
    await until_prober(world, "b")
    await world.settle(60)
    done = world.end_state()
    assert done["failed"]
    assert NAME not in done["deployments"]
