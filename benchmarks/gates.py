"""The same requests through three gates: thresholds, Kayenta's published rule, and this project's core.

A canary of one check in one pool: the candidate answers a tenth of the requests on two pods, stable the rest on three.
The threshold gate takes five measurements of a minute each: bad/total <= 1 %, and gives up after its failure limit (an
empty minute succeeds, as the templates in the wild have it). Kayenta compares two series of one point a minute, 5 of
them as the gate has or 50 as its documentation asks: a 98 % Mann-Whitney interval of the shift (normal approximation,
ties, continuity), High if its lower end is above a quarter of the Hodges-Lehmann estimate. Ours looks every 15 s, one
of 20 tests at a false-rollback rate of 1 %, and may take 4 h; then it holds, and promotes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from sampler_rollouts.domain.evidence import judge
from sampler_rollouts.domain.evidence.streams import Margins, PodIntervals, begin, fold, part

CELLS, MINUTE = 4 * 3600 // 15, 4
CANDIDATES, PODS = 2, 5
SHARES = np.array([0.05] * CANDIDATES + [0.3] * (PODS - CANDIDATES))
STABLE_RATE = 0.0005
MEASUREMENTS = 5
KAYENTA_CONFIDENCE, KAYENTA_TOLERANCE = 0.98, 0.25
TESTS, ALPHA = 20, 0.005
MAX_RATE, MAX_RATIO, IGNORE_BELOW = 0.01, 2.0, 0.001
LEVELS = {"honest 0.05%": 0.0005, "bug 0.18%": 0.0018, "bug 0.8%": 0.008, "bug 16%": 0.16}
TRAFFIC = (0.1, 1.0, 10.0)
"""The candidate's requests a second."""


@dataclass(frozen=True)
class Judged:
    """What became of all runs: passed, aborted (the rest is held), and minutes until either; (runs,)."""

    passed: np.ndarray
    aborted: np.ndarray
    minutes: np.ndarray

    def __str__(self) -> str:
        delay = np.median(self.minutes[self.aborted]) if self.aborted.any() else None
        after = "" if delay is None else f" in {delay:.0f} min" if delay >= 2 else f" in {60 * delay:.0f} s"
        return f"{self.passed.mean():.1%} / {self.aborted.mean():.1%}{after}"


