"""Stories of pods that fail, or cannot start (R9)."""

from __future__ import annotations

import pytest

from tests.unit.operator.domain.routed import routed, serving
from tests.unit.operator.domain.story import results, rolling
from tests.unit.operator.domain.world import World, established, passing, spec


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


def evicting(world: World, revision: str, after: float = 60) -> None:
    """Pods of a revision end at that age, and others take their place."""
    gone = [
        pod for pod in world.pods if pod.revision == revision and (world.now - pod.created).total_seconds() >= after
    ]
    world.pods = [pod for pod in world.pods if pod not in gone]


def test_pods_that_are_replaced_before_they_are_ready_hold_by_the_pools_own_clock() -> None:
    world = established()
    world.update(spec("b"))
    world.tick()
    new = world.revision_of("candidate")
    world.never_ready.add(new)
    for _ in range(20):
        evicting(world, new)
        world.tick()
    assert world.status.stage == "Progressing", "two minutes are not over"
    for _ in range(10):
        evicting(world, new)
        world.tick()
    assert world.condition("Stalled") == ("True", "PodsNotStarted")
    assert "for 2m pods have ended before they were ready" in world.message("Stalled")
    for _ in range(60):
        evicting(world, new)
        assert world.tick().status.stage == "Holding", "it does not go on as long as they do"
    world.never_ready.clear()
    world.judge = passing
    world.until("Serving")
    assert results(world)[0] == "Promoted"


@pytest.mark.parametrize("way", ["Establishing", "Restoring"])
def test_so_does_a_release_without_steps(way: str) -> None:
    world = World(spec("b"))
    if way == "Restoring":
        world = established()
        world.judge = passing
        world.update(spec("b"))
        world.until("Progressing")
        world.until("Serving")
        world.update(spec("a"))
    world.tick()
    new = world.revision_of("candidate")
    world.never_ready.add(new)
    for _ in range(40):
        evicting(world, new)
        world.tick()
    assert world.status.stage == way
    assert world.condition("Stalled") == ("True", "PodsNotStarted")


@pytest.mark.long
def test_one_place_of_many_that_is_never_filled_is_enough() -> None:
    world = rolling(replicas=8)
    new = world.revision_of("candidate")
    for _ in range(40):
        here = [pod for pod in world.pods if (pod.pool, pod.revision) == ("cpu-a", new)]
        newest = max(here, key=lambda pod: pod.created)
        world.unready = {newest.name}
        if (world.now - newest.created).total_seconds() >= 60:
            world.pods.remove(newest)
        world.tick()
    assert world.serving(new)["cpu-a"] == 3
    assert world.condition("Stalled") == ("True", "PodsNotStarted")


@pytest.mark.long
def test_pods_that_are_lost_one_after_the_other_and_come_up_again_in_time_hold_nothing_up() -> None:
    """A node pool that is upgraded while a candidate is tried."""
    world = established(replicas=8, strategy={"deadline": "2h"})
    world.run(100)
    world.ready_after = 100
    world.check = None  # what it costs to look at all of it grows
    world.update(spec("b", replicas=8, strategy={"deadline": "2h"}))
    world.run(150)
    new = world.revision_of("candidate")
    for number in range(300):
        if number % 15 == 0:
            ready = [pod for pod in world.pods if (pod.pool, pod.revision) == ("cpu-a", new) and world.is_ready(pod)]
            world.pods.remove(ready[0])
        world.tick()
        assert world.status.stage == "Progressing", world.message("Stalled")


def test_a_container_that_starts_again_in_its_pod_is_judged_by_its_exits() -> None:
    world = established()
    world.update(spec("b"))
    world.tick()
    new = world.revision_of("candidate")
    world.never_ready.add(new)
    for number in range(60):
        for pod in world.pods:
            if pod.revision == new and number % 20 == 19:  # its container has just started anew
                pod.unready_since = world.now
        world.tick()
        assert world.status.stage == "Progressing"


@pytest.mark.long
def test_degraded_says_that_stables_pods_are_replaced_for_ever() -> None:
    world = established()
    world.run(100)
    world.ready_after = 1000
    world.pods.pop(0)
    for _ in range(40):
        evicting(world, world.pods[-1].revision, 1e9)
        young = [pod for pod in world.pods if not pod.was_ready and (world.now - pod.created).total_seconds() >= 40]
        world.pods = [pod for pod in world.pods if pod not in young]
        for pod in world.pods:  # it waits for its volume first, as every new one does
            starting = not pod.was_ready and (world.now - pod.created).total_seconds() < 10
            world.blocked = {pod.revision: "ContainerCreating"} if starting else {}
        world.tick()
    assert world.condition("Degraded") == ("True", "PodsNotReady")
