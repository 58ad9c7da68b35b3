"""Every series that the operator exposes in a rollout and its rollback, and those that samplers expose."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import quality_contract as contract
from prometheus_client.parser import text_string_to_metric_families
from quality_contract import latency
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.domain.receivers import Notifications
from sampler_rollouts.handlers.loop import ReconcileLoop
from sampler_rollouts.handlers.post_telemetry import PostTelemetry
from sampler_rollouts.handlers.telemetry import Telemetry
from sampler_rollouts.reconcile.deliveries import Deliveries
from sampler_rollouts.reconcile.reconciler import Reconciler
from sampler_rollouts.reconcile.sampling import BoundedMetrics

from tests.unit.operator.reconcile.world import Inline, World, begin_bad

Labels = dict[str, str]


class _Queue(list[str]):
    working = 0


async def of_operator() -> dict[str, list[Labels]]:
    """The label sets of every series, by name."""
    telemetry, world = Telemetry(), World()
    metrics = BoundedMetrics(world.traffic, ["default"], time_limit=1.0, observer=telemetry)
    metrics._threads = {"": Inline(), "default": Inline()}  # type: ignore[dict-item]
    world.reconciler = Reconciler(KubernetesCluster(world.api), metrics, Inline(), world.clock, telemetry)
    # Of the loop only its figures are asked for.
    telemetry.watch(cast("ReconcileLoop", SimpleNamespace(queue=_Queue(), synced_for=lambda: 1.0)))
    telemetry.ended("success", 0.1)
    told = Notifications.model_validate({"receivers": {"a": {"format": "PagerDuty", "routingKeyFile": "/key"}}})
    PostTelemetry(telemetry.registry, told.receivers).watch(Deliveries(told))
    await begin_bad(world)
    found: dict[str, list[Labels]] = {}
    while not world.status.get("failed"):
        await world.turn()
        _note(telemetry, found)
    return found


def _note(telemetry: Telemetry, found: dict[str, list[Labels]]) -> None:
    for family in text_string_to_metric_families(telemetry.exposition().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)


def of_samplers() -> frozenset[str]:
    """By name, as the contract has them."""
    names = (value for module in (contract, latency) for value in vars(module).values() if isinstance(value, str))
    plain = {name for name in names if name.startswith("sampler_")}
    return frozenset(plain | {name + latency.BUCKET for name in plain if name.endswith("_seconds")})
