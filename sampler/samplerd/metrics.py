"""Every metric of the server, in a registry of its own. Names and meanings: `quality_contract` and docs/metrics.md.

A counter without samples and a counter at zero are different things to whoever reads them, so every label set that can
occur is made at once.
"""

import hashlib
import os
import threading
from collections.abc import Callable
from importlib import metadata

import jax
import quality_contract as names
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from samplerd import __version__
from samplerd.calibration import Surprise

CHECKS = (names.CHECK_ERRORS, names.CHECK_UNEXPECTED_SCRIPT)
KINDS = (
    names.KIND_BEST_DROPPED,
    names.KIND_OUTSIDE_KEPT,
    names.KIND_OTHER_TOKEN,
    names.KIND_KEPT_SET,
    names.KIND_INVALID_ROW,
)
RANDOM_MODES = ("full", "truncated")
MODES = ("greedy", *RANDOM_MODES)
CODES = (200, 400, 404, 405, 408, 413, 429, 499, 500, 503, 504)

# vLLM's bounds, so that its dashboards fit.
_DURATION = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680)
_FIRST_TOKEN = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
)  # fmt: skip
_PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a time stamp beside every counter doubles the series, and nobody reads them
        self.registry = CollectorRegistry()
        self.whole = threading.Lock()
        """Held where counters of one event move, and where they are read: no scrape sees half of an event."""
        arm = [names.LABEL_CHECK, names.LABEL_ROUTE_HASH]
        self.checked = self._counter(names.CHECKED, "Checked requests.", arm)
        self.bad = self._counter(names.BAD, "Checked requests that were bad.", arm)
        shape = [names.LABEL_BATCH_BUCKET, names.LABEL_MODE]
        self.audited = self._counter(names.AUDIT_TOKENS, "Tokens that the replay audit recomputed.", shape)
        self.mismatches = self._counter(
            names.AUDIT_MISMATCH, "Audited tokens that differ from the oracle's.", [names.LABEL_KIND, *shape]
        )
        self.calibrated = self._counter(names.AUDIT_CALIBRATED, "Audited tokens that calibration is over.", shape)
        self.surprisal = self._counter(names.AUDIT_SURPRISAL, "Their surprisal, clipped at 12 nats.", shape)
        self.entropy = self._counter(names.AUDIT_ENTROPY, "What their surprisal should be on average.", shape)
        self.variance = self._counter(names.AUDIT_VARIANCE, "The variance of their surprisal.", shape)
        self.audit_dropped = self._counter(names.AUDIT_DROPPED, "Tokens that the audit had no time for.")
        self.started = self._counter(names.REQUESTS_STARTED, "Requests taken on.")
        self.requests = self._counter(names.REQUESTS, "Requests answered, by status code.", [names.LABEL_CODE])
        self.probes = self._counter(names.PROBE_REQUESTS, "Probes answered, by status code.", [names.LABEL_CODE])
        self.tokens = self._counter(names.TOKENS, "Tokens drawn for requests.")
        self.evictions = self._counter(names.SESSION_EVICTIONS, "Sessions forgotten because the table was full.")
        self.certified = self._counter(names.CERTIFIED_ROWS, "Rows whose few candidates held the whole kept set.")
        self.fallback = self._counter(names.FALLBACK_ROWS, "Rows that needed the whole vocabulary.")
        self.duration = self._histogram(names.REQUEST_DURATION, "Arrival to end of answer.", _DURATION)
        self.first_token = self._histogram(names.TIME_TO_FIRST_TOKEN, "Arrival to first token.", _FIRST_TOKEN)
        self.per_token = self._histogram(
            names.TIME_PER_OUTPUT_TOKEN, "Mean time of a token after the first.", _PER_TOKEN
        )
        self._zero_requests()
        self.add_route(names.NO_ROUTE_HASH)
        self.add_route(names.OTHER_ROUTE_HASH)
        self.add_route(names.PROBE_ROUTE_HASH)

    def _counter(self, name: str, text: str, labels: list[str] | None = None) -> Counter:
        return Counter(name.removesuffix("_total"), text, labels or [], registry=self.registry)

    def _histogram(self, name: str, text: str, bounds: tuple[float, ...]) -> Histogram:
        histogram = Histogram(name, text, [names.LABEL_CHECKED], buckets=bounds, registry=self.registry)
        for checked in ("true", "false", "probe"):
            histogram.labels(checked)
        return histogram

    def _zero_requests(self) -> None:
        for code in CODES:
            self.requests.labels(str(code))
            self.probes.labels(str(code))

    def answered(self, probe: bool) -> Counter:
        """The counter of ended requests: a probe is never among users'."""
        return self.probes if probe else self.requests

    def add_route(self, route_hash: str) -> None:
        """Start every check of a route hash at zero."""
        for check in CHECKS:
            self.checked.labels(check, route_hash)
            self.bad.labels(check, route_hash)

    def add_batch_buckets(self, sizes: tuple[int, ...]) -> None:
        """Start every audit counter of the compiled batch sizes at zero."""
        for size in sizes:
            for mode in MODES:
                self.audited.labels(str(size), mode)
                for kind in KINDS:
                    self.mismatches.labels(kind, str(size), mode)
            for mode in RANDOM_MODES:
                for counter in (self.calibrated, self.surprisal, self.entropy, self.variance):
                    counter.labels(str(size), mode)

    def watch_load(self, waiting: Callable[[], float], running: Callable[[], float]) -> None:
        """Read the gauges of waiting and running requests from these functions at every scrape."""
        for name, text, function in (
            (names.REQUESTS_WAITING, "Requests without a slot yet.", waiting),
            (names.REQUESTS_RUNNING, "Requests in a slot.", running),
        ):
            Gauge(name, text, registry=self.registry).set_function(function)

    def count_audited(self, bucket: str, mode: str, *, kind: str | None, surprise: Surprise | None) -> None:
        """Count one audited token: the kind of its mismatch if it is wrong, its surprise if it calibrates."""
        with self.whole:
            self.audited.labels(bucket, mode).inc()
            if kind is not None:
                self.mismatches.labels(kind, bucket, mode).inc()
            if surprise is not None:
                self.calibrated.labels(bucket, mode).inc()
                self.surprisal.labels(bucket, mode).inc(surprise.surprisal)
                self.entropy.labels(bucket, mode).inc(surprise.entropy)
                self.variance.labels(bucket, mode).inc(surprise.variance)

    def count_check(self, check: str, route_hash: str, *, bad: bool) -> None:
        """Count one checked request; both counters move before any scrape can see one of them."""
        self.checked.labels(check, route_hash).inc()
        self.bad.labels(check, route_hash).inc(int(bad))

    def set_build(self, *, model: str, precision: str, revision: str) -> None:
        """Say what runs here."""
        flags = os.environ.get("XLA_FLAGS", "")
        labels = {
            "version": __version__,
            "jax": jax.__version__,
            "jaxlib": metadata.version("jaxlib"),
            "platform": jax.default_backend(),
            "precision": precision,
            "model": model,
            "build_revision": revision,
            "flags_hash": hashlib.sha256(flags.encode()).hexdigest()[:10],
        }
        Gauge(names.BUILD_INFO, "What runs here.", list(labels), registry=self.registry).labels(**labels).set(1)
