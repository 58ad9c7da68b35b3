"""Manifests that say wrong things of devices, nodes and what a pod mounts: offline and to a real API server alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.operator.crd.bad import Bad, Spec, put

TPU: dict[str, Any] = {"platform": "tpu", "accelerator": "tpu-v6e-slice", "topology": "2x2"}


def pool(**fields: Any) -> Callable[[Spec], None]:
    """Set fields of the one pool."""

    def change(spec: Spec) -> None:
        spec["pools"][0] |= fields

    return change


def device(name: str, amount: Any = 1, **fields: Any) -> Callable[[Spec], None]:
    """Let its pods ask for a device."""
    return pool(template={"resources": {"limits": {name: amount}}}, **fields)


def toleration(**fields: Any) -> Callable[[Spec], None]:
    return put("pools.0.template", {"tolerations": [fields]})


BAD_PLATFORMS = [
    Bad("tpu without labels", pool(platform="tpu"), "pools[0]", "add accelerator: tpu-v6e-slice and topology: 2x2"),
    Bad(
        "tpu without a topology",
        pool(platform="tpu", accelerator="tpu-v6e-slice"),
        "pools[0]",
        "add accelerator: tpu-v6e-slice and topology: 2x2",
    ),
    Bad(
        "a slice of several hosts",
        pool(**TPU | {"topology": "4x4"}),
        "pools[0].topology",
        "must be that of one host, 1x1, 2x2, 2x4, 2x2x1",
    ),
    Bad(
        "a topology of GPUs",
        pool(platform="gpu", topology="2x2"),
        "pools[0].topology",
        "remove it, or set platform: tpu",
    ),
    Bad(
        "an accelerator of processors",
        pool(accelerator="NVIDIA-H100-80GB-HBM3"),
        "pools[0].accelerator",
        "set platform, or name the nodes in template.nodeSelector",
    ),
    Bad(
        "an accelerator that is no label",
        pool(platform="gpu", accelerator="NVIDIA H100"),
        "pools[0].accelerator",
        "must be a label's value",
    ),
    Bad(
        "an accelerator of another maker",
        device("amd.com/gpu", platform="gpu", accelerator="mi300x"),
        "pools[0].accelerator",
        "name the nodes in template.nodeSelector",
    ),
    *(
        Bad(
            f"{name} on {fields['platform']}",
            device(name, **fields),
            "pools[0].template.resources",
            f"{name}: limits name a device of another platform: remove it, or set platform to that of the device",
        )
        for name, fields in (
            ("google.com/tpu", {"platform": "gpu"}),
            ("nvidia.com/gpu", TPU),
            ("nvidia.com/mig-1g.10gb", {"platform": "trainium"}),
            ("amd.com/gpu", {"platform": "trainium"}),
            ("aws.amazon.com/neuroncore", {"platform": "gpu"}),
        )
    ),
    Bad(
        "devices past the scheduler",
        put("pools.0.template", {"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]}),
        "pools[0].template.env[0].name",
        "name devices in template.resources.limits instead",
    ),
    Bad(
        "a label with blanks",
        put("pools.0.template", {"nodeSelector": {"a b": "c"}}),
        "pools[0].template.nodeSelector",
        "a b: nodeSelector must hold labels of nodes",
    ),
    Bad(
        "a label's value with blanks",
        put("pools.0.template", {"nodeSelector": {"a": "b c"}}),
        "pools[0].template.nodeSelector",
        "must be a label's value",
    ),
    *(
        Bad(
            f"tolerates {key}",
            toleration(key=key),
            "pools[0].template.tolerations[0].key",
            "give the nodes a taint of yours and tolerate that",
        )
        for key in ("node-role.kubernetes.io/control-plane", "node.kubernetes.io/not-ready", "kubernetes.io/x")
    ),
    Bad(
        "tolerates everything",
        toleration(effect="NoSchedule"),
        "pools[0].template.tolerations[0].key",
        "is required",
        "Required value",
    ),
    Bad(
        "tolerates no effect",
        toleration(key="a", effect="Never"),
        "pools[0].template.tolerations[0].effect",
        "'NoSchedule'",
        '"NoSchedule"',
    ),
    Bad(
        "a key of a taint with blanks",
        toleration(key="a b"),
        "pools[0].template.tolerations[0].key",
        "must be the key of a node's label or taint",
    ),
    Bad(
        "spread twice",
        put("pools.0.template", {"topologySpread": [{"topologyKey": "zone"}, {"topologyKey": "zone", "maxSkew": 2}]}),
        "pools[0].template.topologySpread",
        "remove the duplicate",
        "Duplicate value",
    ),
    Bad(
        "spread over nothing",
        put("pools.0.template", {"topologySpread": [{"topologyKey": "zone", "maxSkew": 0}]}),
        "pools[0].template.topologySpread[0].maxSkew",
        "greater than or equal to 1",
    ),
    Bad(
        "a Secret twice",
        put("pools.0.template", {"pullSecrets": ["a", "a"]}),
        "pools[0].template.pullSecrets",
        "remove the duplicate",
        "Duplicate value",
    ),
    Bad(
        "a Secret of another namespace",
        put("pools.0.template", {"pullSecrets": ["kube-system/a"]}),
        "pools[0].template.pullSecrets[0]",
        "must be an object's name",
    ),
    Bad(
        "a claim that is none",
        put("pools.0.template", {"models": {"claimName": "../a"}}),
        "pools[0].template.models.claimName",
        "must be an object's name",
    ),
    Bad(
        "compiled programs nowhere",
        put("pools.0.template", {"compileCache": {}}),
        "pools[0].template.compileCache",
        "give one of them",
    ),
    Bad(
        "compiled programs at two places",
        put("pools.0.template", {"compileCache": {"claimName": "programs", "sizeLimit": "1Gi"}}),
        "pools[0].template.compileCache",
        "either claimName, for what outlasts a pod, or sizeLimit",
    ),
    Bad(
        "compiled programs in a claim of another namespace",
        put("pools.0.template", {"compileCache": {"claimName": "kube-system/a"}}),
        "pools[0].template.compileCache.claimName",
        "must be an object's name",
    ),
    Bad(
        "a volume without room",
        put("pools.0.template", {"compileCache": {"sizeLimit": 512}}),
        "pools[0].template.compileCache.sizeLimit",
        "at least 1Mi, such as 512Mi",
    ),
    Bad(
        "two places for one cache",
        put(
            "pools.0.template",
            {"compileCache": {"sizeLimit": "1Gi"}, "env": [{"name": "SAMPLER_COMPILE_CACHE", "value": "/tmp"}]},
        ),
        "pools[0].template.env",
        "remove SAMPLER_COMPILE_CACHE from env",
    ),
]
AMOUNTS_OF_PLATFORMS = [
    Bad(
        "part of a slice",
        device("google.com/tpu", 1, **TPU),
        "pools[0].template.resources",
        "leave it out, or choose another topology",
    ),
]
