"""The quality contract: the metric names that a sampler server exposes and the operator reads.

This is all that the two programs know of each other. Meanings: ``docs/metrics.md``.
"""

from typing import Final

CHECKED: Final = "sampler_quality_checked_total"
"""Checked requests by ``check`` and ``route_hash``."""
BAD: Final = "sampler_quality_bad_total"
"""Bad ones among them, incremented together with CHECKED."""
AUDIT_TOKENS: Final = "sampler_audit_tokens_total"
"""Tokens that the replay audit recomputed, by ``batch_bucket`` and ``mode``."""
AUDIT_MISMATCH: Final = "sampler_audit_mismatch_total"
"""Tokens that differed from the oracle's, by ``kind``, ``batch_bucket`` and ``mode``."""

LABEL_CHECK: Final = "check"
LABEL_ROUTE_HASH: Final = "route_hash"
NO_ROUTE_HASH: Final = "none"
"""The route hash of a request that carries none, or a malformed one."""
OTHER_ROUTE_HASH: Final = "other"
"""The route hash of every request after four different ones were seen."""
PROBE_ROUTE_HASH: Final = "probe"
"""The route hash of synthetic probes. A gateway's are hex digits, so that none of them can be this one."""

ROUTE_HEADER: Final = "x-sampler-route"
"""``<route hash>``, and ``;<epoch>`` where sessions stick: a gateway sets it on every request, over the client's."""
CLASS_HEADER: Final = "x-context-class"
"""The context class for which a client means a request: a gateway matches it."""

LABEL_KIND: Final = "kind"
LABEL_BATCH_BUCKET: Final = "batch_bucket"
LABEL_MODE: Final = "mode"
KIND_BEST_DROPPED: Final = "best-dropped"
"""The best token is not the one that the sampler says it kept as the best."""
KIND_OUTSIDE_KEPT: Final = "outside-kept"
"""The token is not in the kept set."""
KIND_OTHER_TOKEN: Final = "other-token"  # noqa: S105
"""The token is in the kept set, but another one should have been drawn."""
KIND_KEPT_SET: Final = "kept-set"
"""The token is right, but the size or the threshold of the kept set is not."""
KIND_INVALID_ROW: Final = "invalid-row"
"""The sampler and the oracle disagree on whether the logits can be sampled at all."""
AUDIT_KINDS: Final = (
    KIND_BEST_DROPPED, KIND_OUTSIDE_KEPT, KIND_OTHER_TOKEN, KIND_KEPT_SET, KIND_INVALID_ROW
)  # fmt: skip
AUDIT_DROPPED: Final = "sampler_audit_dropped_total"
"""Tokens chosen for the audit that it had no time for."""

# Calibration, by ``batch_bucket`` and ``mode``: over the audited tokens that were drawn at a temperature above 0 with a
# seed of the server's own, from a valid row and within its kept set. Surprisal is clipped in all of them.
LARGEST_SURPRISAL_NATS: Final = 12.0
"""Where: one draw of a very rare token cannot decide anything, and a test knows how far a draw may go."""
AUDIT_CALIBRATED: Final = "sampler_audit_calibrated_tokens_total"
"""How many tokens the three sums are over."""
AUDIT_SURPRISAL: Final = "sampler_audit_surprisal_nats_total"
"""Their surprisal: minus the logarithm of the probability with which each was to be drawn."""
AUDIT_ENTROPY: Final = "sampler_audit_entropy_nats_total"
"""What that is on average if the sampler is right."""
AUDIT_VARIANCE: Final = "sampler_audit_variance_nats2_total"
"""The variance of the surprisal of each draw; the difference of the two sums above has the sum of these."""

CONTEXT_CLASS_REQUESTS: Final = "sampler_context_class_requests_total"
"""Checked requests by the class of their true token count (``intended``) and the class of the server (``actual``)."""
LABEL_INTENDED: Final = "intended"
LABEL_ACTUAL: Final = "actual"

