"""The evidence of many simulated rollouts at once: the operator's own fold and judgement, one stream for each run,
pool and check.

What is left out of the operator's way is Prometheus: counts come as pod-intervals, each scraped at the same moment. A
stream has two states, one beside stable and one alone, because a pool at full traffic is judged by its limits alone
from its first request on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sampler_rollouts.domain.evidence import judge, verdict
from sampler_rollouts.domain.evidence.audit import confirmed_threshold
from sampler_rollouts.domain.evidence.bound import upper_bounds
from sampler_rollouts.domain.evidence.comparison import Assurance
from sampler_rollouts.domain.evidence.grid import BoolArray, IntArray
from sampler_rollouts.domain.evidence.look import CheckLook, Evidence, Traffic
from sampler_rollouts.domain.evidence.samples import CheckPlan, Question
from sampler_rollouts.domain.evidence.streams import Margins, PodIntervals, begin, fold, part

from samplerctl.traffic import Cell


@dataclass(frozen=True, slots=True)
class Layout:
    """How runs, pools and checks are laid out: stream = (run * pools + pool) * checks + check."""

    runs: int
    pools: tuple[str, ...]
    plans: tuple[CheckPlan, ...]
    """Checks of rates."""
    audit: CheckPlan | None
    unaudited: frozenset[str] = frozenset()

    @property
    def streams(self) -> int:
        """Streams in all."""
        return self.runs * len(self.pools) * len(self.plans)

    def of(self, runs: IntArray) -> IntArray:
        """The streams of some runs, in order."""
        per_run = len(self.pools) * len(self.plans)
        return np.asarray(runs[:, None] * per_run + np.arange(per_run)).ravel()


def _margins(layout: Layout, *, paired: bool) -> Margins:
    def every(name: str) -> np.ndarray:
        return np.tile([float(getattr(plan, name)) for plan in layout.plans], layout.runs * len(layout.pools))

    flags = np.full(layout.streams, paired)
    return Margins(every("max_rate"), every("max_ratio"), every("ignore_below"), flags)


class Courses:
    """What all runs have counted so far, and what the core says of it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._margins = {paired: _margins(layout, paired=paired) for paired in (True, False)}
        self._states = {paired: begin(layout.streams) for paired in (True, False)}
        shape = (layout.runs, len(layout.pools))
        self.exposed, self.stable, self._tokens, self._wrong, self._intervals = (
            np.zeros(shape, dtype=np.int64) for _ in range(5)
        )
        self._checked, self._bad = (np.zeros(layout.streams, dtype=np.int64) for _ in range(2))
        self._cells = 0

    def add(self, cell: Cell, candidates: int, runs: IntArray) -> None:
        """What came to each pod of some runs since the last scrape; the first ``candidates`` are the candidate's."""
        streams = self.layout.of(runs)
        checked, bad = (counted[:, streams] for counted in cell)
        pod, place = np.nonzero(checked)
        number = np.full(place.size, self._cells)
        rows = PodIntervals(streams[place], number, pod >= candidates, checked[pod, place], bad[pod, place])
        fold(self._margins[True], self._states[True], rows)
        fold(self._margins[False], self._states[False], rows.of(np.flatnonzero(~rows.stable)))
        self._cells += 1
        self._checked[streams] += checked[:candidates].sum(axis=0)
        self._bad[streams] += bad[:candidates].sum(axis=0)

    def add_traffic(self, requests: IntArray, candidates: int, runs: IntArray) -> None:
        """Requests of each pod, (pods, runs, pools): what users met."""
        self.exposed[runs] += requests[:candidates, runs].sum(axis=0)
        self.stable[runs] += requests[candidates:, runs].sum(axis=0)

    def add_audit(self, tokens: IntArray, wrong: IntArray) -> None:
        """Audited tokens of each candidate pod and those that were wrong, (pods, runs, pools)."""
        self._tokens += tokens.sum(axis=0)
        self._wrong += wrong.sum(axis=0)
        self._intervals += (wrong > 0).sum(axis=0)

    def looks(
        self, asked: Question, runs: IntArray, compared: BoolArray, ready: IntArray, scrape: float, now: datetime
    ) -> list[Evidence]:
        """One look of some runs. All ask alike, but for which pools have a stable beside them, ``compared``.

        ``compared`` and ``ready``, how many of the candidate's pods serve, have the shape (runs, pools).
        """
        layout = self.layout
        rates = self._rates(asked, runs, compared).reshape(runs.size, len(layout.pools), len(layout.plans))
        tokens, wrong = self._tokens[runs], self._wrong[runs]
        bounds = upper_bounds(tokens.ravel(), wrong.ravel(), asked.pass_confidence, asked.design_effect)
        found = []
        for place, (run, bound) in enumerate(zip(runs, bounds.reshape(tokens.shape), strict=True)):
            looks: dict[tuple[str, str], CheckLook] = {}
            for number, pool in enumerate(layout.pools):
                unusable = "" if ready[place, number] else "NoData"
                for plan, rate in zip(layout.plans, rates[place, number], strict=True):
                    looks[pool, plan.name] = _rate_look(plan, pool, rate, unusable, now)
                if layout.audit and pool not in layout.unaudited:
                    counts = (self._tokens[run, number], self._wrong[run, number], self._intervals[run, number])
                    looks[pool, layout.audit.name] = _audit_look(layout.audit, pool, counts, bound[number], unusable)
            found.append(self._evidence(looks, int(run), ready[place], scrape))
        return found

    def _evidence(self, looks: dict[tuple[str, str], CheckLook], run: int, ready: IntArray, scrape: float) -> Evidence:
        pools = list(enumerate(self.layout.pools))
        return Evidence(
            available=True,
            looks=looks,
            traffic={pool: Traffic(int(self.exposed[run, at]), int(self.stable[run, at])) for at, pool in pools},
            fresh={pool: bool(ready[at]) for at, pool in pools},
            scrape_interval=scrape,
        )

    def _rates(self, asked: Question, runs: IntArray, compared: BoolArray) -> np.ndarray:
        """What the core says of every stream of some runs, as records of ``_RATE``. Shape (streams,)."""
        streams = self.layout.of(runs)
        paired = np.repeat(compared.ravel(), len(self.layout.plans))
        assurance = Assurance(asked.alpha, asked.tests, asked.pass_confidence, asked.design_effect)
        checked, bad = self._checked[streams], self._bad[streams]
        found = np.zeros(streams.size, dtype=_RATE)
        found["checked"], found["bad"], found["threshold"] = checked, bad, assurance.log_threshold
        found["bound"] = upper_bounds(checked, bad, asked.pass_confidence, asked.design_effect)
        for beside in (True, False):
            some = np.flatnonzero(paired == beside)
            margins, state = part(self._margins[beside], streams[some]), part(self._states[beside], streams[some])
            totals = judge.Totals(checked[some], bad[some], np.zeros(some.size, dtype=np.int64))
            if some.size:
                result = judge.findings(margins, state, assurance.terms(some.size), totals)
                for name in (*_FLAGS, "log_e"):
                    found[name][some] = getattr(result, name)
                found["stable_checked"][some] = state.stable_checked
                found["stable_bad"][some] = state.stable_bad
        return found


