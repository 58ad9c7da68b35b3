"""From what the store holds to samples that can be believed (R13, R14). The rules stand in docs/evidence.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from sampler_rollouts.domain.evidence.grid import BoolArray, FloatArray, IntArray
from sampler_rollouts.domain.evidence.samples import Series

LabelKey: TypeAlias = tuple[tuple[str, str], ...]
Drops: TypeAlias = Counter[str]
"""How many samples or intervals were not believed, by CamelCase reason."""

FRESH_SCRAPES = 3
"""Data that are older than so many are stale: they pass nothing."""
SILENT_SCRAPES = 40
"""A series that is this far behind the newest one is waited for no longer: a store takes in what it has in order."""
_LARGEST_EXACT = 2.0**53
"""Counters are doubles: from here on, adding one changes nothing."""


@dataclass(frozen=True, slots=True)
class Track:
    """One counter of one pod: believable samples in rising time.

    ``times`` (n,) in Unix milliseconds, ``values`` (n,) whole and not negative; ``first_seen`` and ``last_seen`` are
    the times of its first and last sample, believable or not.
    """

    times: IntArray
    values: IntArray
    first_seen: int
    last_seen: int


def label_key(labels: Mapping[str, str]) -> LabelKey:
    """A label set as a dictionary key."""
    return tuple(sorted(labels.items()))


def milliseconds(seconds: float) -> int:
    """Unix seconds as whole milliseconds: the resolution of the store, and exact to compare."""
    return round(seconds * 1000)


class Believed:
    """Tracks by the arrays that they come from: many series share theirs, and many checks read the same series.

    For one look: what it remembers stays referred to, so that nothing else gets its ``id``.
    """

    def __init__(self) -> None:
        self._tracks: dict[tuple[object, ...], tuple[Series, Track | None, Drops]] = {}
        self._keys: dict[int, tuple[Mapping[str, str], LabelKey]] = {}

    def track(self, series: Series, after: int | None, until: int, drops: Drops, unit: float) -> Track | None:
        """The series without what cannot be a counter's sample; None when nothing of it lies in the window."""
        place = (id(series.times), id(series.values), after, until, unit)
        if place not in self._tracks:
            found: Drops = Counter()
            self._tracks[place] = series, _believable(series, after, until, found, unit), +found
        _, track, dropped = self._tracks[place]
        if dropped:
            drops.update(dropped)
        return track

    def key(self, labels: Mapping[str, str]) -> LabelKey:
        """A label set as a dictionary key."""
        if id(labels) not in self._keys:
            self._keys[id(labels)] = labels, label_key(labels)
        return self._keys[id(labels)][1]


def tracks(
    series: Iterable[Series],
    after: int | None,
    until: int,
    drops: Drops,
    unit: float = 1.0,
    believed: Believed | None = None,
) -> dict[LabelKey, Track]:
    """One track for each label set of one metric of one pod. ``after`` (not included) and ``until`` in milliseconds.

    A counter that comes in several copies (two scrape jobs, two stores behind one) is read from one of them: the most
    recent, then the longest. Adding copies would count requests twice; mixing them would show falls that never were.
    A sum with a fraction is read in whole parts, of which ``unit`` make one.
    """
    believed = believed or Believed()
    copies: dict[LabelKey, list[Track]] = {}
    for one in series:
        track = believed.track(one, after, until, drops, unit)
        if track is not None:
            copies.setdefault(believed.key(one.labels), []).append(track)
    return {key: found[0] if len(found) == 1 else max(found, key=_recent_then_long) for key, found in copies.items()}


def _recent_then_long(track: Track) -> tuple[int, int]:
    return (int(track.times[-1]) if track.times.size else 0, track.times.size)


def _believable(series: Series, after: int | None, until: int, drops: Drops, unit: float) -> Track | None:
    """The series without what cannot be a counter's sample; None when nothing of it lies in the window."""
    seconds = np.asarray(series.times, dtype=np.float64)
    values = _in_parts(np.asarray(series.values, dtype=np.float64), unit)
    timed = (seconds >= 0) & (seconds < np.inf)
    drops["NoTime"] += timed.size - int(np.count_nonzero(timed))
    with np.errstate(over="ignore"):
        rounded = np.round(seconds * 1000.0)
    inside = timed & (rounded <= until) & (rounded > (-1 if after is None else after))
    times, values = rounded[inside].astype(np.int64), values[inside]
    if times.size == 0:
        return None
    countable = _countable(values, drops)
    kept_times, kept_values = _in_order(times[countable], values[countable].astype(np.int64), drops)
    return Track(kept_times, kept_values, first_seen=int(times.min()), last_seen=int(times.max()))


def _in_parts(values: FloatArray, unit: float) -> FloatArray:
    """Whole parts; what is no number stays none."""
    with np.errstate(over="ignore"):
        return values if unit == 1.0 else np.round(values * unit)


def _countable(values: FloatArray, drops: Drops) -> BoolArray:
    """Which values can be a count. Each other one is dropped under the first reason that fits."""
    if ((values >= 0) & (values <= _LARGEST_EXACT) & (np.floor(values) == values)).all():  # almost always
        return np.ones(values.size, dtype=np.bool_)
    finite = np.isfinite(values)
    positive = finite & (values >= 0)
    whole: BoolArray = positive & (values <= _LARGEST_EXACT) & (np.floor(values) == values)
    drops["NotANumber"] += int((~finite).sum())
    drops["Negative"] += int((finite & ~positive).sum())
    drops["NotACount"] += int((positive & ~whole).sum())
    return whole


def _in_order(times: IntArray, values: IntArray, drops: Drops) -> tuple[IntArray, IntArray]:
    """Sort by time. Equal samples of one time are one; differing ones of one time are all dropped."""
    if (times[1:] > times[:-1]).all():  # almost always
        return times, values
    order = np.lexsort((values, times))
    times, values = times[order], values[order]
    unique, start, count = np.unique(times, return_index=True, return_counts=True)
    agree = values[start] == values[start + count - 1] if unique.size else np.zeros(0, dtype=np.bool_)
    drops["Contradiction"] += int(count[~agree].sum())
    return unique[agree], values[start][agree]
