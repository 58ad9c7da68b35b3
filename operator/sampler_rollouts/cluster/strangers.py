"""HTTPRoutes of somebody else that send requests to Services of ours: they are told, and never touched. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sampler_rollouts.cluster.kinds import HTTP_ROUTE, ROLLOUT, RolloutKey, metadata
from sampler_rollouts.domain.limits import OBJECT
from sampler_rollouts.domain.outcome import Manifest
from sampler_rollouts.domain.plan import OutsideEdit
from sampler_rollouts.domain.quantities import time_stamp

MOST: Final = 5
"""Of one rollout, the last ones: what happened longer ago is no lead."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """All that is kept of such a route."""

    name: str
    by: str
    """The field manager that wrote its spec last."""
    at: datetime
    services: frozenset[str]
    """Of its own namespace, those that requests, or copies of them, go to."""


def namespace_of(route: Manifest) -> RolloutKey | None:
    """Where a stranger's route is kept: by namespace, as it may name Services of several rollouts."""
    owners = metadata(route).get("ownerReferences") or []
    ours = any(one.get("controller") and one.get("kind") == ROLLOUT.kind for one in owners)
    return None if ours else RolloutKey(metadata(route)["namespace"], "")


def stranger(route: Manifest) -> Stranger | None:
    """None if it names no Service, or nobody knows since when."""
    meta, services = metadata(route), frozenset(_services(route))
    entries = (one for one in meta.get("managedFields") or [] if "f:spec" in (one.get("fieldsV1") or {}))
    written = [(at, str(one.get("manager"))) for one in entries if (at := time_stamp(one.get("time"))) is not None]
    made = time_stamp(meta.get("creationTimestamp"))
    at, by = max(written, default=(made, "somebody"))
    if at is None or not services:
        return None
    return Stranger(name=meta["name"], by=by[:OBJECT], at=at, services=services)


def _services(route: Manifest) -> Iterator[str]:
    namespace = metadata(route).get("namespace")
    for rule in (route.get("spec") or {}).get("rules") or []:
        backends: list[dict[str, Any]] = rule.get("backendRefs") or []
        copied = [ref for one in (rule, *backends) for ref in _mirrors(one)]
        for ref in (*(one for one in backends if one.get("weight", 1) != 0), *copied):
            if ref.get("kind", "Service") == "Service" and ref.get("namespace", namespace) == namespace:
                yield str(ref.get("name"))


def _mirrors(said: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for one in said.get("filters") or []:
        if mirror := (one.get("requestMirror") or {}).get("backendRef"):
            yield mirror


def calls_of(strangers: Iterable[Stranger | None], services: frozenset[str]) -> tuple[OutsideEdit, ...]:
    """Of the routes that name some of these Services of ours the newest, newest first."""
    found = [(one, sorted(one.services & services)) for one in strangers if one is not None]
    told = [
        OutsideEdit(kind=HTTP_ROUTE.kind, name=one.name, by=one.by, at=one.at, services=", ".join(names))
        for one, names in found
        if names
    ]
    return tuple(sorted(told, key=lambda one: one.at, reverse=True)[:MOST])
