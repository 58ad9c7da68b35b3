"""The operator's own metrics: what it does, and what it knows of each rollout (docs/operating.md lists them).

What it *does* is counted. What it *knows* is kept as the last decision said it, and shown when Prometheus asks: a
rollout that is gone leaves no series behind. Labels come from names of resources and from our own words, never from
what a pod or a metrics source says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric

from sampler_rollouts.domain.decision.stages import FORWARD
from sampler_rollouts.domain.decision.verdicts import CHECK_FAILED
from sampler_rollouts.domain.evidence.look import CheckLook, Verdict
from sampler_rollouts.handlers import known
from sampler_rollouts.metrics import told

if TYPE_CHECKING:
    from sampler_rollouts.cluster.kinds import RolloutKey
    from sampler_rollouts.domain.evidence.look import Evidence
    from sampler_rollouts.domain.outcome import Outcome
    from sampler_rollouts.domain.status import Status
    from sampler_rollouts.handlers.loop import ReconcileLoop

ROLLED_BACK: Final = "RolledBack"
SHOWN_SECONDS: Final = 300.0
"""What decided is one look's, and the next decision knows nothing of it: so long every scrape sees it."""
_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class Telemetry:
    """Counts what happens and shows what is known. Used from the event loop alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        self._known: dict[RolloutKey, bytes] = {}
        self._deciding: dict[RolloutKey, tuple[float, Mapping[tuple[str, str], CheckLook]]] = {}
        """Until when the looks by which a release was taken back are shown."""
        self._reconciles = self._counter("reconcile", "Reconciles that ended, by how.", "result")
        self._durations = Histogram(
            f"{told.PREFIX}_reconcile_duration_seconds",
            "How long a reconcile took, waiting for its metrics source included.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._events = self._counter("decisions", "Decisions that were told as Events, by reason.", "type", "reason")
        self._rollbacks = self._counter(
            "rollbacks", "Releases taken back; check is empty where no check decided.", *known.WHOSE, "reason", "check"
        )
        self._reads = self._counter("metrics_source_reads", "Reads of a metrics source.", "source", "result")
        self._waits = Histogram(
            f"{told.PREFIX}_metrics_source_read_duration_seconds",
            "How long a read of a metrics source took.",
            ("source",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._up = Gauge(
            f"{told.PREFIX}_metrics_source_up",
            "1 if the last read of a metrics source was answered completely.",
            ("source",),
            registry=self.registry,
        )
        self.registry.register(self)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{told.PREFIX}_{name}", text, labels, registry=self.registry)

    def watch(self, loop: ReconcileLoop) -> None:
        """Show the loop's own figures, as they are when Prometheus asks."""
        for name, text, ask in (
            (
                "queue_depth",
                "Rollouts that wait to be reconciled, now or later.",
                lambda: len(loop.queue),
            ),
            ("reconciles_running", "Reconciles in flight.", lambda: loop.queue.working),
            ("last_resync_age_seconds", "Seconds since all SamplerRollouts were last listed.", loop.synced_for),
        ):
            Gauge(f"{told.PREFIX}_{name}", text, registry=self.registry).set_function(ask)

    def ended(self, result: str, seconds: float) -> None:
        """A reconcile ended: ``success``, ``conflict``, ``cluster_error``, ``cut_off`` or ``error``."""
        self._reconciles.labels(result).inc()
        self._durations.observe(seconds)

    def read(self, source: str, reason: str, seconds: float) -> None:
        """A metrics source was read: ``reason`` is empty where it answered completely."""
        self._reads.labels(source, reason or "ok").inc()
        self._waits.labels(source).observe(seconds)
        self._up.labels(source).set(not reason)

    def decided(self, key: RolloutKey, outcome: Outcome, evidence: Evidence | None) -> None:
        """A decision was taken, and is in status."""
        looks = {} if evidence is None else evidence.looks
        available = None if evidence is None else evidence.available
        for note in outcome.events:
            self._events.labels(note.type, note.reason).inc()
            if note.reason == ROLLED_BACK:
                self._rollbacks.labels(*key, *_cause(outcome.status, looks)).inc()
                failed = {place: look for place, look in looks.items() if look.verdict is Verdict.FAILED}
                self._deciding[key] = self._clock() + SHOWN_SECONDS, failed
        self._known[key] = known.written(key, outcome.status, {**looks, **self._decisive(key, outcome)}, available)

    def _decisive(self, key: RolloutKey, outcome: Outcome) -> Mapping[tuple[str, str], CheckLook]:
        """The looks by which the last release was taken back, as long as they are shown."""
        until, failed = self._deciding.get(key, (0.0, {}))
        if outcome.status.stage not in FORWARD and self._clock() < until:
            return failed
        self._deciding.pop(key, None)
        return {}

    def forget(self, key: RolloutKey) -> None:
        """The rollout is gone, and with it its series."""
        self._known.pop(key, None)
        self._deciding.pop(key, None)
        self._rollbacks.remove_by_labels(dict(zip(known.WHOSE, key, strict=True)))

    def collect(self) -> Iterable[Metric]:
        """Nothing: what is known is written as text already."""
        return ()

    def describe(self) -> Iterable[Metric]:
        """The families of what is known."""
        return known.families()

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry) + known.exposition(self._known.values())


def _cause(status: Status, looks: Mapping[tuple[str, str], CheckLook]) -> tuple[str, str]:
    """Reason and check of a rollback that was just decided."""
    held = max(status.failed, key=lambda item: item.at, default=None)
    reason = held.reason if held else ""
    reporting = {check.name for check in status.rollout.quality.checks if check.report} if status.rollout else set()
    every = (look.check for look in looks.values() if look.verdict is Verdict.FAILED and look.check not in reporting)
    failed = next(every, "")
    return reason, failed if reason == CHECK_FAILED else ""
