"""How many pods each revision is to have. Without a gateway a pool's share of the traffic is its ready pods; with one
the candidate's pods come beside all of stable's, and the route carries the weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampler_rollouts.domain.decision import gateway
from sampler_rollouts.domain.decision.changes import class_name
from sampler_rollouts.domain.decision.context import (
    Turn,
    begun,
    moving,
    names,
    revision_in,
    struck,
    this_wave,
    weight_of,
)
from sampler_rollouts.domain.decision.examined import pending
from sampler_rollouts.domain.decision.removed import last_servers
from sampler_rollouts.domain.decision.stages import FORWARD, LEAVING
from sampler_rollouts.domain.evidence.proportion import TOLERANCE
from sampler_rollouts.domain.render import Child

if TYPE_CHECKING:
    from sampler_rollouts.domain.plan import ReleasePool, Rollout


def candidate_count(weight: int, replicas: int) -> int:
    """Candidate pods at a weight: at least one as soon as the weight is not 0. Halves round up."""
    return max(1, (weight * replicas + 50) // 100) if weight > 0 else 0


def pods_at(turn: Turn, pool: str, weight: int) -> tuple[int, int]:
    """Candidate's and stable's pods of one pool as a weight asks for them, when all are well."""
    replicas = turn.replicas(pool)
    count = candidate_count(weight, replicas)
    return count, replicas if gateway.routed(turn) else max(1, replicas - count)


def share_at(turn: Turn, pool: str, weight: int) -> float:
    """The effective share at a weight, beside a stable: in whole pods, unless a route carries the weight."""
    if gateway.routed(turn):
        return weight / 100
    count, stable = pods_at(turn, pool, weight)
    return count / (count + stable)


def step_pods(turn: Turn, rollout: Rollout, pool: str) -> tuple[int, int]:
    """The same at the weight that the pool is to have now."""
    return pods_at(turn, pool, weight_of(rollout, pool))


def ready_pods(turn: Turn, pool: str) -> tuple[int, int]:
    """The candidate's and stable's pods of one pool that are ready."""
    status = turn.status
    candidate, stable = revision_in(status.candidate, pool), revision_in(status.stable, pool)
    return turn.ready(pool, candidate), turn.ready(pool, stable)


def compared(turn: Turn, rollout: Rollout) -> list[str]:
    """The pools in which both arms serve by a weight: full traffic is meant to leave nothing to stable."""
    if not 0 < rollout.weight < 100:
        return []
    return [pool for pool in this_wave(rollout) if revision_in(turn.status.stable, pool)]


def candidate_wanted(turn: Turn, rollout: Rollout, pool: str) -> int:
    """The step's candidate pods, but no more than keep its share where stable's pods are not ready (R8).

    One is always left, half of the pool goes on serving where that needs the candidate, and where none of stable's is
    ready fewer would protect nobody (docs/decisions/2026-11-25-stable-not-ready-in-a-step.md).
    """
    count, stable = step_pods(turn, rollout, pool)
    if pool not in compared(turn, rollout) or gateway.routed(turn):
        return count
    ready = turn.ready(pool, revision_in(turn.status.stable, pool))
    if not ready:
        return count
    by_share, by_need = count * ready // stable, _half(turn.covered(pool)) - ready
    return min(count, max(1, by_share, by_need))


def _half(replicas: int) -> int:
    """What a pool can still serve with, if slowly."""
    return (replicas + 1) // 2


def wanted(turn: Turn) -> dict[Child, int]:
    """Pods by pool and revision, stable's first."""
    status, rollout = turn.status, turn.status.rollout
    plan: dict[Child, int] = {}
    if status.stable:
        plan |= {Child(item.name, item.revision): turn.replicas(item.name) for item in status.stable.pools}
    if rollout is not None and status.candidate is not None:
        plan |= _of_rollout(turn, rollout)
    return plan | {child: count for child, count in last_servers(turn).items() if child not in plan}


