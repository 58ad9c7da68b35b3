"""Requests that the gateway sent to a pod, and that the pod accounts for nowhere: each may have been a bad one (R13).

A build that crashes, or hangs before it has begun, loses the very counts that would speak against it. What the gateway
has counted for the pod's address by one time, less what the pod had counted a little later, is at least what was lost.
So ``Passed`` holds even if all of that was bad, and no count is made of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from sampler_rollouts.domain.evidence.counters import Track, milliseconds, tracks
from sampler_rollouts.domain.evidence.intervals import Increments
from sampler_rollouts.domain.evidence.samples import Series

UNACCOUNTED: Final = "Unaccounted"
"""The reason under which they stand among what was dropped, and why a check has not passed yet."""
SETTLE: Final = 1000
"""Milliseconds from the gateway's count of a request to the pod's: it is on its way, and its body is being read."""
STALE_SCRAPES: Final = 3
NOT_ASKED: Final = "NotConfigured"
"""The metrics source names no counter of a gateway's."""
NO_SAMPLES: Final = "NoSamples"
"""It names one, and that has no fresh sample of pods that have had requests."""


@dataclass(frozen=True, slots=True)
class Account:
    """What one pool's pods were sent, and how much of it they do not account for; ``unknown`` says why if not known."""

    sent: int = 0
    lost: int = 0
    unknown: str = ""


def account_of(sent: Sequence[Series], begun: Increments, birth: datetime, scrape: int) -> Account | None:
    """Of one pod that counts from zero. None where it has told of no request yet.

    ``sent`` are the gateways' series of its address, ``begun`` what the pod accounts for. ``scrape`` in milliseconds.
    """
    if begun.newest is None:
        return None
    until = begun.newest - SETTLE
    found = tracks(sent, None, until, Counter()).values()
    newest = max((int(track.times[-1]) for track in found if track.times.size), default=None)
    accounted = int(begun.checked.sum())
    if newest is None or newest < until - STALE_SCRAPES * scrape:
        return Account(unknown=NO_SAMPLES) if accounted else None
    total = sum(_gained(track, milliseconds(birth.timestamp())) for track in found)
    return Account(total, max(0, total - accounted))


def total_of(accounts: Sequence[Account | None]) -> Account:
    """Of a pool. Not known as soon as it is not known of one of its pods."""
    known = [one for one in accounts if one is not None]
    unknown = next((one.unknown for one in known if one.unknown), "")
    return Account(sum(one.sent for one in known), sum(one.lost for one in known), unknown)


def _gained(track: Track, birth: int) -> int:
    """What a counter has gained since a time: all, where its address was nobody's before.

    After a fall (another gateway process, or another pod at the address) the new value is the gain.
    """
    before = int(np.searchsorted(track.times, birth, side="right"))
    values = track.values[before:]
    base = int(track.values[before - 1]) if before else 0
    steps = np.diff(values, prepend=base)
    return int(np.where(steps < 0, values, steps).sum())


def thinned(series: Series, horizon: int) -> Series:
    """The same without samples up to ``horizon`` (Unix milliseconds) that change no sum: those inside of a rise."""
    times, values = np.asarray(series.times, dtype=np.float64), np.asarray(series.values, dtype=np.float64)
    keep = np.round(times * 1000.0) > horizon
    old = int(keep.size - keep.sum())
    if old <= 2 or keep[:old].any() or not np.isfinite(values).all():
        return series
    steps = np.diff(values)
    turns = np.zeros(values.size, dtype=np.bool_)
    turns[1:] |= steps < 0
    turns[:-1] |= steps < 0
    keep |= turns
    keep[0] = keep[old - 1] = True
    return Series(series.metric, series.pod, series.pool, series.revision, series.labels, times[keep], values[keep])
