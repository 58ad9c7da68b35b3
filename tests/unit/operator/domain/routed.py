"""A world with a gateway, and what its route says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sampler_rollouts.cluster.routes import route_state
from sampler_rollouts.domain.observation import RouteState

from tests.unit.operator.domain.world import World, spec

PARENT = {"name": "edge", "namespace": "infra", "sectionName": "http"}
GATEWAY = {"parentRefs": [PARENT], "hostnames": ["api.example.com"]}


def routed(letter: str = "a", base: Any = spec, **gateway: Any) -> dict[str, Any]:
    made = base(letter)
    return made | {"routing": made.get("routing", {}) | {"gateway": GATEWAY | gateway}}


class Routed(World):
    """A world with a gateway that takes over what is written, or stays behind."""

    behind = False
    problem = ""
    frozen: RouteState | None = None
    """What the route stays at because nobody may write it."""

    def observe(self) -> Any:
        body = self.children.get(("HTTPRoute", self.name))
        state = None
        if body is not None:
            seen = route_state(body)
            current = not self.behind and not self.problem
            state = replace(seen, current=current, problem=self.problem)
        return replace(super().observe(), route=self.frozen or state)


def serving(made: dict[str, Any] | None = None) -> Routed:
    world = Routed(made or routed())
    world.until("Serving")
    world.run(10)
    return world


def rules(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.children["HTTPRoute", "demo"]["spec"]["rules"]
    return found


def shares(world: World, rule: int = 0) -> dict[tuple[str, str], float]:
    """By pool and role, the share of a class's requests."""
    backends = rules(world)[rule]["backendRefs"]
    total = sum(one["weight"] for one in backends)
    names = {
        f"demo-{item.name}-{item.revision}": (item.name, role)
        for role in ("candidate", "stable")
        for item in (getattr(world.status, role).pools if getattr(world.status, role) else [])
    }
    return {names[one["name"]]: one["weight"] / total for one in backends}
