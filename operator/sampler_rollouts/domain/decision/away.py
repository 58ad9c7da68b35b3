"""A stable that does not come up although a candidate leaves: bad answers or none, until a person helps."""

from __future__ import annotations

from typing import Final

from sampler_rollouts.domain.decision.context import Turn, moving, revision_in
from sampler_rollouts.domain.decision.memory import unready_for
from sampler_rollouts.domain.decision.replicas import LEAVING, wanted
from sampler_rollouts.domain.render import Child

STABLE_NOT_READY: Final = "StableNotReady"


def stable_away(turn: Turn) -> str:
    """Why candidate pods must stay although stable has had its time to come up; empty if they need not."""
    status, rollout = turn.status, turn.status.rollout
    if status.stage not in LEAVING or rollout is None or status.stable is None:
        return ""
    plan = wanted(turn)
    kept = [name for name in moving(rollout) if Child(name, revision_in(status.candidate, name)) in plan]
    late = [name for name in kept if unready_for(turn.pool(name), turn) >= rollout.progress_deadline]
    if not late:
        return ""
    where = ", ".join(place(turn, name) for name in late)
    return (
        f"Stable release {status.stable.hash} does not come up in {where}: pods of {rollout.release} must stay. "
        "To help, mend what keeps stable's pods from being ready, or ask for another release: it comes without steps."
    )


def place(turn: Turn, name: str) -> str:
    """A pool, and what keeps its pods from starting, if that is known."""
    blocked = turn.pool(name).blocked
    return f"pool {name}" + (f" ({blocked})" if blocked else "")
