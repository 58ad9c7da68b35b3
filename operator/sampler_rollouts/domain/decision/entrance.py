"""The Service that users call: while it is not there as wanted, nobody is served, however many pods are ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampler_rollouts.domain import render

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn

SERVICE_MISSING = "ServiceMissing"
SERVICE_REFUSED = "ServiceRefused"


def refused(turn: Turn) -> str:
    """Why the cluster does not take the Service: a matter for a person. Empty if it does, or has not been asked."""
    mine = ("Service", _name(turn), "apply")
    why = next((one.message for one in turn.status.refusals if (one.kind, one.name, one.verb) == mine), "")
    return f"users cannot call Service {_name(turn)} as it should be: {why}" if why else ""


def missing(turn: Turn) -> str:
    """What is wrong with the Service as it is seen, if anything; the next write puts it right, if it is taken."""
    wanted = render.class_service(turn.meta.owner)["spec"]["selector"]
    if turn.seen.services.get(_name(turn)) == wanted:
        return ""
    return f"Service {_name(turn)}, which users call, is not there or does not select the pods"


def _name(turn: Turn) -> str:
    name: str = render.class_service(turn.meta.owner)["metadata"]["name"]
    return name
