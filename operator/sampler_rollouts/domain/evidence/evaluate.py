"""One look: raw samples in, a verdict for each check and pool out. Pure: equal questions give equal evidence (R3)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
from quality_contract import LARGEST_SURPRISAL_NATS

from sampler_rollouts.domain.evidence.alone import bake_threshold, in_bake
from sampler_rollouts.domain.evidence.audit import confirmed_threshold, describe_mismatches, mismatch_intervals
from sampler_rollouts.domain.evidence.bound import upper_bound, upper_bounds
from sampler_rollouts.domain.evidence.calibrated import judge_calibration
from sampler_rollouts.domain.evidence.cells import LONG_GAP
from sampler_rollouts.domain.evidence.comparison import Assurance, Compared, Stream
from sampler_rollouts.domain.evidence.counters import milliseconds
from sampler_rollouts.domain.evidence.intervals import Increments
from sampler_rollouts.domain.evidence.look import CheckLook, Evidence, Traffic, Verdict
from sampler_rollouts.domain.evidence.probed import QUESTIONS, compare_both, said_of
from sampler_rollouts.domain.evidence.reading import Reader, Window, window_of
from sampler_rollouts.domain.evidence.samples import (
    Arm,
    CheckPlan,
    Question,
    SampleSet,
    has_users,
    is_calibration,
    is_compared,
    is_judged,
    is_scored,
    spends_alpha,
)
from sampler_rollouts.domain.evidence.scored import judge_scores
from sampler_rollouts.domain.evidence.tally import Tally
from sampler_rollouts.domain.evidence.unaccounted import UNACCOUNTED, Account
from sampler_rollouts.domain.evidence.verdict import of_audit, of_rate

MOST_PODS_NAMED = 3


def count_tests(checks: Iterable[CheckPlan], pools: Iterable[str], *, probes: bool = False) -> int:
    """Tests that share alpha: each check in each pool, but for the replay audit, which spends none.

    Where ``probes`` count, each rate of users' asks two questions; calibration takes tokens as they come.
    """
    asked = (QUESTIONS if probes and has_users(plan) else 1 for plan in checks if spends_alpha(plan))
    return sum(asked) * len(set(pools))


def evaluate(question: Question, samples: SampleSet, now: datetime) -> Evidence:
    """All looks at ``now`` (aware of its time zone; samples after it are not seen).

    ``question.alpha`` is already the rollout's share of the false-rollback rate. Never raises on bad data: they neither
    pass nor fail and name their reason (R13).
    """
    if samples.unavailable:
        return _unavailable(question, samples)
    reader = Reader(samples, window_of(question, samples, now))
    return Evidence(
        available=True,
        message=samples.message,
        looks=_looks(question, reader, milliseconds(samples.scrape_interval)),
        traffic={arm.pool: reader.traffic(arm) for arm in question.arms},
        accounts=_accounts(question, reader),
        fresh={arm.pool: not _missing(arm, reader.newest(arm), reader.window) for arm in question.arms},
        scrape_interval=samples.scrape_interval,
    )


def _accounts(question: Question, reader: Reader) -> Mapping[str, Account]:
    found = ((arm.pool, reader.account(arm)) for arm in question.arms if question.routed)
    return {pool: account for pool, account in found if account is not None}


def _looks(question: Question, reader: Reader, scrape: int) -> dict[tuple[str, str], CheckLook]:
    """One look for each pool and check, those of rates worked out together."""
    asked = [(arm, plan) for arm in question.arms for plan in question.checks]
    probes = [_probes(question, arm, plan, reader) for arm, plan in asked]
    tallies = [Tally.of(reader.check(arm, plan), more) for (arm, plan), more in zip(asked, probes, strict=True)]
    rates = [place for place, (_, plan) in enumerate(asked) if is_compared(plan)]
    streams = [_stream(*asked[place], tallies[place], reader) for place in rates]
    compared = compare_both(streams, _assurance(question), scrape, probes=question.probes)
    if question.bake_intervals:
        compared = [in_bake(question, *pair) for pair in zip(streams, compared, strict=True)]
    found = dict(zip(rates, compared, strict=True))
    bounds = _bounds(question, tallies)
    looks = {}
    for place, ((arm, plan), tally) in enumerate(zip(asked, tallies, strict=True)):
        # Where a table is tested a pod that has no request of it yet shows by its other counters that it is seen.
        newest: Mapping[str, int | None] = {pod: one.newest for pod, one in tally.pods.items()}
        newest = reader.newest(arm) if arm.route else newest
        reason, why = _unusable(arm, tally, reader.window, newest, some=is_scored(plan) or is_judged(plan))
        if plan.problem:
            reason, why = plan.unreadable, plan.problem
        if place in found:
            look = _judge_rate(question, plan, arm, tally, found[place], bounds[place], reason, why)
        elif is_scored(plan):
            stable, sure = _stable(arm, plan, reader) or (), question.pass_confidence
            log_threshold = _threshold(question, plan)
            look = judge_scores(plan, arm, tally, stable, (reason, why), log_threshold, sure)
        elif is_calibration(plan):
            log_threshold = _threshold(question, plan)
            look = judge_calibration(plan, arm.pool, tally, reason, why, log_threshold, question.pass_confidence)
        else:
            look = _judge_audit(question, plan, arm.pool, tally, bounds[place], reason, tally.detail(why))
        looks[arm.pool, plan.name] = look
    return looks


def _stream(arm: Arm, plan: CheckPlan, tally: Tally, reader: Reader) -> Stream:
    users = Stream(plan, tuple(tally.pods.values()), _stable(arm, plan, reader))
    if not tally.probes:
        return users
    return replace(users, probes=Stream(plan, tuple(tally.probes.values()), _stable(arm, plan, reader, probes=True)))


def _stable(arm: Arm, plan: CheckPlan, reader: Reader, *, probes: bool = False) -> tuple[Increments, ...] | None:
    return tuple(reader.stable(arm, plan, probes=probes).values()) if arm.compared else None


def _probes(question: Question, arm: Arm, plan: CheckPlan, reader: Reader) -> Mapping[str, Increments]:
    return reader.check(arm, plan, probes=True) if question.probes and has_users(plan) else {}


def _assurance(question: Question) -> Assurance:
    return Assurance(question.alpha, question.tests, question.pass_confidence, question.design_effect)


def _judge_rate(
    question: Question, plan: CheckPlan, arm: Arm, tally: Tally, found: Compared, bound: float, reason: str, why: str
) -> CheckLook:
    """The statistical test."""
    verdict, reason = of_rate(
        failed=found.failed,
        shared=found.shared,
        unconfirmed=found.unconfirmed,
        passed=found.passed,
        burst=found.burst,
        unusable=reason,
        otherwise=_why_not_yet(question, plan, arm, tally, found),
    )
    log_e = found.log_e if math.isfinite(found.log_e) else 0.0
    said = tally.detail(said_of(tally.probes), why)
    detail = "; ".join(filter(None, [_against_stable(plan, arm, found), said]))
    look = _check_look(plan, arm.pool, tally, verdict, reason, bound, log_e, _threshold(question, plan), detail)
    return replace(
        look,
        stable_checked=found.stable_checked,
        stable_bad=found.stable_bad,
        ratio_bounds=found.ratio_bounds,
        unproven=found.unproven if math.isfinite(found.unproven) else 0.0,
        dropped={**look.dropped, **({LONG_GAP: found.long_gaps} if found.long_gaps else {})},
    )


def _why_not_yet(question: Question, plan: CheckPlan, arm: Arm, tally: Tally, found: Compared) -> str:
    if not arm.compared and math.isnan(plan.max_rate):
        return "NothingToCompare"
    if arm.compared and not found.stable_checked and int(tally.checked.sum()):
        return "NoStableData"
    return _not_yet(question, plan, tally, "TooFewRequests")


def _against_stable(plan: CheckPlan, arm: Arm, found: Compared) -> str:
    """What stable did in the same stretches of time, and what of it bounds the ratio."""
    if not arm.compared or not found.stable_checked:
        return ""
    text = f"stable was bad in {found.stable_bad} of {found.stable_checked}"
    lower, upper = found.ratio_bounds
    if not math.isnan(plan.max_ratio):
        text += f", {lower:.3g} to {upper:.3g} times its rate (limit {plan.max_ratio:g})"
    return text + (f", {found.long_gaps} {LONG_GAP}" if found.long_gaps else "")


def _judge_audit(
    question: Question, plan: CheckPlan, pool: str, tally: Tally, bound: float, reason: str, detail: str
) -> CheckLook:
    """The invariant, over all pod-intervals."""
    seen = mismatch_intervals(tally.bad)
    log_e, log_threshold = math.log(max(seen, 1)), confirmed_threshold()
    otherwise = _not_yet(question, plan, tally, "TooFewTokens")
    verdict, reason = of_audit(intervals=seen, below=bound < plan.max_rate, unusable=reason, otherwise=otherwise)
    mismatches = describe_mismatches({name: pod.by_label for name, pod in tally.pods.items()})
    detail = "; ".join(filter(None, [mismatches, detail]))
    return _check_look(plan, pool, tally, verdict, reason, bound, log_e, log_threshold, detail)


def _bounds(question: Question, tallies: Sequence[Tally]) -> list[float]:
    """The upper bounds if every doubtful request was bad: for many as quickly as for one."""
    counts = [(int(one.checked.sum()), int(one.bad.sum()), one.doubtful) for one in tallies]
    checked, bad, doubtful = np.array(counts, dtype=np.int64).reshape(-1, 3).T
    sure, effect = question.pass_confidence, question.design_effect
    return [float(one) for one in upper_bounds(checked + doubtful, bad + doubtful, sure, effect)]


def _undoubted(question: Question, tally: Tally) -> float:
    """The upper bound if no doubtful request was."""
    counts = int(tally.checked.sum()), int(tally.bad.sum())
    return upper_bound(*counts, question.pass_confidence, question.design_effect)


def _not_yet(question: Question, plan: CheckPlan, tally: Tally, otherwise: str) -> str:
    """Why nothing is shown yet: the doubtful requests, if without them it would have passed."""
    if not tally.doubtful or _undoubted(question, tally) >= plan.max_rate:
        return otherwise
    return UNACCOUNTED if tally.drops()[UNACCOUNTED] else "InvalidData"


def _check_look(
    plan: CheckPlan,
    pool: str,
    tally: Tally,
    verdict: Verdict,
    reason: str,
    bound: float,
    log_e: float,
    log_threshold: float,
    detail: str,
) -> CheckLook:
    return CheckLook(
        pool=pool,
        check=plan.name,
        verdict=verdict,
        reason=reason,
        checked=int(tally.checked.sum()),
        bad=int(tally.bad.sum()),
        max_rate=plan.max_rate,
        max_ratio=plan.max_ratio,
        slower_than=plan.slower_than,
        max_bias=plan.max_bias,
        upper_bound=bound,
        log_e=log_e,
        log_threshold=log_threshold,
        newest_sample=tally.newest_sample,
        dropped=dict(tally.drops()),
        detail=detail,
    )


def _missing(arm: Arm, newest: Mapping[str, int | None] | Mapping[str, int], window: Window) -> list[str]:
    """Serving pods without a fresh sample; all of them when none has one.

    A pod that was born within the freshness limit need not have been scraped yet.
    """
    fresh = {pod for pod, time in newest.items() if time is not None and time >= window.oldest_fresh}
    serving = arm.births.keys() if arm.serving is None else arm.serving
    young = {pod for pod, birth in arm.births.items() if birth.timestamp() * 1000 > window.oldest_fresh}
    if not fresh:
        return sorted(serving) or ["(no pod)"]
    return sorted(serving - fresh - young)


def _unusable(
    arm: Arm,
    tally: Tally,
    window: Window,
    newest: Mapping[str, int | None],
    *,
    some: bool = False,
) -> tuple[str, str]:
    """Why the data must not pass anything, as a reason and in words; two empty strings when they may.

    ``some``: fresh data of any pod will do, for not every pod need be evaluated.
    """
    missing = _missing(arm, newest, window)
    if some and any(time is not None and time >= window.oldest_fresh for time in newest.values()):
        return "", ""
    if not missing:
        return "", ""
    named = ", ".join(missing[:MOST_PODS_NAMED]) + (" and others" if len(missing) > MOST_PODS_NAMED else "")
    seen = [one.last_seen for pod, one in tally.pods.items() if pod in missing and one.last_seen is not None]
    if any(time >= window.oldest_fresh for time in seen) or (seen and tally.newest is None):
        return "InvalidData", f"no believable sample of {named} in three scrapes"
    if tally.newest is None:
        return "NoData", f"no sample yet of {named}"
    return "StaleData", f"no sample of {named} in three scrapes"


def _unavailable(question: Question, samples: SampleSet) -> Evidence:
    """The source gave no complete answer: nothing passes, nothing fails."""
    looks = {
        (arm.pool, plan.name): _check_look(
            plan,
            arm.pool,
            Tally.of({}),
            Verdict.INCONCLUSIVE,
            samples.unavailable,
            LARGEST_SURPRISAL_NATS if is_calibration(plan) else 1.0,
            0.0,
            _threshold(question, plan),
            "",
        )
        for arm in question.arms
        for plan in question.checks
    }
    fresh = {arm.pool: False for arm in question.arms}
    traffic: Mapping[str, Traffic] = {}
    return Evidence(False, samples.unavailable, samples.message, looks, traffic, fresh, samples.scrape_interval)


def _threshold(question: Question, plan: CheckPlan) -> float:
    if question.bake_intervals and is_compared(plan):
        return bake_threshold(question)
    return _assurance(question).log_threshold if spends_alpha(plan) else confirmed_threshold()
