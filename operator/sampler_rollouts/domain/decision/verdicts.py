"""What the evidence says of each pool, and what of it is remembered (R12, R13)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sampler_rollouts.domain.decision.context import Turn, begun, table_wave, tested_pools, untried
from sampler_rollouts.domain.decision.numbers import note_numbers, shown
from sampler_rollouts.domain.decision.quality import by_route
from sampler_rollouts.domain.decision.question import watched_plan
from sampler_rollouts.domain.decision.share import SKEWED, skew
from sampler_rollouts.domain.decision.stages import TESTED
from sampler_rollouts.domain.evidence.look import ABOVE_LIMIT, SHARED_DEGRADATION, CheckLook, Verdict
from sampler_rollouts.domain.evidence.samples import AUDITED
from sampler_rollouts.domain.limits import REASON

if TYPE_CHECKING:
    from sampler_rollouts.domain.plan import CheckSpec, QualityPlan, Rollout
    from sampler_rollouts.domain.status import Status

NO_DATA = "NoData"
NOTHING_DECIDES = "NothingDecides"
"""No check of a pool decides anything, so that none can pass: a spec of before that was not refused then."""
CHECK_FAILED = "CheckFailed"


def required(rollout: Rollout, pool: str) -> list[str]:
    """The checks that must have passed in a pool before its full traffic."""
    names = checks_of(rollout.quality, pool)
    return [name for name in names if name in by_route(rollout.quality.checks)] if table_wave(rollout) else names


def checks_of(quality: QualityPlan, pool: str) -> list[str]:
    """The checks of a plan that decide something about a pool."""
    return [check.name for check in _said(quality, pool) if not check.report]


def _said(quality: QualityPlan, pool: str) -> list[CheckSpec]:
    """The checks of a plan that say something about a pool."""
    audited = pool not in quality.unaudited
    return [check for check in quality.checks if audited or check.name not in AUDITED]


def _all_looks(turn: Turn, quality: QualityPlan, pool: str) -> list[CheckLook]:
    """Also those that decide nothing."""
    looks = turn.evidence.looks if turn.evidence else {}
    return [looks[pool, check.name] for check in _said(quality, pool) if (pool, check.name) in looks]


def looks_of(turn: Turn, rollout: Rollout, pool: str) -> Iterator[CheckLook]:
    """This look's results of the required checks that have one: none before its first weight, when all are stable's."""
    return iter(()) if untried(rollout) else looks_at(turn, rollout.quality, pool)


def looks_at(turn: Turn, quality: QualityPlan, pool: str) -> Iterator[CheckLook]:
    """This look's results of the checks of a plan that have one in the pool."""
    if turn.evidence is None:
        return
    for name in checks_of(quality, pool):
        look = turn.evidence.looks.get((pool, name))
        if look is not None:
            yield look


def failed_look(turn: Turn, rollout: Rollout) -> CheckLook | None:
    """The first failed check in any pool that has begun. Promoted pools stay under test."""
    return next((look for look in _every_look(turn, rollout) if look.verdict is Verdict.FAILED), None)


def above_limit(turn: Turn, rollout: Rollout) -> CheckLook | None:
    """A check above its limit and not shown to be worse than stable: more traffic would teach nothing (R12)."""
    return next((look for look in _every_look(turn, rollout) if look.reason in ABOVE_LIMIT), None)


def shared_looks(turn: Turn, rollout: Rollout) -> list[CheckLook]:
    """All checks that are above their limit in both releases, in all pools."""
    return [look for look in _every_look(turn, rollout) if look.reason == SHARED_DEGRADATION]


def _every_look(turn: Turn, rollout: Rollout) -> Iterator[CheckLook]:
    pools = dict.fromkeys([*tested_pools(rollout), *begun(rollout)])
    return (look for pool in pools for look in looks_of(turn, rollout, pool))


def shared_checks(turn: Turn, rollout: Rollout) -> list[str]:
    """Their names as they were last found, also while the source gives no answer."""
    rows = (row for name in tested_pools(rollout) if (pool := turn.status.pool(name)) for row in pool.checks)
    return [row.name for row in rows if row.reason == SHARED_DEGRADATION]


def known_against_stable(status: Status) -> list[str]:
    """The checks that have failed in what serves before anything of a candidate did."""
    stable, watch = status.stable, status.watch
    known = [stable.fault.check] if stable and stable.fault else []
    alarm = watch.alarm if stable and watch and watch.release == stable.hash else None
    known += [alarm.check, *(one.check for one in alarm.others)] if alarm else []
    return [check for check in known if check]


