"""A cluster that does what it is told: pods come, are ready after a while, and leave at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sampler_rollouts.domain.observation import Observation, PodState, WorkloadState
from sampler_rollouts.domain.outcome import Manifest, Outcome
from sampler_rollouts.domain.render import LABEL_POOL, LABEL_REVISION, recorded_template

from samplerctl.errors import InputError

Child = tuple[str, str]
"""Pool and revision."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod."""

    name: str
    born: datetime


@dataclass(slots=True)
class SimulatedCluster:
    """The children of one SamplerRollout, and the pods of its Deployments."""

    ready_after: float
    pods: dict[Child, list[Pod]] = field(default_factory=dict)
    replicas: dict[Child, int] = field(default_factory=dict)
    templates: dict[str, dict[str, Any]] = field(default_factory=dict)
    services: dict[str, Mapping[str, str]] = field(default_factory=dict)
    serial: int = 0

    def copy(self) -> SimulatedCluster:
        """Another cluster in the same state."""
        pods = {child: list(some) for child, some in self.pods.items()}
        return SimulatedCluster(
            self.ready_after, pods, dict(self.replicas), dict(self.templates), dict(self.services), self.serial
        )

    def apply(self, outcome: Outcome, now: datetime) -> None:
        """Bring children and pods to what the decision wants."""
        if outcome.hands_off:
            return
        self.replicas, self.services = {}, {}
        for body in outcome.objects:
            self._take(body)
        for child in self.pods.keys() | self.replicas.keys():
            self._scale(child, self.replicas.get(child, 0), now)

    def _take(self, body: Manifest) -> None:
        match body["kind"]:
            case "Deployment":
                self.replicas[_child(body)] = body["spec"]["replicas"]
            case "Service":
                self.services[body["metadata"]["name"]] = body["spec"]["selector"]
            case "ControllerRevision":
                self.templates["-".join(_child(body))] = recorded_template(body) or {}
            case "PodDisruptionBudget":
                pass  # nobody evicts here
            case kind:
                # A decision that waits for it would wait for ever.
                raise InputError(f"spec: asks for an object of kind {kind}, which is not simulated: leave it out")

    def _scale(self, child: Child, wanted: int, now: datetime) -> None:
        """The youngest leave first: those that are not ready yet are among them."""
        some = self.pods.setdefault(child, [])
        del some[wanted:]
        while len(some) < wanted:
            self.serial += 1
            some.append(Pod(f"{child[0]}-{child[1]}-{self.serial}", now))
        if not some:
            del self.pods[child]

    def is_ready(self, pod: Pod, now: datetime) -> bool:
        """Whether a pod serves."""
        return (now - pod.born).total_seconds() >= self.ready_after

    def ready(self, child: Child, now: datetime) -> int:
        """How many pods of one pool's revision serve."""
        return sum(self.is_ready(pod, now) for pod in self.pods.get(child, ()))

    def observe(self, now: datetime) -> Observation:
        """What the API server shows."""
        return Observation(
            pods=tuple(
                PodState(pod.name, *child, created_at=pod.born, ready=self.is_ready(pod, now))
                for child, some in self.pods.items()
                for pod in some
            ),
            workloads=tuple(WorkloadState(*child, count) for child, count in self.replicas.items()),
            templates=self.templates,
            services=self.services,
        )


def _child(body: Manifest) -> Child:
    labels = body["metadata"]["labels"]
    return labels[LABEL_POOL], labels[LABEL_REVISION]
