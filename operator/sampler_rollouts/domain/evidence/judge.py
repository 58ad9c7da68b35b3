"""From the state of many streams to what R12 says of each: Failed, Passed, SharedDegradation, or not known yet.

With tau = max(max_ratio x stable's rate, ignore_below), capped by max_rate, the null hypothesis of ``Failed`` is that
the candidate's rate is at most tau. Under it, "rate <= max_rate" holds, and "ratio <= max_ratio" or "rate <=
ignore_below" does; so E(rate) is an e-process for it, and so is the smaller of E(ratio) and E(ignored), and so is their
mean. E(rate) may only be made smaller without harm: it counts as 0 until the candidate is shown to be worse than
stable.

E(ratio <= 1) of 20 shows it as long as the limit holds for whoever is well. The more stable itself speaks against the
limit, the less the limit says of the candidate: what is asked is 20 times the most that E(stable's rate <= max_rate)
has been, looked at whenever the candidate had a bad request, and at most twice the threshold, by which the comparison
carries the whole promise alone. It is ten times as much where stable has had as many requests as the candidate, in
proportion, and all of it where stable has had fewer and may just have been spared. Otherwise bursts that strike both
releases might roll back one honest stream in 20; and clean requests after an outage, which dilute what stable showed in
it, would turn it into a failure.

What is above its limit without that proof is one of two things. ``Shared``: stable is shown to be above the limit too,
by E(stable's rate <= max_rate) >= 20 over the same cells. ``Unconfirmed``: neither is shown yet, as where a candidate
with most of the traffic leaves stable few requests to be compared with; more of them tell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from sampler_rollouts.domain.evidence import eprocess, ratio
from sampler_rollouts.domain.evidence.bound import log_evidence_below
from sampler_rollouts.domain.evidence.grid import (
    LOG_WEIGHTS,
    MARGIN,
    RATIO_OFFSETS,
    BoolArray,
    FloatArray,
    IntArray,
    column,
    log_mixture,
)
from sampler_rollouts.domain.evidence.streams import Margins, State, part

WORSE_THAN_STABLE = math.log(20)
"""ln of the evidence against "ratio <= 1" from which on the absolute limit counts (R12), while stable is well."""
SEEN_ENOUGH = 10
"""Requests of stable for each of the candidate's from which on a fault of both would show in stable."""
STABLE_ABOVE_LIMIT = WORSE_THAN_STABLE
"""The same against "stable's rate is at most the limit", from which on the fault is shared."""
BLOCK = 512
"""Streams judged at once."""
IGNORED_SHARE, RATIO_SHARE = 0.8, 0.2
"""How the error of ``Passed`` is split between its two ways: below ``ignore_below``, or below ``max_ratio``."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How sure the verdicts are to be. All of shape (streams,).

    ``log_threshold`` is ln(tests / alpha); ``pass_confidence`` in (0, 1); ``design_effect`` at least 1.
    """

    log_threshold: FloatArray
    pass_confidence: FloatArray
    design_effect: FloatArray


@dataclass(frozen=True, slots=True)
class Evidence:
    """ln e-values; all of shape (streams,).

    ``combined`` is against "rate <= tau"; ``unproven`` the same if the absolute limit counted without the proof against
    stable; ``above_one`` against "ratio <= 1". -inf where nothing is tested.
    """

    combined: FloatArray
    unproven: FloatArray
    above_one: FloatArray


def evidence(margins: Margins, state: State, terms: Terms, *, leave_one_out: bool) -> Evidence:
    """The evidence of all cells, or with the single pod-interval left out that supports each part most (R15)."""
    effect = terms.design_effect
    logs, above = state.logs.T, state.logs.T[MARGIN + 1 :] - state.logs.T[MARGIN]
    if leave_one_out:
        logs, above = logs - state.most_above_one.T, above - state.above_margin(margins).T
    above_one = ratio.log_e_above_one(margins.ratio_margin, logs / effect)
    above_ratio = log_mixture(above / effect, LOG_WEIGHTS)
    ignored = _above_limit(margins.ignore_below, state, leave_one_out * state.most_above_ignored, effect)
    # Nothing is ignored at 0: then the ratio decides alone.
    relative = np.minimum(above_ratio, np.where(margins.ignore_below > 0, ignored, np.inf))
    absolute = _above_limit(margins.max_rate, state, leave_one_out * state.most_above_rate, effect)
    worse = _worse_than_stable(margins, state, terms, above_one, leave_one_out)
    proven = np.where(worse, absolute, -np.inf)
    return Evidence(_mean(margins, relative, proven), _mean(margins, relative, absolute), above_one)


