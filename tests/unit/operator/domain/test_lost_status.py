"""Stories of a status that was wiped while pods serve: the spec is no first release."""

from __future__ import annotations

from tests.unit.operator.domain import invariants
from tests.unit.operator.domain.histories import choose_stable
from tests.unit.operator.domain.story import bad, reasons, rolling
from tests.unit.operator.domain.world import World, established, passing, spec


def test_what_serves_becomes_stable_and_the_spec_comes_with_steps() -> None:
    world = established(replicas=4)
    stable = world.status.stable
    assert stable is not None
    world.wipe()
    world.update(spec("b", replicas=4))
    world.tick()
    assert world.status.stage == "Progressing"
    assert world.status.stable is not None
    assert (world.status.stable.hash, world.status.stable.pools) == (stable.hash, stable.pools)
    assert "Adopted" in reasons(world)
    world.judge = passing
    world.run(120)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert "Promoted" in reasons(world)


def test_the_same_spec_serves_on_and_is_tested() -> None:
    world = established()
    world.wipe()
    world.tick()
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert world.condition("Verified") == ("False", "Baking")
    world.judge = bad(world.revision_of("stable"))
    world.run(15)
    assert world.condition("Stalled") == ("True", "FirstReleaseFailed")


def test_a_paused_spec_takes_nothing_away() -> None:
    world = established()
    world.wipe()
    world.update(spec("b", paused=True))
    world.run(30)
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}
    assert world.condition("Reconciling") == ("True", "Paused")


def test_a_spec_that_cannot_be_read_takes_nothing_away() -> None:
    world = established()
    world.wipe()
    world.update({"pools": []})
    world.run(30)
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}


def test_in_mid_rollout_stable_is_known_by_its_mark_and_the_candidate_starts_anew() -> None:
    world = rolling(replicas=4)
    stable, new = world.status.stable, world.revision_of("candidate")
    assert stable is not None
    world.wipe()
    world.tick()
    assert (world.status.stage, world.revision_of("candidate")) == ("Progressing", new)
    assert world.status.stable is not None
    assert (world.status.stable.hash, world.status.stable.pools) == (stable.hash, stable.pools)
    world.judge = bad(new)
    world.run(120)
    assert world.condition("Stalled") == ("True", "RolledBack")
    assert world.serving() == {"cpu-a": 4, "cpu-b": 4}
    assert {pod.revision for pod in world.pods if pod.terminating_since is None} == {
        item.revision for item in stable.pools
    }


def test_without_marks_nobody_knows_in_mid_rollout_which_was_stable_and_all_serve_on() -> None:
    """As an operator left them that wrote none."""
    world = rolling(replicas=4)
    world.unmark()
    before = world.serving()
    old, new = world.revision_of("stable"), world.revision_of("candidate")
    world.wipe()
    world.run(300)
    assert world.condition("Stalled") == ("True", "StatusLost")
    assert world.condition("Degraded") == ("True", "StatusLost")
    for part in ("pool cpu-a", old, new, "delete the other"):
        assert part in world.message("Stalled")
    assert world.serving() == before


def test_a_person_says_which_is_stable_by_deleting_the_other() -> None:
    world = rolling(replicas=4)
    world.unmark()
    world.wipe()
    world.run(30)
    choose_stable(world)
    world.run(30)
    assert world.status.stage in ("Progressing", "Serving")
    assert world.status.stable is not None
    assert world.condition("Degraded") == ("False", "AsWanted")


def test_a_first_release_that_is_not_whole_goes_on_starting() -> None:
    world = World(spec("a"), check=invariants.check)
    world.tick()
    world.wipe()
    world.tick()
    assert world.status.stage == "Establishing"
    world.until("Serving")
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}


def test_a_first_release_that_was_replaced_unseen_is_not_passed_over() -> None:
    """Not whole, and not what the spec asks for: it is what there is, and what comes has to pass."""
    world = World(spec("a"), check=invariants.check)
    world.tick()
    world.wipe()
    world.update(spec("b"))
    world.tick()
    assert world.status.stage == "Progressing"
