"""Nodes with devices that no machine here has, pools that want them, and which node each pool's pods may be on.

The nodes differ in one thing at a time, so that a preset that forgets one of them lets a pod on the wrong node: another
product, another topology, a host of a larger slice, another maker. What is said of them is what GKE, NVIDIA's feature
discovery and AWS say of theirs. No pod ever runs there: only a kubelet could.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

FAKE: Final = "samplers.example.com/fake"
"""Label and taint of all of them: no pod of another test gets there, and pods for any node stay off the real one."""
GPU: Final = "nvidia.com/gpu"
TPU: Final = "google.com/tpu"
NEURON: Final = "aws.amazon.com/neuron"
PRODUCT: Final = "nvidia.com/gpu.product"
H100: Final = "NVIDIA-H100-80GB-HBM3"
IMAGE: Final = f"registry.invalid/sampler@sha256:{'a' * 64}"
CLAIM: Final = "models"
Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FakeNode:
    """A node by its labels, taints (key to value) and devices."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Mapping[str, str] = field(default_factory=dict)
    devices: Mapping[str, int] = field(default_factory=dict)

    def body(self) -> Obj:
        """The object without its status."""
        named = {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", FAKE: "true"}
        taints = {FAKE: "true", **self.taints}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": {**named, **self.labels}},
            "spec": {"taints": [{"key": k, "value": v, "effect": "NoSchedule"} for k, v in taints.items()]},
        }

    def allocatable(self) -> dict[str, str]:
        """What its pods can ask for."""
        usual = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "100Gi", "pods": "110"}
        return {**usual, **{name: str(count) for name, count in self.devices.items()}}


def _tpu(name: str, kind: str, topology: str, chips: int) -> FakeNode:
    labels = {"cloud.google.com/gke-tpu-accelerator": kind, "cloud.google.com/gke-tpu-topology": topology}
    return FakeNode(name, labels, {TPU: "present"}, {TPU: chips})


def _neuron(name: str, instance: str) -> FakeNode:
    devices = {NEURON: 16, f"{NEURON}core": 32}
    return FakeNode(name, {"node.kubernetes.io/instance-type": instance}, {NEURON: "true"}, devices)


NODES: Final = (
    FakeNode("fake-cpu"),
    FakeNode("fake-h100", {PRODUCT: H100}, {GPU: "present"}, {GPU: 8}),
    FakeNode("fake-a100", {PRODUCT: "NVIDIA-A100-SXM4-80GB"}, {GPU: "present"}, {GPU: 8}),
    FakeNode("fake-mig", {PRODUCT: f"{H100}-MIG-1g.10gb"}, {GPU: "present"}, {"nvidia.com/mig-1g.10gb": 7}),
    FakeNode("fake-amd", {}, {"amd.com/gpu": "present"}, {"amd.com/gpu": 8}),
    _tpu("fake-v6e-2x2-a", "tpu-v6e-slice", "2x2", 4),
    _tpu("fake-v6e-2x2-b", "tpu-v6e-slice", "2x2", 4),
    _tpu("fake-v6e-2x4", "tpu-v6e-slice", "2x4", 8),
    _tpu("fake-v6e-half-of-2x4", "tpu-v6e-slice", "2x4", 4),
    _tpu("fake-v5e-2x2", "tpu-v5-lite-podslice", "2x2", 4),
    _tpu("fake-v5p-2x2x1", "tpu-v5p-slice", "2x2x1", 4),
    _neuron("fake-trn1", "trn1.32xlarge"),
    _neuron("fake-trn2", "trn2.48xlarge"),
)


def _pool(name: str, platform: str, *, replicas: int = 1, template: Obj | None = None, **more: Any) -> Obj:
    tolerated = {"tolerations": [{"key": FAKE, "effect": "NoSchedule"}]}
    said = {"name": name, "platform": platform, "replicas": replicas, "image": IMAGE}
    return {**said, "template": {**tolerated, **(template or {})}, **more}


def _limits(**asked: Any) -> Obj:
    return {"resources": {"limits": asked}}


_V6E: Final = {"accelerator": "tpu-v6e-slice"}
PLACES: Final[tuple[tuple[Obj, frozenset[str]], ...]] = tuple(
    (pool, frozenset(f"fake-{name}" for name in names))
    for pool, names in (
        (_pool("cpu", "cpu", replicas=2, template={"nodeSelector": {FAKE: "true"}}), ("cpu",)),
        (_pool("gpu", "gpu", replicas=2), ("h100", "a100")),
        (_pool("h100", "gpu", accelerator=H100, sampler={"vocabShards": 4}), ("h100",)),
        (_pool("gpu-models", "gpu", accelerator=H100, template={"models": {"claimName": CLAIM}}), ("h100",)),
        (_pool("mig", "gpu", template=_limits(**{"nvidia.com/mig-1g.10gb": 1})), ("mig",)),
        (_pool("amd", "gpu", template=_limits(**{"amd.com/gpu": 1})), ("amd",)),
        (_pool("v6e-2x2", "tpu", replicas=2, topology="2x2", **_V6E), ("v6e-2x2-a", "v6e-2x2-b")),
        (_pool("v6e-2x4", "tpu", topology="2x4", **_V6E), ("v6e-2x4",)),
        (_pool("v5e", "tpu", topology="2x2", accelerator="tpu-v5-lite-podslice"), ("v5e-2x2",)),
        (_pool("v5p", "tpu", topology="2x2x1", accelerator="tpu-v5p-slice"), ("v5p-2x2x1",)),
        (_pool("trn", "trainium", replicas=2), ("trn1", "trn2")),
        (_pool("trn2", "trainium", accelerator="trn2.48xlarge", sampler={"vocabShards": 4}), ("trn2",)),
        (_pool("trn-cores", "trainium", template=_limits(**{f"{NEURON}core": 4})), ("trn1", "trn2")),
        (_pool("no-such-gpu", "gpu", accelerator="NVIDIA-H200"), ()),
        (_pool("no-such-slice", "tpu", topology="1x1", **_V6E), ()),
    )
)
"""A pool of the spec, and the nodes on which its pods may be: none means that they must wait."""


def spec() -> Obj:
    """A spec of all of them."""
    return {"pools": [pool for pool, _ in PLACES], "quality": {"designEffect": "1"}}
