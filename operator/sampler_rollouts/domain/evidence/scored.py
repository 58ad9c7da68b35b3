"""A check of scores: from both arms' scores to a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable

from sampler_rollouts.domain.evidence.intervals import Increments
from sampler_rollouts.domain.evidence.look import CheckLook, Verdict
from sampler_rollouts.domain.evidence.means import differences, drop_bound, log_e_close, log_e_lower
from sampler_rollouts.domain.evidence.samples import Arm, CheckPlan
from sampler_rollouts.domain.evidence.scores import scores_of
from sampler_rollouts.domain.evidence.tally import Tally


def judge_scores(
    plan: CheckPlan,
    arm: Arm,
    tally: Tally,
    stable: Iterable[Increments],
    unusable: tuple[str, str],
    log_threshold: float,
    confidence: float,
) -> CheckLook:
    """``unusable`` is why the data must not pass anything, as a reason and in words, or empty.

    ``Failed`` holds with any one window left out (R15). A design effect does not apply: a run is an observation.
    """
    (reason, why), verdict = unusable, Verdict.INCONCLUSIVE
    own, other = scores_of(tally.pods.values()), scores_of(stable)
    found = differences(own, other)
    log_e = log_e_lower(found, plan.max_drop, leave_one_out=True)
    if not arm.compared:
        reason = reason or "NothingToCompare"
    elif log_e >= log_threshold:
        verdict, reason = Verdict.FAILED, ""
    elif not reason and log_e_close(found, plan.max_drop) >= -math.log(1.0 - confidence):
        verdict = Verdict.PASSED
    elif not reason:
        whole = log_e_lower(found, plan.max_drop, leave_one_out=False)
        reason = "UnconfirmedBurst" if whole >= log_threshold else "TooFewRuns" if other.times.size else "NoStableData"
    said = f"mean score {own.mean:.3g} of 1" if own.times.size else ""
    if arm.compared and other.times.size:
        said = "; ".join(filter(None, [said, f"stable's {other.mean:.3g} in {other.times.size} runs"]))
    return CheckLook(
        pool=arm.pool,
        check=plan.name,
        verdict=verdict,
        reason=reason,
        checked=int(own.times.size),
        bad=0,
        max_rate=math.nan,
        max_drop=plan.max_drop,
        drop=other.mean - own.mean,
        upper_bound=drop_bound(found, confidence),
        log_e=log_e,
        log_threshold=log_threshold,
        newest_sample=tally.newest_sample,
        dropped=dict(tally.drops()),
        detail=tally.detail(said, why),
    )
