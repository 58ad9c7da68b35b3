"""The counters of calibration: pod-intervals of draws, with the sums of their surprisal, entropy and variance.

Sums of nats are read in whole millionths (2^-20 nats): differences and sums are then exact, in whatever portions
samples come and are folded (R3). A counter up to 8e9 nats is exact so far.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Final

import numpy as np
from quality_contract import (
    AUDIT_CALIBRATED,
    AUDIT_ENTROPY,
    AUDIT_SURPRISAL,
    AUDIT_VARIANCE,
    LARGEST_SURPRISAL_NATS,
)

from sampler_rollouts.domain.evidence.calibration import LARGEST_VARIANCE, Draws
from sampler_rollouts.domain.evidence.intervals import (
    RESTART,
    Folded,
    Increments,
    common,
    every_time,
    first_flapping,
    gains_at,
    restart_times,
)

if TYPE_CHECKING:
    from sampler_rollouts.domain.evidence.counters import Drops, LabelKey, Track
    from sampler_rollouts.domain.evidence.grid import BoolArray, IntArray

SUMS: Final = (AUDIT_SURPRISAL, AUDIT_ENTROPY, AUDIT_VARIANCE)
COUNTERS: Final = (AUDIT_CALIBRATED, *SUMS)
"""All four, each with the same label sets."""
A_NAT: Final = 2**20
_LARGEST: Final = np.array([[LARGEST_SURPRISAL_NATS], [LARGEST_SURPRISAL_NATS], [LARGEST_VARIANCE]]) * A_NAT
"""What one draw can add to each sum."""
_ROUNDING: Final = 2
"""Millionths by which rounding may miss that."""


def unit(metric: str) -> float:
    """How many of what is counted make one in the store."""
    return A_NAT if metric in SUMS else 1.0


def draw_increments(
    families: Sequence[Mapping[LabelKey, Track]], from_zero: bool, drops: Drops, before: Folded | None = None
) -> Increments:
    """Fold one pod's tracks of ``COUNTERS``, in that order, into pod-intervals over all label sets.

    ``checked`` counts draws, ``bad`` is 0. As with ``intervals.pod_increments``: all four of a label set are read at
    the same scrape, a fall of what counts draws is a restart, and what contradicts itself is dropped.
    """
    drops = Counter(drops)
    earlier, after = (before.increments, before.until) if before else (Increments(), -1)
    counts = families[0]
    if not counts:
        return earlier.then(Increments(drops=+drops))
    restarts = restart_times(counts.values())
    base_line = None if from_zero else min(track.first_seen for track in counts.values())
    last = first_flapping(restarts, earlier.drops[RESTART])
    drops[RESTART] += int(restarts.size)
    labels = sorted(set().union(*families))
    parts = [_part(key, families, restarts, base_line, after, drops) for key in labels]
    seen = max(track.last_seen for track in counts.values())
    start = -1 if earlier.newest is None else after
    return earlier.then(replace(_by_scrape(parts, last, start, drops), last_seen=seen, drops=+drops))


@dataclass(frozen=True, slots=True)
class _Part:
    """What one label set gained up to each scrape: ``times``, ``drawn`` and ``fell`` (n,), ``sums`` (3, n)."""

    times: IntArray
    drawn: IntArray
    sums: IntArray
    fell: BoolArray


def _part(
    key: LabelKey,
    families: Sequence[Mapping[LabelKey, Track]],
    restarts: IntArray,
    base_line: int | None,
    after: int,
    drops: Drops,
) -> _Part:
    """The scrapes later than ``after`` at which all four were read."""
    found = [{key: family[key]} if key in family else {} for family in families]
    each = [every_time(family.values()) for family in found]
    times = reduce(common, each)
    newest = int(times[-1]) if times.size else np.iinfo(np.int64).max
    odd = np.setdiff1d(reduce(np.union1d, each), times, assume_unique=True)
    # A part of the newest scrape may just not be stored yet.
    drops["Unpaired"] += int(((odd < newest) & (odd > after)).sum())
    if not times.size:
        return _Part(times, times, np.zeros((3, 0), dtype=np.int64), times > 0)
    gained = np.array([gains_at(times, family, restarts, base_line)[key] for family in found])
    later = times > after
    fell = np.asarray((gained[:, later] < 0).any(axis=0))
    return _Part(times[later], gained[0, later], gained[1:, later], fell)


def _by_scrape(parts: Sequence[_Part], last: int, after: int, drops: Drops) -> Increments:
    """Sum what can be believed by the time of the scrape. Scrapes at or after ``last`` do not exist."""
    times, place = np.unique(np.concatenate([part.times for part in parts]), return_inverse=True)
    drawn, fell = (np.concatenate([getattr(part, name) for part in parts]) for name in ("drawn", "fell"))
    sums = np.concatenate([part.sums for part in parts], axis=1)
    trusted = (times < last)[place]
    impossible = (sums > drawn * _LARGEST + _ROUNDING).any(axis=0)
    drops["Flapping"] += int((~trusted).sum())
    drops["SumFell"] += int((trusted & fell).sum())
    drops["SumAbovePossible"] += int((trusted & impossible & ~fell).sum())
    good, odd = trusted & ~fell & ~impossible, trusted & (fell | impossible)
    total = np.zeros((times.size, 4), dtype=np.int64)
    np.add.at(total, place[good], np.vstack([drawn[None], sums])[:, good].T)
    started = np.concatenate([times[:1] if after < 0 else np.array([after])[: times.size], times[:-1]])
    gained, before = total[:, 0] > 0, times[times < last]
    return Increments(
        checked=total[gained, 0],
        bad=np.zeros(int(gained.sum()), dtype=np.int64),
        started=started[gained],
        ended=times[gained],
        sums=total[gained, 1:].T,
        newest=int(before[-1]) if before.size else None,
        contradicted=int(np.maximum(drawn, 0)[odd].sum()),
    )


def draws_of(pods: Iterable[Increments]) -> Draws:
    """All pod-intervals of some pods, (pod-intervals,), in nats."""
    empty = Increments()
    every = [empty, *pods]
    sums = np.concatenate([one.sums for one in every], axis=1) / A_NAT
    return Draws(np.concatenate([one.checked for one in every]).astype(np.float64), *sums)