def _of_rollout(turn: Turn, rollout: Rollout) -> dict[Child, int]:
    """Of the pools that it has begun, or leaves: the candidate's pods, and those of others that make room."""
    status = turn.status
    plan: dict[Child, int] = {}
    if status.stage in FORWARD:
        for pool in begun(rollout):
            plan |= _shared(turn, rollout, pool)
        for pool in names(*rollout.leftovers) if rollout.first else ():
            plan |= _left_over(turn, rollout, pool)
    elif status.stage in LEAVING:
        for pool in moving(rollout):
            plan |= _leaving(turn, pool)
    for child in struck(rollout):
        plan |= _struck(turn, child)
    return plan


def _shared(turn: Turn, rollout: Rollout, pool: str) -> dict[Child, int]:
    """Candidate pods as the weight says; stable's make room only for candidate pods that are ready."""
    replicas, weight = turn.replicas(pool), weight_of(rollout, pool)
    new = revision_in(turn.status.candidate, pool)
    count = candidate_wanted(turn, rollout, pool)
    rest, missing = replicas - candidate_count(weight, replicas), turn.covered(pool) - min(count, turn.ready(pool, new))
    room = replicas if gateway.routed(turn) else max(rest, missing)
    plan = {} if pending(rollout) else {Child(pool, new): count}
    old = revision_in(turn.status.stable, pool)
    if old:
        plan[Child(pool, old)] = room if weight == 100 else max(1, room)
    return plan


def _left_over(turn: Turn, rollout: Rollout, pool: str) -> dict[Child, int]:
    """Pods of releases whose place the candidate takes: those that serve stay until they need not, rejected ones last.

    A pool that the candidate does not have keeps them until it serves everywhere, and those of a rejected release no
    longer than until its pods are ready everywhere. No count ever rises.
    """
    new, needed = revision_in(turn.status.candidate, pool), turn.covered(pool)
    room = needed - min(needed, turn.ready(pool, new))
    plan: dict[Child, int] = {}
    for release in sorted(rollout.leftovers, key=lambda release: turn.status.held(release.hash) is not None):
        old = release.revision(pool)
        told = turn.workload(pool, old)
        count = min(turn.ready(pool, old), room, told.replicas if told else 0)
        if not new and turn.status.held(release.hash) and not _not_whole(turn):
            continue
        if count > 0 and old != new and Child(pool, old) not in plan:
            plan[Child(pool, old)] = count
            room -= count
    return plan


def _leaving(turn: Turn, pool: str) -> dict[Child, int]:
    """R18: stable is whole again at once; candidate pods go at once as far as users can spare them.

    The candidate's count never rises: it is bounded by what it was, and by its pods that are ready.
    """
    new, old = revision_in(turn.status.candidate, pool), revision_in(turn.status.stable, pool)
    missing = _half(turn.covered(pool)) - turn.ready(pool, old)
    needed = missing if old else _needed_instead(turn, Child(pool, new))
    count = min(needed, turn.ready(pool, new), turn.pool(pool).candidate_replicas)
    return {Child(pool, new): count} if count > 0 else {}


def _struck(turn: Turn, child: Child) -> dict[Child, int]:
    """The same in a pool from which alone a release was taken back."""
    missing = _half(turn.covered(child.pool)) - turn.ready(child.pool, revision_in(turn.status.stable, child.pool))
    told = turn.workload(child.pool, child.revision)
    count = min(missing, turn.ready(child.pool, child.revision), told.replicas if told else 0)
    return {child: count} if count > 0 else {}