def _worse_than_stable(
    margins: Margins, state: State, terms: Terms, above_one: FloatArray, leave_one_out: bool
) -> BoolArray:
    """Of which streams the absolute limit counts: those compared with nothing, and those shown to be worse (R12)."""
    counts = ~margins.paired | (above_one >= WORSE_THAN_STABLE)
    whole = terms.log_threshold + math.log(2)
    near = np.flatnonzero(margins.paired & counts & (above_one < whole) & (margins.max_rate > 0))
    if near.size:
        shown = _stable_above_limit(part(margins, near), part(state, near), part(terms, near), leave_one_out)
        asked = WORSE_THAN_STABLE + shown + _spared(part(state, near))
        counts[near] = above_one[near] >= np.minimum(whole[near], asked)
    return counts


def _spared(state: State) -> FloatArray:
    """ln of how much more is asked where stable has had few requests beside the candidate's; all of them if fewer."""
    few = SEEN_ENOUGH * state.checked / np.maximum(state.stable_checked, 1)
    return np.where(state.stable_checked < state.checked, np.inf, np.log(np.maximum(1.0, few)))


def _stable_above_limit(margins: Margins, state: State, terms: Terms, leave_one_out: bool) -> FloatArray:
    """ln of the evidence against "stable's rate <= max_rate": at its worst, and now with any one interval left out.

    Leaving out the candidate's only pod-interval of a cell takes away all of stable's there.
    """
    checked = np.maximum(state.stable_checked - leave_one_out * state.most_stable, state.stable_bad)
    now = eprocess.log_e_value(checked, state.stable_bad, margins.max_rate, terms.design_effect)
    worst = eprocess.log_e_value(state.worst_checked, state.worst_bad, margins.max_rate, terms.design_effect)
    return np.maximum(0.0, np.maximum(now, worst))


def _stable_too(margins: Margins, state: State, terms: Terms, above: BoolArray) -> BoolArray:
    """Of the streams whose candidate is ``above`` its limit those whose stable is shown to be."""
    shared = np.zeros(above.shape, dtype=np.bool_)
    which = np.flatnonzero(above & (margins.max_rate > 0))
    if which.size:
        counts, limits = (state.stable_checked[which], state.stable_bad[which]), margins.max_rate[which]
        shared[which] = eprocess.log_e_value(*counts, limits, terms.design_effect[which]) >= STABLE_ABOVE_LIMIT
    return shared


def _above_limit(limit: FloatArray, state: State, less: FloatArray, effect: FloatArray) -> FloatArray:
    """ln e-value against "rate <= limit", less so much at each alternative; of no meaning where there is no limit."""
    if not (limit > 0).any():
        return np.zeros(limit.shape)
    usable = np.where(limit > 0, limit, 0.5)
    logs = eprocess.log_ratios(state.checked, state.bad, usable)
    return log_mixture((logs - less.T) / effect, LOG_WEIGHTS)


def _mean(margins: Margins, relative: FloatArray, absolute: FloatArray) -> FloatArray:
    """ln of the mean of the two parts; of a check that asks for one of them, that one."""
    has_rate = ~np.isnan(margins.max_rate)
    has_ratio = ~np.isnan(margins.max_ratio) & margins.paired
    both = np.logaddexp(relative, absolute) - math.log(2)
    one = np.where(has_rate, absolute, np.where(has_ratio, relative, -np.inf))
    return np.where(has_rate & has_ratio, both, one)


@dataclass(frozen=True, slots=True)
class Totals:
    """The candidate's checked requests, also those compared with nothing, and the doubtful ones. Shape (streams,)."""

    checked: IntArray
    bad: IntArray
    doubtful: IntArray


