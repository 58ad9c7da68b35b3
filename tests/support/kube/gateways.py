"""A Gateway API controller and its proxy in miniature: it accepts routes, and sends requests as the last one said."""

from __future__ import annotations

from typing import Any

from quality_contract import CLASS_HEADER, NO_ROUTE_HASH, ROUTE_HEADER

from tests.support.kube.api import MemoryApi
from tests.support.kube.controllers import ready_in
from tests.support.kube.fields import copied

Obj = dict[str, Any]


def _told(said: Obj) -> str:
    """The route hash that a filter of a rule or a backend sets; empty without one."""
    for one in said.get("filters") or []:
        for header in one["requestHeaderModifier"]["set"]:
            if header["name"] == ROUTE_HEADER:
                return str(header["value"]).partition(";")[0]
    return ""


def _takes(rule: Obj, context_class: str) -> bool:
    """Whether a rule is for requests for any path of a class; of none, if it is empty."""
    anything = {"type": "PathPrefix", "value": "/"}
    said = [{"type": "Exact", "name": CLASS_HEADER, "value": context_class}] if context_class else []
    return any(match.get("path") == anything and (match.get("headers") or []) == said for match in rule["matches"])


def _keep_times(before: Obj, new: Obj) -> None:
    """What is as it was has been so since then."""
    known = {
        (number, one["type"], one["status"]): one["lastTransitionTime"]
        for number, parent in enumerate(before.get("parents") or [])
        for one in parent["conditions"]
    }
    for number, parent in enumerate(new["parents"]):
        for one in parent["conditions"]:
            since = known.get((number, one["type"], one["status"]))
            one["lastTransitionTime"] = since or one["lastTransitionTime"]


class Gateways:
    """All Gateways there are. ``run`` after each stretch of time."""

    def __init__(self, api: MemoryApi) -> None:
        self._api = api
        self.up = True
        """Whether the controller runs; without it the proxy goes on as it was last told."""
        self.refusal = ""
        """Why it accepts no route; empty if it does."""
        self.deaf = False
        """Whether the proxy goes on as it was last told although the controller says that it took routes over."""
        self.followed: dict[str, Obj] = {}
        """By the route's name, the spec that requests follow."""

    def take_over(self, other: Gateways) -> None:
        """Go on where other gateways stopped."""
        self.followed = copied(other.followed)

    def run(self) -> None:
        """One look at all routes."""
        if not self.up:
            return
        routes = {path: obj for path, obj in self._api.objects.items() if "/httproutes/" in path}
        names = {path.rsplit("/", 1)[1] for path in routes}
        self.followed = {name: spec for name, spec in self.followed.items() if name in names}
        for path, route in routes.items():
            if not (self.refusal or self.deaf):
                self.followed[path.rsplit("/", 1)[1]] = copied(route["spec"])
            status = {"parents": [self._said(route, parent) for parent in route["spec"]["parentRefs"]]}
            _keep_times(route.get("status") or {}, status)
            if route.get("status") != status:
                self._api.edit(path, lambda obj, status=status: obj.update(status=status), "gateway")  # type: ignore[misc]

    def _said(self, route: Obj, parent: Obj) -> Obj:
        told = {"observedGeneration": route["metadata"]["generation"], "lastTransitionTime": self._api.stamp()}
        accepted: Obj = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}
        if self.refusal:
            accepted |= {"status": "False", "reason": "NotAllowedByListeners", "message": self.refusal}
        resolved = {"type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs", "message": ""}
        return {
            "parentRef": parent,
            "controllerName": "example.com/gw",
            "conditions": [accepted | told, resolved | told],
        }

    def shares(self, name: str, context_class: str = "") -> dict[str, float] | None:
        """By Service, its share of a rollout's requests of one class; None without a route."""
        arms = self.arms(name, context_class)
        if arms is None:
            return None
        found: dict[str, float] = {}
        for (service, _), share in arms.items():
            found[service] = found.get(service, 0.0) + share
        return found

    def arms(self, name: str, context_class: str = "") -> dict[tuple[str, str], float] | None:
        """The same by Service and by the route hash that its requests are told.

        The more exact match goes first: a request of a class that no rule names goes where those of no class go.
        """
        if name not in self.followed or not self.followed[name].get("rules"):
            return None
        rules = self.followed[name]["rules"]
        rule = next(rule for asked in (context_class, "") for rule in rules if _takes(rule, asked))
        total = sum(one["weight"] for one in rule["backendRefs"])
        return {
            (one["name"], _told(one) or _told(rule) or NO_ROUTE_HASH): one["weight"] / total
            for one in rule["backendRefs"]
            if one["weight"]
        }

    def servers(self, service: str) -> list[str]:
        """The ready endpoints of a Service."""
        return ready_in(self._api.kinds("endpoints").get(service, {}))
