"""Pods that are kept ready, without traffic, of what a rollback would bring back (R20).

Through a gateway they are the release's own, which the route does not name. Where users call Services they stand by in
a Deployment of their own, and are not ready before they are let serve: at a rollback, until the release's own pods are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sampler_rollouts.domain.decision import gateway
from sampler_rollouts.domain.decision.bake_alarm import target_for
from sampler_rollouts.domain.decision.changes import template_of
from sampler_rollouts.domain.decision.context import begun, revision_in, weight_of
from sampler_rollouts.domain.decision.stages import TESTED
from sampler_rollouts.domain.render import Child
from sampler_rollouts.domain.status import Stage, WarmPods

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.observation import PodState
    from sampler_rollouts.domain.plan import Release

Plan = dict[Child, int]


@dataclass(frozen=True, slots=True)
class Warm:
    """Pods beside the plan's, by pool and revision."""

    kept: Plan = field(default_factory=dict)
    """Of the revision's own Deployment, which no route names."""
    standbys: Plan = field(default_factory=dict)
    """Of Deployments that stand by, or that serve until the revision's own pods do."""
    let_serve: tuple[str, ...] = ()
    """Names of pods that stand by and are to serve."""


def warm(turn: Turn, plan: Plan) -> Warm:
    """What is to be there beside ``plan``, which says how many pods serve."""
    held = {child: count for child in _held(turn, plan) if (count := _count(turn, child)) and template_of(turn, child)}
    coming = _coming(turn, plan, held)
    pods = (pod for child in coming for pod in _standing_by(turn, child) if pod.held)
    let_serve = tuple(sorted(pod.name for pod in pods))
    if not gateway.calls_services(turn):
        return Warm(kept=held, standbys=coming, let_serve=let_serve)
    able = {child: count for child, count in held.items() if _may_stand_by(turn, child)}
    return Warm(standbys=able | coming, let_serve=let_serve)


def rows(turn: Turn, plan: Plan) -> dict[Child, WarmPods]:
    """How many are kept ready, and are, as status tells it."""
    beside = warm(turn, plan)
    found: dict[Child, WarmPods] = {}
    for child, count in beside.kept.items():
        found[child] = WarmPods(revision=child.revision, replicas=count, ready=turn.ready(child.pool, child.revision))
    for child, count in beside.standbys.items():
        ready = sum(pod.able for pod in _standing_by(turn, child))
        found[child] = WarmPods(revision=child.revision, replicas=count, ready=ready)
    return found


def said_of_warm(turn: Turn, plan: Plan) -> str:
    """How many pods are kept ready of the release that a failed bake would go back to; empty if none are to be."""
    target = _bake_target(turn)
    mine = [row for child, row in rows(turn, plan).items() if target and child in _children(target)]
    if target is None or not mine:
        return ""
    ready, wanted = sum(row.ready for row in mine), sum(row.replicas for row in mine)
    return f"{ready} of {wanted} pods of release {target.hash} are kept warm to go back to"


def _held(turn: Turn, plan: Plan) -> Iterator[Child]:
    """What may have to come back: in pools that have gone over to a candidate, and in a bake."""
    yield from _replaced(turn)
    target, candidate = _bake_target(turn), turn.status.candidate
    busy = {*plan, *(_children(candidate) if candidate else ())}
    yield from (child for child in (_children(target) if target else ()) if child not in busy)


def _replaced(turn: Turn) -> list[Child]:
    """Stable's of pools in which a candidate has all traffic; behind a gateway stable keeps all its pods until then."""
    rollout, stable = turn.status.rollout, turn.status.stable
    if rollout is None or turn.status.stage not in TESTED or gateway.routed(turn):
        return []
    over = [pool for pool in begun(rollout) if weight_of(rollout, pool) == 100]
    return [Child(pool, revision) for pool in over if (revision := revision_in(stable, pool))]


def _bake_target(turn: Turn) -> Release | None:
    bake = turn.status.bake
    return target_for(turn) if bake is not None and bake.test is None else None


def _children(release: Release) -> list[Child]:
    return [Child(item.name, item.revision) for item in release.pools]


def _count(turn: Turn, child: Child) -> int:
    """As the spec says, and no more than the pool serves with; where it cannot be read, what there is."""
    if turn.wish is not None:
        return min(turn.wish.spec.rollback.warm_replicas, turn.replicas(child.pool))
    own = turn.workload(child.pool, child.revision)
    return _told(turn, child) or (own.replicas if own else 0)


def _may_stand_by(turn: Turn, child: Child) -> bool:
    """Not before what serves is whole: it must not lose a device to them. What has served leaves, and others come."""
    pods = _standing_by(turn, child)
    if any(not pod.held for pod in pods):
        return False
    return bool(_told(turn, child)) or _whole(turn, child.pool)


def _whole(turn: Turn, pool: str) -> bool:
    status = turn.status
    over = status.stage in TESTED and status.rollout is not None and pool in begun(status.rollout)
    serves = revision_in(status.candidate if over else status.stable, pool)
    return not serves or turn.ready(pool, serves) >= turn.replicas(pool)


def _coming(turn: Turn, plan: Plan, held: Plan) -> Plan:
    """What stood by and is wanted back: it serves until the revision's own pods do. No count ever rises."""
    status = turn.status
    back = status.candidate if status.stage is Stage.RESTORING else None
    children = [child for release in (status.stable, back) if release for child in _children(release)]
    return {
        child: told
        for child in children
        if child not in held and (told := _told(turn, child)) and _own_ready(turn, child) < plan.get(child, 0)
    }


def _own_ready(turn: Turn, child: Child) -> int:
    return sum(pod.ready and not pod.standby for pod in turn.pods(child.pool, child.revision))


def _told(turn: Turn, child: Child) -> int:
    found = (one.replicas for one in turn.seen.standbys if (one.pool, one.revision) == (child.pool, child.revision))
    return next(found, 0)


def _standing_by(turn: Turn, child: Child) -> list[PodState]:
    """Its pods in a Deployment that stands by, whether they have been let serve or not."""
    place = child.pool, child.revision
    every = (pod for pod in turn.seen.pods if pod.standby and not pod.terminating)
    return [pod for pod in every if (pod.pool, pod.revision) == place]
