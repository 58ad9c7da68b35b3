"""What a check can show, and after how many requests: the real core on simulated requests, beside the physical bound.

All counts are candidate requests. They fail independently, and are looked at one by one, or a hundred times before the
bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sampler_rollouts.domain.evidence import judge
from sampler_rollouts.domain.evidence.grid import BoolArray, FloatArray, IntArray
from sampler_rollouts.domain.evidence.streams import Margins, PodIntervals, State, begin, fold, part

from samplerctl.progress import Tell, untold

MISSED = 0.05
"""The chance of missing the regression that the bound allows any other test."""
LOOKS_A_BOUND = 100
"""Looks before the bound: what comes between two of them makes figures at most 1 % too large."""
MOST_BOUNDS = 40
"""How many times the bound is simulated at the most."""
MOST_STABLE_PODS = 50
"""However small the candidate's share: stable's requests are put together in as many pods."""
LEAST_RATE = 1e-7
"""Rates and shares below one in ten million are no question that traffic answers."""
LEAST_ALPHA = 1e-10
MOST_BAD = 2_000
"""Bad requests of a run at the bound: more are not simulated in any time that a person waits."""


@dataclass(frozen=True, slots=True)
class Question:
    """One check: rates and shares as numbers, ``alpha`` for the test before Bonferroni over ``tests``.

    ``max_ratio`` is NaN for a check without one, as everywhere in the evidence.
    """

    baseline: float
    regression: float
    share: float
    alpha: float
    max_rate: float
    max_ratio: float
    ignore_below: float
    tests: int
    pass_confidence: float
    honest: float
    runs: int
    seed: int
    design_effect: float = 1.0

    @property
    def fewest(self) -> float:
        """What any test needs; the design effect divides what requests say, and so multiplies them."""
        return self.design_effect * sprt_bound(self.allowed, self.regression, self.alpha / self.tests)

    @property
    def allowed(self) -> float:
        """The largest rate that is allowed beside a stable at ``baseline`` (R12)."""
        return self.max_rate if math.isnan(self.max_ratio) else min(self.max_rate, self.related)

    @property
    def related(self) -> float:
        """The largest rate that the ratio allows beside that stable; NaN without one."""
        return math.nan if math.isnan(self.max_ratio) else max(self.max_ratio * self.baseline, self.ignore_below)

    @property
    def too_tight(self) -> tuple[str, ...]:
        """The options that leave an honest build no room: ``--max-rate``, ``--max-ratio``; neither where both do."""
        by_rate, by_ratio = self.honest >= self.max_rate, self.honest >= self.related  # never so for NaN
        return ("--max-rate",) * by_rate + ("--max-ratio",) * by_ratio


@dataclass(frozen=True, slots=True)
class Detection:
    """Candidate requests: quantiles over the runs, None where fewer runs came to an end.

    ``median`` and ``p95`` until the evidence reaches tests / alpha; ``confirmed_...`` until it does so with any single
    pod-interval left out too (R15), if each request is a pod-interval of its own: the fewest that can be.
    """

    median: int | None
    p95: int | None
    confirmed_median: int | None
    confirmed_p95: int | None


def sprt_bound(allowed: float, regression: float, alpha: float) -> float:
    """Requests that any test needs on average that errs with chances ``alpha`` and 5 % (Wald 1945).

    The relative entropy of the two errors over that of the two rates.
    """
    errors = _relative_entropy(MISSED, 1 - alpha)
    return errors / _relative_entropy(regression, allowed)


def _relative_entropy(p: float, q: float) -> float:
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def detection(asked: Question, tell: Tell = untold) -> Detection:
    """Simulate candidates at the regression until they fail, and ``tell`` of each that has."""
    step = max(1, math.ceil(asked.fewest / LOOKS_A_BOUND))
    first, confirmed = (np.full(asked.runs, np.inf) for _ in range(2))
    for look in _looks(asked, asked.regression, step, LOOKS_A_BOUND * MOST_BOUNDS):
        whole, without = (
            judge.evidence(look.margins, look.state, look.terms, leave_one_out=out) for out in (False, True)
        )
        reached = whole.combined >= look.terms.log_threshold
        first[look.runs[reached]] = np.minimum(first[look.runs[reached]], look.requests)
        look.done = without.combined >= look.terms.log_threshold
        confirmed[look.runs[look.done]] = look.requests
        tell(int(look.done.sum()))
    return Detection(
        _quantile(first, 0.5), _quantile(first, 0.95), _quantile(confirmed, 0.5), _quantile(confirmed, 0.95)
    )


def requests_to_pass(asked: Question, tell: Tell = untold) -> int | None:
    """Median candidate requests until an honest build has ``Passed``; None where most never do.

    A build that is not inside the margins has nothing to pass by, whatever it is given.
    """
    if asked.too_tight:
        return None
    margin = max(asked.allowed, asked.honest)
    step = max(1, math.ceil(-asked.design_effect * math.log(1 - asked.pass_confidence) / margin / LOOKS_A_BOUND))
    passed = np.full(asked.runs, np.inf)
    for look in _looks(asked, asked.honest, step, LOOKS_A_BOUND * MOST_BOUNDS):
        totals = judge.Totals(look.state.checked, look.state.bad, np.zeros(look.runs.size, dtype=np.int64))
        look.done = judge.passed(look.margins, look.state, look.terms, totals)
        passed[look.runs[look.done]] = look.requests
        tell(int(look.done.sum()))
        if np.isfinite(passed).mean() > 0.5:
            break
    return _quantile(passed, 0.5)


@dataclass(slots=True)
class _Look:
    """The runs that still go on, after so many candidate requests each. The reader says which are ``done``."""

    requests: int
    runs: IntArray
    margins: Margins
    state: State
    terms: judge.Terms
    done: BoolArray


def _looks(asked: Question, rate: float, step: int, most: int) -> Iterator[_Look]:
    """Simulate runs side by side, ``step`` candidate requests a cell, until all are done or ``most`` cells are over."""
    random = np.random.default_rng(asked.seed)
    margins = _margins(asked)
    terms = judge.Terms(
        np.full(asked.runs, math.log(asked.tests / asked.alpha)),
        np.full(asked.runs, asked.pass_confidence),
        np.full(asked.runs, asked.design_effect),
    )
    look = _Look(0, np.arange(asked.runs), margins, begin(asked.runs), terms, np.zeros(asked.runs, dtype=np.bool_))
    for cell in range(most):
        fold(look.margins, look.state, _cell(asked, rate, step, cell, look.runs.size, random))
        look.requests += step
        yield look
        if look.done.any():
            keep = np.flatnonzero(~look.done)
            if keep.size == 0:
                return
            look.runs, look.margins, look.state, look.terms, look.done = (
                look.runs[keep],
                part(look.margins, keep),
                part(look.state, keep),
                part(look.terms, keep),
                look.done[keep],
            )


def _margins(asked: Question) -> Margins:
    def full(value: float) -> FloatArray:
        return np.full(asked.runs, value)

    return Margins(
        full(asked.max_rate), full(asked.max_ratio), full(asked.ignore_below), np.ones(asked.runs, dtype=np.bool_)
    )


def _cell(asked: Question, rate: float, step: int, cell: int, runs: int, random: np.random.Generator) -> PodIntervals:
    """One cell of each run: every bad candidate request a row of its own, the good ones another, and stable's pods,
    each with about as many requests as the candidate, or more where they would be too many."""
    candidate_bad = random.binomial(step, rate, runs)
    pods = min(MOST_STABLE_PODS, max(1, round((1 - asked.share) / asked.share)))
    per_pod = step * (1 - asked.share) / asked.share / pods
    stable_each = math.floor((cell + 1) * per_pod) - math.floor(cell * per_pod)
    stable_bad = random.binomial(stable_each, asked.baseline, (pods, runs))
    every = np.arange(runs)
    bad_rows = np.repeat(every, candidate_bad)
    stream = np.concatenate([bad_rows, every, np.tile(every, pods)])
    checked = np.concatenate(
        [np.ones(bad_rows.size, dtype=np.int64), step - candidate_bad, np.full(pods * runs, stable_each)]
    )
    bad = np.concatenate([np.ones(bad_rows.size, dtype=np.int64), np.zeros(runs, dtype=np.int64), stable_bad.ravel()])
    stable = np.arange(stream.size) >= bad_rows.size + runs
    return PodIntervals(stream, np.full(stream.size, cell), stable, checked, bad)


def _quantile(requests: FloatArray, share: float) -> int | None:
    """The smallest number within which that share of all runs came to an end."""
    place = math.ceil(share * requests.size) - 1
    found = float(np.sort(requests)[place])
    return int(found) if math.isfinite(found) else None
