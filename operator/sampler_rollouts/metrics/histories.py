"""The histories of all rollouts that are being looked at. Losing one costs a longer read, nothing else."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from sampler_rollouts.domain.evidence.samples import Question
from sampler_rollouts.metrics.deadline import Deadline
from sampler_rollouts.metrics.envelope import SourceProblem
from sampler_rollouts.metrics.history import History

UNUSED_SECONDS = 600.0
"""Looks come at least every minute; what nobody has asked for in ten is over."""


@dataclass
class _Slot:
    """One rollout's history, and the right to read it on."""

    used: float
    history: History | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Histories:
    """By namespace and name, and by which of a rollout's questions it is. Thread-safe."""

    def __init__(self, scrape_interval: float, folding: bool) -> None:
        self._folding = folding
        self._scrape_interval = scrape_interval
        self._slots: dict[tuple[str, str, bool], _Slot] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def of(self, question: Question, now: int, deadline: Deadline) -> Iterator[History]:
        """This question's history, to be read on by nobody else meanwhile. Raises SourceProblem."""
        slot = self._slot(question)
        if not slot.lock.acquire(timeout=deadline.left()):
            raise SourceProblem("SourceTimeout", "an earlier look at this rollout is still being answered")
        try:
            if slot.history is None or not slot.history.serves(question, now):
                slot.history = History.begin(question, self._scrape_interval, self._folding)
            yield slot.history
        finally:
            slot.lock.release()

    def drop(self, question: Question) -> None:
        """Forget what was read."""
        with self._lock:
            self._slots.pop(_name(question), None)

    def _slot(self, question: Question) -> _Slot:
        now = time.monotonic()
        with self._lock:
            for name, slot in list(self._slots.items()):
                if now - slot.used > UNUSED_SECONDS:
                    del self._slots[name]
            slot = self._slots.setdefault(_name(question), _Slot(now))
            slot.used = now
            return slot


def _name(question: Question) -> tuple[str, str, bool]:
    return question.namespace, question.rollout, question.beside
