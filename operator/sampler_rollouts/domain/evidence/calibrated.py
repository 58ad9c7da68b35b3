"""The check ``calibration``: from pod-intervals of draws to a verdict, in both directions."""

from __future__ import annotations

from sampler_rollouts.domain.evidence.calibration import Draws, bias, bias_bound, log_e_biased, mean_variance
from sampler_rollouts.domain.evidence.draws import draws_of
from sampler_rollouts.domain.evidence.look import CheckLook, Verdict
from sampler_rollouts.domain.evidence.samples import CheckPlan
from sampler_rollouts.domain.evidence.tally import Tally


def judge_calibration(
    plan: CheckPlan, pool: str, tally: Tally, reason: str, why: str, log_threshold: float, confidence: float
) -> CheckLook:
    """``reason`` is why the data must not pass anything, or empty, and ``why`` says it in words.

    ``Failed`` holds with any one pod-interval left out (R15). A design effect does not apply: draws are new ones
    whatever requests have in common.
    """
    draws = draws_of(tally.pods.values())
    # What a restart cut off is lost, and is no reason to doubt the rest: it comes by time, not by how surprising.
    bound = bias_bound(draws, confidence, float(sum(one.contradicted for one in tally.pods.values())))
    log_e = log_e_biased(draws, plan.max_bias, leave_one_out=True)
    verdict, reason = _verdict(draws, plan.max_bias, bound, log_threshold, log_e, reason)
    return CheckLook(
        pool=pool,
        check=plan.name,
        verdict=verdict,
        reason=reason,
        checked=int(tally.checked.sum()),
        bad=0,
        max_rate=plan.max_rate,
        max_bias=plan.max_bias,
        bias=bias(draws),
        variance=mean_variance(draws),
        upper_bound=bound,
        log_e=log_e,
        log_threshold=log_threshold,
        newest_sample=tally.newest_sample,
        dropped=dict(tally.drops()),
        detail=tally.detail(
            why, "" if draws.count.size else "no audited token was drawn at random with a seed of ours"
        ),
    )


def _verdict(
    draws: Draws, margin: float, bound: float, log_threshold: float, log_e: float, reason: str
) -> tuple[Verdict, str]:
    if log_e >= log_threshold:
        return Verdict.FAILED, ""
    if reason:
        return Verdict.INCONCLUSIVE, reason
    if bound < margin:
        return Verdict.PASSED, ""
    if log_e_biased(draws, margin, leave_one_out=False) >= log_threshold:
        return Verdict.INCONCLUSIVE, "UnconfirmedBurst"
    return Verdict.INCONCLUSIVE, "TooFewTokens"
