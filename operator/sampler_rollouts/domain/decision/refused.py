"""What the cluster refused to write: remembered in status, so that a restarted operator does not forget it (R3)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.observation import WorkloadState
from sampler_rollouts.domain.plan import RefusedWrite

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.observation import Observation


def remember_refusals(turn: Turn) -> None:
    """What was refused last is true until something is tried again; one that has just started has tried nothing."""
    if turn.seen.refusals is not None:
        turn.status.refusals = [
            RefusedWrite(
                kind=one.kind,
                name=one.name,
                pool=one.pool,
                revision=one.revision,
                verb=one.verb,
                message=limits.clip(one.message, limits.SENTENCE),
            )
            for one in turn.seen.refusals[: limits.REFUSALS]
        ]
    turn.seen = _with_refused_pods(turn.seen, turn.status.refusals)


def _with_refused_pods(seen: Observation, refusals: list[RefusedWrite]) -> Observation:
    """A Deployment that was not taken has no new pods; one that could not even be made has none."""
    told = [one for one in refusals if (one.kind, one.verb) == ("Deployment", "apply") and one.pool]  # not the prober's
    why = {(one.pool, one.revision): one.message for one in told}
    known = [replace(item, refused=item.refused or why.get((item.pool, item.revision), "")) for item in seen.workloads]
    there = {(item.pool, item.revision) for item in known}
    missing = [WorkloadState(*place, 0, text, made=False) for place, text in why.items() if place not in there]
    return replace(seen, workloads=(*known, *missing))
