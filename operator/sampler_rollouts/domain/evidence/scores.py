"""Scores of evaluations: a gauge that is scraped again and again is one score, until its counter of runs has risen.

Where several runs end between two scrapes only the last one's score is seen, and counts once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from sampler_rollouts.domain.evidence.intervals import (
    RESTART,
    Folded,
    Increments,
    common,
    first_flapping,
    gains_at,
    no_counts,
    restart_times,
)
from sampler_rollouts.domain.evidence.means import POINT, Scores
from sampler_rollouts.domain.evidence.samples import CheckPlan, is_scored

if TYPE_CHECKING:
    from sampler_rollouts.domain.evidence.counters import Drops, LabelKey, Track
    from sampler_rollouts.domain.evidence.grid import IntArray

ABOVE_LARGEST: Final = "AboveLargest"
Tracks: TypeAlias = "Mapping[LabelKey, Track]"


def score_increments(
    gauge: Tracks, runs: Tracks, from_zero: bool, drops: Drops, before: Folded | None = None
) -> Increments:
    """Fold one pod's scores: each new one is an interval that checked 1, its parts in ``sums[0]``, ``bad`` 0.

    ``gauge`` is in ``POINT`` parts of the best score. As with ``intervals.pod_increments``: both are read at the same
    scrape, a fall of the counter is a restart, and without ``from_zero`` the first sample of a pod is the base line.
    """
    drops = Counter(drops)
    earlier, after = (before.increments, before.until) if before else (Increments(), -1)
    if not runs:
        return earlier.then(Increments(drops=+drops))
    restarts = restart_times(runs.values())
    base_line = None if from_zero else min(track.first_seen for track in runs.values())
    last = first_flapping(restarts, earlier.drops[RESTART])
    drops[RESTART] += int(restarts.size)
    found = [_of(key, gauge, runs, restarts, base_line, (after, last), drops) for key in sorted(runs)]
    order = np.argsort(np.concatenate([times for times, _, _ in found]), kind="stable")
    times, parts = (np.concatenate([one[which] for one in found])[order] for which in (0, 1))
    sums = np.zeros((3, times.size), dtype=np.int64)
    sums[0] = parts
    newest = max((seen for _, _, seen in found if seen is not None), default=None)
    ones, none = np.ones(times.size, dtype=np.int64), np.zeros(times.size, dtype=np.int64)
    later = Increments(ones, none, times, times, sums, newest, drops=+drops)
    return earlier.then(replace(later, last_seen=max(track.last_seen for track in runs.values())))


def _of(
    key: LabelKey,
    gauge: Tracks,
    runs: Tracks,
    restarts: IntArray,
    base_line: int | None,
    between: tuple[int, int],
    drops: Drops,
) -> tuple[IntArray, IntArray, int | None]:
    """Times and parts of one label set's new scores, and when it was last read."""
    counted, shown = runs[key], gauge.get(key)
    if shown is None:
        return no_counts(), no_counts(), None
    after, last = between
    times = common(counted.times, shown.times)
    gained = gains_at(times, {key: counted}, restarts, base_line)[key]
    parts = shown.values[np.isin(shown.times, times, assume_unique=True)]
    believed = (times > after) & (times < last)
    new = believed & (gained > 0)
    drops["Flapping"] += int(((gained > 0) & (times >= last)).sum())
    drops[ABOVE_LARGEST] += int((new & (parts > POINT)).sum())
    kept = new & (parts <= POINT)
    seen = times[believed]
    return times[kept], parts[kept], int(seen[-1]) if seen.size else None


def units(plan: CheckPlan) -> tuple[tuple[str, float], ...]:
    """The metrics of an admin's check, and how many of what is read make one of each in the store."""
    return tuple(zip(plan.metrics, (POINT / plan.largest if is_scored(plan) else 1.0, 1.0), strict=True))


def scores_of(pods: Iterable[Increments]) -> Scores:
    """All scores of some pods."""
    every = [Increments(), *pods]
    return Scores(np.concatenate([one.ended for one in every]), np.concatenate([one.sums[0] for one in every]))
