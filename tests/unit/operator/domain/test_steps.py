"""Steps that are edited under way: a place in them is a weight and the pauses behind it, not a number (R3)."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain.resource import PROMOTE_ANNOTATION

from tests.unit.operator.domain.world import World, established, passing, spec

PAUSE: dict[str, Any] = {"pause": {}}


def at(weight: int, seconds: int = 10) -> dict[str, Any]:
    return {"weight": weight, "minDuration": f"{seconds}s"}


def rolling(*steps: dict[str, Any]) -> World:
    asked = {"strategy": {"steps": list(steps)}, "replicas": 10}
    world = established(**asked)
    world.judge = passing
    world.update(spec("b", **asked))
    return world


def edit(world: World, *steps: dict[str, Any]) -> None:
    world.update(spec("b", replicas=10, strategy={"steps": list(steps)}))


def go_on(world: World, words: str = "") -> None:
    assert world.status.candidate is not None
    world.annotations[PROMOTE_ANNOTATION] = world.status.candidate.hash + words


def story(world: World, ticks: int = 80) -> list[int | str]:
    """Weights and pauses, each as often as it is come to."""
    told: list[int | str] = []
    for _ in range(ticks):
        rollout = world.status.rollout
        seen: int | str = "-" if rollout is None else "pause" if rollout.waiting else rollout.weight
        told += [seen] if told[-1:] != [seen] else []
        world.tick()
    return told


def weight(world: World, wanted: int) -> None:
    for _ in range(100):
        if world.status.rollout and world.status.rollout.weight == wanted:
            return
        world.tick()
    raise AssertionError(world.status.progress)


def test_steps_that_are_done_may_be_taken_out() -> None:
    world = rolling(at(1), at(10), at(25, 60), PAUSE, at(50))
    weight(world, 25)
    edit(world, at(25, 60), PAUSE, at(50))
    assert story(world) == [25, "pause"]
    go_on(world)
    assert story(world) == ["pause", 50, 100, "-"]


def test_a_pause_that_is_taken_out_takes_no_weight_with_it() -> None:
    world = rolling(at(10), at(25), PAUSE, at(50))
    assert story(world)[-1] == "pause"
    edit(world, at(10), at(25), at(50), at(75))
    go_on(world)
    assert story(world) == ["pause", 50, 75, 100, "-"]


def test_a_pause_that_was_waited_for_is_not_waited_for_again() -> None:
    world = rolling(at(25, 60), PAUSE, at(50))
    weight(world, 25)
    story(world, 20)
    edit(world, at(5), at(10), at(25, 60), PAUSE, at(50))
    go_on(world)
    assert story(world) == ["pause", 50, 100, "-"]


def test_each_of_two_pauses_is_waited_for() -> None:
    world = rolling(PAUSE, PAUSE, at(50))
    assert story(world)[-1] == "pause"
    go_on(world)
    world.tick()
    assert story(world, 20) == ["pause"]
    go_on(world, ":again")
    assert story(world) == ["pause", 50, 100, "-"]


def test_a_weight_that_is_put_in_between_is_gone_to() -> None:
    world = rolling(at(10, 60), at(50))
    weight(world, 10)
    edit(world, at(5), at(30), PAUSE, at(50))
    assert story(world) == [10, 30, "pause"]


@pytest.mark.parametrize("up", [True, False], ids=["data", "no data"])
def test_the_first_weight_of_a_later_wave_waits_for_data_of_the_earlier_ones(*, up: bool) -> None:
    asked = {"strategy": {"steps": [PAUSE, at(50)], "waves": [["cpu-a"], ["cpu-b"]]}}
    world = established(**asked)
    world.judge = passing
    world.update(spec("b", **asked))
    world.run(30)
    go_on(world)
    while not (world.status.rollout and world.status.rollout.wave == 1):
        world.tick()
    world.metrics_up = up
    world.run(30)
    go_on(world, ":wave 2")
    world.run(30)
    assert world.status.rollout is not None
    assert (world.status.rollout.weight > 0) is up
    if not up:
        assert "waiting for fresh data (SourceUnreachable)" in world.message("Reconciling")
        world.metrics_up = True
        weight(world, 50)


def test_the_first_weight_of_a_later_wave_waits_for_pods_of_the_earlier_ones() -> None:
    asked = {"strategy": {"steps": [PAUSE, at(50)], "waves": [["cpu-a"], ["cpu-b"]]}}
    world = established(**asked)
    world.judge = passing
    world.update(spec("b", **asked))
    world.run(30)
    go_on(world)
    while not (world.status.rollout and world.status.rollout.wave == 1):
        world.tick()
    world.unready |= {pod.name for pod in world.pods if pod.pool == "cpu-a"}
    go_on(world, ":wave 2")
    world.run(30)
    assert world.status.rollout is not None
    assert world.status.rollout.weight == 0
    assert "waiting for pods of pool cpu-a" in world.message("Reconciling")
