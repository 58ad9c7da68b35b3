"""What a live rollout's status holds of the evidence, pool by pool and check by check, as plain data.

Status has the limits of a check in its plan and what was found in each pool's row: both come together here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sampler_rollouts.domain.decision.quality import problem_of
from sampler_rollouts.domain.decision.question import watched_plan
from sampler_rollouts.domain.evidence.bound import lower_bound, upper_bounds
from sampler_rollouts.domain.evidence.samples import AUDITED
from sampler_rollouts.domain.plan import CheckSpec, QualityPlan, Rollout
from sampler_rollouts.domain.quantities import ratio
from sampler_rollouts.domain.status import CheckNumbers, PoolStatus, Status

Body = Mapping[str, Any]
MOST_MISSING = 10**9
"""Requests beyond which a check is told as one that cannot pass."""


def status_result(body: Body) -> dict[str, Any]:
    """Where the rollout stands, in short."""
    status = Status.load(body.get("status"))
    return {
        "name": body["metadata"].get("name", ""),
        "namespace": body["metadata"].get("namespace", ""),
        "stage": status.stage.value,
        "progress": status.progress,
        "stable": status.stable.hash if status.stable else None,
        "candidate": status.candidate.hash if status.candidate else None,
        "verified": status.verified.hash if status.verified else None,
        "behind": int(body["metadata"].get("generation") or 0) > status.observed_generation,
        "conditions": [
            {name: getattr(one, name) for name in ("type", "status", "reason", "message")} for one in status.conditions
        ],
        "pools": [_pool(one) for one in status.pools],
        "history": [
            {"release": one.release, "result": one.result.value, "reason": one.reason, "message": one.message}
            for one in status.history[:3]
        ],
    }


def explain_result(body: Body) -> dict[str, Any]:
    """All evidence that status holds: the short form, and each pool's checks."""
    status = Status.load(body.get("status"))
    rollout, found = status.rollout, status_result(body)
    quality = quality_now(status)
    found["waits_for"] = _waits_for(found["conditions"])
    found["changes"] = rollout.changes if rollout else []
    found["quality"] = _terms(quality) if quality else None
    found["evidence_of"] = _looked_at(status)
    for shown, pool in zip(found["pools"], status.pools, strict=True):
        shown["begun"] = watched_plan(status) is not None or _begun(rollout, pool.name)
        shown["checks"] = list(_checks(pool, quality)) if quality and shown["begun"] else []
    return found


def is_done(found: Mapping[str, Any]) -> bool:
    """Whether the newest spec has been looked at and no release is under way."""
    going_on = any(one["type"] == "Reconciling" and one["status"] == "True" for one in found["conditions"])
    return not found["behind"] and bool(found["conditions"]) and not going_on


def is_ready(found: Mapping[str, Any]) -> bool:
    """Whether what the spec asks for serves."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in found["conditions"])


def _pool(pool: PoolStatus) -> dict[str, Any]:
    share, requests = pool.share, pool.requests
    return {
        "pool": pool.name,
        "revision": pool.revision,
        "ready": pool.ready,
        "replicas": pool.replicas,
        "replicas_owner": "autoscaler" if pool.autoscaled else "spec",
        "weight": pool.weight,
        "observed_weight": pool.observed_weight,
        "verdict": pool.verdict or None,
        "reason": pool.reason or None,
        "passed_at": pool.passed_at.isoformat() if pool.passed_at else None,
        "blocked": pool.blocked or None,
        "exposed": requests.exposed if requests else None,
        "requests": requests.total if requests else None,
        "unaccounted": pool.unaccounted.model_dump() if pool.unaccounted else None,
        "share": None
        if share is None
        else {name: getattr(share, name) or None for name in ("wanted", "observed", "low", "high", "skewed")},
    }


def quality_now(status: Status) -> QualityPlan | None:
    """The plan that is tested, or watched, now: until a candidate has pods it is what serves that is looked at."""
    if (watched := watched_plan(status)) is not None:
        return watched
    if status.rollout:
        return status.rollout.quality
    if status.bake:
        return status.bake.test or status.bake.watch
    return status.watch.quality if status.watch else None


def _looked_at(status: Status) -> str | None:
    """The release that the numbers are of."""
    release = status.candidate if status.candidate and watched_plan(status) is None else status.stable
    return release.hash if release else None


def _terms(quality: QualityPlan) -> dict[str, Any]:
    names = ("false_rollback_rate", "pass_confidence", "design_effect", "tests", "metrics_source")
    return {name: getattr(quality, name) for name in names}


def _begun(rollout: Rollout | None, pool: str) -> bool:
    return rollout is None or any(pool in wave for wave in rollout.waves[: rollout.wave + 1])


def _waits_for(conditions: list[dict[str, Any]]) -> str:
    """The operator's own words of what is going on."""
    by_type = {one["type"]: one for one in conditions}
    for name in ("Stalled", "Reconciling", "Ready"):
        if name in by_type:
            return f"{by_type[name]['reason']}: {by_type[name]['message']}"
    return "the operator has not looked at it yet"


