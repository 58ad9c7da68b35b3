"""Traffic by weights of a route: who has how much, what of that is in force, and what may therefore go (R8, R18).

With a gateway stable keeps all its pods until the rollout ends, the candidate's are added, and the HTTPRoute carries
the weights. What was written is not yet what traffic follows: that is what the gateways say they have taken over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision.changes import class_names
from sampler_rollouts.domain.decision.context import met_since, revision_in
from sampler_rollouts.domain.decision.route_rules import class_rules, lent, name_of, route_hash, table_release
from sampler_rollouts.domain.decision.stages import COMPARING, LEAVING
from sampler_rollouts.domain.render import Child
from sampler_rollouts.domain.render_route import header, http_route, total_weights
from sampler_rollouts.domain.route_plan import GatewayPlan, Parent

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.outcome import Manifest
    from sampler_rollouts.domain.render_route import ClassRule
    from sampler_rollouts.domain.resource import Spec


def note_gateway(turn: Turn) -> None:
    """Remember what the spec says of the gateway, for as long as users of a release come through one."""
    status, wish = turn.status, turn.wish
    spec_gateway = wish.spec.gateway if wish else None
    if wish and spec_gateway:
        status.gateway = _said(turn, wish.spec, status.gateway or GatewayPlan())
    plan = status.gateway
    if plan is None:
        return
    used = any(release.gateway for release in (status.stable, status.candidate) if release)
    plan.ended = wish is not None and spec_gateway is None and not used
    if plan.ended and turn.seen.route is None:
        status.gateway = None
        return
    if status.rollout:
        plan.epoch = max(plan.epoch, int(met_since(status.rollout).timestamp()))
    _note_told(turn, plan)
    waits = not plan.ended and turn.seen.route is not None and not turn.seen.route.current
    plan.behind_since = (plan.behind_since or turn.now) if waits else None


def _note_told(turn: Turn, plan: GatewayPlan) -> None:
    """Servers count by what stands at the rule, so that a table which comes back is none that they have never heard."""
    told = route_hash(turn, table_release(turn))
    if turn.status.stable is not None and told not in plan.told:
        plan.told = [told, *plan.told][: limits.TOLD]


def _said(turn: Turn, spec: Spec, before: GatewayPlan) -> GatewayPlan:
    gateway = spec.gateway
    parents = gateway.parent_refs if gateway else []
    return before.model_copy(
        update={
            "parent_refs": [
                Parent(name=one.name, namespace=one.namespace or "", section_name=one.section_name or "")
                for one in parents
            ],
            "hostnames": list(gateway.hostnames or []) if gateway else [],
            "classes": _default_first(turn, list(spec.class_sizes), before.classes[:1]),
            "sticky": _sticky(turn, spec),
        }
    )


def _sticky(turn: Turn, spec: Spec) -> bool:
    """Whether sessions stick. It says which requests are checked, so that it stays while two arms are compared (R3)."""
    known = turn.status.gateway
    if known is not None and turn.status.stage in COMPARING:
        return known.sticky
    return spec.sticks


def _default_first(turn: Turn, wanted: list[str], before: list[str]) -> list[str]:
    """The spec's classes, but first the one that has the requests without a class (R11).

    No edit moves those: the order is no part of a release, so that no gate would see them go. They stay with the class
    that had them as long as stable serves it, and then go to the first one of the spec that stable serves.
    """
    stable = turn.status.stable
    if stable is None:
        return wanted
    serving = class_names(turn, [Child(item.name, item.revision) for item in stable.pools])
    default = next((name for name in [*before, *wanted] if name in serving), None)
    return wanted if default is None else [default, *(name for name in wanted if name != default)]


def routed(turn: Turn) -> bool:
    """Whether the HTTPRoute carries the weights; otherwise a pool's share is its ready pods."""
    return turn.status.routed


def calls_services(turn: Turn) -> bool:
    """Whether users call the Service of a class: also those of a release from before there was a gateway."""
    if not routed(turn):
        return True
    wished = turn.wish is not None and turn.wish.spec.gateway is None
    return wished or any(not release.gateway for release in (turn.status.stable, turn.status.candidate) if release)


def route_manifest(turn: Turn, plan: dict[Child, int]) -> Manifest | None:
    """The HTTPRoute that there is to be; None while nothing is wanted, or nobody comes through one."""
    gateway = turn.status.gateway
    if gateway is None or gateway.ended or not plan:
        return None
    told = route_hash(turn, table_release(turn))
    return http_route(turn.meta.owner, gateway, class_rules(turn, plan), told)


def arms_in_force(turn: Turn, plan: dict[Child, int]) -> bool:
    """Whether the gateways have both tables' backends as they are wanted now, with requests or without (R8, R11)."""
    live, gateway = turn.seen.route, turn.status.gateway
    if live is None or not live.current or gateway is None:
        return False
    rules = class_rules(turn, plan)
    active, idle = (_arms(gateway, [rule for rule in rules if rule.idle is idle]) for idle in (False, True))
    # On the way back a table that nobody serves is gone as soon as no gateway names it.
    named = bool(active or idle) or turn.status.stage in LEAVING
    return named and (dict(live.arms), dict(live.idle_arms)) == (active, idle)


def _arms(gateway: GatewayPlan, rules: Iterable[ClassRule]) -> dict[tuple[str, str], int]:
    """By what requests are told and by Service; empty while one table serves."""
    found: dict[tuple[str, str], int] = {}
    for one in (one for rule in rules for one in rule.arms):
        key = header(gateway, one.route_hash), one.name
        found[key] = found.get(key, 0) + one.weight
    return found


def in_force(turn: Turn, plan: dict[Child, int], pool: str = "") -> bool:
    """Whether traffic follows the weights that are wanted now, in one pool or in all."""
    live = turn.seen.route
    if live is None or not live.current:
        return False
    wanted = total_weights(class_rules(turn, plan))
    if not pool:
        return dict(live.weights) == wanted
    names = _names_in(turn, pool, [child.revision for child in plan if child.pool == pool])
    return _only(live.weights, names) == _only(wanted, names)


def _only(weights: Mapping[str, int], names: set[str]) -> dict[str, int]:
    return {name: weight for name, weight in weights.items() if name in names}


def _names_in(turn: Turn, pool: str, revisions: Iterable[str]) -> set[str]:
    """Services of a pool: those that are to have traffic, and those whose pods are there."""
    there = {item.revision for item in turn.seen.workloads if item.pool == pool}
    return {name_of(turn, Child(pool, revision)) for revision in {*there, *revisions}}


def observed_share(turn: Turn, pool: str) -> float | None:
    """The candidate's share of a pool's requests by the route that is in force; None while none is."""
    live = turn.seen.route
    if live is None or not live.current:
        return None
    revision = revision_in(turn.status.candidate, pool)
    new, here = name_of(turn, Child(pool, revision)), _names_in(turn, pool, [revision])
    total = sum(weight for name, weight in live.weights.items() if name in here)
    return live.weights.get(new, 0) / total if total else 0.0


def lends(turn: Turn, plan: dict[Child, int]) -> list[str]:
    """Classes that a release which leaves still serves, as nothing is ready where stable's table sends them (R18)."""
    return lent(turn, plan) if routed(turn) else []


def may_be_asked(turn: Turn, child: Child) -> bool:
    """Whether a gateway may still send requests to a revision: then neither its pods nor its Service may go (R18).

    What a gateway that has not taken over the route as it is sends where, nobody knows.
    """
    live = turn.seen.route
    if not routed(turn) or live is None:
        return False
    return not live.current or name_of(turn, child) in live.named
