"""From what the API server shows of the SamplerRollout to what the demo shows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sampler_rollouts.domain.plan import Release
from sampler_rollouts.domain.status import CheckStatus, Condition, HistoryEntry, PoolStatus, Status

from local.demo.recording import ConditionPoint, EndPoint, EventPoint, PoolPoint, StatusPoint

Raw = Mapping[str, Any]


def _phase(status: Status) -> str:
    """The stage, and where in it, if there is more to say than the stage's name."""
    more = status.progress if status.progress != status.stage.value else ""
    return f"{status.stage.value}{f': {more}' if more else ''}"


def status_point(raw: Raw, at: float) -> StatusPoint:
    """One look at the object. ``at`` is Unix seconds."""
    status = Status.load(raw.get("status"))
    return StatusPoint(
        at=at,
        generation=int(raw["metadata"].get("generation", 0)),
        observed_generation=status.observed_generation,
        phase=_phase(status),
        conditions=[_condition(c) for c in status.conditions],
        pools=[_pool(p) for p in status.pools],
        stable=revisions(status.stable),
        candidate=revisions(status.candidate),
        last_end=_last_end(status.history),
        verified=revisions(status.verified),
    )


def revisions(release: Release | None) -> dict[str, str]:
    """Revision by pool."""
    return {} if release is None else {p.name: p.revision for p in release.pools}


def _last_end(history: Sequence[HistoryEntry]) -> EndPoint | None:
    if not history:
        return None
    newest = history[0]
    return EndPoint(
        at=newest.ended_at.timestamp(),
        result=newest.result.value,
        reason=newest.reason,
        sentence=newest.message,
        weight=newest.weight,
        exposed=newest.requests.exposed,
        total=newest.requests.total,
    )


def event_point(raw: Raw) -> EventPoint:
    """One Event."""
    when = raw.get("lastTimestamp") or raw.get("eventTime") or raw["metadata"].get("creationTimestamp")
    return EventPoint(
        at=unix(when),
        type=str(raw.get("type", "")),
        reason=str(raw.get("reason", "")),
        message=str(raw.get("message", "")),
    )


def unix(time: str | datetime | None) -> float:
    """Unix seconds of a Kubernetes time; 0 for none."""
    if not time:
        return 0.0
    return (datetime.fromisoformat(time) if isinstance(time, str) else time).timestamp()


def worst_text(check: CheckStatus | None) -> str:
    """The worst check with its numbers, short enough for a table."""
    if check is None:
        return ""
    counts = f"{check.bad}/{check.checked}"
    return f"{check.name} {counts}{' ' + check.reason if check.reason else ''}"


def _condition(condition: Condition) -> ConditionPoint:
    return ConditionPoint(
        type=condition.type,
        status=condition.status,
        reason=condition.reason,
        message=condition.message,
        observed_generation=condition.observed_generation,
        changed_at=condition.last_transition_time.isoformat(),
    )


def _pool(pool: PoolStatus) -> PoolPoint:
    return PoolPoint(
        name=pool.name,
        revision=pool.revision,
        wanted=float(pool.weight),
        observed=float(pool.observed_weight),
        step=f"{pool.candidate_replicas}+{pool.stable_replicas}",
        ready=pool.ready,
        verdict=pool.verdict or pool.blocked,
        checked=pool.worst_check.checked if pool.worst_check else 0,
        worst=worst_text(pool.worst_check),
        passed_at=pool.passed_at.timestamp() if pool.passed_at else None,
    )
