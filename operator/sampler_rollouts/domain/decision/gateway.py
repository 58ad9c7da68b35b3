"""Traffic by weights of a route: who has how much, what of that is in force, and what may therefore go (R8, R18).

With a gateway stable keeps all its pods until the rollout ends, the candidate's are added, and the HTTPRoute carries
the weights. What was written is not yet what traffic follows: that is what the gateways say they have taken over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain.decision.changes import class_name
from sampler_rollouts.domain.decision.context import begun, revision_in, weight_of
from sampler_rollouts.domain.plan import GatewayPlan, Parent
from sampler_rollouts.domain.release import child_name, digest
from sampler_rollouts.domain.render import Child
from sampler_rollouts.domain.render_route import ClassRule, http_route
from sampler_rollouts.domain.status import Stage

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.outcome import Manifest
    from sampler_rollouts.domain.resource import Spec

FINENESS: Final = 1000
"""Units of weight for each replica of a pool: 200 replicas stay far below the API's 1,000,000."""

_BY_STEPS: Final = frozenset({Stage.PROGRESSING, Stage.HOLDING, Stage.RESTORING})
"""A candidate has what its step says, beside stable. Otherwise what is ready serves."""


def note_gateway(turn: Turn) -> None:
    """Remember what the spec says of the gateway, for as long as users of a release come through one."""
    status, wish = turn.status, turn.wish
    spec_gateway = wish.spec.gateway if wish else None
    if wish and spec_gateway:
        status.gateway = _said(wish.spec, status.gateway or GatewayPlan())
    plan = status.gateway
    if plan is None:
        return
    used = any(release.gateway for release in (status.stable, status.candidate) if release)
    plan.ended = wish is not None and spec_gateway is None and not used
    if plan.ended and turn.seen.route is None:
        status.gateway = None
        return
    if status.rollout:
        plan.epoch = max(plan.epoch, int(status.rollout.started_at.timestamp()))
    waits = not plan.ended and turn.seen.route is not None and not turn.seen.route.current
    plan.behind_since = (plan.behind_since or turn.now) if waits else None


def _said(spec: Spec, before: GatewayPlan) -> GatewayPlan:
    gateway = spec.gateway
    parents = gateway.parent_refs if gateway else []
    return before.model_copy(
        update={
            "parent_refs": [
                Parent(name=one.name, namespace=one.namespace or "", section_name=one.section_name or "")
                for one in parents
            ],
            "hostnames": list(gateway.hostnames or []) if gateway else [],
            "classes": list(spec.class_sizes),
            "sticky": spec.routing is not None and spec.routing.session is not None,
        }
    )


def routed(turn: Turn) -> bool:
    """Whether the HTTPRoute carries the weights; otherwise a pool's share is its ready pods."""
    return turn.status.gateway is not None and not turn.status.gateway.ended


def calls_services(turn: Turn) -> bool:
    """Whether users call the Service of a class: also those of a release from before there was a gateway."""
    if not routed(turn):
        return True
    wished = turn.wish is not None and turn.wish.spec.gateway is None
    return wished or any(not release.gateway for release in (turn.status.stable, turn.status.candidate) if release)


def name_of(turn: Turn, child: Child) -> str:
    """The Service of a revision."""
    return child_name(turn.meta.name, child.pool, child.revision)


def weights(turn: Turn, plan: dict[Child, int]) -> dict[Child, int]:
    """The weights that the route is to have now; a revision that is not named has none."""
    found: dict[Child, int] = {}
    for children in _by_class(turn, plan).values():
        shares = {child: share for pool in _pools(children) for child, share in _in_pool(turn, plan, pool).items()}
        # Where nothing is ready there is nowhere else to go: the gateway says so to those who ask.
        found |= shares or {child: max(1, plan[child]) for child in children if _stays(turn, child)}
    return found


def _stays(turn: Turn, child: Child) -> bool:
    """Whether a revision is of the release that serves, or is to serve where nothing does."""
    staying = turn.status.stable or turn.status.candidate
    return revision_in(staying, child.pool) in ("", child.revision)


def _pools(children: list[Child]) -> list[str]:
    return list(dict.fromkeys(child.pool for child in children))


def _by_class(turn: Turn, plan: dict[Child, int]) -> dict[str, list[Child]]:
    """Wanted revisions by context class: first the spec's classes in its order, then those of other releases."""
    known = turn.status.gateway.classes if turn.status.gateway else []
    found: dict[str, list[Child]] = {name: [] for name in known}
    for child in plan:
        found.setdefault(class_name(turn, child), []).append(child)
    return {name: children for name, children in found.items() if children}


