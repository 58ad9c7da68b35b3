"""What is read once more, and how it takes the place of what was known of a series."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from sampler_rollouts.domain.evidence.counters import SILENT_SCRAPES, milliseconds
from sampler_rollouts.domain.evidence.samples import Series

OVERLAP_SCRAPES: Final = 4
"""Asked for again at each look: a scrape is stored after its time, and the series of one scrape one after the other."""


def going_on(until: int, newest: Sequence[int], front: int, scrape: int) -> int:
    """Where reading goes on after ``until``: a few scrapes before it, or before the series that is furthest behind.

    ``newest`` has the newest sample of each series. The store itself may be behind by hours (a queue of remote writes),
    and catches up in order: what is far behind its ``front``, the newest of all the pods' samples, is waited for no
    longer. All in Unix milliseconds.
    """
    awaited = front - SILENT_SCRAPES * scrape
    return min([until, *(time for time in newest if time >= awaited)]) - OVERLAP_SCRAPES * scrape


def newest_of(series: Iterable[Series]) -> list[int]:
    """The time of the last sample of each that has one, in Unix milliseconds; once where the times are the same."""
    different = {id(one.times): one.times for one in series}
    return [milliseconds(float(times[-1])) for times in different.values() if len(times)]


def digest(labels: Iterable[tuple[str, str]]) -> bytes:
    """What tells a series from all others: the labels themselves are larger than its samples."""
    return hashlib.blake2b(repr(sorted(labels)).encode(), digest_size=16).digest()
