"""The goals of the evidence, measured on the operator's own functions: one table, then the same data in other gates.

python benchmarks/evidence.py                  # some minutes
python benchmarks/evidence.py --runs 200 --gates 0

Detection is counted in candidate requests at a share of 10 %, margins at the baseline (maxRate = baseline, maxRatio 1),
as multiples of Wald's bound for errors of alpha and 5 %; the goals are for bounds of at least three bad requests.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

import gates
import numpy as np
from quality_contract import BAD, CHECKED, LABEL_CHECK
from sampler_rollouts import memory
from sampler_rollouts.domain.evidence import judge
from sampler_rollouts.domain.evidence.evaluate import count_tests, evaluate
from sampler_rollouts.domain.evidence.samples import Arm, CheckPlan, Question, SampleSet, Series
from sampler_rollouts.domain.evidence.streams import Margins, PodIntervals, begin, fold
from samplerctl import power

ROWS = (
    (0.0005, 0.008), (0.001, 0.008), (1e-4, 0.008), (1e-5, 0.008), (0.0005, 0.16), (0.0005, 0.0018), (1e-5, 0.0018),
    (0.001, 0.0018), (1e-5, 4e-4), (1e-7, 4e-6), (1e-6, 1e-4), (1e-6, 1e-2), (0.02, 0.04), (0.05, 0.07), (0.3, 0.32),
)  # fmt: skip
GOALS = {0.01: (2.0, 5.0), 0.001: (1.8, 4.2), 0.00001: (1.8, 4.2)}
"""Median and 95th percentile over the bound, by alpha."""
LEAST_BAD = 3.0
MOST_FOR_16 = 30
STREAMS, PODS, CANDIDATES = 2000, 5, 2


@dataclass(frozen=True)
class Line:
    """One figure beside its goal; ``met`` is None where the goal does not ask."""

    what: str
    found: str
    goal: str = "-"
    met: bool | None = None

    def __str__(self) -> str:
        verdict = {True: "met", False: "NOT MET", None: ""}[self.met]
        return f"{self.what:<46} {self.found:<48} {self.goal:<26} {verdict}"


def detection(runs: int) -> Iterator[Line]:
    """Every row of the anchors at each alpha."""
    for alpha, (median_goal, p95_goal) in GOALS.items():
        for baseline, regression in ROWS:
            asked = _power(baseline, regression, alpha, runs)
            bound = power.sprt_bound(baseline, regression, alpha)
            found = power.detection(asked)
            asks = bound * regression >= LEAST_BAD
            ratios = [math.inf if one is None else one / bound for one in (found.median, found.p95)]
            text = f"bound {bound:,.0f}: {_count(found.median)}, {_count(found.p95)} = " + ", ".join(
                f"{one:.2f} x" for one in ratios
            )
            goal = f"{median_goal:g} x, {p95_goal:g} x" if asks else f"- ({bound * regression:.1f} bad at the bound)"
            met = ratios[0] <= median_goal and ratios[1] <= p95_goal if asks else None
            yield Line(f"alpha {alpha:g}: {baseline:.3g} to {regression:.3g}", text, goal, met)


def _count(requests: int | None) -> str:
    return "more than simulated" if requests is None else f"{requests:,}"


def sixteen_percent(runs: int) -> Iterator[Line]:
    """The incident's worst hour."""
    for alpha in GOALS:
        found = power.detection(_power(0.0005, 0.16, alpha, runs))
        goal, met = (
            ("-", None) if alpha < 0.001 else (f"at most {MOST_FOR_16}", (found.median or math.inf) <= MOST_FOR_16)
        )
        yield Line(f"alpha {alpha:g}: 16 %, median (95 %) of requests", f"{found.median} ({found.p95})", goal, met)


def _power(baseline: float, regression: float, alpha: float, runs: int) -> power.Question:
    return power.Question(
        baseline, regression, share=0.1, alpha=alpha, max_rate=baseline, max_ratio=1.0, ignore_below=0.0, tests=1,
        pass_confidence=0.95, honest=baseline, runs=runs, seed=1,
    )  # fmt: skip


def passing(runs: int) -> Iterator[Line]:
    """An honest build at a tenth of its limit, looked at often."""
    random = np.random.default_rng(2)
    for limit in (0.001, 0.005, 0.01, 0.03, 0.1):
        step = max(1, round(0.05 / limit))
        margins = Margins(np.full(runs, limit), np.full(runs, np.nan), np.zeros(runs), np.zeros(runs, dtype=np.bool_))
        terms = judge.Terms(np.full(runs, 1.0), np.full(runs, 0.95), np.ones(runs))
        bad, passed, requests = np.zeros(runs, dtype=np.int64), np.full(runs, np.inf), 0
        while np.isfinite(passed).mean() <= 0.9:
            requests += step
            bad += random.binomial(step, limit / 10, runs)
            totals = judge.Totals(np.full(runs, requests), bad, np.zeros(runs, dtype=np.int64))
            passed[judge.passed(margins, begin(runs), terms, totals) & np.isinf(passed)] = requests
        median, p90 = (float(np.sort(passed)[math.ceil(share * runs) - 1]) for share in (0.5, 0.9))
        text = f"{median:,.0f} = {median * limit:.2f} / limit (90 %: {p90:,.0f})"
        yield Line(
            f"Passed at 95 %, limit {limit:.1%}, true rate a tenth", text, "median 4 / limit", median * limit <= 4
        )


