"""Raw samples as a store would hold them, written down briefly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from quality_contract import AUDIT_MISMATCH, AUDIT_TOKENS, BAD, CHECKED
from quality_contract.latency import BUCKET, COUNT, REQUEST_DURATION
from sampler_rollouts.domain.evidence.draws import COUNTERS
from sampler_rollouts.domain.evidence.look import CheckLook
from sampler_rollouts.domain.evidence.samples import Arm, CheckPlan, Question, SampleSet, Series

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SCRAPE = 2.0
ERRORS = CheckPlan("errors", 0.03)
SCRIPT = CheckPlan("unexpected-script", 0.03)
AUDIT = CheckPlan("replay-audit", 0.001)
LATENCY = CheckPlan("latency", 0.03, slower_than=2.5)
CALIBRATION = CheckPlan("calibration", max_bias=0.05)
NAN = float("nan")

Values = Sequence[float | None]


def at(scrape: float) -> datetime:
    """The time of a scrape; scrape 0 is the start of the rollout."""
    return START + timedelta(seconds=SCRAPE * scrape)


def series(
    metric: str, values: Values, *, pod: str = "c1", revision: str = "new", first: int = 1, **labels: str
) -> Series:
    """One value each scrape from scrape ``first`` on; None is a scrape without this series."""
    kept = [(at(first + i).timestamp(), float(v)) for i, v in enumerate(values) if v is not None]
    return Series(
        metric=metric,
        pod=pod,
        pool="pool",
        revision=revision,
        labels=labels,
        times=tuple(time for time, _ in kept),
        values=tuple(value for _, value in kept),
    )


def pair(
    checked: Values, bad: Values, *, check: str = "errors", route_hash: str = "none", **where: Any
) -> list[Series]:
    """The two counters of one check of one pod."""
    labels: dict[str, Any] = {"check": check, "route_hash": route_hash}
    return [series(CHECKED, checked, **where, **labels), series(BAD, bad, **where, **labels)]


def audit(
    tokens: Values, mismatches: Values, *, kind: str = "other-token", bucket: str = "8", **where: Any
) -> list[Series]:
    """The two counters of the replay audit of one pod."""
    labels: dict[str, Any] = {"batch_bucket": bucket, "mode": "greedy"}
    return [
        series(AUDIT_TOKENS, tokens, **where, **labels),
        series(AUDIT_MISMATCH, mismatches, **where, kind=kind, **labels),
    ]


def histogram(
    count: Values, within: Values, *, name: str = REQUEST_DURATION, le: str = "2.5", checked: str = "true", **where: Any
) -> list[Series]:
    """Count and one bucket of one histogram of one pod."""
    return [
        series(name + COUNT, count, **where, checked=checked),
        series(name + BUCKET, within, **where, checked=checked, le=le),
    ]


def draws(
    count: Values, surprisal: Values, entropy: Values, variance: Values, *, mode: str = "full", **where: Any
) -> list[Series]:
    """The four counters of calibration of one pod."""
    labels: dict[str, Any] = {"batch_bucket": "8", "mode": mode}
    every = zip(COUNTERS, (count, surprisal, entropy, variance), strict=True)
    return [series(metric, values, **where, **labels) for metric, values in every]


def question(
    *checks: CheckPlan,
    births: Mapping[str, datetime] | Sequence[str] = ("c1", "c2"),
    serving: frozenset[str] | None = None,
    compared: bool = False,
    **changes: Any,
) -> Question:
    """One pool, K = 4 tests, alpha 0.005, passed at 95 %."""
    born = births if isinstance(births, Mapping) else {pod: at(0.5) for pod in births}
    arm = Arm(pool="pool", revision="new", births=born, stable_revision="old", serving=serving, compared=compared)
    settings: dict[str, Any] = {
        "namespace": "team",
        "rollout": "chat",
        "source": "default",
        "since": START,
        "arms": (arm,),
        "checks": checks or (ERRORS,),
        "alpha": 0.005,
        "pass_confidence": 0.95,
        "design_effect": 1.0,
        "tests": 4,
    }
    return Question(**settings | changes)


def samples(*found: Sequence[Series], **changes: Any) -> SampleSet:
    """Everything found, as one answer."""
    return SampleSet(series=tuple(one for group in found for one in group), scrape_interval=SCRAPE, **changes)


def summary(look: CheckLook) -> tuple[str, str, int, int]:
    """Verdict, reason, checked, bad."""
    return look.verdict.value, look.reason, look.checked, look.bad
