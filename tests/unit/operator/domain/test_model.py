"""Model check of the decision: random walks through all that can happen, against a memory of our own.

The machine's rules are what the world can do; its memory is what a careful person would write down. Raise ``HISTORIES``
for thousands of runs.
"""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from sampler_rollouts.domain.decision.transitions import TABLE, Trigger
from sampler_rollouts.domain.evidence.look import Verdict
from sampler_rollouts.domain.outcome import Outcome
from sampler_rollouts.domain.plan import Rollout
from sampler_rollouts.domain.status import Result, Stage, Status

from tests.unit.operator.domain import invariants, scenes
from tests.unit.operator.domain.histories import EXAMINED, HISTORIES, act, hear, of_build, target
from tests.unit.operator.domain.story import bad, bad_but
from tests.unit.operator.domain.world import World, inconclusive, passing, spec

WHOLE = (
    *(
        scenes.promoted,
        scenes.rejected,
        scenes.rejected,
        scenes.rejected_without_stable,
        scenes.waiting,
        scenes.withdrawn,
    ),
    *(scenes.first_again, scenes.previous_again, scenes.retried),
)
TESTED = (Stage.PROGRESSING, Stage.HOLDING)
LEAVING = (Stage.ROLLING_BACK, Stage.WITHDRAWING)


def reachable(start: Stage, without: set[Trigger] | None = None) -> set[Stage]:
    """All stages to which some transitions lead."""
    found, edge = {start}, [start]
    while edge:
        here = edge.pop()
        new = {to for (at, why), to in TABLE.items() if at is here and why not in (without or set())} - found
        found |= new
        edge += new
    return found


def test_serving_is_reached_from_everywhere() -> None:
    assert all(Stage.SERVING in reachable(stage) for stage in Stage)


def test_a_rollback_is_one_step_from_every_stage_under_test() -> None:
    assert all(TABLE[stage, Trigger.CHECK_FAILED] is Stage.ROLLING_BACK for stage in TESTED)
    assert all(TABLE[stage, Trigger.PODS_FAILING] is Stage.ROLLING_BACK for stage in (*TESTED, Stage.RESTORING))


def test_what_leaves_does_not_come_back() -> None:
    """From a rollback or a withdrawal nothing leads on to full traffic of the same release."""
    after = {to for (at, _), to in TABLE.items() if at in LEAVING}
    assert after == {Stage.SERVING, Stage.ESTABLISHING}


def test_nobody_gets_to_full_traffic_but_by_the_gate_or_by_ready_pods() -> None:
    ways = {why for (at, why), to in TABLE.items() if to is Stage.SERVING and at not in (*LEAVING, Stage.IDLE)}
    assert ways == {Trigger.FULL_TRAFFIC, Trigger.PODS_READY}
    assert Stage.SERVING not in reachable(Stage.PROGRESSING, {Trigger.FULL_TRAFFIC, *_ENDS})


_ENDS = {
    Trigger.CHECK_FAILED,
    Trigger.PREFLIGHT_FAILED,
    Trigger.PODS_FAILING,
    Trigger.INCONCLUSIVE_ROLLBACK,
    Trigger.TAKEN_BACK,
    Trigger.OTHER_RELEASE,
    Trigger.STABLE_FAILED,
    Trigger.RETRY,
}


def _place(rollout: Rollout) -> tuple[int, int]:
    """How far it has come: a later wave begins at a lower weight."""
    return rollout.wave, rollout.weight


