"""Which pod-intervals of both arms are compared with each other: those of one stretch of time.

Pods are scraped at different moments, so time is cut into windows of one scrape interval, and a pod-interval belongs to
the window in which it ends. One that spans several windows (a missed scrape) makes them one cell: what happened in it
happened somewhere in all of them, and must be compared with what stable did in all of them. A cell is used once no
pod will be scraped in it again, so that a look never sees it half-filled; a pod that stays silent for ``SILENT``
windows is waited for no longer, and the long pod-interval with which it may come back is compared with nothing
(``LongGap``).
Windows in which nobody was scraped (an outage of the store) count for no pod's silence: the gap is one cell.

Where traffic is thin, one of both arms may have no checked request in most windows, and nothing to be compared with. So
a cell goes on until both have one: windows are joined by how many requests there were, never by how they ended. That
rests on what R15 promises for, that requests fall to an arm whatever their fate; a joined cell is the smallest in which
there is anything to compare. Where the split changes, as it does when a pod of the candidate answers its first request,
what was joined so far is left out, for before and after are no equals.

All of it is a function of the samples, so that a look that is recomputed finds the same cells (R3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sampler_rollouts.domain.evidence.grid import BoolArray, IntArray
from sampler_rollouts.domain.evidence.intervals import Increments

SILENT = 3
"""Windows with scrapes of other pods after which a pod's data are stale anyway."""
LONG_GAP = "LongGap"


@dataclass(frozen=True, slots=True)
class Cells:
    """Pod-intervals with the number of their cell, (rows,) each, and how many were left out by reason.

    ``ends`` is the time at which each cell of these numbers was complete (Unix milliseconds), shape (cells,).
    """

    cell: IntArray
    stable: BoolArray
    checked: IntArray
    bad: IntArray
    ends: IntArray
    long_gaps: int = 0
    waiting: int = 0


def alone(pods: Sequence[Increments]) -> Cells:
    """Cells of a candidate without a stable beside it: each pod-interval is one, in order of time."""
    _, ended, checked, bad, _ = _rows(pods, [])
    order = np.argsort(ended, kind="stable")
    numbers = np.arange(order.size, dtype=np.int64)
    return Cells(numbers, np.zeros(order.size, dtype=np.bool_), checked[order], bad[order], ended[order])


def together(candidate: Sequence[Increments], stable: Sequence[Increments], window: int) -> Cells:
    """Cells of both arms. ``window`` is the scrape interval in milliseconds."""
    started, ended, checked, bad, is_stable = _rows(candidate, stable)
    newest = np.array([one.newest for one in (*candidate, *stable) if one.newest is not None], dtype=np.int64)
    if ended.size == 0:
        return alone([])
    # The first scrape lies in the middle of its window, so that those of its pod come neither early nor late.
    origin = int(ended.min()) - window // 2
    started, ended, newest = np.maximum(started - origin, 0), ended - origin, newest - origin
    # Windows are numbered by those in which any pod was scraped: an outage of the store is no distance.
    seen = np.unique(_window(np.concatenate([ended, newest, started]), window))
    first, last = (np.searchsorted(seen, _window(times, window)) for times in (started, ended))
    short = last - first <= SILENT
    joined = _joined(first[short], last[short], seen.size)
    number = np.concatenate([[0], np.cumsum(~joined)])
    complete = number[last] < _first_open(number, _behind(seen, newest, window))
    usable = short & complete
    cells = number[last]
    counted = usable & (checked > 0)
    size = int(number[-1]) + 1
    tried, others = (_mask(cells[counted & (is_stable == arm)], size) for arm in (False, True))
    group = _groups(tried, others, _first_answers(candidate, cells, counted))
    usable &= group[cells] >= 0
    ends = np.zeros(int(group.max(initial=-1)) + 1, dtype=np.int64)
    np.maximum.at(ends, group[cells[usable]], ended[usable] + origin)
    return Cells(
        group[cells[usable]],
        is_stable[usable],
        checked[usable],
        bad[usable],
        ends,
        long_gaps=int((~short).sum()),
        waiting=int((short & ~complete).sum()),
    )


def _mask(places: IntArray, size: int) -> BoolArray:
    found = np.zeros(size, dtype=np.bool_)
    found[places] = True
    return found


