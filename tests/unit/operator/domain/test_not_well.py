"""Stories of a first release that is not well (R10): what is known against it stays with it until a retry clears it."""

from __future__ import annotations

from sampler_rollouts.domain.decision import question

from tests.unit.operator.domain.story import bad, results
from tests.unit.operator.domain.world import World, established, failing, image, inconclusive, passing, spec

STALLED = ("True", "FirstReleaseFailed")
LONG = 900
"""Longer than any bake time here."""


def not_well(**more: object) -> World:
    """The first release serves, and a check in pool cpu-a has failed; from now on nothing fails any more."""
    world = established(**more)
    world.judge = failing()
    world.run(20)
    assert world.condition("Stalled") == STALLED
    world.judge = inconclusive
    return world


def test_it_is_stalled_and_degraded_keeps_serving_and_is_never_verified() -> None:
    world = not_well()
    world.judge = passing
    world.run(LONG)
    assert world.condition("Stalled") == STALLED
    assert world.condition("Degraded") == STALLED
    assert world.condition("Verified") == ("False", "FirstReleaseFailed")
    assert world.status.verified is None
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}
    assert "retryGeneration" in world.message("Stalled")


def test_a_candidate_that_is_withdrawn_does_not_make_it_well() -> None:
    world = not_well()
    world.update(spec("b"))
    world.run(30)
    assert world.condition("Degraded") == STALLED
    world.update(spec("a"))
    world.judge = passing
    world.run(LONG)
    assert results(world) == ["Withdrawn", "Established"]
    assert world.condition("Stalled") == STALLED
    assert world.status.verified is None


def test_a_candidate_that_is_rolled_back_says_what_it_left_stable_with() -> None:
    world = not_well()
    world.update(spec("b"))
    world.run(30)
    world.judge = failing()
    world.run(30)
    assert world.condition("RolledBack") == ("True", "CheckFailed")
    assert f"Stable release {world.status.stable.hash} is not well either" in world.message("Stalled")
    assert "not well" in world.events[-1].message, "the end of the rollback says what serves now"
    world.update(spec("a"))
    world.judge = passing
    world.run(LONG)
    assert world.condition("Stalled") == STALLED
    assert world.status.verified is None


def test_the_release_to_go_back_to_is_not_shown_as_healthy() -> None:
    world = not_well()
    world.judge = passing
    world.update(spec("b"))
    world.until("Serving")
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert world.condition("Degraded") == ("False", "AsWanted")
    assert world.status.previous.fault.reason == "CheckFailed"
    world.update(spec("a"))
    world.run(30)
    assert results(world)[0] == "Restored", "it may still be the only thing to go back to"
    assert "not well" in world.status.history[0].message
    assert any(event.reason == "RolloutStarted" and "not well" in event.message for event in world.events)
    world.run(LONG)
    assert world.condition("Stalled") == STALLED
    assert world.status.verified is None


def test_a_retry_tests_it_anew_and_passed_makes_it_ready() -> None:
    world = not_well()
    world.update(spec("a", retryGeneration=1))
    world.run(100)
    assert world.condition("Reconciling") == ("True", "Retesting"), "no failure is no pass (R12)"
    assert "TooFewRequests" in world.message("Reconciling")
    assert world.condition("Degraded") == STALLED
    world.judge = passing
    world.run(10)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert world.condition("Degraded") == ("False", "AsWanted")
    assert world.status.verified is None
    world.run(LONG)
    assert world.condition("Verified") == ("True", "BakeTimeOver")


def test_a_retry_does_not_count_what_was_counted_before() -> None:
    """Its pods are older than the test: their counters do not begin at zero."""
    world = not_well()
    before = world.now
    world.run(60)
    world.update(spec("a", retryGeneration=1))
    world.run(10)
    asked = question(world.meta, world.spec, world.status, world.now)
    assert asked is not None
    assert asked.since > before
    assert [len(arm.births) for arm in asked.arms] == [2, 2]
    assert all(birth < before for arm in asked.arms for birth in arm.births.values())


