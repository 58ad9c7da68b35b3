"""Every series that the operator exposes in a rollout and its rollback, and those that samplers expose."""

from __future__ import annotations

import re
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
    told = _told()
    PostTelemetry(telemetry.registry, told.receivers).watch(Deliveries(told))
    await begin_bad(world)
    found: dict[str, list[Labels]] = {}
    while not world.status.get("failed"):
        await world.turn()
        _note(telemetry, found)
    return found


def from_the_start() -> frozenset[str]:
    """Names of the series that an operator exposes before anything has happened."""
    telemetry, told = Telemetry(), _told()
    PostTelemetry(telemetry.registry, told.receivers)
    found: dict[str, list[Labels]] = {}
    _note(telemetry, found)
    return frozenset(found)


OFTEN = frozenset({"sampler_rollouts_metrics_source_reads_total"})
"""Counters that begin with their first event, and rise at each look from then on: the first one is missed, no other."""


def unseen_beginnings(query: str) -> list[str]:
    """Counters of which a query asks the increase alone, and that begin at 1: of what happens once it says nothing."""
    asked = re.findall(r"(?:increase|rate)\((sampler_rollouts_\w+_total)[^)]*\[\d+[mh]\]\)", query)
    whole = OFTEN | from_the_start() | set(re.findall(r"or last_over_time\((\w+)", query))
    return [name for name in asked if name not in whole]


def _told() -> Notifications:
    return Notifications.model_validate({"receivers": {"a": {"format": "PagerDuty", "routingKeyFile": "/key"}}})


def _note(telemetry: Telemetry, found: dict[str, list[Labels]]) -> None:
    for family in text_string_to_metric_families(telemetry.exposition().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)


def of_samplers() -> frozenset[str]:
    """By name, as the contract has them."""
    names = (value for module in (contract, latency) for value in vars(module).values() if isinstance(value, str))
    plain = {name for name in names if name.startswith("sampler_")}
    return frozenset(plain | {name + latency.BUCKET for name in plain if name.endswith("_seconds")})