REQUESTS_STARTED: Final = "sampler_requests_started_total"
"""Users' requests that were taken on: given to what draws the tokens."""
REQUESTS_NOT_STARTED: Final = "sampler_requests_not_started_total"
"""Requests with a gateway's route header that were answered without being taken on: refused, or of another kind.

With REQUESTS_STARTED it accounts for all that a gateway has sent. Probes, and the kubelet's questions, are in neither.
"""
REQUESTS: Final = "sampler_requests_total"
TOKENS: Final = "sampler_tokens_total"
REQUESTS_WAITING: Final = "sampler_requests_waiting"
REQUESTS_RUNNING: Final = "sampler_requests_running"
SESSION_EVICTIONS: Final = "sampler_session_evictions_total"
CERTIFIED_ROWS: Final = "sampler_certified_rows_total"
FALLBACK_ROWS: Final = "sampler_fallback_rows_total"
BUILD_INFO: Final = "sampler_build_info"
LABEL_CODE: Final = "code"

PROBE_REQUESTS: Final = "sampler_probe_requests_total"
"""Probes that a server answered or refused, by ``code``: none of them is among REQUESTS or REQUESTS_STARTED."""

# What the prober says of itself.
PROBES_SENT: Final = "sampler_probes_sent_total"
PROBES_SKIPPED: Final = "sampler_probes_skipped_total"
PROBE_DURATION: Final = "sampler_probe_duration_seconds"
PROBE_ADDRESSES: Final = "sampler_probe_addresses"
LABEL_TARGET: Final = "target"
LABEL_OUTCOME: Final = "outcome"
LABEL_REASON: Final = "reason"

CHECK_ERRORS: Final = "errors"
CHECK_UNEXPECTED_SCRIPT: Final = "unexpected-script"
CHECK_MISROUTED: Final = "misrouted"
"""Of servers that know the context classes of their release alone."""
CHECK_FEEDBACK: Final = "feedback"
"""Ratings of the server's own answers: the bad ones among them are those that said ``down``."""
CHECK_REPLAY_AUDIT: Final = "replay-audit"
"""Built in: read from the two audit counters, not from CHECKED and BAD."""
CHECK_CALIBRATION: Final = "calibration"
"""Built in: read from the four counters of calibration."""

FEEDBACK: Final = "sampler_feedback_total"
"""Ratings by ``rating`` and by ``outcome``: only those that counted are in the check ``feedback``."""
LABEL_RATING: Final = "rating"
RATING_UP: Final = "up"
RATING_DOWN: Final = "down"
FEEDBACK_COUNTED: Final = "counted"
FEEDBACK_OTHER_RELEASE: Final = "other-release"
"""The answer is of another release than the server that was told: it counts for nobody."""
FEEDBACK_REPEATED: Final = "repeated"
"""The session has rated this release before."""
FEEDBACK_TOO_MANY: Final = "too-many"
"""More ratings than answers."""
FEEDBACK_OUTCOMES: Final = (FEEDBACK_COUNTED, FEEDBACK_OTHER_RELEASE, FEEDBACK_REPEATED, FEEDBACK_TOO_MANY)
# What the prober itself judges of the answers that it got, by ``check``, pool and revision. Of CHECKED and BAD as well.
CHECK_PROBE_ERRORS: Final = "probe-errors"
CHECK_PROBE_SCRIPT: Final = "probe-script"
CHECK_PROBE_CODE: Final = "probe-code"
CHECK_PROBE_CALIBRATION: Final = "probe-calibration"
CHECK_PROBE_EQUALITY: Final = "probe-equality"
PROBE_CHECKS: Final = (
    CHECK_PROBE_ERRORS, CHECK_PROBE_SCRIPT, CHECK_PROBE_CODE, CHECK_PROBE_CALIBRATION, CHECK_PROBE_EQUALITY
)  # fmt: skip

# Target labels that the scrape adds from the pod's own labels.
TARGET_NAMESPACE: Final = "namespace"
TARGET_POD: Final = "pod"
TARGET_ROLLOUT: Final = "rollout"
TARGET_POOL: Final = "pool"
TARGET_REVISION: Final = "revision"
