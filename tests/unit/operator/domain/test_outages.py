"""Stories of metrics that are away (R13), and of an operator that is."""

from __future__ import annotations

from tests.unit.operator.domain.story import results, rolling
from tests.unit.operator.domain.world import established, failing, passing, spec


def test_a_metrics_outage_neither_promotes_nor_aborts() -> None:
    world = rolling()
    world.metrics_up = False
    world.judge = passing
    world.run(900)
    assert world.status.stage == "Progressing"
    assert world.status.rollout.weight == 50
    assert world.condition("MetricsAvailable") == ("False", "SourceUnreachable")
    assert "SourceUnreachable" in world.message("Ready")
    world.metrics_up = True
    world.until("Serving")
    assert results(world)[0] == "Promoted"


def test_a_metrics_outage_beyond_the_deadline_holds() -> None:
    world = rolling()
    world.metrics_up = False
    world.run(1900)
    assert world.condition("Stalled") == ("True", "DeadlineExceeded")
    assert "SourceUnreachable" in world.message("Stalled")
    world.metrics_up = True
    world.judge = failing()
    world.run(30)
    assert world.condition("RolledBack") == ("True", "CheckFailed")


def test_an_outage_after_passed_does_not_promote() -> None:
    world = rolling()
    world.judge = passing
    world.tick()
    world.metrics_up = False
    world.run(900)
    assert world.status.stage == "Progressing"
    assert world.condition("Verified") == ("False", "Baking")


def test_a_rollback_by_crash_during_an_outage_still_says_who_was_exposed() -> None:
    world = rolling()
    world.run(10)
    world.metrics_up = False
    world.run(20)
    world.crashing.add(world.revision_of("candidate"))
    world.run(30)
    assert "62 of 240 answered requests (26%) were exposed" in world.message("RolledBack")


def test_an_operator_that_was_away_before_it_wrote_any_child_blames_nobody() -> None:
    chosen = {"rollback": {"onInconclusive": "Rollback"}}
    world = established(**chosen)
    world.update(spec("b", **chosen))
    world.tick(5, writes=1)
    world.tick(1200)
    world.judge = passing
    world.run(200)
    assert results(world) == ["Promoted", "Established"]


def test_a_deployment_that_is_refused_is_inconclusive_in_the_end() -> None:
    world = established()
    world.update(spec("b"))
    for _ in range(60):
        world.tick(5, writes=1)
    assert world.status.stage == "Holding"
    assert world.condition("Stalled") == ("True", "PodsNotStarted")
    assert "its Deployment does not exist" in world.message("Stalled")
    world.judge = passing
    world.until("Serving")
    assert results(world) == ["Promoted", "Established"]


def test_an_operator_that_was_away_for_long_finds_its_place_again() -> None:
    world = rolling()
    world.judge = passing
    world.tick(1200)
    world.run(60)
    assert results(world) == ["Promoted", "Established"]
