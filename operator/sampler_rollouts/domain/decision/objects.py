"""The complete set of children that are wanted, as manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampler_rollouts.domain import render
from sampler_rollouts.domain.decision import gateway
from sampler_rollouts.domain.decision.changes import class_names, template_of
from sampler_rollouts.domain.decision.context import revision_in
from sampler_rollouts.domain.decision.examined import awaited
from sampler_rollouts.domain.decision.preflight import preflight_manifests
from sampler_rollouts.domain.decision.probing import probe_manifests
from sampler_rollouts.domain.decision.route_rules import name_of
from sampler_rollouts.domain.decision.scaling import scale_manifests
from sampler_rollouts.domain.release import child_name
from sampler_rollouts.domain.render_standby import standby_deployment

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.decision.warm import Warm
    from sampler_rollouts.domain.outcome import Manifest


def manifests(turn: Turn, plan: dict[render.Child, int], beside: Warm) -> tuple[tuple[Manifest, ...], frozenset[str]]:
    """Records, Services and route before Deployments, stable before candidate; and the names to leave alone."""
    owner = turn.meta.owner
    records: list[Manifest] = []
    entrances = class_names(turn, list(plan)) if gateway.calls_services(turn) else []
    services = [render.class_service(owner, name) for name in entrances]
    deployments: list[Manifest] = []
    keep: set[str] = set()
    for child, replicas in (plan | beside.kept).items():
        template = template_of(turn, child)
        if template is None:
            keep.add(child_name(owner.name, child.pool, child.revision))
            continue
        records.append(render.controller_revision(owner, child, template))
        services.append(render.revision_service(owner, child, template))
        if child not in beside.kept or not gateway.may_be_asked(turn, child):
            stable = revision_in(turn.status.stable, child.pool) == child.revision
            deployments.append(render.deployment(owner, child, template, replicas, stable=stable))
    deployments += _standbys(turn, beside)
    budgets = _budgets(turn, plan)
    turn.status.budgets = bool(budgets) or turn.seen.budgets
    scales = scale_manifests(turn)
    turn.status.scales = bool(scales) or turn.seen.scales
    without_pods = ((child, template_of(turn, child)) for child in _remembered(turn, plan | beside.kept))
    records += [render.controller_revision(owner, child, template) for child, template in without_pods if template]
    if keep:
        # Which of them a lost record's pods belong to is not known.
        keep |= _class_services_seen(turn) - {service["metadata"]["name"] for service in services}
    keep |= {name_of(turn, child) for child in _still_asked(turn, plan)}
    route = gateway.route_manifest(turn, plan)
    # The route before the Deployments: who loses pods has lost the requests before.
    routes = (route,) if route else ()
    others = (*preflight_manifests(turn), *probe_manifests(turn, plan))
    return (*records, *services, *routes, *deployments, *budgets, *scales, *others), frozenset(keep)


def _standbys(turn: Turn, beside: Warm) -> list[Manifest]:
    found = ((child, count, template_of(turn, child)) for child, count in beside.standbys.items())
    return [standby_deployment(turn.meta.owner, child, one, count) for child, count, one in found if one]


def _budgets(turn: Turn, plan: dict[render.Child, int]) -> list[Manifest]:
    """One for each revision that serves, where its pool has one; not for what is only kept warm."""
    found = ((child, template_of(turn, child), turn.pool(child.pool).max_unavailable) for child in plan if plan[child])
    return [render.disruption_budget(turn.meta.owner, child, one, most) for child, one, most in found if one and most]


def _still_asked(turn: Turn, plan: dict[render.Child, int]) -> list[render.Child]:
    """Revisions that are not wanted, and to which a gateway may still send requests."""
    there = (render.Child(item.pool, item.revision) for item in turn.seen.workloads if item.made)
    return [child for child in there if child not in plan and gateway.may_be_asked(turn, child)]


def _class_services_seen(turn: Turn) -> set[str]:
    return {name for name, selector in turn.seen.services.items() if render.LABEL_POOL not in selector}


def _remembered(turn: Turn, plan: dict[render.Child, int]) -> list[render.Child]:
    """Revisions without pods that have a record: a release that may come back must come back as it was.

    And what is examined gets one before it has servers: a spec that cannot be read must not end that.
    """
    status, rollout = turn.status, turn.status.rollout
    leftovers = rollout.leftovers if rollout else []
    roles = (status.stable, status.candidate, status.verified, status.previous, *leftovers)
    pools = [item for release in roles if release for item in release.pools]
    children = dict.fromkeys(render.Child(item.name, item.revision) for item in pools)
    examined = awaited(turn.status)
    return [
        child for child in children if child not in plan and (child.key in turn.seen.templates or child in examined)
    ]
