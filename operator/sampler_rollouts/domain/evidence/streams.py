"""The state of many streams at once, and the one fold that moves it on, live and when it is recomputed.

A stream is one check in one pool. Its evidence comes in *cells*: stretches of time in which both arms were read, each
with the pod-intervals that end in it. The state after a number of cells does not depend on how they were handed over,
one at a time or all at once: the same numbers are added in the same order (R3).

Leaving one pod-interval out (R15) needs no list of them. At each alternative the state keeps the most that any single
pod-interval has added to the evidence; taking that away everywhere gives at most what leaving any one out would give,
and exactly that when one interval adds the most at every alternative.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from sampler_rollouts.domain.evidence import eprocess, ratio
from sampler_rollouts.domain.evidence.grid import MARGIN, POINTS, RATIO_OFFSETS, BoolArray, FloatArray, IntArray

MOST_ROWS = 8192
"""Pod-intervals worked on at once: what fits into the processor's cache, however long the history."""

FEW_ROWS = 16
"""Rows of one stream up to which many streams are worked on row by row, rather than stream by stream."""


@dataclass(frozen=True, slots=True)
class Margins:
    """What is asked of each stream. All of shape (streams,).

    ``max_rate`` and ``max_ratio`` are NaN where the check gives none; ``ignore_below`` is 0 for none. ``paired`` says
    whether a stable release serves beside the candidate: without one only ``max_rate`` is tested.
    """

    max_rate: FloatArray
    max_ratio: FloatArray
    ignore_below: FloatArray
    paired: BoolArray

    @property
    def ratio_margin(self) -> FloatArray:
        """Where the ratio's grid is anchored: 1 for a check without ``max_ratio``."""
        return np.where(np.isnan(self.max_ratio), 1.0, self.max_ratio)


