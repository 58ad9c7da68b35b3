"""Pod-intervals: what two counters of one pod gained together between one believable scrape and the next (R13, R14)."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from sampler_rollouts.domain.evidence.counters import Drops, LabelKey, Track
from sampler_rollouts.domain.evidence.grid import BoolArray, IntArray

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

    Each lasts from ``started`` to ``ended`` (Unix milliseconds); one that counts from zero starts where it ends, as
    nobody knows when its pod had its first request.

    ``newest`` is the time of the last paired scrape in Unix milliseconds, also when nothing was gained; ``last_seen``
    that of the last sample of any kind. ``contradicted`` counts the requests of intervals that were dropped because the
    two counters contradict each other, ``cut_off`` those seen in the intervals of restarts; ``unaccounted`` are those
    that a gateway sent and the pod does not account for (never of a part of the samples). ``by_label`` splits the bad
    ones by label set. ``sums`` is of calibration alone (``draws``), of shape (3, intervals).
    """

    checked: IntArray = field(default_factory=no_counts)
    bad: IntArray = field(default_factory=no_counts)
    started: IntArray = field(default_factory=no_counts)
    ended: IntArray = field(default_factory=no_counts)
    sums: IntArray = field(default_factory=lambda: np.zeros((3, 0), dtype=np.int64))
    newest: int | None = None
    last_seen: int | None = None
    contradicted: int = 0
    cut_off: int = 0
    unaccounted: int = 0
    drops: Drops = field(default_factory=Counter)
    by_label: Mapping[LabelKey, int] = field(default_factory=dict)

    @property
    def doubtful(self) -> int:
        """Requests that are no evidence of a fault, though ``Passed`` must hold even if all of them were bad.

        The contradicted ones, and what restarts may have hidden: the requests that they cut off were never counted, and
        they are the bad ones. As many as were seen in the interval of the restart, and at least one a restart; or all
        that a gateway has sent and the pod does not account for, these among them.
        """
        hidden = max(self.cut_off, min(self.drops[RESTART], MOST_RESTARTS))
        return self.contradicted + max(hidden, self.unaccounted)

    def then(self, later: Increments) -> Increments:
        """These and what the samples after them gave."""
        return Increments(
            checked=np.concatenate([self.checked, later.checked]),
            bad=np.concatenate([self.bad, later.bad]),
            started=np.concatenate([self.started, later.started]),
            ended=np.concatenate([self.ended, later.ended]),
            sums=np.concatenate([self.sums, later.sums], axis=1),
            newest=self.newest if later.newest is None else later.newest,
            last_seen=self.last_seen if later.last_seen is None else later.last_seen,
            contradicted=self.contradicted + later.contradicted,
            cut_off=self.cut_off + later.cut_off,
            drops=self.drops + later.drops,
            by_label=Counter(self.by_label) + Counter(later.by_label),
        )

    def condensed(self, since: int, width: int) -> Increments:
        """The same with neighbours without a bad request put together, where they end in one stretch of ``width``
        milliseconds, counted from ``since``.

        For a test of a limit alone: what it makes of a stretch are its sums, and of single pod-intervals those with bad
        requests (R15). Where both arms are compared, or whose ``sums`` are tested, each pod-interval tells.
        """
        if self.sums.size or self.ended.size == 0:
            return self
        place, hit = (self.ended - since) // width, self.bad > 0
        apart = hit[1:] | hit[:-1] | (place[1:] != place[:-1])
        starts = np.flatnonzero(np.concatenate([[True], apart]))
        last = np.append(starts[1:], place.size) - 1
        return replace(
            self,
            checked=np.add.reduceat(self.checked, starts),
            bad=self.bad[starts],
            started=self.started[starts],
            ended=self.ended[last],
        )


