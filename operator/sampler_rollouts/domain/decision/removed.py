"""Pools that the release that serves has no more. Their pods go when the others are whole; but an operator that was
killed in between may find that these are not any more, and the last servers of a context class never go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision.changes import class_name
from sampler_rollouts.domain.plan import RemovedPool
from sampler_rollouts.domain.render import Child

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.plan import Release


def remember_removed(turn: Turn, before: Iterable[Release]) -> None:
    """Another release is stable now: what those before it had, and it has not, may be the last that serves."""
    status, stable = turn.status, turn.status.stable
    if stable is None:
        return
    found = {(one.pool, one.revision): one for one in status.removed}
    for release in before:
        for item in release.pools:
            if not stable.revision(item.name):
                place = item.name, item.revision
                found[place] = RemovedPool(pool=item.name, revision=item.revision, release=release.hash)
    status.removed = list(found.values())[-limits.REMAINS :]


def forget_removed(turn: Turn) -> None:
    """What is gone cannot be kept."""
    there = {(item.pool, item.revision) for item in turn.seen.workloads if item.made}
    there |= {(pod.pool, pod.revision) for pod in turn.seen.pods if not pod.terminating}
    turn.status.removed = [one for one in turn.status.removed if (one.pool, one.revision) in there]


def last_servers(turn: Turn) -> dict[Child, int]:
    """What still serves of removed pools, in a class of which nothing of the release that stays is ready.

    What was rejected meanwhile is not kept. No count ever rises.
    """
    if not turn.status.removed:
        return {}
    staying = [Child(item.name, item.revision) for release in _staying(turn) for item in release.pools]
    served = {class_name(turn, child) for child in staying if turn.ready(child.pool, child.revision)}
    in_need = {class_name(turn, child) for child in staying} - served
    plan: dict[Child, int] = {}
    for one in turn.status.removed:
        child, told = Child(one.pool, one.revision), turn.workload(one.pool, one.revision)
        count = min(turn.ready(one.pool, one.revision), told.replicas if told else 0)
        if count and child not in staying and not turn.status.held(one.release) and class_name(turn, child) in in_need:
            plan[child] = count
    return plan


def _staying(turn: Turn) -> list[Release]:
    """Stable; where another release takes its place, that one and what serves of others meanwhile, if not rejected."""
    status = turn.status
    if status.stable is not None:
        return [status.stable]
    leftovers = status.rollout.leftovers if status.rollout else []
    return [release for release in (status.candidate, *leftovers) if release and not status.held(release.hash)]


def served_by_removed(turn: Turn) -> str:
    """Which pods, that are not of the release that serves, answer its users; empty if none do."""
    places = ", ".join(f"pool {child.pool} (revision {child.revision})" for child in last_servers(turn))
    return f"pods of {places}, which it does not have, answer until its own are ready" if places else ""