def _in_pool(turn: Turn, plan: dict[Child, int], pool: str) -> dict[Child, int]:
    """A pool's weight is its replicas, divided between its revisions; none where nothing is ready."""
    ready = {child: _serves(turn, child, most) for child, most in plan.items() if child.pool == pool}
    here = {child: count for child, count in ready.items() if count > 0}
    new, old = (Child(pool, revision_in(release, pool)) for release in (turn.status.candidate, turn.status.stable))
    share = _step_share(turn, pool)
    if share is not None and new in here and old in here and new != old:
        # As long as not all of the candidate's pods are ready, none of them is to have more than its part.
        part = share * min(1.0, here[new] / plan[new])
        fractions = {new: part, old: 1 - part}
    else:
        fractions = {child: count / sum(here.values()) for child, count in here.items()}
    whole = turn.replicas(pool) * FINENESS
    return {child: max(1, round(whole * part)) for child, part in fractions.items() if part > 0}


def _step_share(turn: Turn, pool: str) -> float | None:
    rollout = turn.status.rollout
    if rollout is None or turn.status.stage not in _BY_STEPS or pool not in begun(rollout):
        return None
    return weight_of(rollout, pool) / 100


def _serves(turn: Turn, child: Child, most: int) -> int:
    """Ready pods that count; a candidate whose Service is not there cannot be routed to."""
    stays = child.revision == revision_in(turn.status.stable, child.pool)
    reachable = stays or name_of(turn, child) in turn.seen.services
    return min(most, turn.ready(child.pool, child.revision)) if reachable else 0


def route_manifest(turn: Turn, plan: dict[Child, int]) -> Manifest | None:
    """The HTTPRoute that there is to be; None while nothing is wanted, or nobody comes through one."""
    gateway = turn.status.gateway
    if gateway is None or gateway.ended or not plan:
        return None
    wanted = weights(turn, plan)
    rules = [
        ClassRule(name, {name_of(turn, child): wanted[child] for child in children if child in wanted})
        for name, children in _by_class(turn, plan).items()
    ]
    return http_route(turn.meta.owner, gateway, rules, route_hash(turn))


def route_hash(turn: Turn) -> str:
    """The hash of the route table: which pools there are for which class, in the release that is to serve."""
    release = turn.status.candidate or turn.status.stable
    table: dict[str, list[str]] = {}
    for item in release.pools if release else []:
        table.setdefault(class_name(turn, Child(item.name, item.revision)), []).append(item.name)
    return digest({name: sorted(pools) for name, pools in table.items()})


def in_force(turn: Turn, plan: dict[Child, int], pool: str = "") -> bool:
    """Whether traffic follows the weights that are wanted now, in one pool or in all."""
    live = turn.seen.route
    if live is None or not live.current:
        return False
    wanted = {name_of(turn, child): weight for child, weight in weights(turn, plan).items() if pool in ("", child.pool)}
    seen = {name: weight for name, weight in live.weights.items() if not pool or name in _names_in(turn, pool, wanted)}
    return seen == wanted


def _names_in(turn: Turn, pool: str, wanted: dict[str, int]) -> set[str]:
    """Services of a pool: those that are to have traffic, and those whose pods are there."""
    there = {item.revision for item in turn.seen.workloads if item.pool == pool}
    return {*wanted, *(name_of(turn, Child(pool, revision)) for revision in there)}


def observed_share(turn: Turn, pool: str) -> float | None:
    """The candidate's share of a pool's requests by the route that is in force; None while none is."""
    live = turn.seen.route
    if live is None or not live.current:
        return None
    new = name_of(turn, Child(pool, revision_in(turn.status.candidate, pool)))
    here = _names_in(turn, pool, {new: 0})
    total = sum(weight for name, weight in live.weights.items() if name in here)
    return live.weights.get(new, 0) / total if total else 0.0


def may_be_asked(turn: Turn, child: Child) -> bool:
    """Whether a gateway may still send requests to a revision: then neither its pods nor its Service may go (R18).

    What a gateway that has not taken over the route as it is sends where, nobody knows.
    """
    live = turn.seen.route
    if not routed(turn) or live is None:
        return False
    return not live.current or name_of(turn, child) in live.weights