@dataclass(frozen=True, slots=True)
class PodIntervals:
    """What pods counted, one row for each pod and cell: all of shape (rows,), in any order.

    ``stream`` numbers the streams from 0; ``cell`` rises with time within a stream; ``stable`` says which arm.
    """

    stream: IntArray
    cell: IntArray
    stable: BoolArray
    checked: IntArray
    bad: IntArray

    def of(self, rows: IntArray) -> PodIntervals:
        """Some of the rows, by their places."""
        return PodIntervals(*(getattr(self, field.name).take(rows) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class State:
    """The sums over all cells so far. The first eight have shape (streams,), the others (streams, grid).

    ``checked`` and ``bad`` are the candidate's, ``stable_checked`` and ``stable_bad`` stable's, all of cells that
    count: for a paired stream those in which both arms had checked requests. ``most_stable`` is the most that stable
    checked in one cell. ``worst_checked`` and ``worst_bad`` are stable's sums at the worst of all cells in which the
    candidate had a bad request: where they spoke most against "stable's rate <= max_rate", by ``worst_log_e``.
    ``logs`` is the ratio's log likelihood. The other ``most_...`` are the most, at least 0, that a single pod-interval
    added: to the ratio's evidence against 1 (0 at ratios up to 1) and against ``max_ratio`` (only where that is not 1,
    see ``above_margin``), to the rate's against ``max_rate`` and against ``ignore_below``.
    """

    checked: IntArray
    bad: IntArray
    stable_checked: IntArray
    stable_bad: IntArray
    most_stable: IntArray
    worst_checked: IntArray
    worst_bad: IntArray
    worst_log_e: FloatArray
    logs: FloatArray
    most_above_one: FloatArray
    most_above_ratio: FloatArray
    most_above_rate: FloatArray
    most_above_ignored: FloatArray

    def above_margin(self, margins: Margins) -> FloatArray:
        """The most that a single pod-interval added to the evidence against ``max_ratio``. Shape (streams, points)."""
        is_one = (margins.ratio_margin == 1.0)[:, None]
        return np.where(is_one, self.most_above_one[:, MARGIN + 1 :], self.most_above_ratio)


Streams = TypeVar("Streams")
"""A dataclass of arrays whose first axis is the stream."""


def part(whole: Streams, streams: slice | IntArray) -> Streams:
    """Some of the streams; a slice shares memory with the whole."""
    return type(whole)(*(getattr(whole, field.name)[streams] for field in fields(whole)))  # type: ignore[arg-type]


def begin(streams: int) -> State:
    """Nothing seen yet."""
    checked, bad, stable_checked, stable_bad = (np.zeros(streams, dtype=np.int64) for _ in range(4))
    most_stable, worst_checked, worst_bad = (np.zeros(streams, dtype=np.int64) for _ in range(3))
    logs, above_one = (np.zeros((streams, RATIO_OFFSETS.size)) for _ in range(2))
    above_ratio, above_rate, above_ignored = (np.zeros((streams, POINTS)) for _ in range(3))
    counts = (checked, bad, stable_checked, stable_bad, most_stable, worst_checked, worst_bad)
    return State(*counts, np.zeros(streams), logs, above_one, above_ratio, above_rate, above_ignored)


def fold(margins: Margins, state: State, rows: PodIntervals) -> None:
    """Add pod-intervals to the state, in place. A cell's rows must come in one call, and cells in rising order."""
    of_row = margins.ratio_margin[rows.stream]
    different = np.unique(of_row)
    for margin in different:
        of_margin = rows if different.size == 1 else rows.of(np.flatnonzero(of_row == margin))
        for some in _portions(of_margin):
            _fold(margins, state, some, float(margin))


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells of some rows, ordered by number and stream: (cells,); ``of_row`` says in which one a row is."""

    stream: IntArray
    number: IntArray
    counts: IntArray
    """Candidate's checked and bad, stable's checked and bad. Shape (4, cells)."""
    of_row: IntArray


def _portions(rows: PodIntervals) -> Iterator[PodIntervals]:
    """The rows in portions of whole cells, those of a stream in order."""
    for some in _cut(rows, rows.cell):
        yield from _cut(some, some.stream)


def _cut(rows: PodIntervals, key: IntArray) -> Iterator[PodIntervals]:
    """The rows by rising ``key``, those of one key together, ``MOST_ROWS`` at a time or as many as one key has."""
    if key.size <= MOST_ROWS:
        yield rows
        return
    order = np.argsort(key, kind="stable")
    ends = np.append(_starts(key[order])[1:], key.size)
    start = 0
    while start < key.size:
        last = int(np.searchsorted(ends, start + MOST_ROWS, side="right")) - 1
        end = int(ends[last]) if last >= 0 and ends[last] > start else int(ends[np.searchsorted(ends, start, "right")])
        yield rows.of(order[start:end])
        start = end


def _cells(rows: PodIntervals, streams: int) -> _Cells:
    key, of_row = _numbered(rows.cell * streams + rows.stream)
    counts = np.empty((4, key.size), dtype=np.int64)
    place = np.where(rows.stable, of_row + key.size, of_row)
    for first, counted in enumerate((rows.checked, rows.bad)):  # as doubles: exact up to 2^53
        counts[first::2] = np.bincount(place, counted, 2 * key.size).reshape(2, key.size)
    return _Cells(key % streams, key // streams, counts, of_row)


def _numbered(key: IntArray) -> tuple[IntArray, IntArray]:
    """The different keys, rising, and the place of each row's among them."""
    least = int(key.min()) if key.size else 0
    span = int(key.max()) - least + 1 if key.size else 0
    if span > 4 * key.size:
        return np.unique(key, return_inverse=True)
    # Few keys are missing, as at a look at many streams: counting is faster than sorting.
    there = np.zeros(span, dtype=np.bool_)
    there[key - least] = True
    return np.flatnonzero(there) + least, (np.cumsum(there) - 1)[key - least]


def _fold(margins: Margins, state: State, rows: PodIntervals, margin: float) -> None:
    """Add pod-intervals of streams that share one margin of the ratio."""
    cells = _cells(rows, margins.paired.size)
    counts = cells.counts
    compared = (counts[0] > 0) & (counts[2] > 0)
    valid = compared | ~margins.paired[cells.stream]
    _note_stable(margins, state, cells, compared & margins.paired[cells.stream])
    for total, counted in zip((state.checked, state.bad, state.stable_checked, state.stable_bad), counts, strict=True):
        np.add.at(total, cells.stream[valid], counted[valid])
    telling = np.flatnonzero(compared & margins.paired[cells.stream] & (counts[1] + counts[3] > 0))
    logs = ratio.contributions(margin, *counts[:, telling].astype(np.float64))
    _add_in_order(state.logs, cells.stream[telling], cells.number[telling], logs)
    place = np.full(counts.shape[1], -1)
    place[telling] = np.arange(telling.size)
    _note_ratio(state, rows, cells, place, logs, margin)
    hit = np.flatnonzero(~rows.stable & (rows.bad > 0) & valid[cells.of_row])
    _note_rate(margins, state, rows.of(hit[np.argsort(rows.stream[hit], kind="stable")]))


def _note_stable(margins: Margins, state: State, cells: _Cells, compared: BoolArray) -> None:
    """How far above the limit stable was shown to be, whenever the candidate had a bad request."""
    some = np.flatnonzero(compared)
    if some.size == 0:
        return
    np.maximum.at(state.most_stable, cells.stream[some], cells.counts[2, some])
    order = some[np.argsort(cells.stream[some], kind="stable")]
    stream, counts = cells.stream[order], cells.counts[2:, order]
    starts = _starts(stream)
    sums = np.cumsum(counts, axis=1)
    earlier = np.repeat((sums - counts)[:, starts], _sizes(starts, stream.size), axis=1)
    checked, bad = sums - earlier + np.stack([state.stable_checked, state.stable_bad])[:, stream]
    asked = np.flatnonzero((cells.counts[1, order] > 0) & (bad > 0) & (margins.max_rate[stream] > 0))
    if asked.size == 0:
        return
    stream, checked, bad = stream[asked], checked[asked], bad[asked]
    found = eprocess.log_e_value(checked, bad, margins.max_rate[stream])
    starts = _starts(stream)
    highest = np.maximum.reduceat(found, starts)
    first = np.flatnonzero(found == np.repeat(highest, _sizes(starts, stream.size)))
    first = first[_starts(stream[first])]  # of each stream
    worse = found[first] > state.worst_log_e[stream[first]]
    place, which = first[worse], stream[first[worse]]
    state.worst_log_e[which], state.worst_checked[which], state.worst_bad[which] = (
        found[place], checked[place], bad[place],
    )  # fmt: skip


def _starts(ordered: IntArray) -> IntArray:
    """Where each stretch of equal values begins. Shape (n,), at least one."""
    return np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))


