"""Stories of the first release (R10)."""

from __future__ import annotations

from tests.unit.operator.domain import invariants
from tests.unit.operator.domain.story import results
from tests.unit.operator.domain.world import World, established, failing, passing, spec


def test_the_first_release_goes_to_full_traffic_when_its_pods_are_ready() -> None:
    world = World(spec(), check=invariants.check)
    world.tick()
    assert world.condition("Ready") == ("False", "Establishing")
    assert world.condition("Reconciling") == ("True", "Establishing")
    world.run(15)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}
    assert world.status.candidate is None


def test_status_is_written_before_any_child() -> None:
    world = World(spec())
    world.tick(writes=1)
    assert world.status.stage == "Establishing"
    assert not world.children


def test_a_first_release_whose_pods_crash_is_stalled_and_stays() -> None:
    world = World(spec(), check=invariants.check)
    world.tick()
    world.crashing.add(world.revision_of("candidate"))
    world.run(30)
    assert world.condition("Stalled") == ("True", "FirstReleaseFailed")
    assert world.condition("Degraded") == ("True", "FirstReleaseFailed")
    assert "exited 3 times" in world.message("Stalled")
    assert len(world.pods) == 4
    world.crashing.clear()
    world.run(30)
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_a_retry_of_a_first_release_whose_pods_crash_gives_them_three_exits_more() -> None:
    """Whatever crashed them may be mended outside of them: exits that were counted before say nothing of it."""
    world = World(spec(), check=invariants.check)
    world.tick()
    build = world.revision_of("candidate")
    world.crashing.add(build)
    world.run(30)
    world.crashing.clear()
    world.unready |= {pod.name for pod in world.pods}  # still on its way up
    world.update(spec(retryGeneration=1))
    world.run(20)
    assert world.condition("Reconciling") == ("True", "Establishing")
    world.crashing.add(build)
    world.tick()
    world.tick()
    assert world.condition("Reconciling") == ("True", "Establishing")
    world.tick()
    assert world.condition("Stalled") == ("True", "FirstReleaseFailed")
    world.update(spec(retryGeneration=2))
    world.crashing.clear()
    world.unready.clear()
    world.run(20)
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_pods_that_came_after_a_retry_have_no_exits_to_spare() -> None:
    world = World(spec(), check=invariants.check)
    world.tick()
    build = world.revision_of("candidate")
    world.crashing.add(build)
    world.run(60)
    world.crashing.clear()
    world.unready |= {pod.name for pod in world.pods}
    world.update(spec(retryGeneration=1))
    world.run(10)
    for pod in world.pods:
        pod.terminating_since = world.now
    world.tick()
    world.crashing.add(build)
    world.run(20)
    assert world.condition("Stalled") == ("True", "FirstReleaseFailed")
    assert "exited 3 times" in world.message("Stalled")


def test_a_first_release_that_is_never_ready_is_stalled_after_the_progress_deadline() -> None:
    world = World(spec(), check=invariants.check)
    world.tick()
    world.never_ready.add(world.revision_of("candidate"))
    world.run(110)
    assert world.condition("Reconciling") == ("True", "Establishing")
    world.run(30)
    assert world.condition("Stalled") == ("True", "FirstReleaseFailed")


def test_a_first_release_that_cannot_start_waits_for_the_infrastructure() -> None:
    world = World(spec(), check=invariants.check)
    world.tick()
    world.blocked[world.revision_of("candidate")] = "ErrImagePull"
    world.run(140)
    assert world.condition("Stalled") == ("True", "PodsNotStarted")
    assert "ErrImagePull" in world.message("Stalled")
    world.blocked.clear()
    world.run(30)
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_a_first_release_can_be_replaced_and_what_serves_of_it_stays_meanwhile() -> None:
    world = World(spec(), check=invariants.check)
    world.tick()
    half = next(pod for pod in world.pods if pod.pool == "cpu-a")
    world.never_ready.add(half.revision)
    half.was_ready = True
    world.run(20)
    assert world.serving()["cpu-a"] == 1
    world.update(spec("b"))
    world.tick()
    assert world.serving()["cpu-a"] == 1
    world.run(40)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert {pod.revision for pod in world.pods} == {world.revision_of("stable")}
    assert results(world) == ["Established", "Withdrawn"]


def test_a_first_release_whose_check_fails_while_it_bakes_is_stalled_and_keeps_serving() -> None:
    world = established()
    world.judge = failing()
    world.run(20)
    assert world.condition("Stalled") == ("True", "FirstReleaseFailed")
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}
    world.run(600)
    assert world.status.verified is None
    world.judge = passing
    world.update(spec("b"))
    world.until("Serving")
    world.run(10)
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_paused_from_the_start_nothing_starts() -> None:
    world = World(spec(paused=True), check=invariants.check)
    world.run(30)
    assert world.condition("Reconciling") == ("True", "Paused")
    assert not world.children
    world.update(spec())
    world.until("Serving")