def passed(margins: Margins, state: State, terms: Terms, totals: Totals) -> BoolArray:
    """Where the data rule out a rate above tau: the affirmative verdict, even if all doubtful requests were bad.

    A check that gives nothing to pass by, such as a ratio without a stable release, is never passed.
    """
    effect = terms.design_effect
    checked = (totals.checked + totals.doubtful) / effect
    bad = (totals.bad + totals.doubtful) / effect
    error = 1.0 - terms.pass_confidence
    has_rate = ~np.isnan(margins.max_rate)
    # Where no stable serves beside the candidate the limit alone decides.
    has_ratio = ~np.isnan(margins.max_ratio) & (margins.paired | ~has_rate)
    below_rate = _below(margins.max_rate, checked, bad, error)
    below_ignored = _below(margins.ignore_below, checked, bad, IGNORED_SHARE * error)
    below_ratio = margins.paired & (_below_ratio(state, terms, totals) >= -np.log(RATIO_SHARE * error))
    relative = below_ignored | below_ratio
    return np.where(has_rate, below_rate, has_ratio) & np.where(has_ratio, relative, has_rate)


def _below(limit: FloatArray, checked: FloatArray, bad: FloatArray, error: FloatArray) -> BoolArray:
    """Whether the upper bound of the rate at confidence 1 - error lies below the limit; never for none."""
    limited = limit > 0
    found = log_evidence_below(np.where(limited, limit, 0.5), checked, bad)
    return np.asarray(limited & (checked > 0) & (found >= -np.log(error)))


def _below_ratio(state: State, terms: Terms, totals: Totals) -> FloatArray:
    """ln e-value against "ratio >= max_ratio". Every doubtful request counts as bad, at its worst: in a cell of nothing
    but the candidate's it would have fallen to the candidate whatever the ratio, so it takes ln(margin / r) away."""
    doubt = column(RATIO_OFFSETS, 2) * totals.doubtful
    return ratio.log_e_below_margin((state.logs.T + doubt) / terms.design_effect)


@dataclass(frozen=True, slots=True)
class Findings:
    """The verdicts of many streams. All of shape (streams,).

    ``log_e`` is the evidence against "rate <= tau" with the pod-interval left out that supports it most (R15). Where
    ``shared`` or ``unconfirmed``, only the proof that the candidate is worse than stable is missing for ``failed``:
    because stable is above the limit as well, or as long as neither is shown; ``unproven`` is the evidence without that
    proof. Where ``burst``, only the pod-interval left out is missing.
    """

    failed: BoolArray
    passed: BoolArray
    shared: BoolArray
    unconfirmed: BoolArray
    burst: BoolArray
    log_e: FloatArray
    unproven: FloatArray


def findings(margins: Margins, state: State, terms: Terms, totals: Totals) -> Findings:
    """Judge all streams, some at a time: what fits into the processor's cache takes half as long."""
    blocks = [slice(start, start + BLOCK) for start in range(0, margins.paired.size, BLOCK)]
    found = [
        _findings(part(margins, block), part(state, block), part(terms, block), part(totals, block)) for block in blocks
    ]
    return Findings(*(np.concatenate([getattr(one, name.name) for one in found]) for name in fields(Findings)))


def _findings(margins: Margins, state: State, terms: Terms, totals: Totals) -> Findings:
    found = evidence(margins, state, terms, leave_one_out=True)
    failed = found.combined >= terms.log_threshold
    above = ~failed & (found.unproven >= terms.log_threshold)
    shared = _stable_too(margins, state, terms, above)
    burst = np.zeros(failed.shape, dtype=np.bool_)
    # Leaving a pod-interval out takes at most what it added: most streams are far from the threshold either way.
    near = np.flatnonzero(
        ~failed & ~above & (found.unproven + _most(margins, state) / terms.design_effect >= terms.log_threshold)
    )
    if near.size:
        whole = evidence(part(margins, near), part(state, near), part(terms, near), leave_one_out=False)
        burst[near] = whole.unproven >= terms.log_threshold[near]
    good = passed(margins, state, terms, totals) & ~failed
    return Findings(failed, good, shared, above & ~shared, burst, found.combined, found.unproven)


def _most(margins: Margins, state: State) -> FloatArray:
    """The most that leaving one pod-interval out takes from any part, in nats."""
    every = (state.above_margin(margins), state.most_above_rate, state.most_above_ignored)
    return np.asarray(np.maximum.reduce([most.max(axis=1) for most in every]))
