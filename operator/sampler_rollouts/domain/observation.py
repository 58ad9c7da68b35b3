"""What the API server shows of one SamplerRollout's children, reduced to what the decision needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

Verb = Literal["apply", "scale", "delete"]


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod of one revision.

    ``blocked`` is the infrastructure's reason why it has not started, or empty (``Unschedulable``, ``ErrImagePull``,
    ``ImagePullBackOff``, ``InvalidImageName``, ``CreateContainerConfigError``, ...); ``restarts`` counts
    the exits of its containers.
    """

    name: str
    pool: str
    revision: str
    created_at: datetime
    ready: bool
    terminating: bool = False
    restarts: int = 0
    blocked: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class WorkloadState:
    """The replicas a Deployment is told to have, and why the cluster refuses its pods (admission, quota)."""

    pool: str
    revision: str
    replicas: int
    refused: str = ""
    made: bool = True
    """Whether the Deployment exists; otherwise it could not be made."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A write of a child that the cluster did not take: ``verb`` is ``apply``, ``scale`` (to no pods) or ``delete``."""

    kind: str
    name: str
    pool: str
    revision: str
    verb: Verb
    message: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Somebody else's change of what is ours: the field manager, and when it wrote last, by the server's clock."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RouteState:
    """The rollout's HTTPRoute as it is, and what its gateways say of it."""

    weights: Mapping[str, int] = field(default_factory=dict)
    """By Service: those that it names with a weight above 0."""
    current: bool = False
    """All its gateways have accepted it as it is now: it is what traffic follows."""
    problem: str = ""
    """Why a gateway does not accept it, or why it could not be read; empty while one has yet to look at it."""
    edits: tuple[Edit, ...] = ()
    """Whoever else owns a part of its spec now."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One consistent-enough look at the children; the decision tolerates a stale one."""

    pods: tuple[PodState, ...] = ()
    workloads: tuple[WorkloadState, ...] = ()
    templates: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """Recorded pod templates by ``<pool>-<revision>``, from the ControllerRevisions."""
    live_templates: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """The templates of the Deployments as they are, by the same key: what a lost record is made from anew."""
    services: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What each of our Services selects, by name."""
    route: RouteState | None = None
    """None if there is no HTTPRoute of ours, or nobody comes through one."""
    refusals: tuple[Refused, ...] | None = ()
    """What was refused at the last look; None if this operator has not written anything yet."""

    def of_object_created(self, at: datetime | None) -> Observation:
        """Without the pods of an earlier object of the same name, which the garbage collector has yet to reach.

        Both times are the API server's, in whole seconds: a pod of the same second may be ours.
        """
        return self if at is None else replace(self, pods=tuple(pod for pod in self.pods if pod.created_at >= at))
