"""Stories of a good release: steps, waves, full traffic."""

from __future__ import annotations

import math

from sampler_rollouts.domain.decision import question
from sampler_rollouts.domain.evidence.samples import Question
from sampler_rollouts.domain.resource import PROMOTE_ANNOTATION
from sampler_rollouts.domain.status import Result

from tests.unit.operator.domain.story import LONG_STEPS, reasons, results, rolling
from tests.unit.operator.domain.world import World, established, failing, image, passing, spec


def _asked(world: World) -> Question:
    found = question(world.meta, world.spec, world.status, world.now)
    assert found is not None
    return found


def test_a_good_release_is_promoted() -> None:
    world = rolling()
    old, new = world.revision_of("stable"), world.revision_of("candidate")
    assert world.serving(new) == {"cpu-a": 1, "cpu-b": 1}
    assert world.serving(old) == {"cpu-a": 1, "cpu-b": 1}
    world.judge = passing
    world.until("Serving")
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert world.condition("Verified") == ("False", "Baking")
    assert world.revision_of("stable") == new
    world.run(10)
    assert {pod.revision for pod in world.pods} == {new}
    assert reasons(world)[-4:] == ["PoolPassed", "PoolPassed", "FullTraffic", "Promoted"]
    world.run(320)
    assert world.condition("Verified") == ("True", "BakeTimeOver")
    assert world.status.previous is None


def test_a_step_lasts_its_time_at_observed_weight() -> None:
    world = established(**LONG_STEPS, replicas=4)
    world.judge = passing
    world.ready_after = 60
    world.update(spec("b", **LONG_STEPS, replicas=4))
    world.run(60)
    assert world.status.rollout.weight == 25
    world.run(15)  # ready after 60 s, and then the step's time
    assert world.status.rollout.step_clock is not None
    world.run(20)
    assert world.status.rollout.weight == 25
    world.run(15)
    assert world.status.rollout.weight == 50


def test_weights_follow_the_steps_and_never_fall() -> None:
    steps = [{"weight": weight, "minDuration": "5s"} for weight in (10, 25, 50, 75)]
    world = established(strategy={"steps": steps}, replicas=8)
    world.judge = passing
    world.update(spec("b", strategy={"steps": steps}, replicas=8))
    seen = []
    while world.tick().status.stage == "Progressing":
        seen.append(world.status.pool("cpu-a").candidate_replicas)
    assert seen == sorted(seen)
    assert sorted(set(seen)) == [1, 2, 4, 6, 8]


def test_no_full_traffic_without_passed_and_the_deadline_holds() -> None:
    world = rolling()
    world.run(1900)
    assert world.status.stage == "Holding"
    assert world.condition("Stalled") == ("True", "DeadlineExceeded")
    assert world.condition("Ready") == ("False", "DeadlineExceeded")
    assert world.status.rollout.weight == 50
    assert world.serving(world.revision_of("candidate")) == {"cpu-a": 1, "cpu-b": 1}
    assert "TooFewRequests" in world.message("Stalled")


def test_what_holds_goes_on_when_a_person_says_so_but_still_needs_passed() -> None:
    world = rolling()
    world.run(1900)
    world.annotations[PROMOTE_ANNOTATION] = world.status.candidate.hash
    world.run(60)
    assert world.status.stage == "Progressing"
    assert world.status.rollout.weight == 50
    world.judge = passing
    world.until("Serving")
    assert results(world)[0] == "Promoted"


def test_the_deadline_rolls_back_where_the_author_chose_that() -> None:
    chosen = {"rollback": {"onInconclusive": "Rollback"}}
    world = rolling(**chosen)
    world.run(1900)
    assert world.condition("Stalled") == ("True", "RolledBack")
    assert world.condition("RolledBack") == ("True", "DeadlineExceeded")
    assert world.serving(world.revision_of("stable")) == {"cpu-a": 2, "cpu-b": 2}
    world.run(600)
    assert results(world) == ["RolledBack", "Established"]


def test_waves_come_one_after_another_and_promoted_pools_stay_under_test() -> None:
    waves = {"strategy": {"waves": [["cpu-b"], ["cpu-a"]]}}
    world = established(**waves)
    world.judge = passing
    world.update(spec("b", **waves))
    world.run(60)
    new = world.revision_of("candidate")
    while world.status.rollout.wave == 0:
        assert "cpu-a" not in world.serving(new)
        world.tick()
    assert world.serving(new)["cpu-b"] == 2
    world.judge = failing(bad_pool="cpu-b")
    world.until("Serving")
    world.run(30)
    assert world.condition("RolledBack") == ("True", "CheckFailed")
    assert world.serving(new) == {}
    assert world.serving(world.revision_of("stable")) == {"cpu-a": 2, "cpu-b": 2}


