"""Latency: a histogram's count and one of its buckets, read as a pair of counters of requests and of slow ones.

Slow are those above the bucket's bound, ``count - bucket``. Both are cumulative counters of one process, so at a scrape
that has both the difference is a counter too, and everything that holds of pairs (restarts, gaps, contradictions)
holds of this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from quality_contract import latency as contract

from sampler_rollouts.domain.evidence.counters import Drops, LabelKey, Track
from sampler_rollouts.domain.evidence.intervals import PairedTracks, common

if TYPE_CHECKING:
    from sampler_rollouts.domain.evidence.samples import CheckPlan, Series

Tracks: TypeAlias = Mapping[LabelKey, Track]

PAIRS: Final = tuple((one.name + contract.COUNT, one.name + contract.BUCKET) for one in contract.HISTOGRAMS.values())
"""Count and buckets of every histogram that a check may read."""
BUCKET_ABOVE_COUNT: Final = "BucketAboveCount"


def is_latency(plan: CheckPlan) -> bool:
    """Whether a check is about a histogram: it says from which bound on a request is slow."""
    return plan.slower_than > 0 and (bool(plan.metrics) or plan.name in contract.HISTOGRAMS)


def counters(plan: CheckPlan) -> tuple[str, str]:
    """The metrics of a latency check: all requests, and those within its bound."""
    if plan.metrics:
        count, buckets = plan.metrics
        return count, buckets
    name = contract.HISTOGRAMS[plan.name].name
    return name + contract.COUNT, name + contract.BUCKET


def of_bound(series: Iterable[Series], plan: CheckPlan) -> list[Series]:
    """The series of checked requests (of an admin's histogram all); of buckets only that of the check's bound."""
    return [
        one
        for one in series
        if (plan.metrics or one.labels.get(contract.LABEL_CHECKED) == contract.CHECKED_REQUESTS)
        and one.labels.get(contract.LABEL_BOUND) in (None, bound_label(plan.slower_than))
    ]


def bound_label(seconds: float) -> str:
    """The one way in which a bound is written in labels here."""
    return repr(float(seconds))


def pairs(count: Tracks, within: Tracks, drops: Drops) -> list[PairedTracks]:
    """All requests and the slow ones of one pod, label set by label set."""
    buckets = {_unbound(key): {key: one} for key, one in within.items()}
    found = []
    for key in sorted(count.keys() | buckets.keys()):
        total = {key: count[key]} if key in count else {}
        found.append(PairedTracks(total, slow_tracks(total, buckets.get(key, {}), drops)))
    return found


def _unbound(key: LabelKey) -> LabelKey:
    return tuple(part for part in key if part[0] != contract.LABEL_BOUND)


def slow_tracks(count: Tracks, within: Tracks, drops: Drops) -> dict[LabelKey, Track]:
    """For each bucket, by its labels, the requests above its bound; none without the count."""
    return {key: _slow(count[_unbound(key)], one, drops) for key, one in within.items() if _unbound(key) in count}


def _slow(total: Track, within: Track, drops: Drops) -> Track:
    """At the scrapes that have both. More within the bound than there are is no histogram's sample.

    It is seen as early as the count: a bucket that is stored later was not at zero until then, as a label set is that
    appears late.
    """
    times = common(total.times, within.times)
    slow = _at(total, times) - _at(within, times)
    possible = slow >= 0
    drops[BUCKET_ABOVE_COUNT] += int((~possible).sum())
    if times.size:  # the newest scrape's count may just not be stored yet
        drops["Unpaired"] += int((~np.isin(within.times, times) & (within.times < times[-1])).sum())
    return Track(times[possible], slow[possible], total.first_seen, max(total.last_seen, within.last_seen))


def _at(track: Track, times: np.ndarray) -> np.ndarray:
    return track.values if track.times.size == times.size else track.values[np.isin(track.times, times)]