class Folded:
    """What the samples of one pod up to and including ``until`` (Unix milliseconds) gave.

    Every counter that it was read from has a believable sample at that very time, which is kept: the base line of what
    comes after. ``pack`` keeps the pod-intervals in few bytes and unpacks them at each look: for a release that serves
    for days, beside thousands of others.
    """

    __slots__ = ("_ends", "_rest", "packed", "until")

    def __init__(self, until: int, increments: Increments, *, pack: bool = False) -> None:
        self.until = until
        self.packed: bytes | None = None
        self._rest = increments
        if pack:
            one, none = increments, no_counts()
            columns = (one.checked, one.bad, one.started, one.ended, one.sums.ravel())
            self._rest = replace(one, checked=none, bad=none, started=none, ended=none, sums=none)
            self._ends = np.cumsum([column.size for column in columns[:-1]])
            self.packed = packed(np.concatenate(columns))

    @property
    def increments(self) -> Increments:
        """As they were."""
        if self.packed is None:
            return self._rest
        checked, bad, started, ended, sums = np.split(unpacked(self.packed), self._ends)
        sums = sums.reshape(3, -1)
        return replace(self._rest, checked=checked, bad=bad, started=started, ended=ended, sums=sums)

    @property
    def size(self) -> int:
        """Bytes of its pod-intervals."""
        if self.packed is not None:
            return len(self.packed)
        one = self._rest
        return sum(column.nbytes for column in (one.checked, one.bad, one.started, one.ended, one.sums))


def packed(counts: IntArray) -> bytes:
    """Counts and rising times in few bytes: differences of neighbours, the bytes of equal weight together, deflated."""
    differences = np.diff(counts, prepend=np.int64(0))
    return zlib.compress(differences.astype("<i8").view(np.uint8).reshape(-1, 8).T.tobytes(), 1)


def unpacked(content: bytes) -> IntArray:
    """What was ``packed``."""
    planes = np.frombuffer(zlib.decompress(content), dtype=np.uint8).reshape(8, -1)
    differences = np.ascontiguousarray(planes.T).view("<i8").ravel()
    return np.cumsum(differences, dtype=np.int64)


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

    def after(self, time: int) -> _Gains:
        """Only the intervals that end later."""
        keep = self.times > time
        by_label = {key: gained[keep] for key, gained in self.by_label.items()}
        return _Gains(self.times[keep], self.checked[keep], self.bad[keep], self.fell[keep], by_label)


def gains(track: Track, restarts: IntArray, from_zero: bool) -> IntArray:
    """Gain up to each sample since the one before, shape (n,); negative where the counter fell without a restart.

    The first sample counts in full (``from_zero``) or not at all. After a restart in between, the new value is the
    gain: what was counted between the last scrape and the restart is lost, and nothing else.
    """
    before = np.concatenate(([0 if from_zero else int(track.values[0])], track.values[:-1]))
    if not restarts.size:  # almost always
        return np.asarray(track.values - before)
    seen = np.searchsorted(restarts, track.times, side="right")
    restarted = np.diff(seen, prepend=seen[0]) > 0
    return np.where(restarted, track.values, track.values - before)


def restart_times(tracks: Iterable[Track]) -> IntArray:
    """Times (ms) of the samples at which any counter of checked requests of a pod had fallen: the process is new."""
    falls = [track.times[1:][track.values[1:] < track.values[:-1]] for track in tracks]
    some = [times for times in falls if times.size]
    return np.unique(np.concatenate(some)) if some else no_counts()


