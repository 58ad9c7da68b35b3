"""Values that are objects of Kubernetes' own: the chart's schema knows the same fields as a real API server."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from local.cluster import Cluster
from tests.cluster.conftest import CHART

Node = dict[str, Any]
SCHEMA: Node = json.loads((CHART / "values.schema.json").read_text())
CORE, META, NETWORK = "io.k8s.api.core.v1", "io.k8s.apimachinery.pkg.apis.meta.v1", "io.k8s.api.networking.v1"
KINDS = {
    "toleration": f"{CORE}.Toleration",
    "affinity": f"{CORE}.Affinity",
    "affinity.nodeAffinity": f"{CORE}.NodeAffinity",
    "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution": f"{CORE}.PreferredSchedulingTerm",
    "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution": f"{CORE}.NodeSelector",
    "nodes": f"{CORE}.NodeSelectorTerm",
    "pods": f"{CORE}.PodAffinity",
    "pods.preferredDuringSchedulingIgnoredDuringExecution": f"{CORE}.WeightedPodAffinityTerm",
    "podTerm": f"{CORE}.PodAffinityTerm",
    "topologySpread": f"{CORE}.TopologySpreadConstraint",
    "labels": f"{META}.LabelSelector",
    "expressions": f"{META}.LabelSelectorRequirement",
    "resources": f"{CORE}.ResourceRequirements",
    "resources.claims": f"{CORE}.ResourceClaim",
    "peers": f"{NETWORK}.NetworkPolicyPeer",
    "peers.ipBlock": f"{NETWORK}.IPBlock",
    "files": f"{CORE}.KeyToPath",
    "volume.secret": f"{CORE}.SecretVolumeSource",
    "volume.configMap": f"{CORE}.ConfigMapVolumeSource",
    "volume.persistentVolumeClaim": f"{CORE}.PersistentVolumeClaimVolumeSource",
    "volume.emptyDir": f"{CORE}.EmptyDirVolumeSource",
    "mount": f"{CORE}.VolumeMount",
}
"""Definitions of the schema, and what an API server calls them."""


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> dict[str, Node]:
    groups = ("api/v1", "apis/networking.k8s.io/v1")
    found = [cluster.kubectl.raw(f"/openapi/v3/{group}")["components"]["schemas"] for group in groups]
    return {name: schema for schemas in found for name, schema in schemas.items()}


@pytest.mark.parametrize("ours", KINDS)
def test_the_fields_are_the_api_servers(served: dict[str, Node], ours: str) -> None:
    """A field that a newer Kubernetes adds is added to values.schema.json, or said here to be left out."""
    known, theirs = object_of(ours), served[KINDS[ours]]

    assert known["properties"].keys() == theirs["properties"].keys()
    assert set(known.get("required", ())) >= set(theirs.get("required", ()))


def test_volumes_are_some_of_the_api_servers(served: dict[str, Node]) -> None:
    assert object_of("volume")["properties"].keys() < served[f"{CORE}.Volume"]["properties"].keys()


def object_of(path: str) -> Node:
    """The object at a definition, or at a property below one; of a list, what it is a list of."""
    first, *names = path.split(".")
    return functools.reduce(
        lambda node, name: _item(node["properties"][name]), names, _item(SCHEMA["definitions"][first])
    )


def _item(node: Node) -> Node:
    found: Node = node["items"] if node.get("type") == "array" else node
    return found
