"""Stories of a stable that does not come up when a candidate leaves: bad answers or none, until a person helps."""

from __future__ import annotations

import pytest

from tests.unit.operator.domain import invariants
from tests.unit.operator.domain.story import bad, one_pool_promoted, results
from tests.unit.operator.domain.world import World, failing, inconclusive, passing, spec

AWAY = ("True", "StableNotReady")
WAVES = {"strategy": {"waves": [["cpu-a"], ["cpu-b"]]}, "replicas": 4}


def stuck(seconds: float = 200, *, back_to: str = "") -> World:
    """Pool cpu-a has the candidate only, which leaves, and stable's image is gone. Pool cpu-b is stable's."""
    world = one_pool_promoted()
    first = world.revision_of("stable")
    world.blocked[first] = "ErrImagePull"
    if back_to:
        world.judge = inconclusive
        world.update(spec(back_to, **WAVES))
    else:
        world.judge = failing()
    world.run(seconds)
    assert world.status.stage == ("Withdrawing" if back_to else "RollingBack")
    assert world.serving() == {"cpu-a": 2, "cpu-b": 4}
    world.judge = passing
    return world


def test_it_is_degraded_and_says_what_is_missing() -> None:
    world = stuck(60)
    assert world.condition("Degraded") == ("False", "AsWanted")
    world.run(100)
    assert world.condition("Stalled") == ("True", "RolledBack")
    assert world.condition("Degraded") == AWAY
    for part in ("cpu-a", "ErrImagePull", "another release"):
        assert part in world.message("Degraded")
    assert world.message("Degraded") in world.message("Stalled")


def test_a_fix_in_the_spec_is_heard_and_nobody_is_left_without_a_server() -> None:
    world = stuck()
    rejected, first = world.revision_of("candidate"), world.revision_of("stable")
    world.judge = inconclusive
    world.update(spec("c", **WAVES))
    outcome = world.tick()
    assert world.status.stage == "Establishing"
    assert "without steps" in outcome.events[-1].message
    assert world.condition("Degraded") == AWAY, "what was rejected still serves"
    while world.status.stage == "Establishing":
        world.tick()
        assert world.serving()["cpu-a"] >= 2
        assert world.serving()["cpu-b"] >= 4
    world.run(20)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert world.condition("Degraded") == ("False", "AsWanted")
    assert not {rejected, first} & {pod.revision for pod in world.pods}
    assert results(world) == ["Established", "RolledBack", "Established"]
    assert "in place of stable release" in world.status.history[0].message


def test_its_absolute_checks_run() -> None:
    world = stuck()
    world.update(spec("c", **WAVES))
    world.until("Serving")
    world.judge = bad(world.revision_of("stable"))
    world.run(20)
    assert world.condition("Stalled") == ("True", "FirstReleaseFailed")
    assert world.serving() == {"cpu-a": 4, "cpu-b": 4}


def test_the_fix_may_be_fixed_and_whatever_serves_stays() -> None:
    world = stuck()
    for letter in "cd":
        world.update(spec(letter, **WAVES))
        world.tick()
        world.never_ready.add(world.revision_of("candidate"))
        world.run(200)
        assert world.condition("Stalled") == ("True", "FirstReleaseFailed")
        assert world.serving() == {"cpu-a": 2, "cpu-b": 4}
    world.update(spec("e", **WAVES))
    world.until("Serving")
    world.run(20)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert {pod.revision for pod in world.pods} == {world.revision_of("stable")}


def test_stables_own_spec_can_be_asked_for_again_after_a_fix_that_did_not_help() -> None:
    world = stuck()
    world.update(spec("c", **WAVES))
    world.tick()
    world.never_ready.add(world.revision_of("candidate"))
    world.run(30)
    world.update(spec("a", **WAVES))
    world.run(60)
    assert world.serving()["cpu-a"] == 2
    world.blocked.clear()
    world.until("Serving")
    world.run(20)
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_stable_that_comes_up_after_all_is_waited_for_no_longer() -> None:
    world = stuck()
    world.blocked.clear()
    world.until("Serving")
    world.run(20)
    assert world.condition("Degraded") == ("False", "AsWanted")
    world.update(spec("c", **WAVES))
    world.tick()
    assert world.status.stage == "Progressing", "with steps, as there is something to go back to"


