"""The result of one look at the evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from sampler_rollouts.domain.evidence.unaccounted import UNACCOUNTED, Account

SHARED_DEGRADATION: Final = "SharedDegradation"
"""Above the limit in both releases, and not shown beyond doubt to be worse: what both depend on is out (R12)."""
UNCONFIRMED_AGAINST_STABLE: Final = "UnconfirmedAgainstStable"
"""Above the absolute limit, and not known yet whether stable is as well or the candidate is worse."""
ABOVE_LIMIT: Final = frozenset({SHARED_DEGRADATION, UNCONFIRMED_AGAINST_STABLE})
"""Reasons for which no weight is raised: more traffic for the candidate would teach nothing."""


class Verdict(StrEnum):
    """What the data say about one check in one pool. ``PASSED`` is affirmative (R12)."""

    PASSED = "Passed"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"


UNDECIDED: Final = frozenset(
    {
        "TooFewRequests",
        "TooFewTokens",
        "TooFewRuns",
        "UnconfirmedBurst",
        "UnconfirmedMismatch",
        "NothingToCompare",
        SHARED_DEGRADATION,
        UNCONFIRMED_AGAINST_STABLE,
        UNACCOUNTED,
    }
)
"""Reasons of data that can be believed and do not show enough yet; every other reason says that data are lacking."""


@dataclass(frozen=True, slots=True)
class CheckLook:
    """One check in one pool.

    ``log_e`` is the natural logarithm of the e-value against "the rate is allowed" (R12) with the single pod-interval
    left out that supports it most (R15); ``log_threshold`` is ln(tests / alpha). ``upper_bound`` is the confidence
    bound of the rate. ``max_rate`` and ``max_ratio`` are NaN where the check has none. ``reason`` is CamelCase, empty
    unless the verdict is ``INCONCLUSIVE``: ``TooFewRequests``, ``NoData``, ``SharedDegradation``, ...
    """

    pool: str
    check: str
    verdict: Verdict
    reason: str
    checked: int
    bad: int
    max_rate: float
    upper_bound: float
    log_e: float
    log_threshold: float
    newest_sample: datetime | None = None
    max_bias: float = math.nan
    """Of calibration alone, in nats a token: ``checked`` counts tokens, and ``upper_bound`` is of the bias' size."""
    bias: float = math.nan
    """What was found: positive where tokens are more surprising than the logits say."""
    variance: float = math.nan
    """How random its tokens were: the mean of the draws' exact variances, in squared nats."""
    max_ratio: float = math.nan
    max_drop: float = math.nan
    """Of scores alone: ``checked`` counts runs, and ``upper_bound`` is of how much lower than stable's they are."""
    drop: float = math.nan
    """What was found: positive where they are lower."""
    slower_than: float = 0.0
    """Of a latency check the seconds above which a request is bad."""
    stable_checked: int = 0
    stable_bad: int = 0
    """What stable did in the stretches of time that were compared."""
    ratio_bounds: tuple[float, float] = (0.0, math.inf)
    """Confidence bounds of the candidate's rate over stable's, at 1 - 0.2 (1 - passConfidence) each."""
    unproven: float = 0.0
    """``log_e`` if the absolute limit counted without the proof that the candidate is worse than stable (R12)."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Samples and intervals that were not believed, by CamelCase reason."""
    detail: str = ""
    """For people: what kind of mismatch, which data were dropped and why. Never prompt or answer text."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests that ended in each arm since the question's start (the ``errors`` check's checked requests)."""

    candidate: int = 0
    stable: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """All looks of one reconcile. ``available`` is False when the source did not answer completely (R13)."""

    available: bool
    reason: str = ""
    message: str = ""
    looks: Mapping[tuple[str, str], CheckLook] = field(default_factory=dict)
    """By (pool, check)."""
    traffic: Mapping[str, Traffic] = field(default_factory=dict)
    """By pool."""
    fresh: Mapping[str, bool] = field(default_factory=dict)
    """By pool: every candidate pod that is expected to serve has samples at most three scrapes old."""
    scrape_interval: float = 0.0
    """Seconds between two scrapes of a pod: a look that only waits for samples need not come more often."""
    accounts: Mapping[str, Account] = field(default_factory=dict)
    """By pool, of those that are reached through a gateway and whose pods count from zero."""
