"""What an HTTPRoute and its gateways say, as the decision reads it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from quality_contract import ROUTE_HEADER

from sampler_rollouts.cluster.kinds import metadata
from sampler_rollouts.domain.observation import RouteState
from sampler_rollouts.domain.outcome import Manifest
from sampler_rollouts.domain.render_route import IDLE_PATH

CONDITIONS: Final = ("Accepted", "ResolvedRefs")
"""Both must be true: of a route whose backends a gateway cannot resolve, it answers a part with 500."""
_MESSAGE: Final = 300


def comes_by_route(rollout: Manifest) -> bool:
    """Whether users come, or have come until now, through a gateway: nobody else needs the Gateway API."""
    routing = (rollout.get("spec") or {}).get("routing") or {}
    return bool(routing.get("gateway") or (rollout.get("status") or {}).get("gateway"))


def unreadable(why: str) -> RouteState:
    """A route of which nothing is known but that it may be there."""
    return RouteState(problem=why[:_MESSAGE])


def route_state(route: Manifest) -> RouteState:
    """Weights above 0 by Service, over all rules, and whether every gateway has taken over exactly this route."""
    problems = [found for parent in _parents(route) if (found := _problem(route, parent)) is not None]
    return RouteState(
        weights=_weights(route),
        named=frozenset(name for rule in _rules(route) for name, _, _ in _backends(rule)),
        arms=_arms(route, idle=False),
        idle_arms=_arms(route, idle=True),
        current=not any(True for _ in _unseen(route)) and not problems,
        problem=next((problem for problem in problems if problem), "")[:_MESSAGE],
    )


def _rules(route: Manifest) -> list[Manifest]:
    return (route.get("spec") or {}).get("rules") or []


def _is_idle(rule: Manifest) -> bool:
    """Whether all it matches is what nobody asks for."""
    paths = [(one.get("path") or {}).get("value") or "" for one in rule.get("matches") or []]
    return bool(paths) and all(path.startswith(IDLE_PATH) for path in paths)


def _backends(rule: Manifest) -> Iterator[tuple[str, Manifest, int]]:
    """Name, backend and weight of those with a weight above 0."""
    for backend in rule.get("backendRefs") or []:
        weight = int(backend.get("weight", 1))
        if weight > 0:
            yield backend["name"], backend, weight


def _weights(route: Manifest) -> dict[str, int]:
    found: dict[str, int] = {}
    for rule in _rules(route):
        for name, _, weight in () if _is_idle(rule) else _backends(rule):
            found[name] = found.get(name, 0) + weight
    return found


def _arms(route: Manifest, *, idle: bool) -> dict[tuple[str, str], int]:
    """Of backends that tell their requests themselves by which table they came."""
    found: dict[tuple[str, str], int] = {}
    for rule in _rules(route):
        for name, backend, weight in _backends(rule) if _is_idle(rule) is idle else ():
            for told in _told(backend):
                found[told, name] = found.get((told, name), 0) + weight
    return found


def _told(backend: Manifest) -> Iterator[str]:
    for one in backend.get("filters") or []:
        for said in (one.get("requestHeaderModifier") or {}).get("set") or []:
            if said.get("name") == ROUTE_HEADER:
                yield str(said.get("value"))


def _parents(route: Manifest) -> list[Manifest]:
    """What gateways say of the parents that the route has now; of earlier ones it does not matter."""
    asked = [_identity(route, one) for one in (route.get("spec") or {}).get("parentRefs") or []]
    told = (route.get("status") or {}).get("parents") or []
    return [one for one in told if _identity(route, one.get("parentRef") or {}) in asked]


def _unseen(route: Manifest) -> Iterator[Manifest]:
    """Parents of which no gateway has said anything."""
    told = [_identity(route, one["parentRef"]) for one in _parents(route)]
    asked: list[Manifest] = (route.get("spec") or {}).get("parentRefs") or []
    yield from (one for one in asked or [{}] if _identity(route, one) not in told)


def _identity(route: Manifest, parent: Manifest) -> tuple[Any, ...]:
    return parent.get("namespace") or metadata(route).get("namespace"), parent.get("name"), parent.get("sectionName")


def _problem(route: Manifest, parent: Manifest) -> str | None:
    """What a gateway has against the route as it is; empty if it has not looked at it yet, None if it took it."""
    generation, name = metadata(route).get("generation", 0), (parent.get("parentRef") or {}).get("name")
    told = {one.get("type"): one for one in parent.get("conditions") or []}
    for kind in CONDITIONS:
        condition = told.get(kind) or {}
        if int(condition.get("observedGeneration", 0)) < generation:
            return ""
        if condition.get("status") != "True":
            said = f"{condition.get('reason') or kind}: {condition.get('message') or 'no message'}"
            return f"Gateway {name} says {said}"
    return None
