"""What users come through: the Services that they call, or the route of a gateway. While it is not there as wanted,
nobody of its context class is served, however many pods are ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain import render
from sampler_rollouts.domain.decision import gateway
from sampler_rollouts.domain.decision.changes import class_names
from sampler_rollouts.domain.render_route import KIND as ROUTE

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.outcome import Manifest

SERVICE_MISSING: Final = "ServiceMissing"
SERVICE_REFUSED: Final = "ServiceRefused"
ROUTE_MISSING: Final = "RouteMissing"
ROUTE_REFUSED: Final = "RouteRefused"
ROUTE_NOT_ACCEPTED: Final = "RouteNotAccepted"
ROUTE_NOT_TAKEN_OVER: Final = "RouteNotTakenOver"
GATEWAY_PATIENCE: Final = 60.0
"""Seconds in which a gateway takes over a route; it is a matter of milliseconds."""

Trouble = tuple[str, str]
"""A reason and a sentence, both empty where there is none."""
NONE: Final[Trouble] = ("", "")


def refused(turn: Turn) -> Trouble:
    """What a person has to mend: the cluster does not take a Service or the route, or no gateway takes the route."""
    for name in _services(turn):
        if why := _refusal(turn, "Service", name):
            return SERVICE_REFUSED, f"users cannot call Service {name} as it should be: {why}"
    return _route_refused(turn) if gateway.routed(turn) else NONE


def _refusal(turn: Turn, kind: str, name: str) -> str:
    mine = (kind, name, "apply")
    return next((one.message for one in turn.status.refusals if (one.kind, one.name, one.verb) == mine), "")


def _route_refused(turn: Turn) -> Trouble:
    name, live, plan = turn.meta.name, turn.seen.route, turn.status.gateway
    if why := _refusal(turn, ROUTE, name):
        return ROUTE_REFUSED, f"HTTPRoute {name} cannot be written, so that traffic stays as it is: {why}"
    if live and live.problem:
        return ROUTE_NOT_ACCEPTED, f"HTTPRoute {name} is not accepted: {live.problem}"
    since = plan.behind_since if plan else None
    if since and (turn.now - since).total_seconds() >= GATEWAY_PATIENCE:
        text = "its gateway has not taken it over as it is: does the controller of the Gateway run?"
        return ROUTE_NOT_TAKEN_OVER, f"HTTPRoute {name}: {text}"
    return NONE


def route_trouble(turn: Turn) -> str:
    """What keeps the route from being in force, in words; empty if nothing is known to."""
    return _route_refused(turn)[1] if gateway.routed(turn) else ""


def missing(turn: Turn) -> Trouble:
    """What is wrong as it is seen, if anything; the next write puts it right, if it is taken."""
    for name, service in _services(turn).items():
        if turn.seen.services.get(name) != service["spec"]["selector"]:
            return SERVICE_MISSING, f"Service {name}, which users call, is not there or does not select the pods"
    live = turn.seen.route
    if gateway.routed(turn) and (live is None or not live.current):
        what = "is not there" if live is None else "has not been taken over by its gateway as it is"
        return ROUTE_MISSING, f"HTTPRoute {turn.meta.name}, through which users come, {what}"
    return NONE


def _services(turn: Turn) -> dict[str, Manifest]:
    """By name: one for each context class that stable or the candidate serves, where users call them."""
    if not gateway.calls_services(turn):
        return {}
    releases = [release for release in (turn.status.stable, turn.status.candidate) if release]
    children = [render.Child(pool.name, pool.revision) for release in releases for pool in release.pools]
    made = [render.class_service(turn.meta.owner, name) for name in class_names(turn, children)]
    return {service["metadata"]["name"]: service for service in made}
