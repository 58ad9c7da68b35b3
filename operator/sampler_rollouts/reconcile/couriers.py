"""Threads that tell receivers, one for each: one that hangs holds up neither the others nor any reconcile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from sampler_rollouts.domain.failures import whereabouts
from sampler_rollouts.notify.post import NotTakenError
from sampler_rollouts.reconcile.deliveries import Deliveries, Job
from sampler_rollouts.reconcile.ports import Post

logger = logging.getLogger(__name__)

WIND_UP: Final = 2.0
"""Seconds that what is being sent has to end; whatever has not is sent again by the next process."""


def _utc() -> datetime:
    return datetime.now(UTC)


def deliver(deliveries: Deliveries, post: Post, job: Job, clock: Callable[[], datetime] = _utc) -> None:
    """One try, whatever comes of it. Never raises."""
    try:
        post.send(job.receiver, job.letter)
    except NotTakenError as error:
        deliveries.refused(job, error.why, clock(), hopeless=error.hopeless, pause=error.pause)
    except Exception as error:
        logger.error("sending a notification failed: %s", whereabouts(error))
        deliveries.refused(job, f"sending it failed: {type(error).__name__}", clock(), hopeless=True)
    else:
        deliveries.delivered(job)


class Couriers:
    """Started once, and stopped with the process."""

    def __init__(self, deliveries: Deliveries, post: Post) -> None:
        self._deliveries = deliveries
        self._post = post
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, args=[name], name=f"courier-{name}", daemon=True)
            for name in deliveries.receivers
        ]

    def start(self) -> None:
        """Begin to tell."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Take on nothing more, and wait a moment for what is being sent."""
        with self._deliveries.changed:
            self._stopping = True
            self._deliveries.changed.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(WIND_UP)

    def _work(self, receiver: str) -> None:
        while not self._stopping:
            job = self._deliveries.take(receiver)
            if job is not None:
                deliver(self._deliveries, self._post, job)
                continue
            with self._deliveries.changed:
                if not self._stopping and (wait := self._deliveries.due_in(receiver)) != 0.0:
                    self._deliveries.changed.wait(wait)