@pytest.mark.parametrize("letter", ["a", "b"])
def test_neither_stable_nor_the_failed_release_is_a_fix(letter: str) -> None:
    world = stuck()
    world.update(spec(letter, **WAVES))
    world.run(100)
    assert world.status.stage == "RollingBack"
    assert world.serving() == {"cpu-a": 2, "cpu-b": 4}


def test_the_failed_release_comes_back_if_a_person_asks_for_a_retry() -> None:
    """There is nothing better left, and a person has said so."""
    world = stuck()
    world.judge = inconclusive
    world.update(spec("b", retryGeneration=1, **WAVES))
    world.run(60)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert world.revision_of("stable", "cpu-a") == world.revision_of("stable", "cpu-b")
    assert world.serving() == {"cpu-a": 4, "cpu-b": 4}


def test_a_fix_is_not_heard_before_stable_had_its_time() -> None:
    world = stuck(60)
    world.update(spec("c", **WAVES))
    world.run(40)
    assert world.status.stage == "RollingBack"
    world.until("Establishing", limit=60)


def test_a_paused_spec_asks_for_nothing() -> None:
    world = stuck()
    world.update(spec("c", paused=True, **WAVES))
    world.run(60)
    assert world.status.stage == "RollingBack"
    assert world.condition("Degraded") == AWAY


def test_a_withdrawal_has_the_same_way_out() -> None:
    world = stuck(back_to="a")
    assert world.condition("Stalled") == AWAY
    assert world.condition("Degraded") == AWAY
    world.update(spec("c", **WAVES))
    world.until("Serving")
    world.run(20)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert results(world) == ["Established", "Withdrawn", "Established"]


def test_an_operator_that_was_away_gives_stable_its_time() -> None:
    world = one_pool_promoted()
    world.judge = failing()
    world.tick(5, writes=1)
    assert world.status.stage == "RollingBack"
    world.update(spec("c", **WAVES))
    world.tick(1200)
    assert world.status.stage == "RollingBack"
    world.judge = passing
    world.until("Progressing", limit=60)


def test_a_first_release_in_other_pools_does_not_take_the_old_ones_away_before_it_serves() -> None:
    world = World(spec("a", pools=("cpu-a",)))
    world.tick()
    half = world.pods[0]
    world.never_ready.add(half.revision)
    half.was_ready = True
    world.run(20)
    assert world.serving() == {"cpu-a": 1}
    world.update(spec("b", pools=("cpu-b",)))
    world.tick()
    assert world.serving() == {"cpu-a": 1}
    world.until("Serving")
    world.run(20)
    assert world.serving() == {"cpu-b": 2}


def test_pods_of_a_replaced_first_release_that_begin_to_serve_meanwhile_stay() -> None:
    """The operator was killed before it could take them away."""
    world = World(spec("a"), check=invariants.check)
    world.tick()
    world.tick()
    world.update(spec("b"))
    world.tick(1, writes=1)
    world.tick(6)
    assert world.serving(world.revision_of("candidate")) == {}
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}


def test_a_rejected_release_does_not_come_back_while_another_one_starts_in_stables_place() -> None:
    """R6: the spec that goes back to it says so, and nothing else happens, until retryGeneration rises."""
    world = stuck()
    rejected = world.status.candidate
    assert rejected is not None
    world.update(spec("c", **WAVES))
    world.tick()
    fix = world.revision_of("candidate")
    world.update(spec("b", **WAVES))
    world.tick()
    assert world.revision_of("candidate") == fix
    assert world.condition("Stalled") == ("True", "RolledBack")
    assert world.condition("RolledBack") == ("True", "CheckFailed")
    world.until("Serving")
    world.run(20)
    assert world.revision_of("stable") == fix
    assert world.condition("Stalled") == ("True", "RolledBack")
    world.update(spec("b", **WAVES, retryGeneration=1))
    world.tick()
    assert world.status.stage == "Progressing", "with steps"


def test_a_rejected_release_may_take_the_place_of_one_that_starts_if_a_person_says_so() -> None:
    world = stuck()
    rejected = world.revision_of("candidate")
    world.update(spec("c", **WAVES))
    world.tick()
    world.update(spec("b", **WAVES, retryGeneration=1))
    world.tick()
    assert world.revision_of("candidate") == rejected
    assert world.status.stage == "Establishing"
