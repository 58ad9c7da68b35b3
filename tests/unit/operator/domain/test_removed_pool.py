"""A removed pool's pods, where an operator was killed before it took them away: the last servers of a class stay."""

from __future__ import annotations

from tests.unit.operator.domain.world import World, established, passing, spec


def killed_before_it_was_taken_away() -> World:
    """Pool cpu-b was removed, its pods are still there, and of what stays none is ready."""
    world = established()
    world.judge = passing
    world.run(400)
    world.update(spec(pools=("cpu-a",)))
    while not (world.status.stage == "Serving" and world.status.stable and len(world.status.stable.pools) == 1):
        world.tick(5, writes=1)
    world.unready = {pod.name for pod in world.pods if pod.pool == "cpu-a"}
    assert world.serving() == {"cpu-b": 2}
    world.run(30)
    return world


def test_what_still_serves_stays_until_the_others_do() -> None:
    world = killed_before_it_was_taken_away()
    assert world.serving() == {"cpu-b": 2}
    world.unready = set()
    world.run(30)
    assert set(world.serving()) == {"cpu-a"}


def test_it_stays_too_when_the_next_release_is_asked_for() -> None:
    world = killed_before_it_was_taken_away()
    world.update(spec("b", pools=("cpu-a",)))
    world.tick()
    assert world.status.stage == "Progressing"
    assert world.serving() == {"cpu-b": 2}
