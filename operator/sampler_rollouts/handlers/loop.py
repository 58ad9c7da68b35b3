"""The loop of our own: takes keys from the queue, reconciles them, and decides when they come back."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar

from sampler_rollouts.cluster.errors import ClusterError, ConflictError
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.handlers.queue import WorkQueue
from sampler_rollouts.reconcile.reconciler import Result

logger = logging.getLogger(__name__)
T = TypeVar("T")

RECONCILE_LIMIT: Final = 120.0
"""No reconcile takes longer: each of its calls has its own, much shorter limit. A longer one is cut off."""
AT_ONCE: Final = 128
PACE: Final = 0.01
"""Seconds between two beginnings where so many have begun within a second: thousands at once, after a start, would all
end together and last, and be due together again. Those that hang do not count: they are to hold up nobody else."""
HEARTBEAT: Final = 1.0
WIND_UP: Final = 10.0
"""How long reconciles in flight may take when the operator is told to stop; they can be cut off anywhere (R4)."""


class _TooLongError(Exception):
    """Something was cut off. Its thread may go on, but makes no further call."""


async def _at_once() -> None:
    """Nobody need wait."""


class ReconcileLoop:
    """One task per key in work. What is bounded is the threads that the reconciles use, not the tasks: a rollout that
    waits for its metrics source must not take the place of one whose abort is due.

    The heartbeat shows whether the event loop itself still turns.
    """

    def __init__(
        self,
        reconcile: Callable[[RolloutKey], Awaitable[Result]],
        list_keys: Callable[[], Awaitable[Iterable[RolloutKey]]],
        *,
        resync: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        ended: Callable[[str, float], None] = lambda *_: None,
        calm: Callable[[], Awaitable[None]] = _at_once,
    ) -> None:
        """``ended`` is told how each reconcile ended, and after how many seconds; none begins before it is ``calm``.

        What waits in the queue has no time limit, what has begun has one.
        """
        self.queue: WorkQueue[RolloutKey] = WorkQueue(clock)
        self._reconcile = reconcile
        self._list_keys = list_keys
        self._tasks: set[asyncio.Task[None]] = set()
        self._resync = resync
        self._clock = clock
        self._ended = ended
        self._calm = calm
        self._beat = clock()
        self._synced_at: float | None = None
        self._stopping = asyncio.Event()
        self._started: dict[RolloutKey, float] = {}
        self._cut_off_since: float | None = None

    async def run(self) -> None:
        """Work until ``stop``; then let the reconciles in flight finish. An error of the loop itself ends it."""
        eternal = [
            asyncio.create_task(self._keep_dispatching(), name="dispatch"),
            asyncio.create_task(self._keep_resyncing(), name="resync"),
            asyncio.create_task(self._keep_beating(), name="heartbeat"),
        ]
        stopping = asyncio.create_task(self._stopping.wait(), name="stop")
        try:
            done, _ = await asyncio.wait([stopping, *eternal], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _end([stopping, *eternal])
            await self._wind_up()

    def stop(self) -> None:
        """Ask ``run`` to end."""
        self._stopping.set()

    def stale_for(self) -> float:
        """Seconds since the last sign of life."""
        return self._clock() - self._beat

    def stuck_for(self) -> float:
        """Seconds that the oldest reconcile in flight has taken."""
        return max((self._clock() - started for started in self._started.values()), default=0.0)

    def cut_off_for(self) -> float:
        """Seconds since the first of a row of cut-offs in which nothing has ended by itself; 0 outside such a row."""
        return 0.0 if self._cut_off_since is None else self._clock() - self._cut_off_since

    def synced_for(self) -> float:
        """Seconds since all SamplerRollouts were last listed; NaN before the first time."""
        return math.nan if self._synced_at is None else self._clock() - self._synced_at

    @property
    def synced(self) -> bool:
        """Whether all SamplerRollouts have been listed since the start."""
        return self._synced_at is not None

    async def _wind_up(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=WIND_UP)
        await _end(self._tasks)

    async def _keep_dispatching(self) -> None:
        begun: deque[float] = deque(maxlen=AT_ONCE)
        while True:
            await self._calm()
            key = await self.queue.get()
            task = asyncio.create_task(self._once(key), name=f"reconcile {key}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            begun.append(self._clock())
            if self._clock() - begun[0] < 1 and len(begun) == begun.maxlen:
                await asyncio.sleep(PACE)

    async def _once(self, key: RolloutKey) -> None:
        began = self._started[key] = self._clock()
        how = "stopped"
        try:
            result = await self._limited(self._reconcile(key))
        except Exception as error:
            how = self._failed(key, error)
        else:
            how = self._succeeded(key, result)
        finally:
            del self._started[key]
            seconds = self._clock() - began
            logger.debug("reconciled", extra={"rollout": str(key), "result": how, "seconds": round(seconds, 3)})
            self._ended(how, seconds)

    async def _limited(self, work: Awaitable[T]) -> T:
        """The work's result, or its error; _TooLongError if it was cut off."""
        limit = asyncio.timeout(RECONCILE_LIMIT)
        try:
            async with limit:
                result = await work
        except Exception as error:
            if limit.expired():
                self._cut_off_since = self._clock() if self._cut_off_since is None else self._cut_off_since
                raise _TooLongError(f"cut off after {RECONCILE_LIMIT:g} s") from error
            self._cut_off_since = None
            raise
        self._cut_off_since = None
        return result

    def _succeeded(self, key: RolloutKey, result: Result) -> str:
        if result.gone:
            self.queue.forget(key)
        else:
            self.queue.done(key, result.requeue_after)
        return "success"

    def _failed(self, key: RolloutKey, error: Exception) -> str:
        """Put it off and say why; how it ended, in the words of the operator's metrics."""
        at_least = error.retry_after if isinstance(error, ClusterError) else None
        delay = self.queue.failed(key, at_least)
        extra = {"rollout": str(key), "retry_in": round(delay, 2)}
        if isinstance(error, ConflictError):
            logger.info("changed meanwhile, starting again: %s", error, extra=extra)
            return "conflict"
        if isinstance(error, ClusterError):
            logger.warning("reconcile failed: %s: %s", error.reason, error, extra=extra)
            return "cluster_error"
        if isinstance(error, _TooLongError):
            logger.error("reconcile failed: %s", error, extra=extra)
            return "cut_off"
        logger.error("reconcile failed", exc_info=error, extra=extra)
        return "error"

    async def _keep_resyncing(self) -> None:
        """Whatever a watch may have missed is found here: each is looked at within another ``resync``."""
        while True:
            try:
                for key in await self._limited(self._list_keys()):
                    self.queue.within(key, self._resync)
                self._synced_at = self._clock()
                delay = self._resync
            except (ClusterError, _TooLongError) as error:
                logger.warning("resync failed: %s: %s", getattr(error, "reason", "TooLong"), error)
                delay = min(5.0, self._resync)
            await asyncio.sleep(delay)

    async def _keep_beating(self) -> None:
        while True:
            self._beat = self._clock()
            await asyncio.sleep(HEARTBEAT)


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