def test_a_retry_that_fails_again_says_so_again() -> None:
    world = not_well()
    world.judge = failing()
    world.update(spec("a", retryGeneration=1))
    world.run(20)
    assert world.condition("Stalled") == STALLED
    assert [event.reason for event in world.events].count("FirstReleaseFailed") == 2
    world.judge = passing
    world.run(LONG)
    assert world.condition("Stalled") == STALLED


def test_a_retry_that_another_release_interrupts_goes_on_after_it() -> None:
    world = not_well()
    world.update(spec("a", retryGeneration=1))
    world.run(20)
    world.update(spec("b", retryGeneration=1))
    world.run(30)
    world.update(spec("a", retryGeneration=1))
    world.run(60)
    assert world.condition("Reconciling") == ("True", "Retesting")
    world.judge = passing
    world.run(20)
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_who_goes_back_and_retries_at_once_gets_it_tested_anew() -> None:
    world = not_well()
    world.judge = passing
    world.update(spec("b"))
    world.until("Serving")
    world.judge = inconclusive
    world.update(spec("a", retryGeneration=1))
    world.run(60)
    assert world.condition("Reconciling") == ("True", "Retesting")
    world.judge = passing
    world.run(10)
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_a_candidate_does_not_end_the_first_releases_test() -> None:
    world = established()
    world.update(spec("b"))
    world.run(30)
    world.update(spec("a"))
    world.run(30)
    world.judge = failing()
    world.run(20)
    assert world.condition("Stalled") == STALLED


def test_stable_is_tested_while_the_spec_still_asks_for_the_held_release() -> None:
    world = established()
    first = world.revision_of("stable")
    world.update(spec("b"))
    world.run(30)
    world.judge = bad(world.revision_of("candidate"))
    world.run(60)
    assert world.condition("Stalled") == ("True", "RolledBack")
    world.judge = bad(first)
    world.run(20)
    assert world.condition("Degraded") == STALLED
    assert world.condition("Stalled") == ("True", "RolledBack")


def test_the_bake_of_a_first_release_waits_while_a_candidate_is_tried() -> None:
    world = established()
    world.update(spec("b"))
    world.run(600)
    world.update(spec("a"))
    world.run(200)
    assert world.condition("Verified") == ("False", "Baking")
    world.run(150)
    assert world.condition("Verified") == ("True", "BakeTimeOver")


def test_a_release_that_leaves_the_bad_pool_as_it_is_is_not_well_either() -> None:
    world = not_well()
    world.judge = passing
    other = spec("a")
    other["pools"][1]["image"] = image("b")
    world.update(other)
    world.until("Serving")
    world.run(LONG)
    assert results(world)[0] == "Promoted"
    assert world.condition("Stalled") == STALLED
    mended = spec("b")
    world.update(mended)
    world.until("Serving")
    world.run(10)
    assert world.condition("Ready") == ("True", "FullTraffic"), "its pods have passed"


def test_without_the_bad_pool_it_is_well() -> None:
    world = not_well()
    world.judge = passing
    world.update(spec("a", pools=("cpu-b",)))
    world.run(60)
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_what_has_passed_all_steps_is_well_again() -> None:
    world = not_well()
    world.judge = passing
    for letter in "bca":
        world.update(spec(letter))
        world.run(5)
        world.until("Serving")
        world.run(10)
    assert results(world)[:3] == ["Promoted", "Promoted", "Promoted"]
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_a_retry_gives_pods_that_never_were_ready_their_time_anew() -> None:
    world = World(spec())
    world.tick()
    first = world.revision_of("candidate")
    world.never_ready.add(first)
    world.run(150)
    assert world.condition("Stalled") == STALLED
    world.update(spec("a", retryGeneration=1))
    world.run(60)
    assert world.condition("Reconciling") == ("True", "Establishing")
    world.run(100)
    assert world.condition("Stalled") == STALLED


def test_it_is_not_looked_at_every_second_for_ever() -> None:
    """Its bake time cannot end; waiting for it is no reason to look."""
    world = established()
    world.judge = failing()
    world.run(600)
    assert world.condition("Stalled") == ("True", "FirstReleaseFailed")
    assert world.tick().requeue_after is None
