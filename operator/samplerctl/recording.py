"""Recorded raw counters: a CSV file with one row for each scrape of a pod and check."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from quality_contract import AUDIT_MISMATCH, AUDIT_TOKENS, BAD, CHECK_REPLAY_AUDIT, CHECKED, LABEL_CHECK
from sampler_rollouts.domain.evidence.samples import Series

from samplerctl.errors import InputError

COLUMNS = ("time", "check", "pool", "release", "pod", "checked_total", "bad_total")
CANDIDATE, STABLE = "candidate", "stable"
DEFAULT_SCRAPE = 15.0
LATEST = 1e10
"""Unix seconds of the year 2286. What is larger is in another unit: in milliseconds it would be April 1970."""
UNITS = (("milliseconds", 1e14), ("microseconds", 1e17), ("nanoseconds", 1e20))
"""What a time in another unit looks like, below so much."""
LONGEST = 366 * 86400.0
"""A recording of more than a year holds a wrong time: no rollout takes as long."""


@dataclass(frozen=True, slots=True)
class Recording:
    """All samples of a file. ``last`` is each candidate pod's last time by (pool, pod); times are Unix seconds."""

    series: tuple[Series, ...]
    checks: tuple[str, ...]
    pools: tuple[str, ...]
    last: Mapping[tuple[str, str], float]
    compared: frozenset[str]
    """Pools that have stable's samples too."""
    start: float
    """The candidate's first sample."""
    scrape: float
    """Seconds between two scrapes: the median over all pods."""
    looks: tuple[float, ...]
    """Times at which there is something new to look at, one for each scrape."""


def read(path: Path) -> Recording:
    """Read a file; InputError names the line and the column that cannot be understood."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            _need_columns(path, list(rows.fieldnames or ()))
            return _recording(path, _samples(path, rows))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not in UTF-8 ({error.reason}, byte {error.start}): save as UTF-8") from None
    except (OSError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def _need_columns(path: Path, found: list[str]) -> None:
    whole = ",".join(COLUMNS)
    if not found:
        raise InputError(f"{path}: is empty: its first line is {whole}")
    missing = [name for name in COLUMNS if name not in found]
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if missing and any(mark in one for one in found):
            raise InputError(f"{path}, line 1: the columns are separated by {name}: separate them by commas: {whole}")
    if missing:
        raise InputError(f"{path}: the columns {', '.join(missing)} are missing: a file has {whole}")


@dataclass(frozen=True, slots=True)
class _Place:
    check: str
    pool: str
    release: str
    pod: str


_Samples = dict[_Place, list[tuple[float, float, float]]]


def _samples(path: Path, rows: csv.DictReader[str]) -> _Samples:
    found: _Samples = defaultdict(list)
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        _need_cells(where, row, len(rows.fieldnames or ()))
        if row["release"] not in (CANDIDATE, STABLE):
            raise InputError(f"{where}: release is {row['release']!r}: write {CANDIDATE} or {STABLE}")
        place = _Place(row["check"], row["pool"], row["release"], row["pod"])
        checked, bad = (_count(where, name, row[name]) for name in COLUMNS[-2:])
        found[place].append((_time(where, row["time"]), checked, bad))
    return found


def _need_cells(where: str, row: Mapping[str | None, object], columns: int) -> None:
    """The reader puts None where cells are missing, and what is too much under the key None."""
    more, missing = row.get(None), sum(cell is None for cell in row.values())
    cells = columns + len(more) if isinstance(more, list) else columns - missing
    if cells != columns:
        remedy = "write one for each column" if cells < columns else "write numbers with a point, and nothing more"
        raise InputError(f"{where}: has {cells} cells, the first line {columns}: {remedy}")


def _time(where: str, text: str) -> float:
    """Unix seconds, or ISO 8601; without a zone it is UTC."""
    found = _seconds(text)
    if found is None:
        raise InputError(f"{where}: time is {text!r}: write Unix seconds or 2026-11-23T12:00:00Z")
    if not 0 <= found < LATEST:  # never so for NaN
        unit = next((name for name, most in UNITS if LATEST <= found < most), "")
        looks = f"it looks like {unit}, write Unix seconds" if unit else "write Unix seconds or 2026-11-23T12:00:00Z"
        raise InputError(f"{where}: time {text} is not in seconds since 1970: {looks}")
    return found


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _count(where: str, name: str, text: str | None) -> float:
    """What the store held, NaN if nothing: whether it can be a count is for the evidence to judge."""
    try:
        return float(text) if text else math.nan
    except ValueError:
        raise InputError(f"{where}: {name} is {text!r}: write the counter's value, or nothing") from None


def _recording(path: Path, found: _Samples) -> Recording:
    candidates = {place: samples for place, samples in found.items() if place.release == CANDIDATE}
    times = sorted(time for samples in candidates.values() for time, _, _ in samples)
    if not times:
        raise InputError(f"{path}: there is no row of the release {CANDIDATE}")
    if times[-1] - times[0] > LONGEST:
        raise InputError(
            f"{path}: the candidate's times go from {times[0]:.10g} to {times[-1]:.10g}, more than a year: "
            "correct the one that is wrong"
        )
    scrape = _scrape(found)
    last: dict[tuple[str, str], float] = {}
    for place, samples in candidates.items():
        key = (place.pool, place.pod)
        last[key] = max(last.get(key, 0.0), *(time for time, _, _ in samples))
    return Recording(
        series=tuple(one for place, samples in found.items() for one in _pair(place, samples)),
        checks=tuple(dict.fromkeys(place.check for place in found)),
        pools=tuple(dict.fromkeys(place.pool for place in candidates)),
        last=last,
        compared=frozenset(place.pool for place in found if place.release == STABLE),
        start=times[0],
        scrape=scrape,
        looks=_looks(times, scrape),
    )


def _pair(place: _Place, samples: list[tuple[float, float, float]]) -> Iterable[Series]:
    table = np.array(samples, dtype=np.float64)
    audit = place.check == CHECK_REPLAY_AUDIT
    metrics = (AUDIT_TOKENS, AUDIT_MISMATCH) if audit else (CHECKED, BAD)
    labels = {} if audit else {LABEL_CHECK: place.check}
    for column, metric in enumerate(metrics, start=1):
        yield Series(metric, place.pod, place.pool, place.release, labels, table[:, 0], table[:, column])


def _scrape(found: _Samples) -> float:
    gaps = [np.diff(np.unique([time for time, _, _ in samples])) for samples in found.values()]
    every = np.concatenate([np.zeros(0), *gaps])
    return max(0.1, float(np.median(every))) if every.size else DEFAULT_SCRAPE


def _looks(times: list[float], scrape: float) -> tuple[float, ...]:
    """The last time of each scrape interval in which the candidate has a sample."""
    array = np.array(times)
    number = np.floor((array - array[0]) / scrape + 0.5)
    return tuple(float(one) for one in array[np.flatnonzero(np.diff(number, append=np.inf))])
