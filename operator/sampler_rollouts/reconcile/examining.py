"""Reading preflights in bounded time: pods that hang hold up neither an abort nor another rollout for long (R7)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime
from typing import Final

from sampler_rollouts.domain.failures import whereabouts
from sampler_rollouts.domain.observation import PodState, Reading
from sampler_rollouts.reconcile.ports import Preflights

logger = logging.getLogger(__name__)

TIME_LIMIT: Final = 4.0
"""Seconds for all pods of one look together."""
THREADS: Final = 16


class BoundedPreflights:
    """Threads of their own. A pod that has not answered in time has no reading at this look."""

    def __init__(self, preflights: Preflights, threads: Executor | None = None, time_limit: float = TIME_LIMIT) -> None:
        self._preflights = preflights
        self._threads = threads or ThreadPoolExecutor(THREADS, thread_name_prefix="preflight")
        self._time_limit = time_limit

    async def read(self, pods: Sequence[PodState], now: datetime) -> tuple[Reading, ...]:
        """What came in time."""
        if not pods:
            return ()
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(self._threads, self._read, pod, now) for pod in pods]
        done, late = await asyncio.wait(calls, timeout=self._time_limit)
        for call in late:
            call.cancel()
        found = (call.result() for call in calls if call in done)
        return tuple(reading for reading in found if reading is not None)

    def _read(self, pod: PodState, now: datetime) -> Reading | None:
        try:
            return self._preflights.read(pod, now)
        except Exception as error:
            logger.error("reading a preflight failed: %s", whereabouts(error), extra={"pod": pod.name})
            return None

    def close(self) -> None:
        """Let the threads go; those that hang end with their own time limit."""
        self._threads.shutdown(wait=False, cancel_futures=True)
