"""The HTTPRoute of a rollout: weights between the Services of revisions, for each context class.

The route header stands at the rule and not at its backends, unless two tables are compared. With a filter at a backend
Envoy Gateway drops what the rule names no more before Envoy stops asking it, and some requests fail; likewise where the
filter goes from the rule to its backends. So a comparison has a rule of its own, which takes the requests over while
both rules stand (docs/gateway.md).

Every default of the API is written out, so that the live object can be compared with what is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from quality_contract import CLASS_HEADER, ROUTE_HEADER

from sampler_rollouts.domain import render

if TYPE_CHECKING:
    from sampler_rollouts.domain.outcome import Manifest
    from sampler_rollouts.domain.route_plan import GatewayPlan, Parent

API_VERSION: Final = "gateway.networking.k8s.io/v1"
KIND: Final = "HTTPRoute"
PORT: Final = 80
IDLE_PATH: Final = "/sampler-rollouts-idle/"
"""What a rule that no request goes by asks for: no server has it, so that whoever asks for it gets no token."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A Service of one arm, while two tables are compared."""

    name: str
    weight: int
    route_hash: str
    """Of the table by which it gets its requests."""


@dataclass(frozen=True, slots=True)
class ClassRule:
    """Where requests of one context class go: weights above 0 by Service, or by Service and table."""

    context_class: str
    weights: Mapping[str, int]
    arms: tuple[Backend, ...] = ()
    """Of the class's second rule, where two tables are compared; it has no ``weights``."""
    idle: bool = False
    """No request goes by it: the class's other rule has them."""


def total_weights(rules: Sequence[ClassRule]) -> dict[str, int]:
    """By Service, over all rules that requests go by."""
    found: dict[str, int] = {}
    for rule in rules:
        if rule.idle:
            continue
        for name, weight in (*rule.weights.items(), *((one.name, one.weight) for one in rule.arms)):
            found[name] = found.get(name, 0) + weight
    return found


def header(plan: GatewayPlan, route_hash: str) -> str:
    """What the route header says.

    Servers tell sessions apart only where these stick: elsewhere every pod would see each session's first request.
    """
    return f"{route_hash};{plan.epoch}" if plan.sticky else route_hash


def http_route(owner: render.Owner, plan: GatewayPlan, rules: Sequence[ClassRule], route_hash: str) -> Manifest:
    """The route. Requests without a class, or with one that nobody serves, go by the first rule."""
    made = [_rule(rule, plan, route_hash, any_class=rule.context_class == rules[0].context_class) for rule in rules]
    if plan.sticky:
        made = [one | _pinned(rule) for one, rule in zip(made, rules, strict=True)]
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": render.metadata_of(owner, owner.name, {render.LABEL_ROLLOUT: owner.name}),
        # Host names also where there are none: what others add to a field goes only if we write the field.
        "spec": {
            "parentRefs": [_parent(one) for one in plan.parent_refs],
            "hostnames": list(plan.hostnames),
            "rules": made,
        },
    }


def _parent(parent: Parent) -> dict[str, str]:
    said = {"name": parent.name, "namespace": parent.namespace, "sectionName": parent.section_name}
    return {"group": "gateway.networking.k8s.io", "kind": "Gateway"} | {
        key: value for key, value in said.items() if value
    }


def _pinned(rule: ClassRule) -> dict[str, Any]:
    """A cookie for each class: the server of one class is none of another's."""
    name = f"sampler-{rule.context_class}"
    return {"sessionPersistence": {"sessionName": name, "type": "Cookie", "cookieConfig": {"lifetimeType": "Session"}}}


def _rule(rule: ClassRule, plan: GatewayPlan, route_hash: str, *, any_class: bool) -> dict[str, Any]:
    match: dict[str, Any] = {"path": {"type": "PathPrefix", "value": "/"}}
    if rule.idle:
        match = {"path": {"type": "Exact", "value": IDLE_PATH + rule.context_class}}
    elif not any_class:
        match["headers"] = [{"type": "Exact", "name": CLASS_HEADER, "value": rule.context_class}]
    # The servers end what takes too long. Without a word here a proxy does: Envoy after 15 seconds, by its default.
    made: dict[str, Any] = {"matches": [match], "timeouts": {"request": "0s"}}
    if rule.arms:
        arms = [(one, header(plan, one.route_hash)) for one in rule.arms]
        return made | {"backendRefs": [_backend(one.name, one.weight) | _telling(told) for one, told in arms]}
    backends = [_backend(name, weight) for name, weight in sorted(rule.weights.items())]
    return made | _telling(header(plan, route_hash)) | {"backendRefs": backends}


def _backend(name: str, weight: int) -> dict[str, Any]:
    return {"group": "", "kind": "Service", "name": name, "port": PORT, "weight": weight}


def _telling(header_value: str) -> dict[str, Any]:
    """A filter that tells servers by which table a request came, overwriting what its client says."""
    told = {"set": [{"name": ROUTE_HEADER, "value": header_value}]}
    return {"filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": told}]}
