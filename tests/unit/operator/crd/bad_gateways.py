"""Manifests that break one rule of ``routing.gateway`` or ``routing.session`` each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.operator.crd.bad import Bad, Spec, put

_EDGE = {"name": "edge", "namespace": "infra"}


def _gateway(**changes: Any) -> Callable[[Spec], None]:
    return put("routing.gateway", {"parentRefs": [_EDGE]} | changes)


BAD_GATEWAYS = [
    Bad("no parent", _gateway(parentRefs=[]), "routing.gateway.parentRefs", "at least 1 item", "at least 1 items"),
    Bad(
        "the same parent twice",
        _gateway(parentRefs=[_EDGE, _EDGE]),
        "routing.gateway.parentRefs",
        "remove the duplicate",
    ),
    Bad(
        "a parent of no name",
        _gateway(parentRefs=[{"name": "Edge"}]),
        "routing.gateway.parentRefs[0].name",
        "object's name",
    ),
    Bad(
        "a host with a port",
        _gateway(hostnames=["api.example.com:80"]),
        "routing.gateway.hostnames[0]",
        "host name in lower case",
    ),
    Bad(
        "sessions without a gateway",
        put("routing.session", {"affinity": "Cookie"}),
        "routing.session",
        "add routing.gateway",
    ),
    Bad("an unknown affinity", put("routing.session", {"affinity": "Header"}), "routing.session.affinity", "Cookie"),
]
