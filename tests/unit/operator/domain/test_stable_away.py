"""Stories of a stable that does not come up when a candidate leaves: bad answers or none, until a person helps."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain.resource import PROMOTE_ANNOTATION, parse_spec
from sampler_rollouts.domain.tables import hash_of

from tests.unit.operator.domain import invariants
from tests.unit.operator.domain.story import bad, one_pool_promoted, results
from tests.unit.operator.domain.world import World, established, failing, inconclusive, passing, spec

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


def fix(world: World, letter: str, **more: Any) -> None:
    """Another release, and the word of a person that it may come without steps, also where stable is well."""
    world.update(spec(letter, **(WAVES | more)))
    world.annotations[PROMOTE_ANNOTATION] = hash_of(parse_spec(world.spec, world.name))


def test_another_release_goes_nowhere_untested_where_stable_is_well_before_a_person_says_so() -> None:
    world = stuck()
    world.update(spec("c", **WAVES))
    world.run(300)
    assert world.status.stage == "RollingBack"
    assert world.serving() == {"cpu-a": 2, "cpu-b": 4}
    target = hash_of(parse_spec(world.spec, world.name))
    said = f"have release {target} come without steps, also in pool cpu-b, where stable serves well"
    assert f"{said}: set the annotation {PROMOTE_ANNOTATION}={target}" in world.message("Stalled")
    fix(world, "c")
    world.until("Serving", 60)
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_where_stable_is_away_in_every_pool_that_moves_nobody_has_to_be_asked() -> None:
    asked = {"replicas": 4, "pools": ("cpu-a",)}
    world = established(**asked)
    world.judge = passing
    world.update(spec("b", **asked))
    for _ in range(60):
        if not world.serving(world.revision_of("stable")):
            break
        world.tick()
    world.blocked[world.revision_of("stable")] = "ErrImagePull"
    world.judge = failing()
    world.run(200)
    assert world.condition("Degraded") == AWAY
    world.judge = passing
    world.update(spec("c", **asked))
    world.tick()
    assert world.status.stage == "Establishing"


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
    fix(world, "c")
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
    fix(world, "c")
    world.until("Serving")
    world.judge = bad(world.revision_of("stable"))
    world.run(20)
    assert world.condition("Stalled") == ("True", "FirstReleaseFailed")
    assert world.serving() == {"cpu-a": 4, "cpu-b": 4}


def test_the_fix_may_be_fixed_and_whatever_serves_stays() -> None:
    world = stuck()
    for letter in "cd":
        fix(world, letter)
        world.tick()
        world.never_ready.add(world.revision_of("candidate"))
        world.run(200)
        assert world.condition("Stalled") == ("True", "FirstReleaseFailed")
        assert world.serving() == {"cpu-a": 2, "cpu-b": 4}
    fix(world, "e")
    world.until("Serving")
    world.run(20)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert {pod.revision for pod in world.pods} == {world.revision_of("stable")}


def test_stables_own_spec_can_be_asked_for_again_after_a_fix_that_did_not_help() -> None:
    world = stuck()
    fix(world, "c")
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
    fix(world, "c")
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
    fix(world, "c")
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
    fix(world, "c")
    world.until("Serving")
    world.run(20)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert results(world) == ["Established", "Withdrawn", "Established"]


def test_an_operator_that_was_away_gives_stable_its_time() -> None:
    world = one_pool_promoted()
    world.judge = failing()
    world.tick(5, writes=1)
    assert world.status.stage == "RollingBack"
    fix(world, "c")
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
    fix(world, "c")
    world.tick()
    coming = world.revision_of("candidate")
    world.update(spec("b", **WAVES))
    world.tick()
    assert world.revision_of("candidate") == coming
    assert world.condition("Stalled") == ("True", "RolledBack")
    assert world.condition("RolledBack") == ("True", "CheckFailed")
    world.until("Serving")
    world.run(20)
    assert world.revision_of("stable") == coming
    assert world.condition("Stalled") == ("True", "RolledBack")
    world.update(spec("b", **WAVES, retryGeneration=1))
    world.tick()
    assert world.status.stage == "Progressing", "with steps"


def test_a_rejected_release_may_take_the_place_of_one_that_starts_if_a_person_says_so() -> None:
    world = stuck()
    rejected = world.revision_of("candidate")
    fix(world, "c")
    world.tick()
    world.update(spec("b", **WAVES, retryGeneration=1))
    world.tick()
    assert world.revision_of("candidate") == rejected
    assert world.status.stage == "Establishing"