def pod_increments(
    groups: Iterable[PairedTracks],
    from_zero: bool,
    drops: Drops,
    before: Folded | None = None,
    beside: Iterable[PairedTracks] = (),
    restarted: IntArray | None = None,
) -> Increments:
    """Fold one pod's paired tracks into pod-intervals. ``drops`` is what reading them already dropped.

    ``beside`` are tracks of the same process that are counted elsewhere: a restart shows in all of them. ``restarted``
    are times (ms) of restarts by other counters of the process. Where it does not show in these, what they have at the
    next sample may hide as many bad requests: that is doubt, and never a gain by another counter's word.

    With ``from_zero`` False the first sample of the pod is only the base line; a label set that appears on an already
    scraped pod still counts from zero (R11). With ``before`` the tracks begin at its time, and the result is that of
    all samples.
    """
    groups = list(groups)
    drops = Counter(drops)
    earlier = before.increments if before else Increments()
    after = before.until if before else -1
    all_checked = [track for group in (*groups, *beside) for track in group.checked.values()]
    if not groups:
        return earlier.then(Increments(drops=+drops))
    last_seen = max((track.last_seen for track in all_checked), default=None)
    restarts = restart_times(all_checked)
    first = min((track.first_seen for track in all_checked), default=0)
    base_line = None if from_zero else first
    parts = [_paired(group, restarts, base_line, after, drops) for group in groups]
    # Counters that were not there yet at the fold have their first sample after it: it starts where it ends.
    start = -1 if earlier.newest is None else after
    found = _believed(parts, restarts, first_flapping(restarts, earlier.drops[RESTART]), start, drops)
    hidden = no_counts()
    if restarted is not None and restarted.size:  # almost never
        hidden = np.setdiff1d(restarted, restarts)
    found = replace(found, last_seen=last_seen, cut_off=found.cut_off + _hidden(groups, hidden[hidden > after]))
    return earlier.then(found) if before else found


def _hidden(groups: Iterable[PairedTracks], restarts: IntArray) -> int:
    """Checked requests that counters have at their first sample from each of these restarts on.

    Of those that are there by the first such scrape. What a label set has that appears later has come since: it hides
    nothing, and the restart may have been folded by then.
    """
    every = [track for group in groups for track in group.checked.values()]
    total = 0
    for restart in restarts.tolist():
        places = ((track, int(np.searchsorted(track.times, restart))) for track in every)
        sampled = [(track, place) for track, place in places if place < track.times.size]
        known = [int(track.times[place]) for track, place in sampled if track.first_seen <= restart]
        seen = min(known, default=-1)
        total += sum(int(track.values[place]) for track, place in sampled if track.first_seen <= seen)
    return total


def first_flapping(restarts: IntArray, earlier: int) -> int:
    """The time of the restart that is one too many: from it on nothing is believed."""
    left = MOST_RESTARTS - earlier
    if left < 0:
        return -1
    return int(restarts[left]) if restarts.size > left else int(np.iinfo(np.int64).max)


def _paired(group: PairedTracks, restarts: IntArray, base_line: int | None, after: int, drops: Drops) -> _Gains:
    """Gains at the scrape times later than ``after`` at which both metrics were read."""
    checked_times = every_time(group.checked.values())
    bad_times = every_time(group.bad.values())
    times = common(checked_times, bad_times)
    if times is not checked_times:  # never, but where a half of a scrape is lost
        newest = int(times[-1]) if times.size else np.iinfo(np.int64).max
        odd = np.setxor1d(checked_times, bad_times, assume_unique=True)
        # One half of the newest scrape may just not be stored yet.
        drops["Unpaired"] += int(((odd < newest) & (odd > after)).sum())
    checked = gains_at(times, _counting(group.checked), restarts, base_line)
    bad = gains_at(times, _counting(group.bad), restarts, base_line)
    fell = np.zeros(times.size, dtype=np.bool_)
    for one in chain(checked.values(), bad.values()):
        fell |= one < 0
    return _Gains(times, _total(checked, times.size), _total(bad, times.size), fell, bad).after(after)


def _counting(found: Mapping[LabelKey, Track]) -> dict[LabelKey, Track]:
    """Those that have counted anything: the most of the audit's counters stay at zero, and zeros add nothing."""
    return {key: track for key, track in found.items() if track.values.any()}


def common(one: IntArray, other: IntArray) -> IntArray:
    """The times that are in both of two rising ones; counters of one process mostly have all in common."""
    return one if _equal(one, other) else np.intersect1d(one, other, assume_unique=True)


def _equal(one: IntArray, other: IntArray) -> bool:
    return one is other or np.array_equal(one, other)


