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
from quality_contract import latency

from samplerd import __version__
from samplerd.calibration import Surprise
from samplerd.context_classes import ContextClasses

CHECKS = (names.CHECK_ERRORS, names.CHECK_UNEXPECTED_SCRIPT, names.CHECK_FEEDBACK)
RATINGS = (names.RATING_UP, names.RATING_DOWN)
RANDOM_MODES = ("full", "truncated")
MODES = ("greedy", *RANDOM_MODES)
CODES = (200, 400, 404, 405, 408, 413, 429, 499, 500, 503, 504)


class Metrics:
    """The metrics of one server."""

    def __init__(self, classes: ContextClasses | None = None) -> None:
        """``classes``: the context classes, for the check ``misrouted``; a server that knows none does not have it."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a time stamp beside every counter doubles the series, and nobody reads them
        self.registry = CollectorRegistry()
        self._checks = (*CHECKS, names.CHECK_MISROUTED) if classes else CHECKS
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
        self.not_started = self._counter(names.REQUESTS_NOT_STARTED, "Requests answered without being taken on.")
        self.requests = self._counter(names.REQUESTS, "Requests answered, by status code.", [names.LABEL_CODE])
        self.probes = self._counter(names.PROBE_REQUESTS, "Probes answered, by status code.", [names.LABEL_CODE])
        self.tokens = self._counter(names.TOKENS, "Tokens drawn for requests.")
        self.evictions = self._counter(names.SESSION_EVICTIONS, "Sessions forgotten because the table was full.")
        self.certified = self._counter(names.CERTIFIED_ROWS, "Rows whose few candidates held the whole kept set.")
        self.fallback = self._counter(names.FALLBACK_ROWS, "Rows that needed the whole vocabulary.")
        self.duration = self._histogram(latency.CHECK_LATENCY, "Arrival to end.")
        self.first_token = self._histogram(latency.CHECK_TIME_TO_FIRST_TOKEN, "Arrival to first token.")
        self.per_token = self._histogram(latency.CHECK_TIME_PER_OUTPUT_TOKEN, "Mean time of a token after the first.")
        self.classed = self._counter(
            names.CONTEXT_CLASS_REQUESTS,
            "Checked requests by the class of their token count, and that of the server.",
            [names.LABEL_INTENDED, names.LABEL_ACTUAL],
        )
        self.feedback = self._counter(
            names.FEEDBACK, "Ratings of answers, and what became of them.", [names.LABEL_RATING, names.LABEL_OUTCOME]
        )
        for intended in classes.largest if classes else ():
            self.classed.labels(intended, classes.mine if classes else "")
        self._zero_requests()
        self.add_route(names.NO_ROUTE_HASH)
        self.add_route(names.OTHER_ROUTE_HASH)
        self.add_route(names.PROBE_ROUTE_HASH)

    def _counter(self, name: str, text: str, labels: list[str] | None = None) -> Counter:
        return Counter(name.removesuffix("_total"), text, labels or [], registry=self.registry)

    def _histogram(self, check: str, text: str) -> Histogram:
        name, bounds = latency.HISTOGRAMS[check]
        histogram = Histogram(name, text, [latency.LABEL_CHECKED], buckets=bounds, registry=self.registry)
        for checked in ("true", "false", "probe"):
            histogram.labels(checked)
        return histogram

    def _zero_requests(self) -> None:
        for code in CODES:
            self.requests.labels(str(code))
            self.probes.labels(str(code))

        for rating in RATINGS:
            for outcome in names.FEEDBACK_OUTCOMES:
                self.feedback.labels(rating, outcome)

    def answered(self, probe: bool) -> Counter:
        """The counter of ended requests: a probe is never among users'."""
        return self.probes if probe else self.requests

    def add_route(self, route_hash: str) -> None:
        """Start every check of a route hash at zero."""
        for check in self._checks:
            self.checked.labels(check, route_hash)
            self.bad.labels(check, route_hash)

    def add_batch_buckets(self, sizes: tuple[int, ...]) -> None:
        """Start every audit counter of the compiled batch sizes at zero."""
        for size in sizes:
            for mode in MODES:
                self.audited.labels(str(size), mode)
                for kind in names.AUDIT_KINDS:
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

    def count_class(self, intended: str, actual: str, route_hash: str) -> None:
        """Count one checked request at a server of class ``actual``."""
        self.count_check(names.CHECK_MISROUTED, route_hash, bad=intended != actual)
        self.classed.labels(intended, actual).inc()

    def set_build(self, *, model: str, precision: str, vocab_shards: int, revision: str) -> None:
        """Say what runs here."""
        flags = os.environ.get("XLA_FLAGS", "")
        labels = {
            "version": __version__,
            "jax": jax.__version__,
            "jaxlib": metadata.version("jaxlib"),
            "platform": jax.default_backend(),
            "precision": precision,
            "vocab_shards": str(vocab_shards),
            "model": model,
            "build_revision": revision,
            "flags_hash": hashlib.sha256(flags.encode()).hexdigest()[:10],
        }
        Gauge(names.BUILD_INFO, "What runs here.", list(labels), registry=self.registry).labels(**labels).set(1)
