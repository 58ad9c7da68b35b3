"""One reconcile: read, look, ask, decide, write. Nothing is remembered between two of them but what status holds.

The order of writes makes any of them safe to lose (R4): status first, so that a decision once taken is never taken
anew; then the children, which follow from status and can be applied again; then what is no longer wanted; then Events.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from sampler_rollouts.cluster.adapter import Children
from sampler_rollouts.cluster.errors import ClusterError, ConflictError, UnavailableError
from sampler_rollouts.cluster.kinds import RolloutKey, key_of, metadata
from sampler_rollouts.domain.decision import ResourceMeta, decide, question
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import Evidence
from sampler_rollouts.domain.evidence.samples import Question
from sampler_rollouts.domain.outcome import EventNote, Manifest, Outcome
from sampler_rollouts.domain.status import Status
from sampler_rollouts.reconcile.ports import Cluster
from sampler_rollouts.reconcile.sampling import BoundedMetrics

logger = logging.getLogger(__name__)
T = TypeVar("T")

LONGEST_WAIT: Final = 600.0
"""Seconds after which a rollout is looked at again, whatever the decision says."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a reconcile ended: the object is gone, or comes back after a while at the latest."""

    gone: bool = False
    requeue_after: float = LONGEST_WAIT


def utc_now() -> datetime:
    """The time, aware of its zone."""
    return datetime.now(UTC)


class Reconciler:
    """Wires the ports to the decision. Calls to the API server and arithmetic run in ``threads``."""

    def __init__(
        self,
        cluster: Cluster,
        metrics: BoundedMetrics,
        threads: Executor | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._cluster = cluster
        self._metrics = metrics
        self._threads = threads
        self._clock = clock

    async def reconcile(self, key: RolloutKey) -> Result:
        """Bring one SamplerRollout a step further; any error may be raised, and calling again is the remedy."""
        rollout = await self._in_thread(self._cluster.read, key)
        if rollout is None:
            return Result(gone=True)
        outcome, children = await self._decide(rollout)
        await self._in_thread(self._write, rollout, outcome, children)
        return Result(requeue_after=LONGEST_WAIT if outcome.requeue_after is None else outcome.requeue_after)

    async def _decide(self, rollout: Manifest) -> tuple[Outcome, Children]:
        meta, spec = ResourceMeta.of(metadata(rollout)), rollout.get("spec") or {}
        status = Status.load(rollout.get("status"))
        asked = question(meta, spec, status, self._clock())
        evidence = None if asked is None else await self._evidence(asked)
        # Looked at last, so that pods are seen as they are after the wait for the metrics source.
        children = await self._in_thread(self._cluster.children, rollout)
        return decide(meta, spec, status, children.observation, evidence, self._clock()), children

    async def _evidence(self, asked: Question) -> Evidence:
        """What the data say; whatever fails here neither passes nor fails a release, and never stops an abort (R7)."""
        now = self._clock()
        samples = await self._metrics.fetch(asked, now)
        try:
            return await self._in_thread(evaluate, asked, samples, now)
        except Exception as error:
            logger.exception("evaluation failed", extra={"rollout": f"{asked.namespace}/{asked.rollout}"})
            return Evidence(available=False, reason="EvaluationFailed", message=type(error).__name__)

    def _write(self, rollout: Manifest, outcome: Outcome, children: Children) -> None:
        self._cluster.write_status(rollout, outcome.status.dump())
        try:
            if not outcome.hands_off:
                self._correct(rollout, outcome, children)
        finally:
            # Said also when a child could not be written: the decision stands in status, and is not taken again.
            for note in outcome.events:
                self._cluster.record(rollout, note, self._clock())

    def _correct(self, rollout: Manifest, outcome: Outcome, children: Children) -> None:
        """Apply and prune. A child that is refused must not keep a bad release's pods alive: the rest goes on."""
        refusals = [error for item in outcome.objects if (error := self._apply(rollout, item, children))]
        self._cluster.prune(rollout, outcome.objects, outcome.keep, children)
        if refusals:
            raise refusals[0]

    def _apply(self, rollout: Manifest, wanted: Manifest, children: Children) -> ClusterError | None:
        try:
            self._cluster.apply(rollout, wanted, children)
        except UnavailableError:
            raise
        except ClusterError as error:
            logger.warning("not applied: %s: %s", error.reason, error, extra={"rollout": str(key_of(rollout))})
            if not isinstance(error, ConflictError):  # a person has to see to it
                self._cluster.record(rollout, EventNote("Warning", "NotApplied", str(error)), self._clock())
            return error
        return None

    async def _in_thread(self, call: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(call, *arguments))
