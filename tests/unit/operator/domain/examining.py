"""The pods that examine a build in the tiny cluster: one for each Deployment of a preflight, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sampler_rollouts.domain.observation import PodState, PreflightState, Reading
from sampler_rollouts.domain.preflight import PreflightResult, ScoredPrompt
from sampler_rollouts.domain.render_preflight import (
    LABEL_PREFLIGHT_ATTEMPT,
    LABEL_PREFLIGHT_POOL,
    LABEL_PREFLIGHT_REVISION,
)

if TYPE_CHECKING:
    from tests.unit.operator.domain.world import World

DIGEST = "sha256:" + "a" * 64
LOGPROBS = ("-3.000000", "-4.000000")
SILENT = ("NoAnswer", "no connection to its metrics port")
RUNNING = ("Running", "it is still running")
OFF = ("Off", "this server has no preflight")
PASSED: dict[str, Any] = {"verdict": "Passed"}
FAILED: dict[str, Any] = {"verdict": "Failed", "sentence": "the step: best-dropped in 3 of 8 rows"}


@dataclass
class Examining:
    """By pool, what its pod says once it is ready: a result's members, or a reason and a message."""

    says: dict[str, dict[str, Any] | tuple[str, str]] = field(default_factory=dict)
    takes: float = 10.0
    """Seconds from a pod's birth to its result."""
    born: dict[tuple[str, str], tuple[str, datetime]] = field(default_factory=dict)
    """By pool and revision: the try that made the pod that is there, and when."""
    blocked: dict[str, str] = field(default_factory=dict)
    """By pool."""
    crashes: dict[str, int] = field(default_factory=dict)
    never_ready: set[str] = field(default_factory=set)
    absent: bool = False
    """Nobody has made the Deployments."""

    def states(self, world: World) -> tuple[PreflightState, ...]:
        """What the API server shows."""
        there = {} if self.absent else self._there(world)
        before = self.born
        self.born = {place: (attempt, world.now) for place, attempt in there.items()}
        self.born |= {
            place: before[place] for place, made in self.born.items() if place in before and before[place][0] == made[0]
        }
        return tuple(PreflightState(*place, pods=(self._pod(world, *place),)) for place in there)

    def _there(self, world: World) -> dict[tuple[str, str], str]:
        found = {}
        for (kind, _), body in world.children.items():
            labels = body["metadata"]["labels"]
            if kind == "Deployment" and LABEL_PREFLIGHT_POOL in labels:
                carried = body["spec"]["template"]["metadata"]["labels"]
                place = labels[LABEL_PREFLIGHT_POOL], labels[LABEL_PREFLIGHT_REVISION]
                found[place] = carried.get(LABEL_PREFLIGHT_ATTEMPT, "")
        return found

    def _pod(self, world: World, pool: str, revision: str) -> PodState:
        passed = self.says.get(pool, PASSED) == PASSED
        return PodState(
            name=self._name(pool, revision),
            pool=pool,
            revision=revision,
            created_at=self.born[pool, revision][1],
            attempt=self.born[pool, revision][0],
            ready=passed and self._done(world, pool, revision) and pool not in self.never_ready | self.blocked.keys(),
            blocked=self.blocked.get(pool, ""),
            restarts=self.crashes.get(pool, 0),
            address="10.0.0.1",
        )

    def _name(self, pool: str, revision: str) -> str:
        return f"examines-{pool}-{revision}-{self.born[pool, revision][0]}"

    def _done(self, world: World, pool: str, revision: str) -> bool:
        return world.now - self.born[pool, revision][1] >= timedelta(seconds=self.takes)

    def readings(self, world: World) -> tuple[Reading, ...]:
        """What the pods say."""
        return tuple(self._reading(world, pool, revision) for pool, revision in self.born if pool not in self.blocked)

    def _reading(self, world: World, pool: str, revision: str) -> Reading:
        says = self.says.get(pool, PASSED) if self._done(world, pool, revision) else RUNNING
        pod = self._name(pool, revision)
        if isinstance(says, tuple):
            return Reading(pod, pool, revision, None, says[0], f"pod {pod}: {says[1]}")
        return Reading(pod, pool, revision, result(pool, revision, world.now, **says))


def result(pool: str, revision: str, now: datetime, **more: Any) -> PreflightResult:
    """A result that passed, but for what is changed."""
    prompts = [ScoredPrompt(prompt=0, tokens="t", logprobs=list(more.pop("logprobs", LOGPROBS)))]
    usual: dict[str, Any] = {"verdict": "Passed", "digest": DIGEST, "precision": "float32", "model": "m"}
    usual |= {"sentence": "12 cases, none wrong"}
    return PreflightResult(pool=pool, revision=revision, at=now, prompts=prompts, **(usual | more))
