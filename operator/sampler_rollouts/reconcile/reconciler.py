"""One reconcile: read, look, ask, decide, write. Between two of them only status is remembered.

The order of writes makes any of them safe to lose (R4): status first, so that a decision once taken is never taken
anew; then the children, which follow from status and can be applied again; then what is no longer wanted; then Events.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeAlias, TypeVar

from sampler_rollouts.cluster.adapter import Children
from sampler_rollouts.cluster.errors import ConflictError, DeniedError, RefusedError
from sampler_rollouts.cluster.kinds import RolloutKey, key_of, metadata
from sampler_rollouts.cluster.permit import Permit
from sampler_rollouts.domain.allowed import BY_DEFAULT, Allowed
from sampler_rollouts.domain.check_template import named_templates
from sampler_rollouts.domain.decision import ResourceMeta, decide, note_edits, question, question_beside
from sampler_rollouts.domain.decision.examined import awaited, to_read
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import Evidence
from sampler_rollouts.domain.evidence.samples import Question, SampleSet
from sampler_rollouts.domain.failures import whereabouts
from sampler_rollouts.domain.notices.notice import Origin
from sampler_rollouts.domain.observation import PodState, Reading
from sampler_rollouts.domain.outcome import EventNote, Manifest, Outcome
from sampler_rollouts.domain.status import Status
from sampler_rollouts.domain.together import ALONE, Suspects
from sampler_rollouts.reconcile.correct import Refusal, Written, correct
from sampler_rollouts.reconcile.deliveries import Deliveries, Noted
from sampler_rollouts.reconcile.examining import BoundedPreflights
from sampler_rollouts.reconcile.ports import Cluster, Clusters, NoObserver, Observer
from sampler_rollouts.reconcile.refusals import CHILDREN_NOT_READ, STATUS_NOT_WRITTEN, Refusals
from sampler_rollouts.reconcile.room import Room
from sampler_rollouts.reconcile.sampling import BoundedMetrics
from sampler_rollouts.reconcile.siblings import Siblings
from sampler_rollouts.reconcile.templates import Templates

logger = logging.getLogger(__name__)
T = TypeVar("T")
Questions: TypeAlias = tuple[Question | None, ...]
Answers: TypeAlias = Sequence[Evidence | None]

LONGEST_WAIT: Final = 600.0
"""Seconds after which a rollout is looked at again, whatever the decision says."""
RETRY_REFUSED: Final = 15.0
"""Seconds after which a child that was refused is tried again at the latest; no look that is wanted sooner waits."""
AT_ONCE: Final = 32
"""Objects that are worked on, each with all of its children. Their calls have few threads, and wait for these no longer
than so many objects take; without that, whoever has begun waits behind all that are to begin."""
MOST_QUESTIONS: Final = 3
"""In one look: the status from which a question follows is written by nobody else, as a rule."""
RETRY_PASSING: Final = 5.0
"""The same for one that changed since it was looked at, or is still being deleted."""


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
        clusters: Clusters,
        metrics: BoundedMetrics,
        threads: Executor | None = None,
        clock: Callable[[], datetime] = utc_now,
        observer: Observer | None = None,
        preflights: BoundedPreflights | None = None,
        allowed: Allowed = BY_DEFAULT,
        deliveries: Deliveries | None = None,
        suspects: Suspects = ALONE,
        watched: Collection[str] = (),
    ) -> None:
        """Without ``preflights`` no pod is asked, and no preflight passes; without ``deliveries`` nobody is told."""
        self._deliveries = deliveries or Deliveries()
        self._allowed = allowed
        self._clusters = clusters
        self._preflights = preflights
        self._metrics = metrics
        self._threads = threads
        self._clock = clock
        self._observer = observer or NoObserver()
        self._refusals = Refusals()
        self._room = Room(AT_ONCE)
        self._siblings = Siblings(clock, suspects, watched)
        self._templates = Templates(clock)

    async def calm(self) -> None:
        """Until another reconcile is worth beginning."""
        await self._room.calm()

    async def reconcile(self, key: RolloutKey) -> Result:
        """Bring one SamplerRollout a step further; any error may be raised, and calling again is the remedy.

        Cancelled, it writes nothing more, though a thread may still hang in its last call.
        """
        permit = Permit()
        try:
            return await self._step(key, self._clusters.under(permit))
        finally:
            permit.revoke()

    async def _step(self, key: RolloutKey, cluster: Cluster) -> Result:
        """Nothing of an object is held while its metrics source is waited for: after a start thousands wait at once."""
        for _ in range(MOST_QUESTIONS):
            async with self._room.place():
                there, version, asked = await self._ask(key, cluster)
            if not there:
                return self._gone(key)
            now = self._clock()
            samples = await asyncio.gather(*(self._samples(one, now) for one in asked))
            async with self._room.place():
                rollout = await self._in_thread(cluster.read, key)
                if rollout is None:
                    return self._gone(key)
                status = Status.load(rollout.get("status"))
                if _version(rollout) != version and self._questions(rollout, status) != asked:
                    continue
                evidence = [await self._evidence(*both, now) for both in zip(asked, samples, strict=True)]
                examined = await self._to_read(rollout, status, cluster)
                if not examined:
                    return await self._go_on(rollout, status, evidence, (), cluster)
                version = _version(rollout)
                del rollout, status
            # Pods that examine may be as slow as a metrics source.
            found = await self._preflights.read(examined, self._clock()) if self._preflights else ()
            async with self._room.place():
                rollout = await self._in_thread(cluster.read, key)
                if rollout is None:
                    return self._gone(key)
                if _version(rollout) == version:
                    status = Status.load(rollout.get("status"))
                    return await self._go_on(rollout, status, evidence, found, cluster)
        raise ConflictError(f"{key}: changed while others were asked")

    async def _ask(self, key: RolloutKey, cluster: Cluster) -> tuple[bool, str | None, Questions]:
        """Whether it is there, in which version, and what is to be asked of its metrics source."""
        rollout = await self._in_thread(cluster.read, key)
        if rollout is None:
            return False, None, ()
        return True, _version(rollout), self._questions(rollout, Status.load(rollout.get("status")))

    async def _samples(self, asked: Question | None, now: datetime) -> SampleSet | None:
        return None if asked is None else await self._metrics.fetch(asked, now)

    def _gone(self, key: RolloutKey) -> Result:
        self._refusals.forget(key)
        self._observer.forget(key)
        self._deliveries.forget(key)
        return Result(gone=True)

    async def _to_read(self, rollout: Manifest, status: Status, cluster: Cluster) -> Sequence[PodState]:
        """The pods that examine a build and are to be asked."""
        if self._preflights is None or not awaited(status):
            return ()
        children = await self._in_thread(self._children, cluster, rollout)
        return to_read(status, children.observation)

    async def _go_on(
        self,
        rollout: Manifest,
        status: Status,
        evidence: Answers,
        readings: tuple[Reading, ...],
        cluster: Cluster,
    ) -> Result:
        key = key_of(rollout)
        outcome, children = await self._decide(rollout, status, evidence, readings, cluster)
        noted = self._deliveries.noted(_origin(rollout), key, status, outcome, self._clock())
        outcome = noted.outcome
        written = await self._in_thread(self._write, cluster, rollout, noted, children)
        if _says_of_failures(status) != _says_of_failures(outcome.status):
            self._siblings.changed(key.namespace)
        self._observer.decided(key, outcome, evidence[0])
        if written.silence:
            raise written.silence
        return Result(requeue_after=_next_look(outcome, written))

    def _questions(self, rollout: Manifest, status: Status) -> Questions:
        """About what is tried or serves alone, and about what serves beside a candidate."""
        meta, spec = ResourceMeta.of(metadata(rollout), self._allowed), rollout.get("spec") or {}
        return question(meta, spec, status, self._clock()), question_beside(meta, status)

    async def _decide(
        self,
        rollout: Manifest,
        status: Status,
        evidence: Answers,
        readings: tuple[Reading, ...],
        cluster: Cluster,
    ) -> tuple[Outcome, Children]:
        meta, spec = ResourceMeta.of(metadata(rollout), self._allowed), rollout.get("spec") or {}
        # Looked at last, so that pods are seen as they are after the wait for the metrics source.
        children = await self._in_thread(self._children, cluster, rollout)
        seen = self._refusals.shown(key_of(rollout), children.observation)
        seen = replace(seen, readings=readings)
        siblings = await self._in_thread(self._siblings.of, cluster, meta.namespace)
        named = named_templates(spec)
        templates = await self._in_thread(self._templates.of, cluster, named) if named else {}
        seen = replace(seen, siblings=siblings, check_templates=templates)
        first, beside = evidence
        outcome = decide(meta, spec, status, seen, first, self._clock(), beside)
        return note_edits(outcome, cluster.edits(outcome.objects, children)), children

    async def _evidence(self, asked: Question | None, samples: SampleSet | None, now: datetime) -> Evidence | None:
        """What the data say; whatever fails here neither passes nor fails a release, and never stops an abort (R7)."""
        if asked is None or samples is None:
            return None
        try:
            return await self._in_thread(evaluate, asked, samples, now)
        except Exception as error:
            whose = f"{asked.namespace}/{asked.rollout}"
            logger.error("evaluation failed: %s", whereabouts(error), extra={"rollout": whose})
            what, scrape = type(error).__name__, samples.scrape_interval
            return Evidence(available=False, reason="EvaluationFailed", message=what, scrape_interval=scrape)

    def _children(self, cluster: Cluster, rollout: Manifest) -> Children:
        """What cannot be seen cannot be decided about; people are told, for no status can be written either."""
        try:
            return cluster.children(rollout)
        except DeniedError as error:
            message = f"Nothing is decided until all children can be read: {error}"
            self._tell(cluster, rollout, [Refusal(rollout, CHILDREN_NOT_READ, message)])
            raise

    def _write(self, cluster: Cluster, rollout: Manifest, noted: Noted, children: Children) -> Written:
        """Events last: also when a child was refused, as the decision stands in status and is not taken again."""
        outcome = noted.outcome
        self._remember(cluster, rollout, outcome.status.dump())
        self._deliveries.offer(_origin(rollout), key_of(rollout), noted)
        written = Written() if outcome.hands_off else correct(cluster, rollout, outcome, children)
        for note in outcome.events:
            cluster.record(rollout, note, self._clock())
        self._tell(cluster, rollout, written.refusals)
        return written

    def _remember(self, cluster: Cluster, rollout: Manifest, status: Manifest) -> None:
        """What cannot be remembered is not done; people are told, for the status itself cannot say so."""
        try:
            cluster.write_status(rollout, status)
        except (RefusedError, DeniedError) as error:
            message = f"Nothing is done until the status can be written: {error}"
            self._tell(cluster, rollout, [Refusal(rollout, STATUS_NOT_WRITTEN, message)])
            raise

    def _tell(self, cluster: Cluster, rollout: Manifest, refusals: list[Refusal]) -> None:
        for one in self._refusals.note(key_of(rollout), refusals, self._clock()):
            logger.warning("%s: %s", one.reason, one.message, extra={"rollout": str(key_of(rollout))})
            cluster.record(rollout, EventNote("Warning", one.reason, one.message), self._clock())

    async def _in_thread(self, call: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(call, *arguments))


def _origin(rollout: Manifest) -> Origin:
    return Origin(*key_of(rollout), uid=str(metadata(rollout).get("uid", "")))


def _version(rollout: Manifest) -> str | None:
    version = metadata(rollout).get("resourceVersion")
    return version if isinstance(version, str) else None


def _says_of_failures(status: Status) -> tuple[str, list[str]]:
    """What other SamplerRollouts heed."""
    return status.stable.hash if status.stable else "", [held.hash for held in status.failed]


def _next_look(outcome: Outcome, written: Written) -> float:
    """When the decision wants it. A refusal is no failure of the reconcile: it never puts a look off (R7)."""
    wait = LONGEST_WAIT if outcome.requeue_after is None else outcome.requeue_after
    for refusal in written.refusals:
        wait = min(wait, RETRY_PASSING if refusal.passing else RETRY_REFUSED)
    return wait
