"""The operator's process: its own queue, loop and reconciler, called step by step on a clock that a test moves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import datetime
from typing import Any

from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.errors import ClusterError, ConflictError
from sampler_rollouts.cluster.kinds import ROLLOUT, RolloutKey
from sampler_rollouts.cluster.mirror import Mirror
from sampler_rollouts.cluster.transport import WatchingApi
from sampler_rollouts.domain.together import ALONE, Suspects
from sampler_rollouts.handlers.loop import ReconcileLoop
from sampler_rollouts.handlers.watch import Novelty, key_from_rollout
from sampler_rollouts.reconcile.examining import BoundedPreflights
from sampler_rollouts.reconcile.ports import Metrics, Preflights
from sampler_rollouts.reconcile.reconciler import Reconciler
from sampler_rollouts.reconcile.sampling import BoundedMetrics

from tests.support.kube.api import MemoryApi

RESYNC = 60.0
MOST_LOOKS = 8
"""In one moment: more would be a loop that never rests."""
FORESEEN = frozenset({"success", "conflict", "cluster_error", "stopped"})
"""How a reconcile may end. ``error`` and ``cut_off`` are the operator's own doing, whatever befalls it."""


class Standing(asyncio.SelectorEventLoop):
    """Time limits are of real time, less that in which a story stood still: others went on from there meanwhile."""

    stood = 0.0

    def time(self) -> float:
        """Seconds."""
        return super().time() - Standing.stood


class Inline(Executor):
    """No threads: a story of hundreds of reconciles is to be quick."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Do it now."""
        future: Future[Any] = Future()
        try:
            future.set_result(call(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


class Process:
    """It remembers nothing of an earlier one."""

    def __init__(
        self,
        api: MemoryApi,
        reads: WatchingApi,
        metrics: Metrics,
        preflights: Preflights,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        wrong: Callable[[str], None],
        suspects: Suspects = ALONE,
    ) -> None:
        """``wrong`` is told of each reconcile that ends as none may."""
        self._api = api
        self._mirror = Mirror(reads, noticed=self._call)
        self._cluster = KubernetesCluster(reads, self._mirror)
        bounded = BoundedMetrics(metrics, [], time_limit=5.0)
        bounded.close()
        bounded._threads = {"": Inline()}  # type: ignore[dict-item]
        examining = BoundedPreflights(preflights, Inline())
        reconciler = Reconciler(self._cluster, bounded, Inline(), clock, preflights=examining, suspects=suspects)
        self._monotonic = monotonic
        self._wrong = wrong
        self._loop = ReconcileLoop(reconciler.reconcile, self._list, clock=monotonic, ended=self._ended)
        self._loop.queue._jitter = lambda: 1.0
        self._novelty = Novelty()
        self._seen = api.version
        for body in api.kinds(ROLLOUT.plural).values():
            self._novelty.is_news(None, body)
        self._resync_at = monotonic()
        self.looks = 0

    def _call(self, key: RolloutKey) -> None:
        self._loop.queue.add(key)

    def _ended(self, how: str, _: float) -> None:
        if how not in FORESEEN:
            self._wrong(f"a reconcile ended as {how}")

    async def _list(self) -> list[RolloutKey]:
        return self._cluster.keys()

    def notice(self) -> None:
        """What the watches have brought, and what the resync finds."""
        for reflector in self._mirror.reflectors:
            with contextlib.suppress(ClusterError):
                reflector.once()
        for kind, body in self._events(ROLLOUT.everywhere()):
            self._mirror.saw(kind, body)
            if self._novelty.is_news(kind, body):
                self._loop.queue.add(key_from_rollout(body))
        self._seen = self._api.version
        if self._monotonic() >= self._resync_at:
            self._resync_at = self._monotonic() + RESYNC
            try:
                found = self._cluster.keys()
                for key in found:
                    self._loop.queue.add(key)
            except ClusterError:
                self._resync_at = self._monotonic() + 5.0

    def _events(self, path: str) -> list[tuple[str, dict[str, Any]]]:
        try:
            return self._api.watch(path, self._seen)
        except ConflictError:
            self._resync_at = self._monotonic()
            return []

    def work(self, runner: asyncio.Runner) -> None:
        """Reconcile what is due now; an object once in a moment, and again if it was called meanwhile."""
        for _ in range(MOST_LOOKS):
            if self._loop.queue.next_due() != 0.0:
                return
            runner.run(self._next())

    async def _next(self) -> None:
        key = await self._loop.queue.get()
        self.looks += 1
        await self._loop._once(key)