def speed() -> Iterator[Line]:
    """Many streams side by side: two candidate and three stable pods, ratios 1 and 2, one bad request in a hundred."""
    random = np.random.default_rng(1)
    margins = Margins(
        np.full(STREAMS, 0.05), random.choice([1.0, 2.0], STREAMS), random.choice([0.0, 0.005], STREAMS),
        np.ones(STREAMS, dtype=np.bool_),
    )  # fmt: skip
    stream, stable = np.tile(np.arange(STREAMS), PODS), np.repeat(np.arange(PODS) >= CANDIDATES, STREAMS)
    terms = judge.Terms(np.full(STREAMS, 9.0), np.full(STREAMS, 0.95), np.ones(STREAMS))
    state, folding, judging = begin(STREAMS), [], []
    for cell in range(60):
        checked = random.poisson(np.where(stable, 90, 6))
        rows = PodIntervals(stream, np.full(stream.size, cell), stable, checked, random.binomial(checked, 0.01))
        folding.append(_seconds(lambda rows=rows: fold(margins, state, rows)))
        totals = judge.Totals(state.checked, state.bad, np.zeros(STREAMS, dtype=np.int64))
        judging.append(_seconds(lambda totals=totals: judge.findings(margins, state, terms, totals)))
    fold_rate, judge_rate = STREAMS / np.median(folding), STREAMS / np.median(judging)
    both = 1 / (1 / fold_rate + 1 / judge_rate)
    yield Line("check x pool updates a second, one core", f"{fold_rate:,.0f}", "at least 200,000", fold_rate >= 200_000)
    yield Line("  verdicts a second", f"{judge_rate:,.0f}")
    yield Line("  updates with a verdict after each", f"{both:,.0f}")
    size = sum(getattr(state, field.name).nbytes for field in fields(state)) // STREAMS
    yield Line("bytes of state per check and pool", f"{size:,}", "below 4,096", size < 4096)


def recomputation() -> Iterator[Line]:
    """One look at all raw samples of 4 h: 5 checks x 4 pools of five pods, as after a restart."""
    asked, samples, now = _four_hours()
    taken = [_seconds(lambda: evaluate(asked, samples, now)) for _ in range(7)]
    best = float(np.median(taken)) * 1000
    yield Line("4 h of one rollout recomputed, 5 checks x 4 pools", f"{best:.0f} ms", "below 200 ms", best < 200)


def _four_hours() -> tuple[Question, SampleSet, datetime]:
    random, since, scrapes = np.random.default_rng(1), datetime(2026, 11, 25, tzinfo=UTC), 960
    checks = [CheckPlan("errors" if not number else f"check-{number}", 0.01, {}, 2.0, 0.001) for number in range(5)]
    series, arms = [], []
    for pool in (f"pool-{number}" for number in range(4)):
        new = [f"{pool}-new-{pod}" for pod in range(CANDIDATES)]
        for place, pod in enumerate([*new, *(f"{pool}-old-{pod}" for pod in range(PODS - CANDIDATES))]):
            revision = "new" if pod in new else "old"
            times = since.timestamp() + 3.0 * place + 15 * np.arange(1, scrapes + 1)
            for check in checks:
                checked = random.poisson(6 if pod in new else 40, scrapes)
                for metric, gained in ((CHECKED, checked), (BAD, random.binomial(checked, 0.0005))):
                    labels = {LABEL_CHECK: check.name, "route_hash": "none"}
                    series.append(Series(metric, pod, pool, revision, labels, times, np.cumsum(gained).astype(float)))
        arms.append(Arm(pool, "new", dict.fromkeys(new, since), "old", frozenset(new), compared=True))
    tests = count_tests(checks, [arm.pool for arm in arms])
    asked = Question("", "", "", since, tuple(arms), tuple(checks), 0.005, 0.95, 1.0, tests)
    return asked, SampleSet(tuple(series)), since + timedelta(hours=4, seconds=13)


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="simulated rollouts of each row")
    parser.add_argument("--gates", type=int, default=300, help="rollouts through each gate; 0: no such table")
    options = parser.parse_args()
    memory.keep_freed()  # as the operator's process does
    print(f"{'what':<46} {'found':<48} {'goal':<26}")
    for some in (
        detection(options.runs),
        sixteen_percent(options.runs),
        passing(options.runs),
        speed(),
        recomputation(),
    ):
        for line in some:
            print(line, flush=True)
    if options.gates:
        gates.show(options.gates, seed=1)


if __name__ == "__main__":
    main()
