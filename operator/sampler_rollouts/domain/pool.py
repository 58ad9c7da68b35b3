"""The parts of a SamplerRollout's spec that describe pods: scalars, pod template, sampler settings, pool."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from sampler_rollouts.domain import limits, platforms
from sampler_rollouts.domain.compile_cache import VARIABLE
from sampler_rollouts.domain.placement import Labels, Placement, Toleration, Value
from sampler_rollouts.domain.quantities import quantity
from sampler_rollouts.domain.rules import (
    CLOSED_RATIO,
    NULLS_DROPPED,
    OPEN_RATIO,
    Rule,
    Scalar,
    Strict,
    duration_rule,
    each,
    matching,
)
from sampler_rollouts.domain.scalars import Quantity, cel_amount

ALWAYS_SET_ENV: Final = (
    "SAMPLER_REVISION", "SAMPLER_POOL", "SAMPLER_ROLLOUT", "POD_NAME",
    "SAMPLER_PRECISION", "SAMPLER_AUDIT_SHARE", "SAMPLER_DRAIN_TIMEOUT",
)  # fmt: skip
"""What every pod is told. What was recorded without a variable stays valid: later ones are told only where they say
more than their default."""
ROUTING_ENV: Final = ("SAMPLER_CONTEXT_CLASS", "SAMPLER_CONTEXT_CLASSES")
"""What a pod is told where the spec names context classes: both, or neither."""
RESERVED_ENV: Final = (*ALWAYS_SET_ENV, *ROUTING_ENV, "SAMPLER_VOCAB_SHARDS", "SAMPLER_BEHIND_GATEWAY")

STANDARD: Final = "standard"
"""The one context class of a spec that names none."""
LABEL_PATTERN: Final = "^[a-z]([-a-z0-9]*[a-z0-9])?$"
_HOST = "[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
_REGISTRY = f"((localhost|{_HOST}([.]{_HOST})+)(:[0-9]{{1,5}})?|{_HOST}:[0-9]{{1,5}})"
_COMPONENT = "[a-z0-9]+(([.]|__?|-+)[a-z0-9]+)*"
# The grammar of references (OCI distribution specification): a registry is known by a dot, a port, or as localhost.
_IMAGE_PATTERN = (
    f"^({_REGISTRY}/)?{_COMPONENT}(/{_COMPONENT})*(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{{0,127}})?(@sha256:[a-f0-9]{{64}})?$"
)

Label = Annotated[
    str,
    Field(min_length=1, max_length=limits.NAME),
    matching(LABEL_PATTERN, "must be lower-case letters, digits and dashes, beginning with a letter: cpu-a"),
]
Duration = Annotated[str, Field(max_length=20), duration_rule(1)]
DrainTimeout = Annotated[str, Field(max_length=20), duration_rule(5)]
"""A server needs some seconds to leave the endpoints, end its requests and have its last counts scraped."""
DurationOrZero = Annotated[str, Field(max_length=20), duration_rule(0)]
OpenRatio = Annotated[str, Field(max_length=13), OPEN_RATIO]
ClosedRatio = Annotated[str, Field(max_length=13), CLOSED_RATIO]
Image = Annotated[
    str,
    Field(min_length=1, max_length=limits.IMAGE),
    matching(
        _IMAGE_PATTERN,
        "must be an image reference such as example.com/sampler@sha256:<64 hex digits>, its path in lower case",
    ),
]


class EnvVar(Strict):
    """An environment variable with a literal value: nothing of the cluster can be read through it."""

    name: Annotated[
        str,
        Field(min_length=1, max_length=128),
        matching("^[A-Za-z_][A-Za-z0-9_]*$", "must be letters, digits and underscores, not beginning with a digit"),
        Scalar(
            "!(self in [" + ", ".join(f"'{name}'" for name in RESERVED_ENV) + "])",
            "is set by the operator: use sampler.precision, sampler.vocabShards, sampler.auditShare, contextClass, "
            "routing.gateway or rollback.drainTimeout instead",
            lambda name: name not in RESERVED_ENV,
        ),
        Scalar(
            "!(self in [" + ", ".join(f"'{name}'" for name in platforms.PLUGINS_ENV) + "])",
            "is set by the device plugin, and would give devices that others have: name devices in "
            "template.resources.limits instead",
            lambda name: name not in platforms.PLUGINS_ENV,
        ),
    ]
    """Anything but the variables of the operator and of device plugins."""
    value: Annotated[str, Field(max_length=4096)] = ""
    """Literal, and readable for whoever may read the object: no place for secrets."""


_COMPUTE = "one in ['cpu', 'memory', 'ephemeral-storage'] || one.matches('^[a-z0-9.-]{1,63}/[a-zA-Z0-9._-]{1,63}$')"


def _is_compute(name: str) -> bool:
    device = re.fullmatch(r"[a-z0-9.-]{1,63}/[a-zA-Z0-9._-]{1,63}", name)
    return name in ("cpu", "memory", "ephemeral-storage") or device is not None


_COMPARED: Final = f"{cel_amount('self.requests[one]')}.compareTo({cel_amount('self.limits[one]')})"


def _devices(amounts: dict[str, str]) -> dict[str, Fraction]:
    return {name: quantity(amount) for name, amount in amounts.items() if "/" in name}


def _above_limits(resources: Resources) -> list[str]:
    shared = [name for name in resources.requests if name in resources.limits and "/" not in name]
    return [name for name in shared if quantity(resources.requests[name]) > quantity(resources.limits[name])]


def _not_equal(resources: Resources) -> list[str]:
    limits = _devices(resources.limits)
    return [name for name, amount in _devices(resources.requests).items() if amount != limits.get(name, amount)]


class Resources(Strict):
    """Compute resources of the sampler's container."""

    requests: Annotated[dict[str, Quantity], Field(max_length=8), NULLS_DROPPED] = Field(default_factory=dict)
    """What a pod is given in any case: cpu, memory, ephemeral-storage."""
    limits: Annotated[dict[str, Quantity], Field(max_length=8), NULLS_DROPPED] = Field(default_factory=dict)
    """What it gets at most; devices, such as vendor.example/gpu, are named here."""
    rules: ClassVar = (
        each(
            "(self.requests.map(k, k) + self.limits.map(k, k))",
            _COMPUTE,
            "resources may name cpu, memory, ephemeral-storage and a device such as vendor.example/device",
            lambda resources: [name for name in (*resources.requests, *resources.limits) if not _is_compute(name)],
            name="",
        ),
        each(
            "self.requests",
            "!one.contains('/') || one in self.limits",
            "a device needs a limit: name it in limits, and leave it out of requests",
            lambda resources: [name for name in resources.requests if "/" in name and name not in resources.limits],
            name="",
        ),
        each(
            "self.limits",
            f"!one.contains('/') || {cel_amount('self.limits[one]')}.isInteger()",
            "a device's limit is a whole number: correct it",
            lambda resources: [name for name, amount in _devices(resources.limits).items() if amount.denominator != 1],
            name="",
        ),
        each(
            "self.requests",
            f"!one.contains('/') || !(one in self.limits) || {_COMPARED} == 0",
            "a device's request is equal to its limit: leave it out of requests",
            _not_equal,
            name="",
        ),
        each(
            "self.requests",
            f"one.contains('/') || !(one in self.limits) || {_COMPARED} <= 0",
            "requests are above limits: lower the request or raise the limit",
            _above_limits,
            name="",
        ),
    )