_FLAGS = ("failed", "shared", "unconfirmed", "passed", "burst")
"""What ``verdict.of_rate`` asks of the findings."""
_RATE = np.dtype(
    [(name, np.bool_) for name in _FLAGS]
    + [(name, np.int64) for name in ("checked", "bad", "stable_checked", "stable_bad")]
    + [(name, np.float64) for name in ("log_e", "bound", "threshold")]
)


def _rate_look(plan: CheckPlan, pool: str, found: np.void, unusable: str, now: datetime) -> CheckLook:
    flags = {name: bool(found[name]) for name in _FLAGS}
    judged = verdict.of_rate(**flags, unusable=unusable, otherwise="TooFewRequests")
    stable_checked, stable_bad = int(found["stable_checked"]), int(found["stable_bad"])
    return CheckLook(
        pool,
        plan.name,
        *judged,
        checked=int(found["checked"]),
        bad=int(found["bad"]),
        max_rate=plan.max_rate,
        upper_bound=float(found["bound"]),
        log_e=float(found["log_e"]) if math.isfinite(found["log_e"]) else 0.0,
        log_threshold=float(found["threshold"]),
        newest_sample=now,
        max_ratio=plan.max_ratio,
        stable_checked=stable_checked,
        stable_bad=stable_bad,
        detail=f"stable was bad in {stable_bad} of {stable_checked}" if stable_checked else "",
    )


def _audit_look(plan: CheckPlan, pool: str, counts: tuple[int, int, int], bound: float, unusable: str) -> CheckLook:
    tokens, wrong, intervals = (int(count) for count in counts)
    judged = verdict.of_audit(
        intervals=intervals, below=bool(bound < plan.max_rate), unusable=unusable, otherwise="TooFewTokens"
    )
    return CheckLook(
        pool,
        plan.name,
        *judged,
        checked=tokens,
        bad=wrong,
        max_rate=plan.max_rate,
        upper_bound=float(bound),
        log_e=math.log(max(intervals, 1)),
        log_threshold=confirmed_threshold(),
    )
