"""Manifests that break one rule of ``routing.gateway`` or ``routing.session`` each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.operator.crd.bad import Bad, Spec, put, two_pools

_EDGE = {"name": "edge", "namespace": "infra"}


def _gateway(**changes: Any) -> Callable[[Spec], None]:
    return put("routing.gateway", {"parentRefs": [_EDGE]} | changes)


def _table(*shares: tuple[str, str], context_class: str = "standard") -> list[dict[str, Any]]:
    return [{"contextClass": context_class, "to": [{"pool": pool, "share": share} for pool, share in shares]}]


_ROUTES = _table(("cpu-a", "70%"), ("cpu-b", "30%"))


def _routes(*shares: tuple[str, str], context_class: str = "standard") -> Callable[[Spec], None]:
    made = _table(*shares, context_class=context_class)
    return put("routing", {"gateway": {"parentRefs": [_EDGE]}, "routes": made})


def _probed_alone(spec: Spec) -> None:
    _untested(spec)
    put("quality.probes", {"requestsPerSecond": "1"})(spec)
    put("quality.checks", [{"name": "probe-errors", "maxRate": "5%"}])(spec)


def _nine_pools(spec: Spec) -> None:
    (one,) = spec["pools"]
    spec["pools"] = [one | {"name": f"pool-{place}"} for place in range(9)]
    _gateway()(spec)


def _untested(spec: Spec) -> None:
    put("routing", {"gateway": {"parentRefs": [_EDGE]}, "routes": _ROUTES})(spec)
    put("quality.checks", [{"name": "latency", "slowerThan": "2.5s", "maxRate": "5%"}])(spec)


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
    Bad(
        "routes without a gateway",
        put("routing.routes", _ROUTES),
        "routing.routes",
        "add routing.gateway",
        base=two_pools,
    ),
    Bad(
        "shares that are not all",
        _routes(("cpu-a", "70%"), ("cpu-b", "20%")),
        "routing.routes[0].to",
        "100% together",
        base=two_pools,
    ),
    Bad(
        "a share of nothing",
        _routes(("cpu-a", "100%"), ("cpu-b", "0%")),
        "routing.routes[0].to[1].share",
        "above 0%",
        base=two_pools,
    ),
    Bad(
        "a share of five decimals",
        _routes(("cpu-a", "99.99999%"), ("cpu-b", "0.00001%")),
        "routing.routes[0].to[0].share",
        "at most four decimals",
        base=two_pools,
    ),
    Bad(
        "a share that is no percentage",
        _routes(("cpu-a", "1")),
        "routing.routes[0].to[0].share",
        "above 0%",
        base=two_pools,
    ),
    Bad(
        "routes to an unknown pool",
        _routes(("cpu-a", "50%"), ("cpu-z", "50%")),
        "routing.routes",
        "class standard: routes name an unknown pool",
        base=two_pools,
    ),
    Bad(
        "a pool that routes leave out",
        _routes(("cpu-a", "100%")),
        "routing.routes",
        "pool cpu-b: a pool's class has routes, and none of them names the pool: give it a share",
        base=two_pools,
    ),
    Bad(
        "more pools of a class than a rule of the route can name",
        _nine_pools,
        "pools",
        "pool pool-0: behind a gateway a context class has 8 pools at most",
    ),
    Bad(
        "routes of an unknown class",
        _routes(("cpu-a", "50%"), ("cpu-b", "50%"), context_class="long"),
        "routing.routes",
        "class long: contextClass of routes",
        base=two_pools,
    ),
    Bad(
        "routes that no check is counted by",
        _untested,
        "quality.checks",
        "add errors or misrouted",
        base=two_pools,
    ),
    Bad(
        "routes that the prober alone would ask about",
        _probed_alone,
        "quality.checks",
        "add errors or misrouted",
        base=two_pools,
    ),
]
