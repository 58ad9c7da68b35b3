"""What a platform means to Kubernetes: the devices that a pod asks for, the nodes that have them, and their taints.

Names are those of the device plugins and of the clouds (NVIDIA's plugin and GPU feature discovery, GKE, AWS Neuron).
Taints follow the convention of ExtendedResourceToleration: the taint of a node with devices is keyed by their resource.
What a plugin or a runtime tells a container by itself (``NVIDIA_VISIBLE_DEVICES``, ``TPU_WORKER_ID``) is left to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from sampler_rollouts.domain.pool import Pool

Platform = Literal["cpu", "gpu", "tpu", "trainium"]
NVIDIA: Final = "nvidia.com/gpu"
AMD: Final = "amd.com/gpu"
TPU: Final = "google.com/tpu"
NEURON: Final = "aws.amazon.com/neuron"
BACKEND: Final = "JAX_PLATFORMS"
"""Says which devices a program computes on. Without it a program that finds none computes on the processor, slowly."""
PLUGINS_ENV: Final = ("NVIDIA_VISIBLE_DEVICES",)
"""Variables of a device plugin that would give a container devices which the scheduler has not given to its pod."""
CHIPS: Final[Mapping[str, int]] = {"1x1": 1, "2x2": 4, "2x4": 8, "2x2x1": 4}
"""Chips of a slice that is one host, by its topology. A pod must ask for all of them."""
LEAST_CORES: Final = 2
"""NeuronCores that every Trainium device has at the least (trn1); each is a device to JAX."""


@dataclass(frozen=True, slots=True)
class Device:
    """Resources of one maker: what their ``names`` begin with, their nodes' ``taint`` and JAX's ``backend``."""

    names: tuple[str, ...]
    taint: str
    backend: str

    def has(self, resource: str) -> bool:
        """Whether a resource is one of these, such as a part of a GPU: ``nvidia.com/mig-1g.10gb``."""
        return resource.startswith(self.names)


@dataclass(frozen=True, slots=True)
class Preset:
    """What a platform adds to a pod: ``device`` unless the author names another of ``devices``, and node labels."""

    device: str
    devices: tuple[Device, ...]
    accelerator: str
    topology: str = ""


PRESETS: Final[Mapping[str, Preset]] = {
    "gpu": Preset(
        NVIDIA,
        (Device((NVIDIA, "nvidia.com/mig-"), NVIDIA, "cuda"), Device((AMD,), AMD, "rocm")),
        accelerator="nvidia.com/gpu.product",
    ),
    "tpu": Preset(
        TPU,
        (Device((TPU,), TPU, "tpu"),),
        accelerator="cloud.google.com/gke-tpu-accelerator",
        topology="cloud.google.com/gke-tpu-topology",
    ),
    "trainium": Preset(
        NEURON,
        (Device((NEURON,), NEURON, "neuron"),),
        accelerator="node.kubernetes.io/instance-type",
    ),
}
"""Platform ``cpu`` has none: it adds nothing to a pod."""


def of_another(platform: str, resource: str) -> bool:
    """Whether a resource is a device of another platform; on platform ``cpu`` an author may name any."""
    others = [preset for name, preset in PRESETS.items() if platform not in ("cpu", name)]
    return any(device.has(resource) for preset in others for device in preset.devices)


def cel_of_no_other(resource: str) -> str:
    """CEL for the reverse of ``of_another``, of ``self.platform`` and a resource."""
    begun = {
        name: " || ".join(f"{resource}.startsWith('{text}')" for device in preset.devices for text in device.names)
        for name, preset in PRESETS.items()
    }
    return " && ".join(f"(self.platform == '{name}' || !({one}))" for name, one in begun.items())


def resources(pool: Pool) -> dict[str, dict[str, str]]:
    """Requests and limits of the container: the author's, and the platform's devices where he names none of them."""
    asked = pool.template.resources.model_dump(exclude_defaults=True)
    preset = PRESETS.get(pool.platform)
    if preset and not list(_named(pool, preset)):
        asked["limits"] = {**asked.get("limits", {}), preset.device: str(device_count(pool))}
    return asked


def device_count(pool: Pool) -> int:
    """How many devices a pod has unless the author says: one for each shard, the whole slice, or enough cores."""
    shards = pool.sampler.vocab_shards
    if pool.platform == "tpu":
        return CHIPS[pool.topology or "1x1"]
    return -(-shards // LEAST_CORES) if pool.platform == "trainium" else shards


def node_selector(pool: Pool) -> dict[str, str]:
    """Labels of nodes: the platform's for accelerator and topology, then the author's, which win."""
    preset = PRESETS.get(pool.platform)
    asked = {preset.accelerator: pool.accelerator, preset.topology: pool.topology} if preset else {}
    return {label: value for label, value in asked.items() if value} | pool.template.node_selector


def tolerations(pool: Pool) -> list[dict[str, Any]]:
    """Of the taints of nodes with the devices that a pod asks for; none on platform ``cpu``."""
    return [{"key": device.taint, "effect": "NoSchedule"} for device in _devices(pool)]


def environment(pool: Pool) -> dict[str, str]:
    """Variables that the author has not set himself: a server that finds no device fails, and is not just slow."""
    told = {item.name for item in pool.template.env}
    backends = [device.backend for device in _devices(pool)]
    return {BACKEND: backends[0]} if backends and BACKEND not in told else {}


def _devices(pool: Pool) -> list[Device]:
    """The devices that a pod asks for, or else the platform's usual ones."""
    preset = PRESETS.get(pool.platform)
    return (list(_named(pool, preset)) or [preset.devices[0]]) if preset else []


def _named(pool: Pool, preset: Preset) -> Iterator[Device]:
    """The devices of the platform that the author's limits name."""
    for device in preset.devices:
        if any(map(device.has, pool.template.resources.limits)):
            yield device
