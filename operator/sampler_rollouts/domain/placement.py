"""Where a pool's pods run and what they mount, as far as an author may say: of nodes, of volumes, of pull secrets.

``Placement`` is the spec's part and, read back from a recorded pod template, the record's too: what a record holds is
held to the same grammar, so that a forged one gives no pod which an author could not have (R25).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.compile_cache import NAME, CompileCache, read_volume
from sampler_rollouts.domain.rules import DNS_SUBDOMAIN, NULLS_DROPPED, Rule, Scalar, Strict, each, matching
from sampler_rollouts.domain.scalars import ObjectName

_WORD: Final = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY: Final = f"^({DNS_SUBDOMAIN}/)?{_WORD}$"
_VALUE: Final = f"^({_WORD})?$"
_VALUE_MESSAGE: Final = "must be a label's value: letters, digits, dashes, underscores and dots, such as trn2.48xlarge"
_OWN_TAINT: Final = "^([a-z0-9.-]*[.])?(kubernetes|k8s)[.]io/"
MODELS: Final = "models"
MODELS_PATH: Final = "/models"
HOSTNAME: Final = "kubernetes.io/hostname"
_TMP: Final = "tmp"

Key = Annotated[
    str,
    Field(min_length=1, max_length=317),
    matching(_KEY, "must be the key of a node's label or taint, such as example.com/pool"),
]
Value = Annotated[
    str,
    Field(min_length=1, max_length=63),
    matching(_VALUE, _VALUE_MESSAGE),
]

Labels = dict[str, Annotated[str, Field(max_length=63), matching(_VALUE, _VALUE_MESSAGE)]]


class Toleration(Strict):
    """One taint that keeps no pod of the pool away."""

    key: Annotated[
        Key,
        Scalar(
            f"!self.matches('{_OWN_TAINT}')",
            "is a taint of Kubernetes' own, which keeps pods off control planes and nodes that are not well: "
            "give the nodes a taint of yours and tolerate that",
            lambda key: re.match(_OWN_TAINT, key) is None,
        ),
    ]
    """Of the taint."""
    value: Value | None = Field(None, description="Of the taint; whatever it is, by default.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Of the taint; all of them by default."
    )


class TopologySpread(Strict):
    """How evenly a revision's pods are spread over the values of a node label."""

    topology_key: Key
    """The node label: topology.kubernetes.io/zone."""
    max_skew: Annotated[int, Field(ge=1, le=limits.REPLICAS)] = 1
    """By how many pods two values may differ."""
    when_unsatisfiable: Literal["ScheduleAnyway", "DoNotSchedule"] = "ScheduleAnyway"
    """Whether a pod that would make it more uneven runs all the same."""


class Models(Strict):
    """A volume with models, mounted at /models, read-only."""

    claim_name: ObjectName
    """The PersistentVolumeClaim, in the SamplerRollout's namespace."""


