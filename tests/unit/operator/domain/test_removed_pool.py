"""A removed pool's pods, where an operator was killed before it took them away: the last servers of a class stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sampler_rollouts.domain.plan import HeldRelease, RemovedPool

from tests.unit.operator.domain import invariants
from tests.unit.operator.domain.world import World, established, failing, passing, spec


def killed_before_it_was_taken_away(world: World) -> World:
    """Pool cpu-b is removed, its pods are still there, and of what stays none is ready."""
    world.update(spec(pools=("cpu-a",)))
    while not (world.status.stage == "Serving" and world.status.stable and len(world.status.stable.pools) == 1):
        world.tick(5, writes=1)
    world.unready = {pod.name for pod in world.pods if pod.pool == "cpu-a"}
    assert world.serving() == {"cpu-b": 2}
    world.run(30)
    return world


def promoted() -> World:
    """The release without the pool is new: it is promoted."""
    world = established()
    world.judge = passing
    world.run(400)
    return killed_before_it_was_taken_away(world)


def restored() -> World:
    """It was verified before the pool came, and comes back."""
    world = established(pools=("cpu-a",))
    world.judge = passing
    world.run(400)
    world.update(spec())
    world.run(60)
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}
    killed_before_it_was_taken_away(world)
    assert world.status.history[0].result == "Restored"
    return world


def instead_of_another() -> World:
    """The first release came up in part only; another took its place, in another pool."""
    world = World(spec(pools=("cpu-b",)), check=invariants.check)
    world.tick()
    half = world.pods[0]
    world.never_ready.add(half.revision)
    half.was_ready = True
    world.run(20)
    world.update(spec("b", pools=("cpu-a",)))
    while world.status.stage != "Serving":
        started = sum(pod.pool == "cpu-a" for pod in world.pods) == 2
        world.tick(5, writes=1 if started else None)
    world.unready = {pod.name for pod in world.pods if pod.pool == "cpu-a"}
    world.run(30)
    return world


ways = pytest.mark.parametrize("made", [promoted, restored, instead_of_another])


@ways
def test_what_still_serves_stays_until_the_others_do(made: Callable[[], World]) -> None:
    world = made()
    assert set(world.serving()) == {"cpu-b"}
    world.unready = set()
    world.run(30)
    assert set(world.serving()) == {"cpu-a"}


@ways
def test_it_stays_too_when_the_next_release_is_asked_for(made: Callable[[], World]) -> None:
    world = made()
    world.update(spec("c", pools=("cpu-a",)))
    world.tick()
    assert world.status.stage == "Progressing"
    assert set(world.serving()) == {"cpu-b"}


def test_it_stays_where_another_release_takes_stables_place() -> None:
    """The candidate was rejected, and stable does not come up: nothing else serves that is not rejected."""
    world = promoted()
    world.judge = failing("errors", "cpu-a")
    world.update(spec("c", pools=("cpu-a",)))
    world.until("RollingBack")
    world.run(200)
    world.update(spec("d", pools=("cpu-a",)))
    world.tick()
    assert world.status.stage == "Establishing"
    assert world.serving()["cpu-b"] == 2
    world.until("Serving")
    world.run(30)
    assert world.serving() == {"cpu-a": 2}


def test_what_was_rejected_does_not_stay() -> None:
    """Bad answers are not better than none."""
    world = promoted()
    world.check = None
    held = HeldRelease(hash=world.status.removed[0].release, at=world.now, reason="CheckFailed")
    world.raw_status = world.status.model_copy(update={"failed": [held]}).dump()
    world.run(30)
    assert world.serving() == {}


def test_what_is_gone_is_forgotten() -> None:
    world = established()
    world.judge = passing
    world.run(400)
    world.update(spec(pools=("cpu-a",)))
    world.until("Serving")
    (known,) = world.status.removed
    assert world.status.previous is not None
    assert known == RemovedPool(pool="cpu-b", revision=known.revision, release=world.status.previous.hash)
    world.run(30)
    assert world.serving() == {"cpu-a": 2}
    assert world.status.removed == []


@ways
def test_it_is_not_ready_while_others_answer(made: Callable[[], World]) -> None:
    world = made()
    assert world.condition("Reconciling") == ("True", "PodsNotReady")
    assert world.condition("Ready") == ("False", "PodsNotReady")
    assert "is ready in pool cpu-a; pods of pool cpu-b (revision " in world.message("Ready")
    world.run(120)
    assert world.condition("Stalled") == ("True", "PodsNotReady")
    world.unready = set()
    world.run(30)
    assert world.condition("Ready") == ("True", "FullTraffic")