class Template(Placement):
    """The part of the pod template that an author may set."""

    env: Annotated[list[EnvVar], Field(max_length=64, json_schema_extra=limits.map_by("name"))] = Field(
        default_factory=list
    )
    """Environment variables beside the operator's own."""
    args: Annotated[list[Annotated[str, Field(max_length=1024)]], Field(max_length=64)] = Field(default_factory=list)
    """They replace the image's arguments."""
    resources: Resources = Field(default_factory=Resources)
    """Beside the devices of the platform, or in their place."""
    # Narrower than what is read back from a record, which holds the platform's too.
    node_selector: Annotated[Labels, Field(max_length=limits.PLACED), NULLS_DROPPED] = Field(default_factory=dict)
    """Labels that a node must have, beside the platform's; the same label given here wins."""
    tolerations: Annotated[list[Toleration], Field(max_length=limits.PLACED)] = Field(default_factory=list)
    """Taints of nodes that keep no pod away, beside the platform's."""
    rules: ClassVar = (
        *Placement.rules,
        Rule(
            "self.env.all(e, self.env.exists_one(f, f.name == e.name))",
            "env must name each variable once: remove the duplicate",
            lambda template: limits.unique(item.name for item in template.env),
            "env",
        ),
        Rule(
            f"!has(self.compileCache) || !self.env.exists(e, e.name == '{VARIABLE}')",
            f"compileCache says to the server where it is: remove {VARIABLE} from env",
            lambda template: not template.compile_cache or VARIABLE not in [item.name for item in template.env],
            "env",
        ),
    )


class Sampler(Strict):
    """Settings of the sampler that belong to the release."""

    precision: Literal["float32"] = "float32"
    """In which the server computes."""
    vocab_shards: Annotated[int, Field(ge=1, le=limits.SHARDS)] = Field(
        1, description="Devices of a pod over which the vocabulary is split; on platform cpu they are emulated."
    )
    audit_share: ClosedRatio = Field(
        "1%", description="Share of rows that the replay audit recomputes; 0 turns it off."
    )


