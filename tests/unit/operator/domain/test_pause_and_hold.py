"""Stories of pausing, waiting for a person, and holding."""

from __future__ import annotations

import pytest
from sampler_rollouts.domain.resource import PROMOTE_ANNOTATION

from tests.unit.operator.domain.story import holding, results, rolling
from tests.unit.operator.domain.world import World, established, failing, passing, spec


def test_paused_stops_the_clocks_but_not_the_abort() -> None:
    world = rolling()
    world.update(spec("b", paused=True))
    world.judge = passing
    world.run(4000)
    assert world.condition("Reconciling") == ("True", "Paused")
    assert world.status.rollout.weight == 50
    world.judge = failing()
    world.run(30)
    assert world.condition("RolledBack") == ("True", "CheckFailed")


@pytest.mark.long
def test_after_a_pause_the_clocks_go_on_where_they_stood() -> None:
    world = rolling()
    world.run(600)
    world.update(spec("b", paused=True))
    world.run(4000)
    world.update(spec("b"))
    world.run(1100)
    assert world.status.stage == "Progressing"
    world.run(200)
    assert world.status.stage == "Holding"


def test_paused_while_nothing_happens_is_ready() -> None:
    world = established()
    world.update(spec(paused=True))
    world.tick()
    assert world.condition("Ready") == ("True", "FullTraffic")
    world.update(spec("b", paused=True))
    world.tick()
    assert world.condition("Reconciling") == ("True", "Paused")
    assert world.status.stage == "Serving"


@pytest.mark.parametrize("first", [True, False])
def test_a_pause_step_waits_for_a_person(first: bool) -> None:
    step, pause = {"weight": 50, "minDuration": "10s"}, {"pause": {}}
    more = {"strategy": {"steps": [pause, step] if first else [step, pause], "deadline": "10m"}}
    world = established(**more)
    world.judge = passing
    world.update(spec("b", **more))
    world.run(3000)
    assert world.condition("Reconciling") == ("True", "WaitingForPerson")
    assert f"{PROMOTE_ANNOTATION}={world.status.candidate.hash}" in world.message("Reconciling")
    assert (world.serving(world.revision_of("candidate")) == {}) is first
    world.annotations[PROMOTE_ANNOTATION] = "another-release"
    world.run(30)
    assert world.condition("Reconciling") == ("True", "WaitingForPerson")
    world.annotations[PROMOTE_ANNOTATION] = world.status.candidate.hash
    world.until("Serving")
    assert results(world)[0] == "Promoted"


def test_one_word_passes_one_pause() -> None:
    steps = [{"weight": 25, "minDuration": "5s"}, {"pause": {}}, {"weight": 50, "minDuration": "5s"}, {"pause": {}}]
    world = established(strategy={"steps": steps}, replicas=4)
    world.judge = passing
    world.update(spec("b", strategy={"steps": steps}, replicas=4))
    world.run(100)
    release = world.status.candidate.hash
    world.annotations[PROMOTE_ANNOTATION] = release
    world.run(200)
    assert world.condition("Reconciling") == ("True", "WaitingForPerson")
    assert world.status.rollout.weight == 50
    assert f"{PROMOTE_ANNOTATION}={release}:0.3" in world.message("Reconciling")
    world.annotations[PROMOTE_ANNOTATION] = f"{release}:second"
    world.until("Serving")


PAUSED = {"strategy": {"steps": [{"weight": 50, "minDuration": "5s"}, {"pause": {}}]}}
WAITS = ("True", "WaitingForPerson")


def at_a_pause() -> World:
    """Evidence passes; only a person's word is missing."""
    world = established(**PAUSED)
    world.judge = passing
    world.update(spec("b", **PAUSED))
    world.run(60)
    assert world.condition("Reconciling") == WAITS
    return world


def told(world: World) -> str:
    """The annotation's value that the condition asks for."""
    return world.message("Reconciling").rpartition(f"{PROMOTE_ANNOTATION}=")[2]


def test_a_word_of_an_earlier_try_does_not_pass_a_pause_of_the_next() -> None:
    world = at_a_pause()
    world.metrics_up = False
    world.annotations[PROMOTE_ANNOTATION] = told(world)
    world.run(10)
    world.metrics_up, world.judge = True, failing()
    world.run(60)
    assert world.condition("RolledBack") == ("True", "CheckFailed")
    world.judge = passing
    world.update(spec("b", retryGeneration=1, **PAUSED))
    world.run(300)
    assert world.condition("Reconciling") == WAITS, "nobody has seen this pause"
    world.annotations[PROMOTE_ANNOTATION] = told(world)
    world.until("Serving")
    assert results(world)[0] == "Promoted"