class Placement(Strict):
    """What of a pod is not its container's."""

    node_selector: Annotated[Labels, Field(max_length=limits.PLACED + limits.PRESET), NULLS_DROPPED] = Field(
        default_factory=dict
    )
    """Labels that a node must have, beside the platform's; the same label given here wins."""
    tolerations: Annotated[list[Toleration], Field(max_length=limits.PLACED + limits.PRESET)] = Field(
        default_factory=list
    )
    """Taints of nodes that keep no pod away, beside the platform's."""
    topology_spread: Annotated[
        list[TopologySpread], Field(max_length=limits.SPREADS, json_schema_extra=limits.map_by("topologyKey"))
    ] = Field(default_factory=list)
    """In place of the spread over nodes, which is wished for and not required."""
    pull_secrets: Annotated[
        list[ObjectName], Field(max_length=limits.SECRETS, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = Field(default_factory=list)
    """Secrets of the namespace by which images are pulled; no pod can read them."""
    models: Models | None = Field(None, description="Models that are not in the image.")
    compile_cache: CompileCache | None = Field(
        None, description="Where programs that a server has compiled outlast its container; none by default."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        each(
            "self.nodeSelector",
            f"one.matches('{_KEY}')",
            "nodeSelector must hold labels of nodes, such as cloud.google.com/gke-accelerator: nvidia-h100-80gb",
            lambda placement: [key for key in placement.node_selector if not re.fullmatch(_KEY.strip("^$"), key)],
            "nodeSelector",
            name="",
        ),
        Rule(
            "self.topologySpread.all(s, self.topologySpread.exists_one(t, t.topologyKey == s.topologyKey))",
            "topologySpread must name each topologyKey once: remove the duplicate",
            lambda placement: limits.unique(item.topology_key for item in placement.topology_spread),
            "topologySpread",
        ),
        Rule(
            "self.pullSecrets.all(s, self.pullSecrets.exists_one(t, t == s))",
            "pullSecrets must name each Secret once: remove the duplicate",
            lambda placement: limits.unique(placement.pull_secrets),
            "pullSecrets",
        ),
    )


ANYWHERE: Final = Placement()
_BY_HOST: Final = (TopologySpread(topologyKey=HOSTNAME),)


def mounts(placement: Placement, whose: str) -> list[dict[str, Any]]:
    """What the sampler's container mounts: a place to write, the models, and what the revision ``whose`` compiled."""
    tmp = {"name": _TMP, "mountPath": "/tmp"}  # noqa: S108 - the pod's own emptyDir
    models = [{"name": MODELS, "mountPath": MODELS_PATH, "readOnly": True}] if placement.models else []
    return [tmp, *models, *([placement.compile_cache.mount(whose)] if placement.compile_cache else [])]


def pod_fields(placement: Placement, labels: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a pod's spec; ``labels`` are those of the pods that are spread."""
    said = {
        "nodeSelector": dict(placement.node_selector),
        "tolerations": [_toleration(item) for item in placement.tolerations],
        "imagePullSecrets": [{"name": name} for name in placement.pull_secrets],
    }
    spread = placement.topology_spread or _BY_HOST
    return {
        "volumes": _volumes(placement),
        "topologySpreadConstraints": [
            {**item.model_dump(by_alias=True), "labelSelector": {"matchLabels": dict(labels)}} for item in spread
        ],
        **{name: value for name, value in said.items() if value},
    }


def _volumes(placement: Placement) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [{"name": _TMP, "emptyDir": {}}]
    if placement.models:
        claim = {"claimName": placement.models.claim_name, "readOnly": True}
        volumes.append({"name": MODELS, "persistentVolumeClaim": claim})
    return [*volumes, placement.compile_cache.volume()] if placement.compile_cache else volumes


def _toleration(item: Toleration) -> dict[str, Any]:
    said = item.model_dump(by_alias=True, exclude_none=True)
    return {**said, "operator": "Exists" if item.value is None else "Equal"}


def read_placement(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The raw Placement that would have given these fields of a pod's spec.

    Only values are looked at: whoever asks renders them again and compares. Where the fields are of another kind it
    raises AttributeError, KeyError, TypeError or ValueError.
    """
    volumes = {one.get("name"): one for one in pod["volumes"]}
    raw: dict[str, Any] = {
        "nodeSelector": dict(pod.get("nodeSelector") or {}),
        "tolerations": _without(pod.get("tolerations"), "operator"),
        "topologySpread": _without(pod["topologySpreadConstraints"], "labelSelector"),
        "pullSecrets": [one["name"] for one in pod.get("imagePullSecrets") or []],
    }
    if MODELS in volumes:
        raw["models"] = {"claimName": volumes[MODELS]["persistentVolumeClaim"]["claimName"]}
    if NAME in volumes:
        raw["compileCache"] = read_volume(volumes[NAME])
    return raw


def _without(items: Any, left_out: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in one.items() if name != left_out} for one in items or []]