@dataclass(frozen=True)
class Data:
    """Checked and bad requests, (runs, cells, pods)."""

    checked: np.ndarray
    bad: np.ndarray

    def minutes(self, candidate: bool, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Checked and bad of an arm, minute by minute. (runs, count) each."""
        pods = slice(0, CANDIDATES) if candidate else slice(CANDIDATES, None)
        some = (counts[:, : count * MINUTE, pods].sum(axis=2) for counts in (self.checked, self.bad))
        checked, bad = (counts.reshape(counts.shape[0], count, MINUTE).sum(axis=2) for counts in some)
        return checked, bad


def data(rate: float, traffic: float, runs: int, seed: int) -> Data:
    """Independent requests; the candidate has ``traffic`` a second, a tenth of all."""
    random = np.random.default_rng(seed)
    checked = random.poisson(traffic * 10 * 15 * SHARES, (runs, CELLS, PODS))
    rates = np.where(np.arange(PODS) < CANDIDATES, rate, STABLE_RATE)
    return Data(checked, random.binomial(checked, rates))


def threshold(found: Data, failure_limit: int) -> Judged:
    """bad/total <= 1 % in each of five minutes, but for as many as the failure limit."""
    checked, bad = found.minutes(candidate=True, count=MEASUREMENTS)
    failures = np.cumsum(bad > MAX_RATE * checked, axis=1)
    over = failures > failure_limit
    aborted = over[:, -1]
    first = np.argmax(over, axis=1) + 1.0
    return Judged(~aborted, aborted, np.where(aborted, first, MEASUREMENTS))


def kayenta(found: Data, points: int) -> Judged:
    """One judgement over two series of ``points`` rates; minutes without a request are removed, as NaN is."""
    series = []
    for candidate in (True, False):
        checked, bad = found.minutes(candidate, points)
        series.append(np.where(checked > 0, bad / np.maximum(checked, 1), np.nan))
    high = np.array([_is_high(x[~np.isnan(x)], y[~np.isnan(y)]) for x, y in zip(*series, strict=True)])
    return Judged(~high, high, np.full(high.size, float(points)))


def _is_high(x: np.ndarray, y: np.ndarray) -> bool:
    if not x.size or not y.size or np.unique(np.concatenate([x, y])).size == 1:
        return False
    if x.size == y.size and np.array_equal(np.sort(x), np.sort(y)):
        return False
    pairs = x[:, None] - y
    ties = sum(float((count**3 - count).sum()) for count in (np.unique(one, return_counts=True)[1] for one in (x, y)))
    n, size = x.size * y.size, x.size + y.size
    sigma = math.sqrt(n / 12 * (size + 1 - ties / (size * (size - 1))))
    if sigma == 0:
        return False
    quantile = NormalDist().inv_cdf(0.5 + KAYENTA_CONFIDENCE / 2)
    lower = _root(pairs, n / 2 + 0.5 + quantile * sigma)
    estimate = _root(pairs, n / 2)
    return lower > KAYENTA_TOLERANCE * abs(estimate) and x.mean() >= y.mean()


def _root(pairs: np.ndarray, wanted: float) -> float:
    """The shift at which the Mann-Whitney count of x - shift > y falls to ``wanted``: one of the differences."""
    low, high = float(pairs.min()) - 1e-9, float(pairs.max()) + 1e-9
    for _ in range(60):
        middle = (low + high) / 2
        count = (pairs > middle).sum() + 0.5 * (pairs == middle).sum()
        low, high = (middle, high) if count > wanted else (low, middle)
    return float(pairs.flat[np.abs(pairs - (low + high) / 2).argmin()])


def ours(found: Data) -> Judged:
    """The operator's core, look by look, until Passed or Failed."""
    runs = found.checked.shape[0]

    def full(value: float) -> np.ndarray:
        return np.full(runs, value)

    margins = Margins(full(MAX_RATE), full(MAX_RATIO), full(IGNORE_BELOW), np.ones(runs, dtype=np.bool_))
    terms = judge.Terms(full(math.log(TESTS / ALPHA)), full(0.95), full(1.0))
    state, left = begin(runs), np.arange(runs)
    passed, aborted = np.zeros((2, runs), dtype=np.bool_)
    minutes = full(CELLS / MINUTE)
    stable = np.arange(PODS) >= CANDIDATES
    for cell in range(CELLS):
        counts = (counts[left, cell].ravel() for counts in (found.checked, found.bad))
        stream, arm = np.repeat(np.arange(left.size), PODS), np.tile(stable, left.size)
        fold(margins, state, PodIntervals(stream, np.full(stream.size, cell), arm, *counts))
        totals = judge.Totals(state.checked, state.bad, np.zeros(left.size, dtype=np.int64))
        verdicts = judge.findings(margins, state, terms, totals)
        aborted[left], passed[left] = verdicts.failed, verdicts.passed
        done = verdicts.failed | verdicts.passed
        minutes[left[done]] = (cell + 1) / MINUTE
        if done.any():
            keep = np.flatnonzero(~done)
            left = left[keep]
            margins, state, terms = part(margins, keep), part(state, keep), part(terms, keep)
        if not left.size:
            break
    return Judged(passed, aborted, minutes)


GATES: dict[str, Callable[[Data], Judged]] = {
    "threshold, limit 0": lambda found: threshold(found, 0),
    "threshold, limit 2": lambda found: threshold(found, 2),
    "Kayenta, 5 points": lambda found: kayenta(found, 5),
    "Kayenta, 50 points": lambda found: kayenta(found, 50),
    "ours, up to 4 h": ours,
}


def show(runs: int, seed: int) -> None:
    """One table: passed / aborted, and the median time to an abort."""
    print(f"\nThe same requests through three gates, {runs} rollouts each: passed / aborted in (the rest is held)")
    print(f"stable 0.05% bad; ours: maxRate {MAX_RATE:.0%}, maxRatio {MAX_RATIO:g}, ignoreBelow {IGNORE_BELOW:.1%}\n")
    width = 25
    print(f"{'candidate':<22}" + "".join(f"{name:<{width}}" for name in GATES))
    for traffic in TRAFFIC:
        for level, rate in LEVELS.items():
            found = data(rate, traffic, runs, seed)
            cells = "".join(f"{gate(found)!s:<{width}}" for gate in GATES.values())
            print(f"{f'{traffic:g}/s, {level}':<22}{cells}", flush=True)