def _needed_instead(turn: Turn, child: Child) -> int:
    """Of half a pool that stable does not have, the part that stable's pods in its place do not serve yet."""
    place = in_place_of(turn, child)
    half = _half(sum(turn.covered(item.name) for item in place))
    missing = max(0, half - sum(turn.ready(item.name, item.revision) for item in place))
    return -(-_half(turn.covered(child.pool)) * missing // half) if half else 0


def in_place_of(turn: Turn, child: Child) -> list[ReleasePool]:
    """Stable's pools that serve where a candidate's leaves: the same one, else those of its class, else all."""
    pools, name = turn.status.stable.pools if turn.status.stable else [], class_name(turn, child)
    same = [item for item in pools if item.name == child.pool]
    return same or [item for item in pools if class_name(turn, Child(item.name, item.revision)) == name] or pools


def unserved(turn: Turn, moved: list[str]) -> list[str]:
    """Stable's pools in place of some of the candidate's, where none of its pods is ready."""
    places = (in_place_of(turn, Child(pool, revision_in(turn.status.candidate, pool))) for pool in moved)
    away = [place for place in places if not any(turn.ready(item.name, item.revision) for item in place)]
    return list(dict.fromkeys(item.name for place in away for item in place))


def settled(turn: Turn, pool: str) -> bool:
    """Whether the pods are as they are wanted, and the route, where there is one, carries the weights."""
    return pods_settled(turn, pool) and (not gateway.routed(turn) or gateway.in_force(turn, wanted(turn), pool))


def pods_settled(turn: Turn, pool: str) -> bool:
    """Whether all wanted candidate pods are ready, and stable has no more than it should."""
    plan = wanted(turn)
    new = revision_in(turn.status.candidate, pool)
    surplus = any(len(turn.pods(pool, other)) > plan.get(Child(pool, other), 0) for other in _others(turn, pool))
    return turn.ready(pool, new) >= plan.get(Child(pool, new), 0) and not surplus


def share_is_off(turn: Turn, pool: str) -> bool:
    """Whether the candidate's share, by route or by ready pods, is outside R8's band around that of the step."""
    rollout = turn.status.rollout
    if rollout is None or pool not in compared(turn, rollout):
        return False
    low, high = 1 - TOLERANCE, 1 + TOLERANCE
    if gateway.routed(turn):
        share, step = gateway.observed_share(turn, pool), share_at(turn, pool, rollout.weight)
        return share is None or not low * step <= share <= high * step
    count, stable = step_pods(turn, rollout, pool)
    new, old = ready_pods(turn, pool)
    return not low * count * (new + old) <= new * (count + stable) <= high * count * (new + old)


def needed_still(turn: Turn) -> str:
    """A pool that is not whole while the candidate is to remove another one, whose servers are needed until then."""
    stable, candidate = turn.status.stable, turn.status.candidate
    if stable is None or candidate is None or set(stable.names()) <= set(candidate.names()):
        return ""
    return _not_whole(turn)


def _not_whole(turn: Turn) -> str:
    """A pool of the candidate of which not all servers are ready; empty if there is none."""
    pools = turn.status.candidate.pools if turn.status.candidate else []
    return next((item.name for item in pools if turn.ready(item.name, item.revision) < turn.replicas(item.name)), "")


def rejected_serve(turn: Turn, rollout: Rollout) -> bool:
    """Whether pods of a rejected release, whose place the candidate takes in other pools, are still there."""
    held = (release for release in rollout.leftovers if turn.status.held(release.hash))
    pools = (item for release in held for item in release.pools if not revision_in(turn.status.candidate, item.name))
    return any(turn.pods(item.name, item.revision) for item in pools)


def _others(turn: Turn, pool: str) -> set[str]:
    """Revisions that serve, or served, beside the candidate's."""
    leftovers = turn.status.rollout.leftovers if turn.status.rollout else []
    found = {revision_in(release, pool) for release in (turn.status.stable, *leftovers)}
    return found - {"", revision_in(turn.status.candidate, pool)}


def observed_weight(turn: Turn, pool: str) -> int:
    """The candidate's share in percent: by the route that was last in force, or of the ready pods."""
    if gateway.routed(turn):
        share = gateway.observed_share(turn, pool)
        return turn.pool(pool).observed_weight if share is None else round(100 * share)
    new = turn.ready(pool, revision_in(turn.status.candidate, pool))
    old = sum(turn.ready(pool, other) for other in _others(turn, pool))
    return round(100 * new / (new + old)) if new else 0
