"""Requests that the gateway sent to a pod, and that the pod accounts for nowhere: each may have been a bad one (R13).

A build that dies, or hangs before it has begun, takes the very counts with it that would speak against it. What
gateways had counted for the pod's address at some time, less all that the pod has counted up to its next scrape, is at
least what was lost. ``Passed`` holds even if all of that was bad; nothing fails by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sampler_rollouts.domain.evidence.counters import FRESH_SCRAPES, Track, tracks
from sampler_rollouts.domain.evidence.grid import BoolArray, IntArray
from sampler_rollouts.domain.evidence.intervals import Increments
from sampler_rollouts.domain.evidence.samples import Sent, Series

UNACCOUNTED: Final = "Unaccounted"
"""The reason under which they stand among what was dropped, and why a check has not passed yet."""
SETTLE: Final = 1000
"""Milliseconds between a gateway's count of a request and the pod's: it is on its way."""
LASTING: Final = 3
"""Scrapes of the pod after which a request is still missing before it counts as lost: its body may have come slowly."""
MOST_FALLS: Final = 3
"""A counter that falls more often is two processes behind one address."""
NOT_ASKED: Final = "NotConfigured"
"""The metrics source names no counter of a gateway's."""
NOT_COUNTED: Final = "NotCounted"
"""The servers lack one of the two counters that account for everything."""
NO_SAMPLES: Final = "NoSamples"
"""The gateway's counter has no fresh sample of a pod that has had requests, or its samples cannot be right."""


@dataclass(frozen=True, slots=True)
class Account:
    """What pods were sent and how much of it they do not account for, as far as it is known.

    ``unknown`` says why there may be more; empty if there is not.
    """

    sent: int = 0
    lost: int = 0
    unknown: str = ""


def account_of(sent: Sent | None, begun: Increments | None, scrape: int) -> Account | None:
    """Of one pod that counts from zero. None where it has told of nothing yet.

    ``begun`` is all that the pod accounts for, None if it does not say. ``scrape`` is the interval in milliseconds.
    """
    if begun is None:
        return Account(unknown=NOT_COUNTED)
    if begun.newest is None:
        return None
    accounted = int(begun.checked.sum())
    if sent is None or begun.newest < sent.last - FRESH_SCRAPES * scrape:  # what it said last cannot be believed
        return Account(unknown=NO_SAMPLES) if accounted else None
    told = min(sent.last, begun.newest) - SETTLE
    found = [track for track in tracks(sent.series, None, told, Counter()).values() if track.times.size]
    # Where gateways have forgotten the address what was lost until then stays lost.
    until = max((int(track.times[-1]) for track in found), default=told)
    fresh = bool(found) and until >= told - FRESH_SCRAPES * scrape
    own = [_own(track, sent.first) for track in found]
    steady = [one for one in own if one.falls <= MOST_FALLS]
    known = len(steady) == len(own) and (fresh or not accounted)
    lost = min(
        sum(one.at(time) for one in steady) - (accounted - _later(begun, time))
        for time in range(until, until - LASTING * scrape, -scrape)
    )
    return Account(sum(one.at(until) for one in steady), max(0, lost), "" if known else NO_SAMPLES)


def total_of(accounts: Sequence[Account]) -> Account:
    """Of a pool. There may be more as soon as there may be more of one of its pods."""
    unknown = next((one.unknown for one in accounts if one.unknown), "")
    return Account(sum(one.sent for one in accounts), sum(one.lost for one in accounts), unknown)


@dataclass(frozen=True, slots=True)
class _Own:
    """What one gateway's process had sent to a pod by each of its samples. Shapes (n,)."""

    times: IntArray
    totals: IntArray
    falls: int

    def at(self, time: int) -> int:
        """By a time."""
        place = int(np.searchsorted(self.times, time, side="right"))
        return int(self.totals[place - 1]) if place else 0


def _own(track: Track, first: int) -> _Own:
    """From where the address was surely this pod's: what it had by the pod's own first sample, at ``first``, may be of
    another that was there before, unless the counter has started anew until then.
    """
    fell, before = _fell(track.values), int(np.searchsorted(track.times, first, side="right"))
    starts = np.flatnonzero(fell[:before])
    begin = int(starts[-1]) if starts.size else max(0, before - 1)
    times, values, fell = track.times[begin:], track.values[begin:], fell[begin:]
    of_others = values[:1] if before and not starts.size else np.zeros(1, dtype=np.int64)
    gained = np.where(fell, values, np.diff(values, prepend=of_others))
    return _Own(times, np.cumsum(gained), int(fell[1:].sum()))


def _fell(values: IntArray) -> BoolArray:
    """Where a counter has started anew. A small dip is a store's that mixes copies: no process counts so fast."""
    before = np.concatenate([values[:1], values[:-1]])
    return np.asarray((values < before) & (values <= before // 2))


def _later(begun: Increments, time: int) -> int:
    """What the pod has counted in intervals that began at or after a time; nobody knows when one from zero began."""
    return int(begun.checked[(begun.started >= time) & (begun.started < begun.ended)].sum())


def thinned(series: Series, horizon: int, marks: Sequence[int]) -> Series:
    """The same without samples up to ``horizon`` that change no account: those inside of a rise. Unix milliseconds.

    The last sample up to each of ``marks`` stays. Values must be finite.
    """
    times, values = np.round(np.asarray(series.times) * 1000.0), np.asarray(series.values)
    keep = times > horizon
    steps = np.diff(values) < 0
    keep[1:] |= steps
    keep[:-1] |= steps
    keep[:1] = True
    for mark in (horizon, *marks):
        place = int(np.searchsorted(times, mark, side="right"))
        if place:
            keep[place - 1] = True
    return replace(series, times=np.asarray(series.times)[keep], values=values[keep])
