"""A world with two classes and a route table."""

from __future__ import annotations

from typing import Any

from quality_contract import CLASS_HEADER, ROUTE_HEADER

from tests.unit.operator.domain.routed import Routed, routed, rules, serving
from tests.unit.operator.domain.test_context_classes import classed
from tests.unit.operator.domain.world import World

WRONG = {"cpu-a": "99.2%", "cpu-b": "0.8%"}
"""The incident's: a part of the short requests goes to the servers of the long context."""


def tabled(letter: str = "a", shares: dict[str, str] | None = None, **gateway: Any) -> dict[str, Any]:
    """``shares`` of the first class; without them it goes by replicas."""
    made = routed(letter, base=classed, **gateway)
    checks = [{"name": name, "maxRate": "1%"} for name in ("unexpected-script", "misrouted")]
    made["quality"] = made["quality"] | {"checks": checks}
    if shares is not None:
        to = [{"pool": pool, "share": share} for pool, share in shares.items()]
        made["routing"] = made["routing"] | {"routes": [{"contextClass": "standard", "to": to}]}
    return made


def serving_table(shares: dict[str, str] | None = None, letter: str = "a") -> Routed:
    return serving(tabled(letter, shares))


def asked(world: World, context_class: int = 0) -> dict[str, Any]:
    """The rule by which requests of a class go."""
    return next(rule for rule in rules(world) if matched(rule) == matched_by(context_class))


def matched_by(context_class: int) -> dict[str, Any]:
    everything: dict[str, Any] = {"path": {"type": "PathPrefix", "value": "/"}}
    header = {"type": "Exact", "name": CLASS_HEADER, "value": "long"}
    return everything | ({"headers": [header]} if context_class else {})


def matched(rule: dict[str, Any]) -> dict[str, Any]:
    (match,) = rule["matches"]
    found: dict[str, Any] = match
    return found


def idle(world: World) -> list[dict[str, Any]]:
    """The rules by which no request goes."""
    return [rule for rule in rules(world) if matched(rule) not in (matched_by(0), matched_by(1))]


def arms(world: World, rule: dict[str, Any] | None = None) -> dict[tuple[str, str], int]:
    """Weights by pool and by what requests are told; of plain backends nothing is told.

    Of the rule by which requests of the first class go, or of another one.
    """
    names = {
        f"demo-{item.name}-{item.revision}": item.name
        for release in (world.status.stable, world.status.candidate)
        for item in (release.pools if release else [])
    }
    return {(names[one["name"]], told(one)): one["weight"] for one in (rule or asked(world))["backendRefs"]}


def told(rule_or_backend: dict[str, Any]) -> str:
    """The route header that a filter sets, if there is one."""
    for one in rule_or_backend.get("filters") or []:
        for said in one["requestHeaderModifier"]["set"]:
            if said["name"] == ROUTE_HEADER:
                return str(said["value"])
    return ""


def until_arms(world: Routed, seconds: int = 60) -> None:
    for _ in range(seconds):
        if any(told(one) for one in asked(world)["backendRefs"]):
            return
        world.tick(1)
    raise AssertionError("no arms")
