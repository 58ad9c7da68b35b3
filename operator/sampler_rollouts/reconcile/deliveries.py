"""Who is told next, and when: the debts of all rollouts, in memory beside what status holds of them.

The reconcile writes down what is owed and takes out what has been told; couriers, in threads of their own, take one
debt at a time. Neither waits for the other. What stands here is lost with the process, and made anew from status.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from sampler_rollouts.domain.notices.news import news
from sampler_rollouts.domain.notices.notice import Letter, NoticeType, Origin
from sampler_rollouts.domain.notices.outbox import Debt, Lost, bounded, owed, posted, settled, strangers
from sampler_rollouts.domain.outcome import EventNote, Outcome
from sampler_rollouts.domain.receivers import NOBODY, Notifications
from sampler_rollouts.reconcile.ports import NoPostObserver, PostObserver

if TYPE_CHECKING:
    from sampler_rollouts.cluster.kinds import RolloutKey
    from sampler_rollouts.domain.status import Status

logger = logging.getLogger(__name__)

NOT_DELIVERED: Final = "NotDelivered"
MOST: Final = 1000
"""Rollouts that one receiver is to be told of at the same time; those beyond wait in their status for a later look."""
FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 600.0
"""Seconds between two tries."""


class Noted(NamedTuple):
    """An outcome with what is owed, and what some receiver will never be told."""

    outcome: Outcome
    lost: tuple[Lost, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One debt, and how often it was tried."""

    key: RolloutKey
    receiver: str
    letter: Letter
    due: float = 0.0
    """Of the monotonic clock."""
    tries: int = 0
    taken: bool = False
    """A courier is at it."""

    @property
    def debt(self) -> Debt:
        """Whom, and what."""
        return Debt(self.receiver, self.letter.notice.id)


