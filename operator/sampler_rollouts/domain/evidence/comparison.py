"""Checks of rates, as pod-intervals of both arms, through the core: all checks of all pools at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sampler_rollouts.domain.evidence import judge
from sampler_rollouts.domain.evidence.cells import Cells, alone, apart, together
from sampler_rollouts.domain.evidence.grid import IntArray
from sampler_rollouts.domain.evidence.intervals import Increments
from sampler_rollouts.domain.evidence.ratio import bounds
from sampler_rollouts.domain.evidence.samples import CheckPlan
from sampler_rollouts.domain.evidence.streams import Margins, PodIntervals, State, begin, fold


@dataclass(frozen=True, slots=True)
class Assurance:
    """How sure verdicts are to be, the same for all checks. ``alpha`` is shared by ``tests`` tests (Bonferroni)."""

    alpha: float
    tests: int
    pass_confidence: float
    design_effect: float

    @property
    def log_threshold(self) -> float:
        """ln of the evidence at which a check fails."""
        return math.log(max(self.tests, 1) / self.alpha)

    def terms(self, streams: int) -> judge.Terms:
        """The same for each stream."""
        return judge.Terms(
            np.full(streams, self.log_threshold),
            np.full(streams, self.pass_confidence),
            np.full(streams, self.design_effect),
        )


@dataclass(frozen=True, slots=True)
class Stream:
    """One check in one pool: the candidate's pods, and stable's if it serves beside the candidate, else None."""

    plan: CheckPlan
    candidate: Sequence[Increments]
    stable: Sequence[Increments] | None = None
    probes: Stream | None = None
    """Synthetic probes of the same check and pods. Both arms' probes are compared with each other: they are other
    requests than users', in other shares."""

    def cells(self, window: int) -> Cells:
        """Its pod-intervals, put together where both arms are compared. ``window`` in milliseconds."""
        own = alone(self.candidate) if self.stable is None else together(self.candidate, self.stable, window)
        return own if self.probes is None else apart(own, self.probes.cells(window))

    @property
    def counted(self) -> Sequence[Increments]:
        """All of the candidate's pod-intervals."""
        return self.candidate if self.probes is None else (*self.candidate, *self.probes.counted)


@dataclass(frozen=True, slots=True)
class Compared:
    """What the core says of one stream.

    ``log_e`` is the evidence against "rate <= tau" with the pod-interval left out that supports it most. It would have
    failed but for the proof that it is worse than stable: ``shared`` where stable is above the limit too,
    ``unconfirmed`` as long as neither is shown; ``unproven`` is the evidence without it. ``burst``: but for the
    pod-interval left out.
    """

    failed: bool
    shared: bool
    unconfirmed: bool
    passed: bool
    burst: bool
    log_e: float
    unproven: float
    stable_checked: int
    stable_bad: int
    ratio_bounds: tuple[float, float]
    long_gaps: int = 0


def margins_of(streams: Sequence[Stream]) -> Margins:
    """What is asked of each stream, as arrays."""
    return Margins(
        max_rate=np.array([stream.plan.max_rate for stream in streams], dtype=np.float64),
        max_ratio=np.array([stream.plan.max_ratio for stream in streams], dtype=np.float64),
        ignore_below=np.array([stream.plan.ignore_below for stream in streams], dtype=np.float64),
        paired=np.array([stream.stable is not None for stream in streams], dtype=np.bool_),
    )


def pod_intervals(cells: Sequence[Cells]) -> PodIntervals:
    """The cells of streams 0, 1, ... as rows of the core."""
    none = np.zeros(0, dtype=np.int64)
    return PodIntervals(
        stream=np.repeat(np.arange(len(cells)), [one.cell.size for one in cells]),
        cell=np.concatenate([none, *(one.cell for one in cells)]),
        stable=np.concatenate([none.astype(np.bool_), *(one.stable for one in cells)]),
        checked=np.concatenate([none, *(one.checked for one in cells)]),
        bad=np.concatenate([none, *(one.bad for one in cells)]),
    )


def totals_of(streams: Sequence[Stream]) -> judge.Totals:
    """All of the candidate's checked requests, compared or not, and the doubtful ones."""

    def total(name: str) -> IntArray:
        return np.array([sum(int(getattr(one, name).sum()) for one in stream.counted) for stream in streams])

    doubtful = np.array([sum(one.doubtful for one in stream.counted) for stream in streams], dtype=np.int64)
    return judge.Totals(total("checked").astype(np.int64), total("bad").astype(np.int64), doubtful)


def compare(streams: Sequence[Stream], assurance: Assurance, window: int) -> list[Compared]:
    """Fold all pod-intervals of some streams and judge each. ``window`` is the scrape interval in milliseconds."""
    if not streams:
        return []
    cells = [stream.cells(window) for stream in streams]
    margins, state = margins_of(streams), begin(len(streams))
    fold(margins, state, pod_intervals(cells))
    terms = assurance.terms(len(streams))
    found = judge.findings(margins, state, terms, totals_of(streams))
    return [_compared(found, state, margins, assurance, place, one) for place, one in enumerate(cells)]


def _compared(
    found: judge.Findings, state: State, margins: Margins, assurance: Assurance, place: int, cells: Cells
) -> Compared:
    wanted = -math.log(judge.RATIO_SHARE * (1.0 - assurance.pass_confidence))
    logs = state.logs[place] / assurance.design_effect
    return Compared(
        failed=bool(found.failed[place]),
        shared=bool(found.shared[place]),
        unconfirmed=bool(found.unconfirmed[place]),
        passed=bool(found.passed[place]),
        burst=bool(found.burst[place]),
        log_e=float(found.log_e[place]),
        unproven=float(found.unproven[place]),
        stable_checked=int(state.stable_checked[place]),
        stable_bad=int(state.stable_bad[place]),
        ratio_bounds=bounds(float(margins.ratio_margin[place]), logs, wanted),
        long_gaps=cells.long_gaps,
    )
