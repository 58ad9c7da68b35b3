"""The HTTPRoute of a rollout: weights between the Services of revisions, for each context class.

The route header stands at the rule and not at its backends: with a filter at a backend Envoy Gateway drops a backend of
weight 0 before the rule stops naming it, and answers some 500s. With plain backends it answers none. Every default of
the API is written out, so that the live object can be compared with what is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from quality_contract import CLASS_HEADER, ROUTE_HEADER

from sampler_rollouts.domain import render

if TYPE_CHECKING:
    from sampler_rollouts.domain.outcome import Manifest
    from sampler_rollouts.domain.plan import GatewayPlan, Parent

API_VERSION: Final = "gateway.networking.k8s.io/v1"
KIND: Final = "HTTPRoute"
PORT: Final = 80


@dataclass(frozen=True, slots=True)
class ClassRule:
    """Where requests of one context class go: weights above 0 by Service."""

    context_class: str
    weights: Mapping[str, int]


def http_route(owner: render.Owner, plan: GatewayPlan, rules: Sequence[ClassRule], route_hash: str) -> Manifest:
    """The route. Requests without a class, or with one that nobody serves, go by the first rule."""
    spec: dict[str, Any] = {"parentRefs": [_parent(one) for one in plan.parent_refs]}
    if plan.hostnames:
        spec["hostnames"] = list(plan.hostnames)
    # Servers tell sessions apart only where these stick: elsewhere every pod would see each session's first request.
    header = f"{route_hash};{plan.epoch}" if plan.sticky else route_hash
    spec["rules"] = [_rule(rule, header, any_class=place == 0) for place, rule in enumerate(rules)]
    if plan.sticky:
        spec["rules"] = [made | _pinned(rule) for made, rule in zip(spec["rules"], rules, strict=True)]
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": render.metadata_of(owner, owner.name, {render.LABEL_ROLLOUT: owner.name}),
        "spec": spec,
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


def _rule(rule: ClassRule, header: str, *, any_class: bool) -> dict[str, Any]:
    match: dict[str, Any] = {"path": {"type": "PathPrefix", "value": "/"}}
    if not any_class:
        match["headers"] = [{"type": "Exact", "name": CLASS_HEADER, "value": rule.context_class}]
    told = {"set": [{"name": ROUTE_HEADER, "value": header}]}
    return {
        "matches": [match],
        "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": told}],
        # The servers end what takes too long. Without a word here a proxy does: Envoy after 15 seconds, by its default.
        "timeouts": {"request": "0s"},
        "backendRefs": [
            {"group": "", "kind": "Service", "name": name, "port": PORT, "weight": weight}
            for name, weight in sorted(rule.weights.items())
        ],
    }
