"""The Services that users call: while one is not there as wanted, nobody of its context class is served, however many
pods are ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampler_rollouts.domain import render
from sampler_rollouts.domain.decision.changes import class_names

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.outcome import Manifest

SERVICE_MISSING = "ServiceMissing"
SERVICE_REFUSED = "ServiceRefused"


def refused(turn: Turn) -> str:
    """Why the cluster does not take a Service: a matter for a person. Empty if it does, or has not been asked."""
    for name in _services(turn):
        mine = ("Service", name, "apply")
        why = next((one.message for one in turn.status.refusals if (one.kind, one.name, one.verb) == mine), "")
        if why:
            return f"users cannot call Service {name} as it should be: {why}"
    return ""


def missing(turn: Turn) -> str:
    """What is wrong with a Service as it is seen, if anything; the next write puts it right, if it is taken."""
    for name, service in _services(turn).items():
        if turn.seen.services.get(name) != service["spec"]["selector"]:
            return f"Service {name}, which users call, is not there or does not select the pods"
    return ""


def _services(turn: Turn) -> dict[str, Manifest]:
    """By name: one for each context class that stable or the candidate serves."""
    releases = [release for release in (turn.status.stable, turn.status.candidate) if release]
    children = [render.Child(pool.name, pool.revision) for release in releases for pool in release.pools]
    made = [render.class_service(turn.meta.owner, name) for name in class_names(turn, children)]
    return {service["metadata"]["name"]: service for service in made}