def test_only_pools_whose_revision_changed_move() -> None:
    world = established()
    new = spec("a")
    new["pools"][1]["image"] = image("b")
    untouched = [pod.name for pod in world.pods if pod.pool == "cpu-a"]
    world.judge = passing
    world.update(new)
    world.run(200)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert untouched == [pod.name for pod in world.pods if pod.pool == "cpu-a"]
    assert world.status.history[0].result is Result.PROMOTED


def test_replicas_are_not_a_release() -> None:
    world = established()
    world.update(spec(replicas=3))
    world.run(30)
    assert results(world) == ["Established"]
    assert world.serving() == {"cpu-a": 3, "cpu-b": 3}


def test_replicas_may_change_in_mid_rollout() -> None:
    world = rolling()
    world.update(spec("b", replicas=6))
    world.run(30)
    assert world.status.pool("cpu-a").candidate_replicas == 3
    world.judge = passing
    world.until("Serving")
    world.run(10)
    assert world.serving() == {"cpu-a": 6, "cpu-b": 6}


def test_a_pool_may_be_added_and_another_removed() -> None:
    world = established()
    world.judge = passing
    world.update(spec("a", pools=("cpu-a", "cpu-c")))
    world.until("Serving")
    world.run(10)
    assert world.serving() == {"cpu-a": 2, "cpu-c": 2}
    assert [pool.name for pool in world.status.pools] == ["cpu-a", "cpu-c"]


def test_a_release_that_only_removes_a_pool_says_so() -> None:
    world = established()
    world.update(spec("a", pools=("cpu-a",)))
    world.run(10)
    assert results(world)[0] == "Promoted"
    said = [event.message for event in world.events if event.reason in ("RolloutStarted", "Promoted")]
    assert said[-1] == world.status.history[0].message
    for sentence in said:
        assert "pool cpu-b is removed" in sentence
        assert "all checks passed" not in sentence
        assert "against" not in sentence
        assert "no pod of it has served" not in sentence
    world.run(20)
    assert world.serving() == {"cpu-a": 2}
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_a_pool_is_not_removed_while_the_others_are_not_ready() -> None:
    world = established()
    for pod in world.pods:
        if pod.pool == "cpu-a":
            world.never_ready.add(pod.revision)
            pod.was_ready = False
    world.tick()
    assert world.serving() == {"cpu-b": 2}
    world.update(spec("a", pools=("cpu-a",)))
    world.run(60)
    assert world.serving() == {"cpu-b": 2}
    assert "pods of pool cpu-a" in world.message("Reconciling")
    world.never_ready.clear()
    world.until("Serving")
    world.run(20)
    assert world.serving() == {"cpu-a": 2}


def test_a_pool_removed_beside_a_new_build_waits_for_the_checks() -> None:
    world = established()
    world.update(spec("b", pools=("cpu-a",)))
    world.run(100)
    assert world.serving()["cpu-b"] == 2
    world.judge = passing
    world.until("Serving")
    assert "all checks passed" in world.status.history[0].message


def test_stable_is_compared_with_until_full_traffic() -> None:
    world = rolling()
    assert [arm.compared for arm in _asked(world).arms] == [True, True]
    world.judge = passing
    while world.status.rollout.weight < 100:
        world.tick()
    assert [arm.compared for arm in _asked(world).arms] == [False, False]


def test_ratios_reach_the_question() -> None:
    checks = [{"name": "errors", "maxRatio": "2", "ignoreBelow": "0.1%"}, {"name": "slow", "maxRatio": "1.5"}]
    quality = {"designEffect": "1", "checks": checks}
    found = {check.name: check for check in _asked(rolling(quality=quality)).checks}
    assert (found["errors"].max_rate, found["errors"].max_ratio, found["errors"].ignore_below) == (0.01, 2.0, 0.001)
    assert math.isnan(found["slow"].max_rate)
    assert found["slow"].max_ratio == 1.5


def test_the_bound_of_a_latency_check_reaches_the_question() -> None:
    checks = [{"name": "latency", "slowerThan": "2.5s", "maxRatio": "1.5", "ignoreBelow": "1%"}]
    rollout = rolling(quality={"designEffect": "1", "checks": checks})
    (found,) = (check for check in _asked(rollout).checks if check.name == "latency")
    assert (found.slower_than, found.max_ratio, found.ignore_below) == (2.5, 1.5, 0.01)
    drifted = [{**checks[0], "slowerThan": "5s"}]
    rollout.update(spec("b", quality={"designEffect": "1", "checks": drifted}))
    rollout.tick()
    assert "quality" in rollout.message("PlanDrift")
