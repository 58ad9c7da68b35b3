"""What serves while a candidate waits for its first pod: asked about, tested and verified as if it were alone."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain.render_preflight import LABEL_PREFLIGHT_ATTEMPT, LABEL_PREFLIGHT_POOL
from sampler_rollouts.domain.resource import ACT_PREFIX
from sampler_rollouts.domain.status import Status

from tests.unit.operator.domain.examining import FAILED, PASSED, RUNNING
from tests.unit.operator.domain.meanwhile import about
from tests.unit.operator.domain.story import bad, reasons, results
from tests.unit.operator.domain.world import World, established, inconclusive, passing, spec

ON: dict[str, Any] = {"strategy": {"preflight": {"budget": "20s", "timeout": "2m"}}}
POOLS = ("cpu-a", "cpu-b")


def beside(letter: str = "c", **more: Any) -> World:
    """``b`` bakes, beside a candidate whose preflight does not end."""
    asked = {**ON, **more}
    world = established(**asked)
    world.judge = passing
    world.run(330)
    world.update(spec("b", **asked))
    world.until("Progressing")
    world.until("Serving")
    return _examining(world, letter, asked)


def beside_verified(**more: Any) -> World:
    """The same beside a release whose bake is over."""
    asked = {**ON, **more}
    world = established(**asked)
    world.judge = passing
    world.run(330)
    assert world.condition("Verified") == ("True", "BakeTimeOver")
    return _examining(world, "b", asked)


def beside_first(**more: Any) -> World:
    """The same beside a first release, which is tested while it bakes."""
    asked = {**ON, **more}
    world = established(**asked)
    return _examining(world, "b", asked)


def _examining(world: World, letter: str, asked: dict[str, Any]) -> World:
    world.judge = inconclusive
    world.examining.says = dict.fromkeys(POOLS, RUNNING)
    world.update(spec(letter, **asked))
    world.run(20)
    assert (world.status.stage, world.status.rollout.weight) == ("Progressing", 0)
    return world


def stable_of(world: World) -> dict[str, str]:
    assert world.status.stable is not None
    return {item.name: item.revision for item in world.status.stable.pools}


class TestQuestion:
    def test_it_is_the_bakes(self) -> None:
        world = beside()
        asked = world.asked(world.status)
        assert about(asked) == stable_of(world)
        assert asked is not None
        assert asked.since == world.status.stable.since
        assert asked.bake_intervals > 0
        assert not any(arm.compared for arm in asked.arms)
        assert {len(arm.births) for arm in asked.arms} == {2}

    def test_it_is_the_watchs_after_the_bake(self) -> None:
        world = beside_verified()
        asked = world.asked(world.status)
        assert about(asked) == stable_of(world)
        assert asked is not None
        assert asked.since == world.status.watch.since

    def test_a_first_releases_test_begins_anew(self) -> None:
        world = beside_first()
        asked = world.asked(world.status)
        assert about(asked) == stable_of(world)
        assert asked is not None
        assert asked.since == world.status.rollout.started_at

    def test_it_is_the_candidates_as_soon_as_it_has_a_weight(self) -> None:
        world = beside()
        world.examining.says = {}
        world.run(15)
        assert world.status.rollout.weight == 50
        assert set(about(world.asked(world.status)).values()).isdisjoint(stable_of(world).values())


@pytest.mark.parametrize("begin", [beside, beside_verified, beside_first])
def test_what_passes_of_stable_is_no_pass_of_the_candidate(begin: Any) -> None:
    world = begin()
    world.judge = passing
    world.run(60)
    assert [(row.passed_at, row.verdict) for row in world.status.pools] == [(None, "")] * 2
    assert {one.verdict for row in world.status.pools for one in row.checks} == {"Passed"}, "they are stable's"
    world.examining.says = {}
    world.judge = inconclusive
    world.run(60)
    assert [row.passed_at for row in world.status.pools] == [None, None]
    assert world.status.candidate is not None


class TestBake:
    def test_it_ends_while_a_preflight_holds(self) -> None:
        world = beside()
        world.until("Holding")
        world.run(330)
        status = world.status
        assert world.condition("Verified") == ("True", "BakeTimeOver")
        assert (status.stage, status.bake, status.previous) == ("Holding", None, None)
        assert status.rollout.release == status.candidate.hash
        assert status.watch.release == status.stable.hash

    def test_its_clock_stands_while_paused(self) -> None:
        world = beside()
        world.update(world.spec | {"paused": True})
        world.run(600)
        assert world.condition("Verified") == ("False", "Paused")

    def test_what_fails_goes_back_and_the_candidate_comes_again(self) -> None:
        world = beside()
        bad_one, old = world.revision_of("stable"), world.status.verified.hash
        candidate = world.status.candidate.hash
        world.judge = bad(bad_one)
        world.tick()
        status = world.status
        assert (status.stage, status.stable.hash, status.candidate.revision("cpu-a")) == ("RollingBack", old, bad_one)
        assert [entry.result for entry in status.history[:2]] == ["RolledBack", "Withdrawn"]
        assert status.history[1].release == candidate
        assert "is taken back" in status.history[1].message
        assert not status.held(candidate)
        world.until("Progressing")
        assert world.status.candidate.hash == candidate
        assert world.serving() == {"cpu-a": 2, "cpu-b": 2}

    def test_a_first_release_that_fails_keeps_serving_and_the_candidate_goes_on(self) -> None:
        world = beside_first()
        candidate = world.status.candidate.hash
        world.judge = bad(world.revision_of("stable"))
        world.tick()
        status = world.status
        assert world.condition("Degraded") == ("True", "FirstReleaseFailed")
        assert (status.stage, status.candidate.hash, status.rollout.release) == ("Progressing", candidate, candidate)
        world.examining.says, world.judge = {}, passing
        world.until("Serving")
        assert world.status.stable.hash == candidate
        assert world.status.stable.fault is None


def test_an_alarm_after_the_bake_is_told_and_nothing_else_happens() -> None:
    world = beside_verified()
    world.until("Holding")
    world.judge = bad(world.revision_of("stable"))
    world.run(60)
    assert world.condition("Degraded") == ("True", "CheckFailed")
    assert reasons(world).count("CheckFailed") == 1
    assert world.status.stage == "Holding"


def test_pods_of_what_serves_that_are_not_ready_are_told_and_are_none_of_the_candidates_fault() -> None:
    world = beside_verified()
    world.unready = {pod.name for pod in world.pods if pod.pool == "cpu-b"}
    world.run(100)
    assert world.condition("Degraded") == ("False", "AsWanted")
    world.run(40)
    assert world.condition("Degraded") == ("True", "PodsNotReady")
    assert "cpu-b" in world.message("Degraded")
    assert results(world)[0] != "RolledBack"
    world.examining.says = {}
    world.run(10)
    assert world.status.rollout.weight == 50, "the candidate is not to blame, and its pods have their own time"
    (row,) = (row for row in world.status.pools if row.name == "cpu-b")
    assert (world.now - row.unready.since).total_seconds() <= 10


def test_a_person_takes_back_what_serves() -> None:
    world = beside()
    gone = world.status.stable.hash
    world.annotations[ACT_PREFIX + "rollback"] = f"{gone}:carol"
    world.tick()
    assert (world.status.stage, world.status.candidate.hash) == ("RollingBack", gone)
    assert world.status.failed[0].reason == "ByPerson"


def test_a_persons_abort_is_of_the_candidate_alone() -> None:
    world = beside()
    stable, candidate = world.status.stable.hash, world.status.candidate.hash
    world.annotations[ACT_PREFIX + "abort"] = candidate
    world.run(10)
    assert (world.status.stage, world.status.stable.hash) == ("Serving", stable)
    assert world.status.failed[0].hash == candidate


def test_probes_go_on_to_what_bakes() -> None:
    world = beside(quality={"probes": {"requestsPerSecond": "2"}})
    assert ("Deployment", "demo-probe") in world.children
    assert world.asked(world.status).probes


def test_what_the_traffic_can_show_is_said_before_there_is_any_for_the_candidate() -> None:
    hurried: dict[str, Any] = {"strategy": {**ON["strategy"], "deadline": "4m"}}
    world = beside_verified(**hurried)
    assert world.condition("EvidenceFeasible") == ("Unknown", "Measuring")
    world.run(60)
    assert world.condition("EvidenceFeasible") == ("False", "TooFewRequests")


class TestRetry:
    def attempts(self, world: World) -> set[str]:
        bodies = [body for (kind, _), body in world.children.items() if kind == "Deployment"]
        mine = [body for body in bodies if LABEL_PREFLIGHT_POOL in body["metadata"]["labels"]]
        assert all(LABEL_PREFLIGHT_ATTEMPT not in body["spec"]["selector"]["matchLabels"] for body in mine)
        return {body["spec"]["template"]["metadata"]["labels"].get(LABEL_PREFLIGHT_ATTEMPT, "") for body in mine}

    def test_in_a_hold_it_makes_other_pods(self) -> None:
        world = beside()
        world.until("Holding")
        before = self.attempts(world)
        assert len(before) == 1
        world.update(world.spec | {"retryGeneration": 1})
        world.run(10)
        assert self.attempts(world).isdisjoint(before)
        assert world.status.stage == "Progressing"

    def test_of_a_first_release_it_makes_other_pods_and_hears_no_more_of_the_last_ones(self) -> None:
        world = World(spec(**ON))
        world.examining.says = dict.fromkeys(POOLS, RUNNING)
        world.run(20)
        world.examining.crashes = {"cpu-a": 3}
        world.run(5)
        assert world.condition("Stalled") == ("True", "FirstReleaseFailed")
        before, old = self.attempts(world), world.observe()
        world.examining.crashes = {}
        world.update(world.spec | {"retryGeneration": 1})
        world.tick()
        assert self.attempts(world).isdisjoint(before)
        crashed = [pod for one in old.preflights for pod in one.pods if pod.restarts]
        assert crashed
        assert world.condition("Reconciling") == ("True", "Establishing"), "the crash was that of the last pod"

    def test_what_the_last_pod_says_at_that_very_look_is_not_heard(self) -> None:
        world = World(spec(**ON))
        world.examining.says = dict.fromkeys(POOLS, RUNNING)
        world.run(20)
        world.examining.crashes = {"cpu-a": 3}
        world.run(5)
        world.examining.crashes, world.examining.says = {}, {"cpu-a": FAILED, "cpu-b": PASSED}
        world.update(world.spec | {"retryGeneration": 1})
        world.tick()
        assert world.status.preflights == []

    def test_a_preflight_that_an_earlier_operator_began_goes_on(self) -> None:
        """Its pods say nothing of a try, and none is asked for."""
        world = beside()
        world.raw_status["rollout"]["preflight"].pop("triedAt")
        assert Status.load(world.raw_status).rollout is not None
        world.examining.says = {}
        world.run(30)
        assert world.status.rollout.weight == 50
