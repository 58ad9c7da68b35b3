"""From what the API server shows of the SamplerRollout to what the demo shows of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sampler_rollouts.domain.plan import QualityPlan, Release
from sampler_rollouts.domain.quantities import ratio
from sampler_rollouts.domain.status import Condition, HistoryEntry, PoolStatus, Status
from samplerctl.live import clean_to_pass

from local.demo.recording import ConditionPoint, EndPoint, EventPoint, PoolPoint, StatusPoint

Raw = Mapping[str, Any]
REVISION_LABEL = "samplerrollouts.io/revision"
POOL_LABEL = "samplerrollouts.io/pool"


def _phase(status: Status) -> str:
    """The stage, and where in it, if there is more to say than the stage's name."""
    more = status.progress if status.progress != status.stage.value else ""
    return f"{status.stage.value}{f': {more}' if more else ''}"


def status_point(raw: Raw, at: float, pods: Iterable[Raw] = ()) -> StatusPoint:
    """One look at the object and its pods. ``at`` is Unix seconds."""
    status = Status.load(raw.get("status"))
    ready = ready_pods(pods)
    stable, candidate = revisions(status.stable), revisions(status.candidate)
    quality = status.rollout.quality if status.rollout else None
    return StatusPoint(
        at=at,
        generation=int(raw["metadata"].get("generation", 0)),
        observed_generation=status.observed_generation,
        phase=_phase(status),
        conditions=[_condition(c) for c in status.conditions],
        pools=[_pool(p, stable.get(p.name, ""), candidate.get(p.name, ""), ready, quality) for p in status.pools],
        stable=stable,
        candidate=candidate,
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


def worst_text(pool: PoolStatus, quality: QualityPlan | None) -> str:
    """The worst check with its numbers, and how much it lacks; short enough for a table."""
    check = pool.worst_check
    if check is None:
        return ""
    said = f"{check.name} {check.bad}/{check.checked}{' ' + check.reason if check.reason else ''}"
    if pool.passed_at and check.verdict == "Inconclusive":
        return f"{said} now; all have passed once, which is enough"
    if quality is None:
        return said
    lacking = clean_to_pass(check, check.max_rate, ratio(quality.pass_confidence), float(quality.design_effect))
    return said if lacking is None else f"{said}, passes after {lacking} more clean"


def _condition(condition: Condition) -> ConditionPoint:
    return ConditionPoint(
        type=condition.type,
        status=condition.status,
        reason=condition.reason,
        message=condition.message,
        observed_generation=condition.observed_generation,
        changed_at=condition.last_transition_time.isoformat(),
    )


def ready_pods(pods: Iterable[Raw]) -> Counter[tuple[str, str]]:
    """How many pods of each pool and revision take traffic."""
    serving = (pod for pod in pods if is_ready(pod) and "deletionTimestamp" not in pod["metadata"])
    return Counter((str(pod["metadata"]["labels"].get(POOL_LABEL, "")), revision_label(pod)) for pod in serving)


def revision_label(pod: Raw) -> str:
    """The revision that a pod says it is of."""
    return str(pod["metadata"]["labels"].get(REVISION_LABEL, ""))


def is_ready(pod: Raw) -> bool:
    """Whether a pod's condition says so."""
    conditions = pod["status"].get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _pool(
    pool: PoolStatus, stable: str, candidate: str, ready: Counter[tuple[str, str]], quality: QualityPlan | None
) -> PoolPoint:
    """``stable`` and ``candidate`` are the pool's revisions; a release may leave a pool as it is."""
    tried = candidate not in ("", stable)
    return PoolPoint(
        name=pool.name,
        revision=pool.revision,
        wanted=float(pool.weight),
        observed=float(pool.observed_weight),
        candidate_ready=ready[pool.name, candidate] if tried else None,
        stable_ready=ready[pool.name, stable] if stable else None,
        verdict=pool.verdict or pool.blocked,
        check=pool.worst_check.name if pool.worst_check else "",
        checked=pool.worst_check.checked if pool.worst_check else 0,
        worst=worst_text(pool, quality),
        passed_at=pool.passed_at.timestamp() if pool.passed_at else None,
    )