def test_a_word_during_an_outage_waits_for_fresh_data() -> None:
    world = at_a_pause()
    world.metrics_up = False
    world.annotations[PROMOTE_ANNOTATION] = told(world)
    world.run(60)
    assert world.condition("Reconciling") == ("True", "Progressing")
    assert "fresh data" in world.message("Reconciling")
    world.metrics_up = True
    world.until("Serving")
    assert results(world)[0] == "Promoted"


def test_an_outage_is_named_beside_pods_that_are_missing() -> None:
    world = at_a_pause()
    world.metrics_up = False
    world.unready.add(world.pods[-1].name)
    world.annotations[PROMOTE_ANNOTATION] = told(world)
    world.run(20)
    said = world.message("Reconciling")
    assert "pods of pool" in said
    # What else is said may be long, and is cut at its end.
    assert 0 < said.find("fresh data") < said.find("pods of pool")


def test_a_word_that_is_there_before_the_rollout_counts_as_used() -> None:
    release = at_a_pause().status.candidate
    assert release is not None
    world = established(**PAUSED)
    world.judge = passing
    world.annotations[PROMOTE_ANNOTATION] = release.hash
    world.update(spec("b", **PAUSED))
    world.run(300)
    assert world.condition("Reconciling") == WAITS
    world.annotations[PROMOTE_ANNOTATION] = told(world)
    world.until("Serving")


def test_the_message_always_names_a_word_that_counts() -> None:
    """Whatever was used last, in this try or another."""
    world = at_a_pause()
    for retry in range(1, 5):
        world.annotations[PROMOTE_ANNOTATION] = told(world)
        world.run(5)
        world.judge = failing()
        world.run(60)
        world.judge = passing
        world.update(spec("b", retryGeneration=retry, **PAUSED))
        world.run(100)
        assert world.condition("Reconciling") == WAITS
    world.annotations[PROMOTE_ANNOTATION] = told(world)
    world.until("Serving")


def test_a_word_said_while_holding_does_not_pass_the_retrys_pause() -> None:
    steps = {"strategy": {"steps": [{"pause": {}}, {"weight": 50, "minDuration": "5s"}]}}
    world = established(**steps)
    world.update(spec("b", **steps))
    world.run(20)
    world.annotations[PROMOTE_ANNOTATION] = told(world)
    world.run(1900)
    assert world.status.stage == "Holding"
    world.update(spec("b", retryGeneration=1, **steps))
    world.run(100)
    assert world.condition("Reconciling") == WAITS
    assert world.serving(world.revision_of("candidate")) == {}


def test_abort_conditions_hold_at_a_pause_step() -> None:
    more = {"strategy": {"steps": [{"weight": 50, "minDuration": "5s"}, {"pause": {}}]}}
    world = established(**more)
    world.update(spec("b", **more))
    world.run(60)
    assert world.condition("Reconciling") == ("True", "WaitingForPerson")
    world.judge = failing()
    world.run(20)
    assert world.condition("RolledBack") == ("True", "CheckFailed")


def test_crashes_while_holding_roll_back() -> None:
    world = holding()
    world.crashing.add(world.revision_of("candidate"))
    world.run(30)
    assert world.condition("RolledBack") == ("True", "PodsFailing")


def test_a_retry_while_holding_starts_again_from_the_first_wave() -> None:
    world = holding()
    world.judge = passing
    world.update(spec("b", retryGeneration=1))
    world.tick()
    assert world.status.stage == "Withdrawing"
    world.run(200)
    assert results(world) == ["Promoted", "Withdrawn", "Established"]


def test_another_release_while_holding() -> None:
    world = holding()
    world.judge = passing
    world.update(spec("c"))
    world.run(200)
    assert results(world) == ["Promoted", "Withdrawn", "Established"]


def test_paused_while_holding_is_still_stalled() -> None:
    world = holding()
    world.update(spec("b", paused=True))
    world.tick()
    assert world.condition("Stalled") == ("True", "DeadlineExceeded")


@pytest.mark.parametrize("chosen", ["Hold", "Rollback"])
def test_time_in_which_nobody_looked_is_not_the_releases(chosen: str) -> None:
    world = rolling(rollback={"onInconclusive": chosen})
    world.judge = passing
    world.tick(3600)
    assert world.status.stage == "Progressing"
    world.until("Serving")
    world.tick()
    assert results(world)[0] == "Promoted"


def test_the_deadline_goes_on_after_it() -> None:
    world = rolling()
    world.tick(3600)
    world.run(1500)
    assert world.status.stage == "Progressing"
    world.run(400)
    assert world.condition("Stalled") == ("True", "DeadlineExceeded")
