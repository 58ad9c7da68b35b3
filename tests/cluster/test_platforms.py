"""The real scheduler binds every platform's pods where they belong and nowhere else.

The nodes are fake (``tests/support/fake_nodes.py``): a pod that is bound there never runs, so that all that is asked is
``spec.nodeName``. The pods are those that the operator's process makes of a SamplerRollout.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sampler_rollouts.cluster.transport import KubernetesApi

from local.cluster import Cluster
from tests.cluster.nodes import FakeNodes
from tests.cluster.operator_process import Operator
from tests.support.definition import install_crd
from tests.support.fake_nodes import CLAIM, PLACES, spec
from tests.support.waiting import wait_for

NAMESPACE = "platforms"
VOLUME = "platforms-models"
Obj = dict[str, Any]
WANTED = {pool["name"]: (pool["replicas"], nodes) for pool, nodes in PLACES}


@pytest.fixture(scope="module")
def server(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with our CRDs, a namespace of this module, and a volume that a claim of it is bound to."""
    install_crd(cluster)
    _away(cluster, wait=True)
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": _volume()}))
    yield cluster
    _away(cluster, wait=False)


@pytest.fixture
def nodes(server: Cluster) -> Iterator[FakeNodes]:
    """The fake nodes, until the test ends: they go before anything else could be meant for them."""
    api = KubernetesApi()
    made = FakeNodes(api)
    try:
        made.create()
        yield made
    finally:
        made.delete()
        api.close()


@pytest.fixture
def operator(server: Cluster, nodes: FakeNodes, tmp_path: Path) -> Iterator[Operator]:
    started = Operator(tmp_path / "operator.log", "--resync", "600", namespace=NAMESPACE)
    yield started
    started.end()


def _volume() -> list[Obj]:
    """No node asks for it before it mounts it, and none ever does."""
    size, modes = {"storage": "1Gi"}, ["ReadOnlyMany"]
    kept = {"accessModes": modes, "storageClassName": "", "volumeMode": "Filesystem"}
    source = {"nfs": {"server": "nfs.invalid", "path": "/models", "readOnly": True}}
    claimed = {"claimRef": {"namespace": NAMESPACE, "name": CLAIM}, "persistentVolumeReclaimPolicy": "Retain"}
    volume = {"kind": "PersistentVolume", "metadata": {"name": VOLUME}}
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM, "namespace": NAMESPACE}}
    return [
        {"apiVersion": "v1", **volume, "spec": {**kept, **source, **claimed, "capacity": size}},
        {"apiVersion": "v1", **claim, "spec": {**kept, "volumeName": VOLUME, "resources": {"requests": size}}},
    ]


def _away(cluster: Cluster, *, wait: bool) -> None:
    """Nobody ends a pod that is bound to a fake node but by force; before that, what would make another one goes."""
    where = ("-n", NAMESPACE, "--ignore-not-found")
    cluster.kubectl("delete", "samplerrollouts,deployments", "--all", *where)
    wait_for("no ReplicaSet is left", lambda: not _listed(cluster, "replicasets"), timeout=30)
    cluster.kubectl("delete", "pods", "--all", "--grace-period=0", "--force", *where)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", f"--wait={str(wait).lower()}")
    cluster.kubectl("delete", "persistentvolume", VOLUME, "--ignore-not-found", "--wait=false")


def _listed(cluster: Cluster, kind: str) -> list[Obj]:
    items: list[Obj] = cluster.kubectl.get(kind, namespace=NAMESPACE)["items"]
    return items


def places(cluster: Cluster) -> dict[str, list[str]]:
    """The nodes of each pool's pods; an empty one for a pod that the scheduler has found no node for."""
    found: dict[str, list[str]] = {name: [] for name in WANTED}
    for pod in _listed(cluster, "pods"):
        node, conditions = pod["spec"].get("nodeName"), pod["status"].get("conditions", [])
        refused = [one for one in conditions if one["type"] == "PodScheduled" and one.get("reason") == "Unschedulable"]
        if node or refused:
            found[pod["metadata"]["labels"]["samplerrollouts.io/pool"]].append(node or "")
    return found


def test_pods_of_every_platform_are_bound_where_they_belong_and_nowhere_else(
    server: Cluster, nodes: FakeNodes, operator: Operator
) -> None:
    metadata = {"name": "everywhere", "namespace": NAMESPACE}
    body = {"apiVersion": "samplerrollouts.io/v1alpha1", "kind": "SamplerRollout", "metadata": metadata, "spec": spec()}
    server.kubectl("apply", "-f", "-", stdin=json.dumps(body))

    def judged() -> dict[str, list[str]]:
        nodes.beat()
        found = places(server)
        return found if all(len(found[name]) == replicas for name, (replicas, _) in WANTED.items()) else {}

    found = wait_for("the scheduler has judged every pod", judged, timeout=60)
    wrong = {
        name: where
        for name, where in found.items()
        if not set(where) <= (WANTED[name][1] or {""}) or len(where) != WANTED[name][0]
    }
    assert wrong == {}, f"pods on the wrong nodes, by pool; what the operator said: {operator.said('applied')[-3:]}"
