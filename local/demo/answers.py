"""Answers kept for showing: the load generator's own questions only, in memory, a bounded number a release."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from local.demo.ask import Ask


@dataclass(frozen=True, slots=True)
class Answer:
    """What one release said to one ask. ``at`` is Unix seconds."""

    ask: Ask
    text: str
    fingerprint: str
    at: float


class AnswerBook:
    """The newest answers of each release."""

    def __init__(self, keep: int = 400) -> None:
        self._lock = threading.Lock()
        self._keep = keep
        self._by_fingerprint: dict[str, deque[Answer]] = {}

    def add(self, answer: Answer) -> None:
        """Keep one more; the oldest of its release makes room."""
        with self._lock:
            self._by_fingerprint.setdefault(answer.fingerprint, deque(maxlen=self._keep)).append(answer)

    def of_revisions(self, revisions: set[str]) -> list[Answer]:
        """All kept answers of the revisions (a fingerprint begins with its revision), oldest first."""
        with self._lock:
            found = [a for f, kept in self._by_fingerprint.items() if revision_of(f) in revisions for a in kept]
        return sorted(found, key=lambda a: a.at)


def revision_of(fingerprint: str) -> str:
    """The revision in a ``system_fingerprint``, which is ``<revision>-<route hash>``."""
    return fingerprint.partition("-")[0]
