"""Pod-intervals: what two counters of one pod gained together between one believable scrape and the next (R13, R14)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from sampler_rollouts.domain.evidence.counters import Drops, LabelKey, Track
from sampler_rollouts.domain.evidence.eprocess import BoolArray, IntArray

MOST_RESTARTS = 3
"""As many container exits fail the candidate anyway (R9). Falls beyond that are two processes behind one port."""

RESTART = "Restart"
"""A note among the reasons: the interval counts, from zero."""


def no_counts() -> IntArray:
    """An empty array of counts."""
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Increments:
    """The believed pod-intervals of one pod and one check: arrays of shape (intervals,), those without gain left out.

    ``newest`` is the time of the last paired scrape in Unix milliseconds, also when nothing was gained; ``last_seen``
    that of the last sample of any kind. ``doubtful`` counts the requests of intervals that were dropped because the two
    counters contradict each other: no evidence of a fault, but ``Passed`` must hold even if all of them were bad.
    ``by_label`` splits the bad ones by label set.
    """

    checked: IntArray = field(default_factory=no_counts)
    bad: IntArray = field(default_factory=no_counts)
    newest: int | None = None
    last_seen: int | None = None
    doubtful: int = 0
    drops: Drops = field(default_factory=Counter)
    by_label: Mapping[LabelKey, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PairedTracks:
    """Tracks whose gains are compared: all of one label set, or (audit) all of the pod."""

    checked: Mapping[LabelKey, Track]
    bad: Mapping[LabelKey, Track]


@dataclass(frozen=True, slots=True)
class _Gains:
    """Per end time: checked, bad, and whether the interval contradicts itself. Shapes (n,)."""

    times: IntArray
    checked: IntArray
    bad: IntArray
    fell: BoolArray
    by_label: Mapping[LabelKey, IntArray]


def gains(track: Track, restarts: IntArray, from_zero: bool) -> IntArray:
    """Gain up to each sample since the one before, shape (n,); negative where the counter fell without a restart.

    The first sample counts in full (``from_zero``) or not at all. After a restart in between, the new value is the
    gain: what was counted between the last scrape and the restart is lost, and nothing else.
    """
    before = np.concatenate(([0 if from_zero else int(track.values[0])], track.values[:-1]))
    seen = np.searchsorted(restarts, track.times, side="right")
    restarted = np.diff(seen, prepend=seen[0]) > 0
    return np.where(restarted, track.values, track.values - before)


def restart_times(tracks: Iterable[Track]) -> IntArray:
    """Times (ms) of the samples at which any counter of checked requests of a pod had fallen: the process is new."""
    falls = [track.times[1:][np.diff(track.values) < 0] for track in tracks if track.times.size]
    return np.unique(np.concatenate([no_counts(), *falls]))


def pod_increments(groups: Iterable[PairedTracks], from_zero: bool, drops: Drops) -> Increments:
    """Fold one pod's paired tracks into pod-intervals. ``drops`` is what reading them already dropped.

    With ``from_zero`` False the first sample of the pod is only the base line; a label set that appears on an already
    scraped pod still counts from zero (R11).
    """
    groups = list(groups)
    drops = Counter(drops)
    all_checked = [track for group in groups for track in group.checked.values()]
    if not all_checked:
        return Increments(drops=+drops)
    last_seen = max(track.last_seen for track in all_checked)
    restarts = restart_times(all_checked)
    first = min(track.first_seen for track in all_checked)
    parts = [_paired(group, restarts, None if from_zero else first, drops) for group in groups]
    return replace(_believed(parts, restarts, drops), last_seen=last_seen)


def _paired(group: PairedTracks, restarts: IntArray, base_line: int | None, drops: Drops) -> _Gains:
    """Gains at the scrape times at which both metrics were read."""
    checked_times = _times(group.checked.values())
    bad_times = _times(group.bad.values())
    times = np.intersect1d(checked_times, bad_times)
    newest = int(times[-1]) if times.size else np.iinfo(np.int64).max
    odd = np.setxor1d(checked_times, bad_times)
    drops["Unpaired"] += int((odd < newest).sum())  # one half of the newest scrape may just not be stored yet
    checked = _gains_at(times, group.checked, restarts, base_line)
    bad = _gains_at(times, group.bad, restarts, base_line)
    fell = np.zeros(times.size, dtype=np.bool_)
    for one in chain(checked.values(), bad.values()):
        fell |= one < 0
    return _Gains(times, _total(checked, times.size), _total(bad, times.size), fell, bad)


def _times(found: Iterable[Track]) -> IntArray:
    return np.unique(np.concatenate([no_counts(), *(track.times for track in found)]))


def _gains_at(
    times: IntArray, found: Mapping[LabelKey, Track], restarts: IntArray, base_line: int | None
) -> dict[LabelKey, IntArray]:
    """Gains of each track on the axis of the paired scrapes, each of shape (len(times),). A gap is one interval."""
    result = {}
    for key, track in found.items():
        keep = np.isin(track.times, times, assume_unique=True)
        kept = replace(track, times=track.times[keep], values=track.values[keep])
        gained = np.zeros(times.size, dtype=np.int64)
        if kept.times.size:
            from_zero = base_line is None or track.first_seen > base_line
            gained[np.searchsorted(times, kept.times)] = gains(kept, restarts, from_zero)
        result[key] = gained
    return result


def _total(by_label: Mapping[LabelKey, IntArray], size: int) -> IntArray:
    total = np.zeros(size, dtype=np.int64)
    for gained in by_label.values():
        total += gained
    return total


def _believed(parts: list[_Gains], restarts: IntArray, drops: Drops) -> Increments:
    """Drop what contradicts itself, and all that follows the restart that is one too many; sum the rest by scrape."""
    last = int(restarts[MOST_RESTARTS]) if restarts.size > MOST_RESTARTS else np.iinfo(np.int64).max
    drops[RESTART] += int(restarts.size)
    doubtful = 0
    by_label: Counter[LabelKey] = Counter()
    for part in parts:
        odd = part.fell | (part.bad > part.checked)
        trusted = part.times < last
        drops["Flapping"] += int((~trusted).sum())
        drops["BadFell"] += int((trusted & part.fell).sum())
        drops["BadAboveChecked"] += int((trusted & odd & ~part.fell).sum())
        doubtful += int(np.maximum(np.maximum(part.checked, part.bad), 0)[trusted & odd].sum())
        by_label.update({key: int(gained[trusted & ~odd].sum()) for key, gained in part.by_label.items()})
    summed = _by_scrape(parts, last)
    doubtful += _lost(parts, restarts[restarts < last])
    return replace(summed, doubtful=doubtful, drops=+drops, by_label=+by_label)


def _lost(parts: list[_Gains], restarts: IntArray) -> int:
    """What a restart may have hidden: the requests that it cut off were never counted, and they are the bad ones.

    As many as were seen in the interval of the restart, and at least one a restart.
    """
    seen = sum(int(part.checked[np.isin(part.times, restarts) & ~part.fell].sum()) for part in parts)
    return max(seen, int(restarts.size))


def _by_scrape(parts: list[_Gains], last: int) -> Increments:
    """Sum the parts' believed gains by the time of the scrape. Scrapes at or after ``last`` do not exist."""
    times, place = np.unique(np.concatenate([part.times for part in parts]), return_inverse=True)
    believed = np.concatenate([~part.fell & (part.bad <= part.checked) & (part.times < last) for part in parts])
    checked, bad = np.zeros(times.size, dtype=np.int64), np.zeros(times.size, dtype=np.int64)
    np.add.at(checked, place, np.concatenate([part.checked for part in parts]) * believed)
    np.add.at(bad, place, np.concatenate([part.bad for part in parts]) * believed)
    gained = checked > 0
    before = times[times < last]
    return Increments(checked[gained], bad[gained], newest=int(before[-1]) if before.size else None)
