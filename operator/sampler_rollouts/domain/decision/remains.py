"""What is there and not wanted, and does not go: pods that serve on, or an empty Deployment that nobody may delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision import entrance, gateway
from sampler_rollouts.domain.decision.stages import LEAVING
from sampler_rollouts.domain.plan import Remains
from sampler_rollouts.domain.quantities import duration_text, seconds
from sampler_rollouts.domain.render import Child

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampler_rollouts.domain.decision.context import Turn

PODS_NOT_GONE: Final = "PodsNotGone"
NOT_DELETED: Final = "NotDeleted"
USUAL_PROGRESS_DEADLINE: Final = 600
_MOST_NAMED: Final = 3


def note_remains(turn: Turn, plan: Iterable[Child], *, unknown: bool) -> None:
    """Since when each pool's revision that is not wanted has been there; ``unknown``: nobody knows what is wanted."""
    wanted = {(child.pool, child.revision) for child in plan}
    before = {(one.pool, one.revision, one.peopled): one.since for one in turn.status.remains}
    there = {(item.pool, item.revision) for item in turn.seen.workloads if item.made}
    there |= {(pod.pool, pod.revision) for pod in turn.seen.pods if not pod.terminating}
    there |= {(one.pool, one.revision) for one in turn.status.refusals if one.verb != "apply"}
    left = [(*place, bool(turn.pods(*place))) for place in sorted(there - wanted) if all(place) and not unknown]
    turn.status.remains = [
        Remains(pool=one[0], revision=one[1], peopled=one[2], since=before.get(one, turn.now))
        for one in left[: limits.REMAINS]
    ]


def patience(turn: Turn) -> int:
    """Seconds after which what should have happened to pods is a matter for a person."""
    rollout = turn.status.rollout
    if rollout and turn.status.stage in LEAVING:
        return rollout.progress_deadline
    return seconds(turn.wish.spec.strategy.progress_deadline) if turn.wish else USUAL_PROGRESS_DEADLINE


def pods_not_gone(turn: Turn) -> str:
    """Why pods that are not wanted still serve, and what to do; empty if they do not, or have not had their time."""
    late = [one for one in _late(turn) if one.peopled]
    if not late:
        return ""
    return (
        f"Pods that are not wanted are still there after {duration_text(patience(turn))}, in {_places(turn, late)}. "
        "Until that is mended users may get answers of theirs; the operator tries again at each look."
    )


def not_deleted(turn: Turn) -> str:
    """What is left over without a pod, and what to do; empty if nothing is, or has not had its time."""
    late = [one for one in _late(turn) if not one.peopled]
    if not late:
        return ""
    return (
        f"Objects that are not wanted are left over, in {_places(turn, late)}. They have no pods, but whoever scales "
        "them brings those back; the operator tries again at each look."
    )


def remains_are_new(turn: Turn) -> bool:
    """Whether something is on its way out and has not had its time."""
    return len(_late(turn)) < len(turn.status.remains)


def _late(turn: Turn) -> list[Remains]:
    limit = patience(turn)
    return [one for one in turn.status.remains if (turn.now - one.since).total_seconds() >= limit]


def _places(turn: Turn, late: list[Remains]) -> str:
    said = [f"pool {one.pool} (revision {one.revision}): {_why(turn, one)}" for one in late[:_MOST_NAMED]]
    more = len(late) - _MOST_NAMED
    return "; ".join([*said, f"and {more} more"] if more > 0 else said)


def _why(turn: Turn, one: Remains) -> str:
    """Who refused what, in the cluster's own words, and the remedy."""
    mine = [item for item in turn.status.refusals if (item.pool, item.revision) == (one.pool, one.revision)]
    if gateway.may_be_asked(turn, Child(one.pool, one.revision)):
        return f"the gateway may still send requests to them ({entrance.route_trouble(turn) or 'its route names them'})"
    refused = sorted((item for item in mine if item.verb != "apply"), key=lambda item: item.kind != "Deployment")
    if not refused:
        return (
            "no call was refused, but they do not go; see what holds up their Deployment or its ReplicaSets "
            "(finalizers, a controller that is down)"
        )
    first = refused[0]
    right = "patch and delete" if first.kind == "Deployment" else "delete"
    said = limits.clip(first.message, 300)
    return (
        f"the cluster refuses to {first.verb} {first.kind} {first.name}, saying {said!r}; lift what protects it, "
        f"give the operator the right to {right} it, or delete it yourself"
    )
