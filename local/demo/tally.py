"""What became of the load generator's requests: counts and times, never texts."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

OK = "ok"
REJECTED = "rejected"
SERVER_ERROR = "server-error"
UNREACHABLE = "unreachable"
CUT_OFF = "cut-off"
TIMED_OUT = "timed-out"
THROTTLED = "throttled"


@dataclass(frozen=True, slots=True)
class Record:
    """One request from its first byte out to its end. ``at`` is Unix seconds; ``throttled`` counts its 429 answers."""

    at: float
    seconds: float
    phase: str
    outcome: str
    fingerprint: str = ""
    tokens: int = 0
    throttled: int = 0
    detail: str = ""
    context_class: str = ""

    @property
    def ended_at(self) -> float:
        """When its answer was complete."""
        return self.at + self.seconds


@dataclass(frozen=True, slots=True)
class Summary:
    """A stretch of traffic in numbers. Latencies are of answered requests, in seconds."""

    requests: int
    answered: int
    failed: int
    failures: dict[str, int]
    throttled: int
    tokens: int
    p50: float
    p95: float
    per_second: float

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


class Tally:
    """All records of a run. Filled by one thread and read by others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: list[Record] = []
        self._by_fingerprint: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        """Take one more record."""
        with self._lock:
            self._records.append(record)
            if record.outcome == OK:
                self._by_fingerprint[record.fingerprint] += 1

    def records(self, since: float = 0.0, until: float = float("inf")) -> list[Record]:
        """Records of requests that ended in the stretch of time."""
        with self._lock:
            return [r for r in self._records if since <= r.ended_at < until]

    def count(self) -> int:
        """Requests that have ended."""
        with self._lock:
            return len(self._records)

    def fingerprints(self) -> dict[str, int]:
        """Answered requests by the release that answered."""
        with self._lock:
            return dict(self._by_fingerprint)

    def rate(self, now: float, window: float = 15.0) -> float:
        """Requests a second that ended in the last ``window`` seconds."""
        with self._lock:
            recent = 0
            # Newest last, in the order of their ends but for a few milliseconds.
            for record in reversed(self._records):
                if record.ended_at < now - window:
                    break
                recent += 1
        return recent / window


def summarize(records: Sequence[Record]) -> Summary:
    """Fold records into numbers."""
    answered = [r for r in records if r.outcome == OK]
    failures = Counter(r.outcome for r in records if r.outcome != OK)
    times = sorted(r.seconds for r in answered)
    span = max((r.ended_at for r in records), default=0.0) - min((r.ended_at for r in records), default=0.0)
    return Summary(
        requests=len(records),
        answered=len(answered),
        failed=sum(failures.values()),
        failures=dict(failures),
        throttled=sum(r.throttled for r in records),
        tokens=sum(r.tokens for r in answered),
        p50=quantile(times, 0.5),
        p95=quantile(times, 0.95),
        per_second=(len(records) - 1) / span if span > 0 else 0.0,
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which about ``share`` of the ordered values lie; 0 when there are none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def failures_by_phase(records: Iterable[Record]) -> dict[str, dict[str, int]]:
    """Count what did not end in an answer, by phase of the story and kind."""
    found: dict[str, Counter[str]] = {}
    for record in records:
        if record.outcome != OK:
            found.setdefault(record.phase, Counter())[record.outcome] += 1
    return {phase: dict(kinds) for phase, kinds in found.items()}
