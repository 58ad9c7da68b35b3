"""Stories of pods that fail, or cannot start (R9)."""

from __future__ import annotations

from tests.unit.operator.domain.routed import routed, serving
from tests.unit.operator.domain.story import results, rolling
from tests.unit.operator.domain.world import established, passing, spec


def test_a_container_that_exits_three_times_fails_the_release() -> None:
    world = established()
    world.update(spec("b"))
    world.tick()
    world.crashing.add(world.revision_of("candidate"))
    world.run(30)
    assert world.condition("RolledBack") == ("True", "PodsFailing")
    assert "exited 3 times" in world.message("RolledBack")
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}


def test_pods_that_run_but_are_not_ready_in_time_fail_the_release() -> None:
    world = established()
    world.update(spec("b"))
    world.tick()
    world.never_ready.add(world.revision_of("candidate"))
    world.run(100)
    assert world.status.stage == "Progressing"
    world.run(60)
    assert world.condition("RolledBack") == ("True", "PodsFailing")
    assert "was not ready within 2m" in world.message("RolledBack")


def test_pods_that_cannot_start_hold_the_release_and_it_goes_on_by_itself() -> None:
    world = established()
    world.update(spec("b"))
    world.tick()
    world.blocked[world.revision_of("candidate")] = "Unschedulable"
    world.run(150)
    assert world.condition("Stalled") == ("True", "PodsNotStarted")
    assert world.status.stage == "Holding"
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}
    world.blocked.clear()
    world.judge = passing
    world.until("Serving")
    world.tick()
    assert results(world)[0] == "Promoted"


def test_pods_that_cannot_start_roll_back_where_the_author_chose_that() -> None:
    chosen = {"rollback": {"onInconclusive": "Rollback"}}
    world = established(**chosen)
    world.update(spec("b", **chosen))
    world.tick()
    world.blocked[world.revision_of("candidate")] = "ErrImagePull"
    world.run(200)
    assert world.condition("RolledBack") == ("True", "PodsNotStarted")


def test_a_slow_image_pull_does_not_count_against_the_build() -> None:
    world = established()
    world.update(spec("b"))
    world.tick()
    new = world.revision_of("candidate")
    world.blocked[new] = "ContainerCreating"
    world.run(100)
    world.blocked.clear()
    world.never_ready.add(new)
    world.run(100)
    assert world.status.stage == "Progressing"
    world.never_ready.clear()
    world.judge = passing
    world.until("Serving")


def test_a_candidate_pod_that_loses_readiness_gets_stable_capacity_back() -> None:
    world = rolling(replicas=4)
    new, old = world.revision_of("candidate"), world.revision_of("stable")
    assert world.serving(old)["cpu-a"] == 2
    world.never_ready.add(new)
    for pod in world.pods:
        pod.was_ready = pod.was_ready and pod.revision != new
    world.run(30)
    assert world.serving(old)["cpu-a"] == 4


def test_a_release_of_which_nothing_serves_is_not_ready() -> None:
    """Its pods have had their time to come back: who waits for Ready is not told that users are served."""
    world = established()
    serving = world.revision_of("stable")
    world.blocked[serving] = "ErrImagePull"
    for one in world.pods:
        if one.pool == "cpu-a":
            one.was_ready = False
    world.run(100)
    assert world.serving() == {"cpu-b": 2}
    assert world.condition("Ready") == ("True", "FullTraffic"), "for now"
    world.run(30)
    assert world.condition("Ready") == ("False", "PodsNotReady")
    assert world.condition("Stalled") == ("True", "PodsNotReady")
    assert world.condition("Degraded") == ("True", "PodsNotReady")
    for part in ("cpu-a", "ErrImagePull"):
        assert part in world.message("Ready")
    world.blocked.clear()
    world.run(20)
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_a_release_that_lacks_some_of_its_pods_is_ready_and_degraded() -> None:
    world = established()
    world.blocked[world.revision_of("stable")] = "ErrImagePull"
    next(one for one in world.pods if one.pool == "cpu-a").was_ready = False
    world.run(130)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert world.condition("Degraded") == ("True", "PodsNotReady")


def test_a_pod_that_got_its_node_late_has_its_whole_time() -> None:
    """Nodes of an autoscaler come one after another: the build is not to blame for when they do."""
    world = established(replicas=8)
    world.update(spec("b", replicas=8))
    world.tick()
    new = world.revision_of("candidate")
    world.blocked[new] = "Unschedulable"
    world.run(100)
    first = next(pod for pod in world.pods if (pod.pool, pod.revision) == ("cpu-a", new))
    world.running.add(first.name)
    world.run(60)
    assert world.condition("Stalled") == ("True", "PodsNotStarted")
    assert world.condition("RolledBack")[0] != "True"


def test_pods_that_are_not_ready_for_a_moment_in_turn_are_not_one_that_never_is() -> None:
    world = established(replicas=16)
    world.update(spec("b", replicas=16))
    world.run(60)
    candidates = [pod.name for pod in world.pods if pod.revision == world.revision_of("candidate")]
    for turn in range(40):
        world.unready = {candidates[turn % len(candidates)]}
        world.tick(5)
    assert world.status.stage == "Progressing"
    world.unready = {candidates[0]}
    world.run(150)
    assert f"pod {candidates[0]} was not ready within 2m" in world.message("RolledBack")


def test_a_pool_whose_pods_have_time_left_hides_no_other() -> None:
    world = established(replicas=16)
    world.update(spec("b", replicas=16))
    world.run(60)
    names = {
        name: [one.name for one in world.pods if (one.pool, one.revision) == (name, world.revision_of("candidate"))]
        for name in ("cpu-a", "cpu-b")
    }
    for turn in range(30):
        world.unready = {names["cpu-a"][turn % 8], names["cpu-b"][0]}
        world.tick(5)
    assert f"pod {names['cpu-b'][0]} was not ready within 2m" in world.message("RolledBack")


def test_what_containers_had_exited_before_a_release_came_back_is_not_held_against_it() -> None:
    """Pods that stood by may have served for weeks."""
    warm = {"rollback": {"warmReplicas": 1}}
    world = serving(routed("a", lambda letter: spec(letter, **warm)))
    world.judge = passing
    for pod in world.pods:
        pod.restarts = 4
    world.run(400)
    old = world.status.stable.hash
    world.update(routed("b", lambda letter: spec(letter, **warm)))
    world.until("Progressing")
    world.until("Serving")
    world.run(30)
    world.update(routed("a", lambda letter: spec(letter, **warm)))
    world.run(60)
    assert world.status.stable.hash == old
    assert world.status.failed == []


def test_exits_since_a_release_came_back_count() -> None:
    world = established()
    world.judge = passing
    world.run(400)
    old = world.revision_of("stable")
    world.update(spec("b"))
    world.until("Progressing")
    world.until("Serving")
    world.update(spec("a"))
    world.crashing.add(old)
    world.run(60)
    assert world.condition("RolledBack") == ("True", "PodsFailing")
