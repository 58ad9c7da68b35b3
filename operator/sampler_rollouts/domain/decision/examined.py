"""What the preflight of the rollout under way still waits for: questions alone, for whoever decides or tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain.decision.context import Turn, moving, revision_in
from sampler_rollouts.domain.decision.stages import TESTED
from sampler_rollouts.domain.observation import REFUSED
from sampler_rollouts.domain.plan import PreflightPlan
from sampler_rollouts.domain.preflight import PreflightResult
from sampler_rollouts.domain.render import Child
from sampler_rollouts.domain.render_preflight import attempt_label, preflight_name
from sampler_rollouts.domain.status import Stage

if TYPE_CHECKING:
    from sampler_rollouts.domain.observation import Observation, PodState, PreflightState, Reading
    from sampler_rollouts.domain.plan import Rollout
    from sampler_rollouts.domain.status import Status

PREFLIGHT_FAILED: Final = "PreflightFailed"
NO_ANSWER: Final = "NoAnswer"
"""The reason of a reading where nobody answered."""
EXAMINED: Final = TESTED | {Stage.ESTABLISHING}


def pending(rollout: Rollout | None) -> PreflightPlan | None:
    """The preflight that stands between a rollout and its first traffic; None if there is none, or it has passed."""
    plan = rollout.preflight if rollout else None
    return plan if plan is not None and plan.passed_at is None else None


def awaited(status: Status) -> list[Child]:
    """The pools that are to be examined and have no result."""
    rollout = status.rollout
    if rollout is None or pending(rollout) is None or status.stage not in EXAMINED:
        return []
    children = [Child(name, revision_in(status.candidate, name)) for name in moving(rollout)]
    return [child for child in children if child.revision and status.preflight(child.pool, child.revision) is None]


def results(turn: Turn) -> list[PreflightResult]:
    """What is known of every pool of the candidate, those that do not move among them."""
    candidate = turn.status.candidate
    found = [turn.status.preflight(item.name, item.revision) for item in candidate.pools] if candidate else []
    return [one for one in found if one is not None]


def state_of(seen: Observation, child: Child) -> PreflightState | None:
    """The Deployment that examines a revision."""
    return next((one for one in seen.preflights if (one.pool, one.revision) == (child.pool, child.revision)), None)


def pods_of(status: Status, seen: Observation, child: Child) -> list[PodState]:
    """Its pods that are not on their way out, of this try: one that hung or crashed in the last says nothing now."""
    plan, state = pending(status.rollout), state_of(seen, child)
    attempt = attempt_label(plan.tried_at if plan else None)
    return [pod for pod in state.pods if not pod.terminating and pod.attempt == attempt] if state else []


def to_read(status: Status, seen: Observation) -> list[PodState]:
    """The pods to ask now: those that run, of pools without a result."""
    pods = (pod for child in awaited(status) for pod in pods_of(status, seen, child))
    return [pod for pod in pods if pod.address and not pod.blocked]


def reading_of(turn: Turn, child: Child) -> Reading | None:
    """What the pod of a pool said at this look."""
    asked = {pod.name for pod in pods_of(turn.status, turn.seen, child)}
    mine = (one for one in turn.seen.readings if (one.pool, one.revision) == (child.pool, child.revision))
    found = [one for one in mine if one.pod in asked]
    return next((one for one in found if one.result), found[0] if found else None)


def blocked(turn: Turn, child: Child) -> str:
    """The infrastructure's reason why the pod has not started; empty if it has, or has not been made yet."""
    name = preflight_name(turn.meta.owner, child)
    refused = next((one.message for one in turn.status.refusals if (one.kind, one.name) == ("Deployment", name)), "")
    state = state_of(turn.seen, child)
    if refused or (state and state.refused):
        return f"{REFUSED}{refused or (state.refused if state else '')}"
    stuck = next((pod for pod in pods_of(turn.status, turn.seen, child) if pod.blocked and not pod.ready), None)
    return f"{stuck.blocked}: {stuck.message}".rstrip(": ") if stuck else ""


def waits_for(turn: Turn) -> str:
    """What the preflight waits for, in words; empty if it waits for nothing."""
    rollout = turn.status.rollout
    if pending(rollout) is None or turn.status.stage not in EXAMINED:
        return ""
    said = [f"pool {child.pool} ({_why(turn, child)})" for child in awaited(turn.status)]
    return f"the preflight of {', '.join(said)}" if said else "the preflight"


def _why(turn: Turn, child: Child) -> str:
    reading = reading_of(turn, child)
    return blocked(turn, child) or (reading.message if reading else "") or "its pod is starting"
