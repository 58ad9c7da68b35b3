"""Applying as a reconcile does: children are read once, then each object is applied."""

from __future__ import annotations

from typing import Any

from sampler_rollouts.cluster.adapter import KubernetesCluster

Obj = dict[str, Any]


def apply_all(cluster: KubernetesCluster, rollout: Obj, *wanted: Obj) -> list[bool]:
    children = cluster.children(rollout)
    return [cluster.apply(rollout, item, children) for item in wanted]
