"""Stories of a bad release: R6, R18, R19, R21."""

from __future__ import annotations

from tests.unit.operator.domain.story import bad, one_pool_promoted, results, rolling
from tests.unit.operator.domain.world import World, established, failing, passing, spec


def test_a_bad_release_is_rolled_back_from_every_pool() -> None:
    world = rolling()
    bad = world.revision_of("candidate")
    world.judge = failing()
    world.tick()
    assert world.condition("Reconciling") == ("True", "RollingBack")
    assert world.serving(bad) == {}
    world.run(30)
    assert world.condition("Stalled") == ("True", "RolledBack")
    assert world.condition("Ready") == ("False", "RolledBack")
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}
    assert bad not in {pod.revision for pod in world.pods}
    sentence = world.message("RolledBack")
    for part in ("unexpected-script was bad in 9 of 31", "limit 3%", "to 1", "at weight 50", "image changed from",
                 "in pool cpu-a", "since 2026-11-23T12:00:",
                 "62 of 240 answered requests (26%) were exposed"):  # fmt: skip
        assert part in sentence


def test_a_failed_release_is_held() -> None:
    world = rolling()
    world.judge = failing()
    world.run(60)
    world.judge = passing
    world.run(600)
    assert results(world) == ["RolledBack", "Established"]
    changed = spec("b", quality={"passConfidence": "90%"}, strategy={"deadline": "1h"})
    world.update(changed)
    world.run(60)
    assert results(world) == ["RolledBack", "Established"]


def test_a_held_release_is_tried_again_when_retry_generation_rises() -> None:
    world = rolling()
    world.judge = failing()
    world.run(60)
    world.judge = passing
    world.update(spec("b", retryGeneration=1))
    world.run(300)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert results(world) == ["Promoted", "RolledBack", "Established"]


def test_a_retry_asked_for_during_the_rollback_is_heard_after_it() -> None:
    world = rolling()
    world.judge = failing()
    world.tick()
    assert world.status.stage == "RollingBack"
    world.judge = passing
    world.update(spec("b", retryGeneration=1))
    world.run(300)
    assert results(world) == ["Promoted", "RolledBack", "Established"]


def test_a_good_release_after_a_bad_one() -> None:
    world = rolling()
    world.judge = failing()
    world.run(60)
    world.judge = passing
    world.update(spec("c"))
    world.run(300)
    assert results(world) == ["Promoted", "RolledBack", "Established"]
    assert world.condition("RolledBack") == ("False", "NotHeld")


def test_back_to_stable_after_a_rollback_is_ready_at_once() -> None:
    world = rolling()
    world.judge = bad(world.revision_of("candidate"))
    world.run(60)
    world.update(spec("a"))
    world.tick()
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_candidate_pods_stay_as_long_as_users_need_them() -> None:
    """The candidate keeps half of the pool until stable is back."""
    world = one_pool_promoted()
    new, old = world.revision_of("candidate"), world.revision_of("stable")
    world.judge = failing()
    world.tick()
    assert world.status.pool("cpu-a").candidate_replicas == 2
    assert world.serving(new) == {"cpu-a": 2}
    world.run(40)
    assert world.serving(new) == {}
    assert world.serving(old) == {"cpu-a": 4, "cpu-b": 4}


def test_stable_that_does_not_come_back_needs_a_person() -> None:
    world = one_pool_promoted()
    world.never_ready.add(world.revision_of("stable"))
    world.judge = failing()
    world.run(200)
    assert world.condition("Stalled") == ("True", "RolledBack")
    assert "does not come up in pool cpu-a" in world.message("Stalled")
    assert world.serving(world.revision_of("candidate")) == {"cpu-a": 2}


def test_a_new_spec_in_the_same_look_does_not_hide_that_the_last_release_failed() -> None:
    world = established()
    world.run(400)
    world.update(spec("b"))
    world.run(30)
    bad = world.status.candidate
    assert bad is not None
    world.judge = failing()
    world.update(spec("c"))
    world.tick()
    assert [item.hash for item in world.status.failed] == [bad.hash]


def test_a_person_does_not_raise_the_weight_without_fresh_data() -> None:
    steps = {"steps": [{"weight": 10, "minDuration": "5s"}, {"pause": {}}, {"weight": 90, "minDuration": "5s"}]}
    world = World(spec("a", replicas=10, strategy=steps))
    world.until("Serving")
    world.run(400)
    world.update(spec("b", replicas=10, strategy=steps))
    world.run(60)
    world.metrics_up = False
    world.run(300)
    assert world.status.rollout is not None
    world.annotations = {"samplerrollouts.io/promote": world.status.rollout.release}
    world.run(30)
    assert world.status.rollout.weight == 10
    world.metrics_up = True
    world.run(10)
    assert world.status.rollout is not None
    assert world.status.rollout.weight == 90


def test_what_was_found_of_the_rejected_release_is_not_said_of_stable() -> None:
    """A pool's row is the candidate's until it has gone; then it is stable's, and what was found is gone."""
    world = established()
    world.judge = passing
    world.run(600)
    assert world.status.bake is None, "nothing else is asked of stable"
    world.update(spec("b"))
    world.run(25)
    rejected = world.revision_of("candidate")
    world.judge = bad(rejected)
    world.tick()
    assert world.status.stage == "RollingBack"
    assert {(row.revision, row.weight) for row in world.status.pools} == {(rejected, 0)}
    assert "Failed" in {row.verdict for row in world.status.pools}
    world.run(60)
    assert world.status.stage == "Serving"
    assert rejected not in {row.revision for row in world.status.pools}
    assert "Failed" not in {row.verdict for row in world.status.pools}


def test_stable_has_its_own_time_to_come_up_when_the_candidates_pods_took_theirs() -> None:
    world = rolling(replicas=4, strategy={"steps": [{"weight": 75, "minDuration": "10m"}]})
    world.run(60)
    candidate, stable = world.revision_of("candidate"), world.revision_of("stable")
    assert world.serving(candidate)["cpu-a"] == 3
    world.unready.add(next(pod.name for pod in world.pods if (pod.pool, pod.revision) == ("cpu-a", candidate)))
    world.blocked[stable] = "ErrImagePull"
    world.run(100)
    assert world.status.stage == "Progressing", "the progress deadline is 120 s"
    world.judge = failing()
    world.until("RollingBack")
    world.run(100)
    assert world.serving(candidate)["cpu-a"] > 0, "users need them: stable does not come up"
    assert world.condition("Degraded") == ("False", "AsWanted")
    world.run(60)
    assert world.condition("Degraded") == ("True", "StableNotReady")