def _checks(pool: PoolStatus, quality: QualityPlan) -> Iterator[dict[str, Any]]:
    worst = pool.worst_check
    # An operator of before kept the worst check alone.
    rows: dict[str, CheckNumbers] = {worst.name: worst} if worst else {}
    rows |= {one.name: one for one in pool.checks}
    for check in quality.checks:
        if check.name in AUDITED and pool.name in quality.unaudited:
            continue
        found, is_worst = rows.get(check.name), worst is not None and worst.name == check.name
        yield limits_of(check) | {"worst": is_worst} | (_numbers(found, check, quality) if found else {"verdict": None})


def limits_of(check: CheckSpec) -> dict[str, Any]:
    """What a check must keep to; None where it has no such limit."""
    return {
        "check": check.name,
        "max_rate": check.max_rate or None,
        "max_ratio": check.max_ratio or None,
        "ignore_below": check.ignore_below or None,
        "slower_than": check.slower_than or None,
        "max_bias_nats": check.max_bias_nats or None,
        "max_drop": check.max_drop or None,
        "report": check.report,
        "problem": problem_of(check) or None,
    }


def _numbers(check: CheckNumbers, limits: CheckSpec, quality: QualityPlan) -> dict[str, Any]:
    confidence, effect = _number(quality.pass_confidence, 0.95), _number(quality.design_effect, 1.0)
    log_e, threshold = _number(check.log_e, 0.0), _number(check.log_threshold, math.nan)
    rates = {
        "bad": check.bad,
        "rate": check.bad / check.checked if check.checked else None,
        "lower": lower_bound(check.checked, check.bad, confidence, effect),
        "upper": _number(check.upper_bound, 1.0),
    }
    return {
        "verdict": check.verdict,
        "reason": check.reason or None,
        "checked": check.checked,
        # Calibration is about nats and a score is one: neither has a rate.
        **(dict.fromkeys(rates) if limits.max_bias_nats or limits.max_drop else rates),
        "bias_nats": _finite(check.bias_nats),
        "bias_bound_nats": _finite(check.upper_bound.removesuffix(" nats")) if limits.max_bias_nats else None,
        "drop": _signed(check.drop),
        "drop_bound": _finite(check.upper_bound) if limits.max_drop else None,
        "odds": math.exp(min(log_e, 700.0)),
        "odds_to_fail": math.exp(min(threshold, 700.0)) if math.isfinite(threshold) else None,
        "clean_to_pass": clean_to_pass(check, limits.max_rate, confidence, effect),
        "detail": check.detail,
    }


def clean_to_pass(check: CheckNumbers, max_rate: str, confidence: float, effect: float) -> int | None:
    """Clean requests that bring the upper bound below ``maxRate``; None without one, or where no traffic would do."""
    limit = _number(max_rate, math.nan)
    if check.verdict != "Inconclusive" or not 0 < limit < 1:
        return None
    more = np.unique(np.geomspace(1, MOST_MISSING, 600).astype(np.int64))
    bounds = upper_bounds(check.checked + more, np.full(more.size, check.bad), confidence, effect)
    enough = np.flatnonzero(bounds < limit)
    return int(more[enough[0]]) if enough.size else None


def _finite(text: str) -> float | None:
    """A number of nats or a part, if it is one."""
    found = _number(text, math.nan)
    return found if math.isfinite(found) else None


def _signed(text: str) -> float | None:
    """A part that may be below 0."""
    found = _finite(text.removeprefix("-"))
    return -found if found is not None and text.startswith("-") else found


def _number(text: str, otherwise: float) -> float:
    """A number of status, with or without a per cent sign; what a stranger wrote there is not ours to trust."""
    try:
        return ratio(text) if text.endswith("%") else float(text)
    except ValueError:
        return otherwise
