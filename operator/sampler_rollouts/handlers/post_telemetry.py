"""What becomes of notifications, for Prometheus. Labels are the names that the administrator gave to receivers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from sampler_rollouts.metrics.told import PREFIX

if TYPE_CHECKING:
    from sampler_rollouts.reconcile.deliveries import Deliveries

RESULTS: Final = ("delivered", "failed", "given_up")


def _utc() -> datetime:
    return datetime.now(UTC)


class PostTelemetry:
    """Counts tries, and shows what waits. Its counters may be used from any thread."""

    def __init__(self, registry: CollectorRegistry, receivers: Iterable[str]) -> None:
        """Every series of a receiver is there from the start: an increase from nothing is none."""
        self._tries = Counter(
            f"{PREFIX}_notifications",
            "Tries to tell a receiver, by result: delivered, failed (it is tried again) or given_up.",
            ("receiver", "result"),
            registry=registry,
        )
        self._waiting = Gauge(
            f"{PREFIX}_notifications_waiting",
            "Rollouts of which a receiver has not been told yet.",
            ("receiver",),
            registry=registry,
        )
        self._oldest = Gauge(
            f"{PREFIX}_notification_oldest_age_seconds",
            "Seconds since the oldest thing happened of which a receiver has not been told; 0 if there is none.",
            ("receiver",),
            registry=registry,
        )
        for receiver in receivers:
            for result in RESULTS:
                self._tries.labels(receiver, result)

    def tried(self, receiver: str, result: str) -> None:
        """A try ended."""
        self._tries.labels(receiver, result).inc()

    def watch(self, deliveries: Deliveries, clock: Callable[[], datetime] = _utc) -> None:
        """Show what waits, as it is when Prometheus asks."""
        for name in deliveries.receivers:
            self._waiting.labels(name).set_function(functools.partial(deliveries.waiting, name))
            self._oldest.labels(name).set_function(functools.partial(_oldest, deliveries, name, clock))


def _oldest(deliveries: Deliveries, name: str, clock: Callable[[], datetime]) -> float:
    return deliveries.oldest(name, clock())
