"""What is asked of the metrics source: a function of status alone (R3, R14)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sampler_rollouts.domain.decision import question
from sampler_rollouts.domain.evidence.samples import Question

from tests.unit.operator.domain.world import START, World, established, failing, inconclusive, passing, spec


def asked(world: World) -> Question | None:
    return question(world.meta, world.spec, world.status, world.now)


def rolling(**more: object) -> World:
    world = established(**more)
    world.update(spec("b", **more))
    world.run(25)
    return world


def test_nothing_is_asked_when_nothing_is_under_test() -> None:
    world = World(spec())
    assert asked(world) is None
    world.tick()
    assert asked(world) is None, "the first release has no traffic before its pods are ready"


def test_the_first_release_is_asked_about_while_it_bakes() -> None:
    world = established()
    found = asked(world)
    assert found is not None
    assert [len(arm.births) for arm in found.arms] == [2, 2]
    world.run(400)
    later = asked(world)
    assert later is not None, "what serves is watched for as long as it serves"
    assert later.since > found.since


def test_a_candidates_own_pods_are_asked_for_by_name() -> None:
    world = rolling()
    found = asked(world)
    assert found is not None
    (arm,) = [arm for arm in found.arms if arm.pool == "cpu-a"]
    mine = {pod.name for pod in world.pods if pod.pool == "cpu-a" and pod.revision == world.revision_of("candidate")}
    assert set(arm.births) == mine
    assert arm.serving == mine
    assert arm.stable_revision == world.revision_of("stable")
    assert found.since == min(arm.births.values())


def test_stables_requests_count_from_the_candidates_first_pod_however_long_it_waited() -> None:
    """Else the share that was exposed is of requests that nobody could have answered otherwise."""
    world = established()
    strategy = {"steps": [{"pause": {}}, {"weight": 50, "minDuration": "30s"}]}
    world.update(spec("b", strategy=strategy))
    world.run(3600)
    assert world.status.rollout is not None
    assert world.status.candidate is not None
    assert world.status.rollout.waiting
    waited = world.now
    world.annotations["samplerrollouts.io/promote"] = world.status.candidate.hash
    world.run(20)
    found = asked(world)
    assert found is not None
    assert found.since >= waited
    assert found.since == min(birth for arm in found.arms for birth in arm.births.values())
    world.run(300)
    later = asked(world)
    assert later is not None
    assert later.since == found.since


def test_pods_that_an_earlier_try_left_do_not_make_it_count_from_before_its_start() -> None:
    world = rolling()
    rollout = world.status.rollout
    assert rollout is not None
    rollout.births = [replace(one, at=START) for one in rollout.births]
    found = question(world.meta, world.spec, world.status.model_copy(update={"rollout": rollout}), world.now)
    assert found is not None
    assert found.since == rollout.started_at > START


def test_checks_tests_and_error_rate_are_as_planned() -> None:
    found = asked(rolling())
    assert found is not None
    assert [(check.name, check.max_rate) for check in found.checks] == [
        ("errors", 0.01), ("unexpected-script", 0.005), ("replay-audit", 0.001),
    ]  # fmt: skip
    assert found.tests == 4, "two checks in two pools; the replay audit spends nothing"
    assert found.alpha == pytest.approx(0.005), "the other half is the bake's"
    assert found.source == "default"


def test_later_edits_do_not_change_the_question() -> None:
    world = rolling()
    before = asked(world)
    world.update(spec("b", quality={"passConfidence": "80%", "checks": [{"name": "errors"}]}))
    world.tick()
    after = asked(world)
    assert before is not None
    assert after is not None
    assert (after.checks, after.pass_confidence, after.tests) == (before.checks, before.pass_confidence, before.tests)


def test_a_pod_that_is_gone_still_counts_but_needs_no_fresh_data() -> None:
    world = rolling()
    lost = next(pod for pod in world.pods if pod.revision == world.revision_of("candidate"))
    world.pods.remove(lost)
    world.run(20)
    found = asked(world)
    assert found is not None
    arm = next(arm for arm in found.arms if arm.pool == lost.pool)
    assert lost.name in arm.births
    assert lost.name not in (arm.serving or set())
    assert len(arm.births) == 2


def test_pods_of_an_earlier_try_are_not_counted() -> None:
    world = rolling()
    world.ends_after = 300
    world.judge = failing()
    world.run(30)
    earlier = {pod.name for pod in world.pods if pod.terminating_since}
    world.judge = passing
    world.update(spec("b", retryGeneration=1))
    world.run(20)
    found = asked(world)
    assert found is not None
    assert earlier
    assert not earlier & {pod for arm in found.arms for pod in arm.births}


def test_the_replay_audit_is_on_unless_the_share_is_zero() -> None:
    both = [{"name": "errors"}, {"name": "calibration", "maxBiasNats": "0.05"}]
    only_errors: dict[str, Any] = {"quality": {"checks": both}}
    found = asked(rolling(**only_errors))
    assert found is not None
    assert [check.name for check in found.checks] == ["errors", "calibration", "replay-audit"]
    assert found.checks[1].max_bias == 0.05
    assert found.tests == 4, "calibration shares alpha, in each of two pools"
    world = established(**only_errors)
    unaudited = spec("b", **only_errors)
    for pool in unaudited["pools"]:
        pool["sampler"] = {"auditShare": "0"}
    world.update(unaudited)
    world.run(20)
    found = asked(world)
    assert found is not None
    assert [check.name for check in found.checks] == ["errors"]


def test_a_pool_without_audit_needs_no_audit_to_pass() -> None:
    world = established()
    mixed = spec("b")
    mixed["pools"][0]["sampler"] = {"auditShare": "0"}
    world.update(mixed)
    world.run(25)
    world.judge = lambda pool, check, asked: (
        inconclusive(pool, check, asked) if (pool, check) == ("cpu-a", "replay-audit") else passing(pool, check, asked)
    )
    world.until("Serving")
    assert world.status.history[0].result == "Promoted"


def test_later_waves_are_asked_for_too_so_that_exposure_is_of_all_requests() -> None:
    waves = {"strategy": {"waves": [["cpu-a"], ["cpu-b"]]}}
    found = asked(rolling(**waves))
    assert found is not None
    assert [(arm.pool, bool(arm.births)) for arm in found.arms] == [("cpu-a", True), ("cpu-b", False)]
