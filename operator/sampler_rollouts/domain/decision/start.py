"""Which release to go for: R5 and R6."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quality_contract import CHECK_REPLAY_AUDIT

from sampler_rollouts.domain.decision.changes import changes
from sampler_rollouts.domain.decision.context import Turn, Wish
from sampler_rollouts.domain.decision.leave import record, withdraw
from sampler_rollouts.domain.decision.transitions import Trigger, move
from sampler_rollouts.domain.evidence.evaluate import count_tests
from sampler_rollouts.domain.evidence.samples import CheckPlan
from sampler_rollouts.domain.plan import CheckSpec, Clock, QualityPlan, Rollout
from sampler_rollouts.domain.quantities import ratio, seconds
from sampler_rollouts.domain.resource import DEFAULT_MAX_RATES
from sampler_rollouts.domain.status import Result, Stage

if TYPE_CHECKING:
    from sampler_rollouts.domain.resource import Spec


def choose(turn: Turn) -> None:
    """Start, replace or take back a rollout when the spec asks for another release."""
    if turn.wish is None:
        return
    retry = _see_retry(turn, turn.wish)
    stage = turn.status.stage
    if stage is Stage.IDLE:
        _start_first(turn, turn.wish, Trigger.FIRST_RELEASE)
    elif stage is Stage.ESTABLISHING and _asks_for_other(turn):
        _replace_first(turn, turn.wish)
    elif stage is Stage.SERVING:
        _start_next(turn, turn.wish)
    elif stage in (Stage.PROGRESSING, Stage.HOLDING, Stage.RESTORING) and _asks_for_other(turn):
        withdraw(turn, Trigger.OTHER_RELEASE)
    elif stage is Stage.HOLDING and retry:
        withdraw(turn, Trigger.RETRY)


def _asks_for_other(turn: Turn) -> bool:
    return turn.status.candidate is not None and turn.status.candidate.hash != turn.target


def _see_retry(turn: Turn, wish: Wish) -> bool:
    """Whether ``retryGeneration`` rose; if so the release that the spec asks for is no longer held.

    What is asked during a rollback is heard after it.
    """
    if turn.status.stage is Stage.ROLLING_BACK:
        return False
    before, now = turn.status.retry_generation, wish.spec.retry_generation
    turn.status.retry_generation = now
    rose = now > before and turn.status.observed_generation > 0
    if rose:
        turn.status.failed = [item for item in turn.status.failed if item.hash != turn.target]
    return rose


def _start_first(turn: Turn, wish: Wish, trigger: Trigger) -> None:
    """R10: nothing to compare with, no users to learn from."""
    if wish.spec.paused:
        return
    status = turn.status
    pools = [pool.name for pool in wish.spec.pools]
    status.candidate = wish.release.model_copy(update={"since": turn.now})
    status.rollout = _plan(turn, wish, [pools], weight=100).model_copy(update={"first": True})
    _clear_pools(turn)
    turn.note("Establishing", f"Starting the first release {wish.release.hash} at full traffic.")
    move(turn, trigger)


def _replace_first(turn: Turn, wish: Wish) -> None:
    """The first release did not come up, and another is asked for: what serves of the old stays until it need not."""
    old, rollout = turn.status.candidate, turn.status.rollout
    if wish.spec.paused or rollout is None:
        return
    record(
        turn,
        rollout,
        Result.WITHDRAWN,
        "OtherRelease",
        f"Release {rollout.release} was replaced before it was established.",
    )
    _start_first(turn, wish, Trigger.OTHER_RELEASE)
    if turn.status.rollout:
        turn.status.rollout.replaced = old


def _start_next(turn: Turn, wish: Wish) -> None:
    status, target = turn.status, turn.target
    nothing_new = status.stable is None or status.stable.hash == target or status.held(target)
    if nothing_new or wish.spec.paused:
        return
    known = {release.hash for release in (status.verified, status.previous) if release}
    if target in known:
        _go(turn, wish, Trigger.KNOWN_RELEASE)
    else:
        _go(turn, wish, Trigger.NEW_RELEASE)


def _go(turn: Turn, wish: Wish, trigger: Trigger) -> None:
    status, known = turn.status, trigger is Trigger.KNOWN_RELEASE
    stable = status.stable
    if stable is None:
        return
    # Only pools whose revision changed move (R5); a known release needs no waves either.
    new = wish.release
    changed = [[name for name in wave if new.revision(name) != stable.revision(name)] for wave in wish.spec.waves]
    waves = [wave for wave in changed if wave]
    if known and waves:
        waves = [[name for wave in waves for name in wave]]
    status.candidate = wish.release.model_copy(update={"since": turn.now})
    status.rollout = _plan(turn, wish, waves, weight=100 if known else 0)
    status.rollout.changes = changes(turn, stable, wish.release)
    _clear_pools(turn)
    order = ", then ".join(" and ".join(wave) for wave in waves)
    how = "without steps: it has been stable before" if known else f"to {order}, against stable {stable.hash}"
    turn.note("RolloutStarted", f"Rolling out release {wish.release.hash} {how}; {'; '.join(status.rollout.changes)}.")
    move(turn, trigger)


def _clear_pools(turn: Turn) -> None:
    """What was known of the last candidate says nothing about this one."""
    turn.forget_evidence()
    for pool in turn.status.pools:
        pool.verdict, pool.reason, pool.passed_at, pool.worst_check = "", "", None, None
        pool.requests, pool.candidate_replicas, pool.unready, pool.blocked = None, 0, None, ""


def _plan(turn: Turn, wish: Wish, waves: list[list[str]], weight: int) -> Rollout:
    strategy = wish.spec.strategy
    return Rollout(
        release=wish.release.hash,
        started_at=turn.now,
        quality=quality_plan(wish.spec, [name for wave in waves for name in wave]),
        waves=waves,
        progress_deadline=seconds(strategy.progress_deadline),
        deadline=seconds(strategy.deadline),
        bake_time=seconds(strategy.bake_time),
        on_inconclusive=wish.spec.rollback.on_inconclusive,
        weight=weight,
        step=len(strategy.steps) if weight == 100 else -1,
        clock=Clock(since=turn.now),
    )


def quality_plan(spec: Spec, pools: list[str]) -> QualityPlan:
    """The quality block, resolved: the replay audit is on wherever there is an audit share."""
    rates = {check.name: check.rate_text for check in spec.quality.checks}
    rates.setdefault(CHECK_REPLAY_AUDIT, DEFAULT_MAX_RATES[CHECK_REPLAY_AUDIT])
    unaudited = [pool.name for pool in spec.pools if pool.name in pools and ratio(pool.sampler.audit_share) == 0]
    if pools and len(unaudited) == len(pools):
        del rates[CHECK_REPLAY_AUDIT]
    checks = [CheckPlan(name, ratio(rate)) for name, rate in rates.items()]
    return QualityPlan(
        metrics_source=spec.quality.metrics_source,
        false_rollback_rate=spec.quality.false_rollback_rate,
        pass_confidence=spec.quality.pass_confidence,
        design_effect=spec.quality.design_effect,
        checks=[CheckSpec(name=name, max_rate=rate) for name, rate in rates.items()],
        tests=count_tests(checks, pools),
        unaudited=unaudited,
    )
