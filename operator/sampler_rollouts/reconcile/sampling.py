"""Reading samples in bounded time: a metrics source may be slow, dead or lying, and a reconcile goes on (R7, R13)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

from sampler_rollouts.domain.evidence.samples import Question, SampleSet
from sampler_rollouts.domain.failures import whereabouts
from sampler_rollouts.reconcile.ports import Metrics, NoObserver, Observer

logger = logging.getLogger(__name__)

TIME_LIMIT: Final = 8.0
THREADS: Final = 4
_UNKNOWN: Final = ""


class BoundedMetrics:
    """Threads of their own for each known source, so that one that hangs holds up neither the others nor API calls."""

    def __init__(
        self,
        metrics: Metrics,
        names: Iterable[str],
        time_limit: float = TIME_LIMIT,
        observer: Observer | None = None,
    ) -> None:
        self._metrics = metrics
        self._time_limit = time_limit
        self._observer = observer or NoObserver()
        # Names come from users: those that nobody configured share one pool.
        self._threads = {name: _pool(name) for name in {*names, _UNKNOWN}}

    async def fetch(self, question: Question, now: datetime) -> SampleSet:
        """The source's answer, or an empty one that says why there is none."""
        began = time.monotonic()
        samples = await self._fetch(question, now)
        known = question.source if question.source in self._threads else "unknown"
        self._observer.read(known, samples.unavailable, time.monotonic() - began)
        return samples

    async def _fetch(self, question: Question, now: datetime) -> SampleSet:
        call = asyncio.get_running_loop().run_in_executor(
            self._threads.get(question.source, self._threads[_UNKNOWN]), self._metrics.fetch, question, now
        )
        try:
            # Not wait_for: before Python 3.12 it loses a cancellation that meets the answer.
            async with asyncio.timeout(self._time_limit):
                return await call
        except TimeoutError:
            return _none(now, "SourceTimeout", f"no answer within {self._time_limit:g} s")
        except Exception as error:
            logger.error("reading samples failed: %s", whereabouts(error), extra={"source": question.source})
            return _none(now, "SourceError", type(error).__name__)

    def close(self) -> None:
        """Let the threads go; those that hang end with their own time limit."""
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)


def _pool(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix=f"metrics-{name}")


def _none(now: datetime, reason: str, message: str) -> SampleSet:
    return SampleSet(asked_at=now, unavailable=reason, message=message)