def forget_excuses(turn: Turn, rollout: Rollout) -> None:
    """What has passed in all pools is over: when it begins again, it begins after the candidate's first traffic."""
    looks = list(_every_look(turn, rollout))
    passed = {look.check for look in looks} - {look.check for look in looks if look.verdict is not Verdict.PASSED}
    rollout.excused = [check for check in rollout.excused if check not in passed]


def said_of_shared(turn: Turn) -> str:
    """The same in words without numbers, also while the source gives no answer; empty if there is none."""
    rollout = turn.status.rollout
    if rollout is None or rollout.first or turn.status.stage not in TESTED:
        return ""
    deciding = {check.name for check in rollout.quality.checks if not check.report}
    for name in tested_pools(rollout):
        rows = found.checks if (found := turn.status.pool(name)) else []
        shared = [one.name for one in rows if one.reason == SHARED_DEGRADATION and one.name in deciding]
        if shared:
            return (
                f"in pool {name} check {shared[0]} is above its limit in both releases, and release {rollout.release} "
                "is not shown beyond doubt to be the worse one: what both depend on is not well, or a fault lies "
                "upstream; no weight is raised"
            )
    return ""


def passed_now(turn: Turn, rollout: Rollout, pool: str) -> bool:
    """Whether all required checks pass in this look. No check, or a missing one, is no pass."""
    looks = list(looks_of(turn, rollout, pool))
    available = turn.evidence is not None and turn.evidence.available
    complete = len(looks) == len(required(rollout, pool)) > 0
    return available and complete and all(look.verdict is Verdict.PASSED for look in looks)


def fresh(turn: Turn, pools: list[str]) -> bool:
    """Whether data of all these pools are at most three scrapes old (R9)."""
    evidence = turn.evidence
    return evidence is not None and evidence.available and all(evidence.fresh.get(pool, False) for pool in pools)


def remember_verdicts(turn: Turn) -> None:
    """Write each begun pool's verdict, checks and first pass into status; of what serves alone its checks."""
    rollout = turn.status.rollout
    if rollout is None or untried(rollout):
        _remember_alone(turn)
    elif turn.evidence is not None:
        for pool in tested_pools(rollout):
            _remember_pool(turn, rollout, pool)


def _remember_alone(turn: Turn) -> None:
    quality, stable = watched_plan(turn.status), turn.status.stable
    if quality is None or stable is None:
        return
    for name in stable.names():
        note_numbers(turn, turn.pool(name), _all_looks(turn, quality, name))


def _remember_pool(turn: Turn, rollout: Rollout, name: str) -> None:
    pool, looks = turn.pool(name), list(looks_of(turn, rollout, name))
    skewed = skew(turn, name)
    passed = passed_now(turn, rollout, name) and not skewed  # R8; what has failed has failed with any share
    if passed and pool.passed_at is None:
        pool.passed_at = turn.now
        turn.note("PoolPassed", f"All checks of release {rollout.release} passed in pool {name}.")
    worst = max(looks, key=_badness, default=None)
    pool.worst_check = shown(worst) if worst else pool.worst_check
    note_numbers(turn, pool, _all_looks(turn, rollout.quality, name))
    if worst and worst.verdict is Verdict.FAILED:
        pool.verdict, pool.reason = "Failed", worst.check[:REASON]
    elif pool.passed_at:
        pool.verdict, pool.reason = "Passed", ""
    else:
        reason = worst.reason if worst and worst.verdict is Verdict.INCONCLUSIVE else turn.evidence_reason
        lacks = NO_DATA if required(rollout, name) else NOTHING_DECIDES
        pool.verdict, pool.reason = "Inconclusive", (reason or (SKEWED if skewed else lacks))[:REASON]


def _badness(look: CheckLook) -> tuple[int, float, float]:
    """Failed before inconclusive before passed; then the nearer to its threshold; then the wider bound."""
    order = {Verdict.FAILED: 2, Verdict.INCONCLUSIVE: 1}.get(look.verdict, 0)
    nearness = look.log_e / look.log_threshold if look.log_threshold > 0 else look.log_e
    limit = next((one for one in (look.max_bias, look.max_drop) if not math.isnan(one)), look.max_rate)
    return order, max(0.0, nearness), look.upper_bound / limit if limit > 0 else 0.0