def _first_answers(candidate: Sequence[Increments], cells: IntArray, counted: BoolArray) -> IntArray:
    """The cells in which each pod of the candidate counted its first request, in rising order."""
    found, start = [], 0
    for pod in candidate:
        mine = cells[start : start + pod.ended.size][counted[start : start + pod.ended.size]]
        found += [int(mine.min())] if mine.size else []
        start += pod.ended.size
    return np.unique(np.array(found, dtype=np.int64))


def _groups(candidate: BoolArray, stable: BoolArray, breaks: IntArray) -> IntArray:
    """The joined cell that each cell belongs to, -1 for none. Shapes (cells,), (cells,), (breaks,) to (cells,).

    A group begins with a cell in which any arm has a checked request, and ends with the first by which both have. One
    that is under way when a break comes is left out, up to and including the break's cell; so is the last one, which
    may still become complete.
    """
    group = np.full(candidate.size, -1, dtype=np.int64)
    starts = _next_true(candidate | stable).tolist()
    ends = np.maximum(_next_true(candidate), _next_true(stable)).tolist()
    stops = [*breaks.tolist(), candidate.size]
    start, count, stop = 0, 0, 0
    while start < candidate.size and (start := starts[start]) < candidate.size:
        while stops[stop] < start:
            stop += 1
        end = ends[start]
        if start < stops[stop] <= end:
            start = stops[stop] + 1
            continue
        if end >= candidate.size:
            break
        group[start : end + 1] = count
        start, count = end + 1, count + 1
    return group


def _next_true(mask: BoolArray) -> IntArray:
    """For each place the first one from it on that is true; the size where there is none."""
    places = np.where(mask, np.arange(mask.size), mask.size)
    return np.asarray(np.minimum.accumulate(places[::-1])[::-1])


def apart(one: Cells, other: Cells) -> Cells:
    """Cells of two kinds of requests of the same pods: each kind is compared with its own, never with the other."""
    later = int(one.cell.max()) + 1 if one.cell.size else 0
    return Cells(
        np.concatenate([one.cell, other.cell + later]),
        np.concatenate([one.stable, other.stable]),
        np.concatenate([one.checked, other.checked]),
        np.concatenate([one.bad, other.bad]),
        np.concatenate([one.ends, other.ends]),
        long_gaps=one.long_gaps + other.long_gaps,
        waiting=one.waiting + other.waiting,
    )


def _window(times: IntArray, window: int) -> IntArray:
    """The window that ends with or after each time: its end is part of it."""
    return -(-times // window)


def _behind(seen: IntArray, newest: IntArray, window: int) -> int:
    """The last window that every awaited pod has been scraped in for the last time.

    A pod scraped in the first quarter of a window may be scraped once more in it, if scrapes come early.
    """
    heard = np.searchsorted(seen, _window(newest, window))
    early = newest - (seen[heard] - 1) * window <= window / 4
    awaited = heard >= seen.size - 1 - SILENT
    return int((heard - early)[awaited].min())


def _rows(
    candidate: Sequence[Increments], stable: Sequence[Increments]
) -> tuple[IntArray, IntArray, IntArray, IntArray, BoolArray]:
    """Start, end, checked, bad and arm of every pod-interval."""
    none = np.zeros(0, dtype=np.int64)
    pods = (*candidate, *stable)
    columns = (
        np.concatenate([none, *(getattr(one, name) for one in pods)]) for name in ("started", "ended", "checked", "bad")
    )
    started, ended, checked, bad = columns
    sizes = [one.ended.size for one in pods]
    arm = np.repeat(np.arange(len(pods)) >= len(candidate), sizes)
    return started, ended, checked, bad, arm


def _joined(first: IntArray, last: IntArray, windows: int) -> BoolArray:
    """Whether each window and the one after it are spanned by one pod-interval. Shape (windows - 1,)."""
    change = np.zeros(windows + 1, dtype=np.int64)
    long = last - first > 1
    np.add.at(change, first[long] + 1, 1)
    np.add.at(change, last[long], -1)
    return np.asarray(np.cumsum(change)[: windows - 1] > 0)


def _first_open(number: IntArray, behind: int) -> int:
    """The first cell that is not complete; all windows up to and including ``behind`` are."""
    if behind < 0:
        return 0
    whole = behind + 1 == number.size or number[behind + 1] != number[behind]
    return int(number[behind]) + (1 if whole else 0)
