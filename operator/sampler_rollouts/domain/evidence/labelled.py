"""One counter that tells bad requests from others by a label, read as the pair of counters that every check has.

Servers that count ends of requests by their reason (``vllm:request_success_total{finished_reason="error"}``) have no
counter of bad ones. All label sets that differ in that label alone are summed: of all its values to checked requests,
of some to bad ones. A value that no request has ended with yet may not be there; it counts as 0 until then. One whose
newest sample is older than the others' is awaited, since a store takes in the series of a scrape one after the other:
without it the sum would fall, as if the process were new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sampler_rollouts.domain.evidence.counters import SILENT_SCRAPES, LabelKey, Track
from sampler_rollouts.domain.evidence.intervals import every_time, restart_times

if TYPE_CHECKING:
    from sampler_rollouts.domain.evidence.grid import IntArray
    from sampler_rollouts.domain.evidence.samples import CheckPlan

Tracks: TypeAlias = Mapping[LabelKey, Track]


def told_apart(found: Tracks, plan: CheckPlan) -> tuple[dict[LabelKey, Track], dict[LabelKey, Track]]:
    """Checked and bad, by what is left of the labels: both at the same times."""
    groups: dict[LabelKey, dict[LabelKey, Track]] = {}
    for key, track in found.items():
        groups.setdefault(tuple(part for part in key if part[0] != plan.bad_label), {})[key] = track
    checked, bad = {}, {}
    for rest, group in groups.items():
        restarts = restart_times(group.values())
        times = _whole(group.values(), restarts)
        among = [one for key, one in group.items() if dict(key).get(plan.bad_label) in plan.bad_values]
        seen = (min(one.first_seen for one in group.values()), max(one.last_seen for one in group.values()))
        checked[rest] = Track(times, _sum(group.values(), times, restarts), *seen)
        bad[rest] = Track(times, _sum(among, times, restarts), *seen)
    return checked, bad


def _whole(group: Iterable[Track], restarts: IntArray) -> IntArray:
    """The times at which each of them has a sample, or none yet, or no more."""
    group = list(group)
    times = every_time(group)
    keep = np.ones(times.size, dtype=np.bool_)
    for one in group:
        there = np.isin(times, one.times, assume_unique=True)
        keep &= there | (times < one.first_seen) | (times >= _over(one, times, restarts))
    return times[keep]


def _over(one: Track, times: IntArray, restarts: IntArray) -> int:
    """From when on a counter is not waited for: a new process has none yet, or it has been silent for long."""
    silent = times[times > one.last_seen]
    ended = _ended(one, restarts)
    return min(ended, int(silent[SILENT_SCRAPES])) if silent.size > SILENT_SCRAPES else ended


def _ended(one: Track, restarts: IntArray) -> int:
    """When the process is new that has not counted it: the first restart of any of the group after its last sample."""
    later = restarts[restarts > one.last_seen]
    return int(later[0]) if later.size else int(np.iinfo(np.int64).max)


def _sum(group: Iterable[Track], times: IntArray, restarts: IntArray) -> IntArray:
    """What all have counted. One that is silent stays at its last value, until a restart."""
    total = np.zeros(times.size, dtype=np.int64)
    for one in group:
        there = np.isin(one.times, times, assume_unique=True)
        total[np.searchsorted(times, one.times[there])] += one.values[there]
        if not one.values.size:
            continue
        total[(times > one.last_seen) & (times < _ended(one, restarts))] += one.values[-1]
    return total