class Deliveries:
    """Thread-safe. A receiver is told of one rollout's notifications one after the other, in their order."""

    def __init__(
        self,
        config: Notifications = NOBODY,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        observer: PostObserver | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._jitter = jitter
        self._observer = NoPostObserver() if observer is None else observer
        self._jobs: dict[str, dict[RolloutKey, Job]] = {name: {} for name in config.receivers}
        self._results: dict[RolloutKey, dict[Debt, str]] = {}
        """What has an end and is not in status yet: empty if it was taken, else why it never will be."""
        self.changed = threading.Condition()
        self.on_end: Callable[[RolloutKey], None] = lambda _: None
        """Told when a debt has an end, from a courier's thread: the rollout is to be looked at soon."""

    @property
    def receivers(self) -> list[str]:
        """By name."""
        return list(self._jobs)

    def noted(self, origin: Origin, key: RolloutKey, before: Status, outcome: Outcome, now: datetime) -> Noted:
        """The outcome with what is owed in its status, and an Event for each debt that has a bad end. Asks nobody."""
        fresh = news(before, outcome.status, origin.uid, now)
        status = posted(outcome.status, fresh, lambda kind: self._addressees(key.namespace, kind))
        with self.changed:
            results = dict(self._results.get(key, {}))
        status, lost = settled(status, results | strangers(status, frozenset(self._jobs)))
        status, crowded = bounded(status)
        if status is outcome.status:
            return Noted(outcome)
        every = (*lost, *crowded)
        events = (*outcome.events, *(EventNote("Warning", NOT_DELIVERED, str(one)) for one in every))
        return Noted(replace(outcome, status=status, events=events), every)

    def _addressees(self, namespace: str, kind: NoticeType) -> list[str]:
        return [name for name, one in self._config.receivers.items() if one.wants(namespace, kind)]

    def offer(self, origin: Origin, key: RolloutKey, noted: Noted) -> None:
        """Take on what is owed: its status stands in the cluster now, so that it may be sent. Tell what is lost."""
        written, origin = noted.outcome.status, replace(origin, cluster=self._config.cluster)
        wanted = owed(written)
        with self.changed:
            self._forget_results(key, written)
            for name, jobs in self._jobs.items():
                self._offer(jobs, name, key, Letter(wanted[name], origin) if name in wanted else None)
            self.changed.notify_all()
        for lost in noted.lost:
            self._observer.tried(lost.receiver if lost.receiver in self._jobs else "unknown", "given_up")
            logger.error("notification lost: %s", lost, extra={"rollout": str(key), "receiver": lost.receiver})

    def _forget_results(self, key: RolloutKey, written: Status) -> None:
        open_still = {Debt(name, one.id) for one in written.notices for name in one.receivers}
        kept = {debt: why for debt, why in self._results.get(key, {}).items() if debt in open_still}
        self._results.pop(key, None)
        if kept:
            self._results[key] = kept

    def _offer(self, jobs: dict[RolloutKey, Job], name: str, key: RolloutKey, letter: Letter | None) -> None:
        job = jobs.get(key)
        if job is not None and (job.taken or (letter and job.letter.notice.id == letter.notice.id)):
            return
        if letter is None or Debt(name, letter.notice.id) in self._results.get(key, {}):
            jobs.pop(key, None)
        elif job is not None or len(jobs) < MOST:
            jobs[key] = Job(key, name, letter, due=self._clock())

    def forget(self, key: RolloutKey) -> None:
        """The rollout is gone. What was being sent is sent to its end; nothing is left to write it down in."""
        with self.changed:
            self._results.pop(key, None)

    def take(self, receiver: str) -> Job | None:
        """The debt that has been due for longest, now a courier's; None if none is due."""
        with self.changed:
            jobs = self._jobs[receiver]
            job = min((one for one in jobs.values() if not one.taken), key=lambda one: one.due, default=None)
            if job is None or job.due > self._clock():
                return None
            jobs[job.key] = replace(job, taken=True)
            return job

    def due_in(self, receiver: str) -> float | None:
        """Seconds until ``take`` has something, if nothing else happens. The caller holds ``changed``."""
        waiting = [one.due for one in self._jobs[receiver].values() if not one.taken]
        return max(0.0, min(waiting) - self._clock()) if waiting else None

    def delivered(self, job: Job) -> None:
        """The receiver took it."""
        logger.info("notification delivered", extra=self._extra(job))
        self._observer.tried(job.receiver, "delivered")
        self._end(job, "")

    def refused(self, job: Job, why: str, now: datetime, *, hopeless: bool = False, pause: float = 0.0) -> None:
        """The receiver did not take it: it is tried again later, or given up when its time is over."""
        age = (now - job.letter.notice.at).total_seconds()
        if age >= self._config.receivers[job.receiver].deadline:
            self._end(job, f"given up after {job.tries + 1} tries, the last one because {why}")
            return
        wait = max(pause, self._pause(job, hopeless))
        self._observer.tried(job.receiver, "failed")
        logger.warning(
            "notification not delivered yet", extra={**self._extra(job), "why": why, "again_in": round(wait)}
        )
        with self.changed:
            again = replace(job, due=self._clock() + wait, tries=job.tries + 1, taken=False)
            self._jobs[job.receiver][job.key] = again
            self.changed.notify_all()

    def _pause(self, job: Job, hopeless: bool) -> float:
        """Twice as long each time, and somewhere in its upper half: not all that wait come back at once."""
        full = LONGEST_PAUSE if hopeless else min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(job.tries, 16))
        return full * (0.5 + 0.5 * self._jitter())

    def _end(self, job: Job, why: str) -> None:
        with self.changed:
            self._jobs[job.receiver].pop(job.key, None)
            self._results.setdefault(job.key, {})[job.debt] = why
        self.on_end(job.key)

    def _extra(self, job: Job) -> dict[str, object]:
        notice = job.letter.notice
        told = {"rollout": str(job.key), "receiver": job.receiver, "notification": notice.id}
        return {**told, "type": notice.type.value, "tries": job.tries + 1}

    def waiting(self, receiver: str) -> int:
        """How many rollouts the receiver is to be told of."""
        with self.changed:
            return len(self._jobs[receiver])

    def oldest(self, receiver: str, now: datetime) -> float:
        """Seconds since the oldest of them happened; 0 if there is none."""
        with self.changed:
            ages = [(now - one.letter.notice.at).total_seconds() for one in self._jobs[receiver].values()]
        return max([0.0, *ages])