class DisruptionBudget(Strict):
    """How many pods of one revision may be taken at once while nodes are drained or made room on."""

    max_unavailable: Annotated[int, Field(ge=1, le=limits.REPLICAS)] = 1
    """Not 0: that would keep a node from ever being drained."""


def cel_class(pool: str) -> str:
    """CEL for the class that a pool serves, named or not."""
    return f"(has({pool}.contextClass) ? {pool}.contextClass : '{STANDARD}')"


_TOPOLOGIES: Final = ", ".join(platforms.CHIPS)
_CHIPS_ASKED: Final = f"self.template.resources.limits['{platforms.TPU}']"
_CHIPS: Final = {topology: str(count) for topology, count in platforms.CHIPS.items()}


class Pool(Strict):
    """Identical sampler servers on one kind of hardware."""

    name: Label
    """Unique; another name is another pool."""
    platform: platforms.Platform = "cpu"
    """The kind of hardware: which devices a pod asks for, on which nodes."""
    accelerator: Value | None = Field(
        None, description="Which kind of device: nvidia.com/gpu.product, GKE's TPU type, or EC2's instance type."
    )
    topology: (
        Annotated[
            str,
            Field(max_length=16),
            Scalar(
                f"self in {list(platforms.CHIPS)}",
                f"must be that of one host, {_TOPOLOGIES}: a server is one pod, so that it cannot span hosts",
                lambda text: text in platforms.CHIPS,
            ),
        ]
        | None
    ) = Field(None, description="Of a TPU slice, all of whose chips a pod gets.")
    context_class: Label | None = Field(
        None, description="Which of routing.contextClasses it serves; required where there are any."
    )
    replicas: Annotated[int, Field(ge=1, le=limits.REPLICAS)] | None = Field(
        None, description="Servers of the pool, whatever release they run. Absent: an autoscaler's, by a SamplerPool."
    )
    image: Image
    """The build, by digest: name@sha256:<64 hex digits>."""
    sampler: Sampler = Field(default_factory=Sampler)
    template: Template = Field(default_factory=Template)
    disruption_budget: DisruptionBudget | None = Field(
        None, description="A PodDisruptionBudget for each of its revisions that serves; none by default."
    )
    rules: ClassVar = (
        # Its pods would leave the old class's Service one by one, while the new one's clients wait for theirs. What was
        # before, the API server alone knows.
        Rule(
            f"{cel_class('self')} == {cel_class('oldSelf')}",
            "a pool keeps its context class (standard, where it names none): give the pool another name too, so that "
            "it starts beside this one",
            lambda _: True,
            "contextClass",
        ),
        Rule(
            "self.platform != 'tpu' || (has(self.accelerator) && has(self.topology))",
            "platform tpu needs both labels of its nodes: add accelerator: tpu-v6e-slice and topology: 2x2, or others",
            lambda pool: pool.platform != "tpu" or bool(pool.accelerator and pool.topology),
        ),
        Rule(
            "self.platform == 'tpu' || !has(self.topology)",
            "only platform tpu has a topology: remove it, or set platform: tpu",
            lambda pool: pool.platform == "tpu" or pool.topology is None,
            "topology",
        ),
        Rule(
            "self.platform != 'cpu' || !has(self.accelerator)",
            "platform cpu has no accelerator: set platform, or name the nodes in template.nodeSelector",
            lambda pool: pool.platform != "cpu" or pool.accelerator is None,
            "accelerator",
        ),
        Rule(
            f"!has(self.accelerator) || !('{platforms.AMD}' in self.template.resources.limits)",
            "accelerator is a label of NVIDIA's nodes: remove it, and name the nodes in template.nodeSelector",
            lambda pool: pool.accelerator is None or platforms.AMD not in pool.template.resources.limits,
            "accelerator",
        ),
        each(
            "self.template.resources.limits",
            platforms.cel_of_no_other("one"),
            "limits name a device of another platform: remove it, or set platform to that of the device",
            lambda pool: [name for name in pool.template.resources.limits if platforms.of_another(pool.platform, name)],
            "template.resources",
            name="",
            when="self.platform != 'cpu'",
        ),
        Rule(
            "self.platform != 'tpu' || !has(self.topology) || "
            f"!('{platforms.TPU}' in self.template.resources.limits) || "
            f"{cel_amount(_CHIPS_ASKED)}.compareTo(quantity({_CHIPS}[self.topology])) == 0",
            "google.com/tpu is all chips of the topology: leave it out, or choose another topology",
            lambda pool: (
                pool.platform != "tpu"
                or quantity(pool.template.resources.limits.get(platforms.TPU, str(platforms.device_count(pool))))
                == platforms.device_count(pool)
            ),
            "template.resources",
        ),
    )
