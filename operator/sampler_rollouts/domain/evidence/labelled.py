"""One counter that tells bad requests from others by a label, read as the pair of counters that every check has.

Servers that count ends of requests by their reason (``vllm:request_success_total{finished_reason="error"}``) have no
counter of bad ones. All label sets that differ in that label alone are summed: of all its values to checked requests,
of some to bad ones. A value that no request has ended with yet may not be there; it counts as 0 until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sampler_rollouts.domain.evidence.counters import LabelKey, Track
from sampler_rollouts.domain.evidence.intervals import every_time

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
        times = _whole(group.values())
        among = [one for key, one in group.items() if dict(key).get(plan.bad_label) in plan.bad_values]
        seen = (min(one.first_seen for one in group.values()), max(one.last_seen for one in group.values()))
        checked[rest] = Track(times, _sum(group.values(), times), *seen)
        bad[rest] = Track(times, _sum(among, times), *seen)
    return checked, bad


def _whole(group: Iterable[Track]) -> IntArray:
    """The times at which none of them lacks a sample between two others: what is not believed there is no fall."""
    group = list(group)
    times = every_time(group)
    keep = np.ones(times.size, dtype=np.bool_)
    for one in group:
        keep &= np.isin(times, one.times, assume_unique=True) | (times < one.first_seen) | (times > one.last_seen)
    return times[keep]


def _sum(group: Iterable[Track], times: IntArray) -> IntArray:
    total = np.zeros(times.size, dtype=np.int64)
    for one in group:
        there = np.isin(one.times, times, assume_unique=True)
        total[np.searchsorted(times, one.times[there])] += one.values[there]
    return total