def _sizes(starts: IntArray, total: int) -> IntArray:
    """How long each stretch is."""
    return np.append(starts[1:], total) - starts


def _add_in_order(total: FloatArray, stream: IntArray, number: IntArray, logs: FloatArray) -> None:
    """Add each cell's row to its stream's, the cells of a stream one after the other."""
    if stream.size == 0:
        return
    starts = _starts(number)
    for start, end in zip(starts, [*starts[1:], number.size], strict=True):
        total[stream[start:end]] += logs[start:end]


def _note_ratio(
    state: State, rows: PodIntervals, cells: _Cells, place: IntArray, logs: FloatArray, margin: float
) -> None:
    """What each pod-interval added to the ratio's evidence: the cell's likelihood less that without the pod.

    Of the candidate's pods only those with bad requests: without any other the evidence would be larger. Stable's
    requests are what the candidate is measured by.
    """
    in_cell = place[cells.of_row]
    matters = np.where(rows.stable, _largest(rows, cells), rows.bad > 0)
    against = np.flatnonzero((in_cell >= 0) & matters)
    if against.size == 0:
        return
    against = against[np.argsort(rows.stream[against], kind="stable")]
    found, stream = rows.of(against), rows.stream[against]
    left = cells.counts[:, cells.of_row[against]].copy()
    across = np.arange(stream.size)
    arm = np.where(found.stable, 2, 0)
    left[arm, across] -= found.checked
    left[arm + 1, across] -= found.bad
    above = int(ratio.first_above_one(margin))
    first = min(MARGIN, above)
    added = logs[:, first:][in_cell[against]]
    added -= ratio.contributions(margin, *left.astype(np.float64), first=first)
    _raise_to(state.most_above_one[:, above:], stream, added[:, above - first :])
    if margin == 1.0:
        return  # the very same
    over_margin = added[:, MARGIN + 1 - first :]
    over_margin -= added[:, MARGIN - first, None]
    _raise_to(state.most_above_ratio, stream, over_margin)


def _largest(rows: PodIntervals, cells: _Cells) -> BoolArray:
    """Of stable's pod-intervals those that can have added the most of their cell's: the largest, and those with fewer
    bad requests.

    At every ratio above the other a stable pod-interval with c checked and b bad requests adds the more, the larger c
    is (the share without it rises in c) and the smaller b is (each takes ln(1 + (r - 1) share) away).
    """
    checked, bad = np.where(rows.stable, rows.checked, 0), rows.bad
    most = np.zeros(cells.stream.size, dtype=np.int64)
    np.maximum.at(most, cells.of_row, checked)
    largest = rows.stable & (checked > 0) & (checked == most[cells.of_row])
    fewest = np.full(cells.stream.size, np.iinfo(np.int64).max)
    np.minimum.at(fewest, cells.of_row[largest], bad[largest])
    fewest_of_row = fewest[cells.of_row]
    return np.asarray((largest & (bad == fewest_of_row)) | ((checked > 0) & (bad < fewest_of_row)))


def _note_rate(margins: Margins, state: State, rows: PodIntervals) -> None:
    """What each pod-interval with bad requests added to the rate's evidence."""
    for limits, most in ((margins.max_rate, state.most_above_rate), (margins.ignore_below, state.most_above_ignored)):
        some = rows.of(np.flatnonzero(limits[rows.stream] > 0))
        _raise_to(most, some.stream, eprocess.log_ratios(some.checked, some.bad, limits[some.stream]).T)


def _raise_to(most: FloatArray, stream: IntArray, added: FloatArray) -> None:
    """Put the larger of what is there and of each added row into each stream's; the rows of a stream together."""
    if stream.size == 0:
        return
    starts = _starts(stream)
    which, sizes = stream[starts], _sizes(starts, stream.size)
    if (rows_of_one := int(sizes.max())) > FEW_ROWS:
        most[which] = np.maximum(most[which], np.maximum.reduceat(added, starts, axis=0))
        return
    # Many streams of a few rows each, as at a look: their first rows, their second, ...
    for place in range(rows_of_one):
        have = np.flatnonzero(sizes > place)
        some = which[have]
        larger = added[starts[have] + place]
        most[some] = np.maximum(larger, most[some], out=larger)