class Memory:
    """What was seen, in the order in which it was seen."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}
        """Rejected releases, and retryGeneration at that time."""
        self.passed: set[tuple[Any, str]] = set()
        """Rollout by its start, and pool, of which all checks passed in one look."""

    def check(self, world: World, outcome: Outcome) -> None:
        """What is decided is held against what was seen before."""
        before, after = world.status, outcome.status
        self._note_passes(world, before)
        self._what_was_rejected_is_not_tried_again(world, before, after)
        self._nothing_is_promoted_that_has_not_passed(before, outcome)
        self._an_outage_decides_nothing(world, before, outcome)
        self._what_fails_leaves_at_once(world, before, after)

    def _note_passes(self, world: World, before: Status) -> None:
        if before.rollout and before.stage in TESTED and world.metrics_up and world.judge is passing:
            self.passed |= {(before.rollout.started_at, pool.name) for pool in before.pools}

    def _what_was_rejected_is_not_tried_again(self, world: World, before: Status, after: Status) -> None:
        """R6."""
        retry = world.spec.get("retryGeneration", 0)
        new = after.candidate.hash if after.candidate else ""
        old = before.candidate.hash if before.candidate else ""
        if new and new != old:
            assert new not in self.held or retry > self.held[new], "a held release is tried again"
        for item in after.failed:
            if before.held(item.hash) is None:
                self.held[item.hash] = before.retry_generation

    def _nothing_is_promoted_that_has_not_passed(self, before: Status, outcome: Outcome) -> None:
        """R12."""
        rollout = before.rollout
        ended = outcome.status.history[:1]
        new = before.history[:1] != ended
        if rollout is None or not new or not ended or ended[0].result is not Result.PROMOTED:
            return
        moved = [pool for wave in rollout.waves for pool in wave]
        assert all((rollout.started_at, pool) in self.passed for pool in moved)

    def _an_outage_decides_nothing(self, world: World, before: Status, outcome: Outcome) -> None:
        """R13."""
        after = outcome.status
        if world.metrics_up or before.rollout is None or before.stage not in TESTED:
            return
        reasons = {event.reason for event in outcome.events}
        assert not reasons & {"FullTraffic", "PoolPassed"}
        same = after.rollout is not None and after.rollout.started_at == before.rollout.started_at
        if same and after.rollout and before.rollout.weight:
            assert _place(after.rollout) <= _place(before.rollout), "a later wave, or a higher weight"
        if before.rollout.waves:
            self._an_outage_promotes_nothing(world, before, after)
        failure = after.rollout.failure if after.rollout and after.stage is Stage.ROLLING_BACK else None
        if failure:
            assert (
                failure.reason in ("PodsFailing", "PreflightFailed", "ByPerson")
                or before.rollout.on_inconclusive == "Rollback"
            )

    def _an_outage_promotes_nothing(self, world: World, before: Status, after: Status) -> None:
        """What is tried neither ends as promoted nor becomes stable, whichever way leads there."""
        ended = {item.result for item in after.history if item.ended_at >= world.now}
        assert Result.PROMOTED not in ended, "promoted in an outage"
        was, is_ = (status.stable.hash if status.stable else "" for status in (before, after))
        assert is_ == was or before.candidate is None or is_ != before.candidate.hash, "stable in an outage"

    def _what_fails_leaves_at_once(self, world: World, before: Status, after: Status) -> None:
        """R18: in the same decision; stable is whole again, and no count of what leaves ever rises."""
        if self._fails(world, before):
            assert before.candidate is not None
            assert after.held(before.candidate.hash)
            same = after.candidate is not None and after.candidate.hash == before.candidate.hash
            alone = before.rollout is not None and before.rollout.scope == "Pool" and same
            gone = alone and after.candidate and after.candidate.revision("cpu-a") != before.candidate.revision("cpu-a")
            assert after.stage not in TESTED or not same or gone
        if before.stage in LEAVING and after.stage is before.stage:
            for row in after.pools:
                earlier = before.pool(row.name)
                assert earlier is not None
                assert row.candidate_replicas <= earlier.candidate_replicas

    def _fails(self, world: World, before: Status) -> bool:
        """Whether this look shows a failed check of a pool in which the candidate has begun."""
        rollout, candidate = before.rollout, before.candidate
        if rollout is None or candidate is None or before.stage not in TESTED or not world.metrics_up:
            return False
        born = {birth.pool for birth in rollout.births}
        begun = {name for wave in rollout.waves[: rollout.wave + 1] for name in wave}
        revision = candidate.revision("cpu-a")
        asked = world.asked(before)
        verdict = world.judge("cpu-a", "unexpected-script", asked)[0] if asked else Verdict.INCONCLUSIVE
        return verdict is Verdict.FAILED and "cpu-a" in born & begun and bool(revision)


class Rollouts(RuleBasedStateMachine):
    """A SamplerRollout, and everything that can happen to it."""

    @initialize(
        pause=st.booleans(),
        on=st.sampled_from(["Hold", "Rollback"]),
        scope=st.sampled_from(["Release", "Pool"]),
        together=st.booleans(),
        examined=st.booleans(),
    )
    def begin(self, pause: bool, on: str, scope: str, together: bool, examined: bool) -> None:
        steps: list[dict[str, Any]] = [{"weight": 25, "minDuration": "10s"}, {"weight": 50, "minDuration": "10s"}]
        waves = [["cpu-a", "cpu-b"]] if together else [["cpu-a"], ["cpu-b"]]
        strategy = {"waves": waves, "steps": [*steps, {"pause": {}}] if pause else steps, "deadline": "5m"}
        strategy |= {"preflight": {}} if examined else {}
        self.memory = Memory()
        rollback = {"onInconclusive": on, "scope": scope}
        self.world = World(spec("a", strategy=strategy, rollback=rollback, replicas=4), check=self._check)

    def _check(self, world: World, outcome: Outcome) -> None:
        invariants.check(world, outcome)
        self.memory.check(world, outcome)

    def _stable(self) -> set[str]:
        stable = self.world.status.stable
        return {item.revision for item in stable.pools} if stable else set()

    @rule(seconds=st.sampled_from([5, 5, 10, 30]), times=st.integers(1, 6))
    def time_passes(self, seconds: int, times: int) -> None:
        for _ in range(times):
            self.world.tick(seconds)

    @rule(writes=st.integers(0, 8))
    def killed(self, writes: int) -> None:
        self.world.tick(5, writes=writes)

    @rule(letter=st.sampled_from("abc"), seconds=st.sampled_from([0, 20, 40]))
    def spec_asks_for(self, letter: str, seconds: int) -> None:
        self.world.update(of_build(self.world.spec, letter))
        for _ in range(seconds // 5):
            self.world.tick()

    @rule(scene=st.sampled_from(WHOLE))
    def a_whole_scene(self, scene: scenes.Scene) -> None:
        """Single acts alone seldom get to the rare places."""
        scene(self.world)

    @rule(letter=st.sampled_from("bcdef"), then=st.sampled_from(["pass", "candidate fails", "unclear"]))
    def an_outage_until_the_deadline(self, letter: str, then: str) -> None:
        self.evidence("unclear")
        self.spec_asks_for(letter, 40)
        self.metrics(up=False)
        for _ in range(14):
            self.world.tick(25)
        self.metrics(up=True)
        self.evidence(then)

    @rule(letter=st.sampled_from("bcdef"), wave=st.integers(1, 2))
    def an_outage_at_full_traffic(self, letter: str, wave: int) -> None:
        """Of the first wave or the second: nothing but the next wave, or the end, is left to be decided."""
        self.metrics(up=True)
        self.evidence("pass")
        self.spec_asks_for(letter, 0)
        for _ in range(60):
            self.world.tick()
            status = self.world.status
            here = (status.rollout.wave + 1, status.rollout.weight) if status.rollout else (0, 0)
            if status.stage in TESTED and here == (wave, 100):
                break
        self.metrics(up=False)
        self.world.run(60)
        self.metrics(up=True)

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.world.update(self.world.spec | {"paused": paused})

    @rule()
    def retry(self) -> None:
        act(self.world, ("retry", None))

    @rule()
    def a_person(self) -> None:
        hear(self.world)

    @rule(how=st.sampled_from(["pass", "unclear", "candidate fails", "stable fails"]))
    def evidence(self, how: str) -> None:
        judges = {"pass": passing, "unclear": inconclusive, "stable fails": bad(*self._stable())}
        self.world.judge = judges.get(how) or bad_but(*self._stable())
        self.world.run(10)

    @rule(up=st.booleans())
    def metrics(self, up: bool) -> None:
        self.world.metrics_up = up

    @rule(what=st.sampled_from(["crash", "blocked", "never", "stable away"]), on=st.booleans())
    def pods(self, what: str, on: bool) -> None:
        act(self.world, (what, on))

    @rule(pool=st.sampled_from(["cpu-a", "cpu-b"]), says=EXAMINED)
    def what_a_preflight_finds(self, pool: str, says: Any) -> None:
        act(self.world, ("examined", (pool, says)))

    @rule(number=st.integers(0, 7))
    def a_pod_is_lost(self, number: int) -> None:
        act(self.world, ("lost", number))

    def teardown(self) -> None:
        """No deadlock: once the world is well and a person hears what is asked of them, it comes to rest."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.crashing, world.blocked, world.never_ready = set(), {}, set()
        world.judge, world.metrics_up = passing, True
        world.examining.says.clear()
        world.update(world.spec | {"paused": False})
        for _ in range(40):
            world.run(25)
            hear(world)
        at_rest = {("True", "FullTraffic")}, {("True", "RolledBack"), ("True", "FirstReleaseFailed")}
        assert world.condition("Ready") in at_rest[0] or world.condition("Stalled") in at_rest[1], world.status.dump()
        assert world.status.stage is Stage.SERVING
        assert target(world) in {world.status.stable.hash if world.status.stable else "", *self.memory.held}


@pytest.mark.parametrize(("together", "wave"), [(False, 1), (False, 2), (True, 1)])
def test_an_outage_at_full_traffic(together: bool, wave: int) -> None:
    """Walks seldom get there."""
    walk = Rollouts()
    walk.begin(False, "Hold", "Release", together, False)
    walk.time_passes(5, 6)
    walk.an_outage_at_full_traffic("b", wave)
    rollout = walk.world.status.rollout
    assert rollout is not None
    assert (rollout.wave + 1, rollout.weight) == (wave, 100)


TestModel = Rollouts.TestCase
TestModel.settings = settings(
    max_examples=HISTORIES, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