def every_time(found: Iterable[Track]) -> IntArray:
    """Every time at which one of them has a sample."""
    times = no_counts()
    for track in found:
        if not times.size:
            times = track.times
        elif not _equal(times, track.times):
            times = np.union1d(times, track.times)
    return times


def gains_at(
    times: IntArray, found: Mapping[LabelKey, Track], restarts: IntArray, base_line: int | None
) -> dict[LabelKey, IntArray]:
    """Gains of each track on the axis of the paired scrapes, each of shape (len(times),). A gap is one interval."""
    result = {}
    for key, track in found.items():
        gained = np.zeros(times.size, dtype=np.int64)
        result[key] = gained
        if not track.values.any():  # the most of the audit's counters: nothing comes of zeros, not even a restart
            continue
        from_zero = base_line is None or track.first_seen > base_line
        if _equal(track.times, times):  # almost always
            result[key] = gains(track, restarts, from_zero)
            continue
        keep = np.isin(track.times, times, assume_unique=True)
        kept = replace(track, times=track.times[keep], values=track.values[keep])
        if kept.times.size:
            gained[np.searchsorted(times, kept.times)] = gains(kept, restarts, from_zero)
    return result


def _total(by_label: Mapping[LabelKey, IntArray], size: int) -> IntArray:
    total = np.zeros(size, dtype=np.int64)
    for gained in by_label.values():
        total += gained
    return total


def _believed(parts: list[_Gains], restarts: IntArray, last: int, after: int, drops: Drops) -> Increments:
    """Drop what contradicts itself, and all that follows the restart that is one too many; sum the rest by scrape."""
    drops[RESTART] += int(restarts.size)
    contradicted = cut_off = 0
    by_label: Counter[LabelKey] = Counter()
    for part in parts:
        odd = part.fell | (part.bad > part.checked)
        trusted = part.times < last
        drops["Flapping"] += int((~trusted).sum())
        drops["BadFell"] += int((trusted & part.fell).sum())
        drops["BadAboveChecked"] += int((trusted & odd & ~part.fell).sum())
        contradicted += int(np.maximum(np.maximum(part.checked, part.bad), 0)[trusted & odd].sum())
        if restarts.size:
            cut_off += int(part.checked[trusted & np.isin(part.times, restarts) & ~part.fell].sum())
        believed = trusted & ~odd
        by_label.update({key: int(gained[believed].sum()) for key, gained in part.by_label.items()})
    summed = _by_scrape(parts, last, after)
    return replace(summed, contradicted=contradicted, cut_off=cut_off, drops=+drops, by_label=+by_label)


def _by_scrape(parts: list[_Gains], last: int, after: int) -> Increments:
    """Sum the parts' believed gains by the time of the scrape. Scrapes at or after ``last`` do not exist.

    The first interval starts at ``after``, or where it ends if nothing was before (-1).
    """
    times, checked, bad = _summed(parts, last)
    gained = checked > 0
    before = times[times < last]
    started = np.concatenate([times[:1] if after < 0 else np.array([after])[: times.size], times[:-1]])
    newest = int(before[-1]) if before.size else None
    return Increments(checked[gained], bad[gained], started[gained], times[gained], newest=newest)


def _summed(parts: list[_Gains], last: int) -> tuple[IntArray, IntArray, IntArray]:
    """The times of all scrapes, each once, and what was gained up to each of what can be believed. Shapes (n,)."""
    believed = [~part.fell & (part.bad <= part.checked) & (part.times < last) for part in parts]
    if len(parts) == 1:  # mostly: one route
        return parts[0].times, parts[0].checked * believed[0], parts[0].bad * believed[0]
    times, place = np.unique(np.concatenate([part.times for part in parts]), return_inverse=True)
    checked, bad = np.zeros(times.size, dtype=np.int64), np.zeros(times.size, dtype=np.int64)
    np.add.at(checked, place, np.concatenate([part.checked for part in parts]) * np.concatenate(believed))
    np.add.at(bad, place, np.concatenate([part.bad for part in parts]) * np.concatenate(believed))
    return times, checked, bad
