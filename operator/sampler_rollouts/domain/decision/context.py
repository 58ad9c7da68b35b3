"""What one decision works on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.allowed import BY_DEFAULT, Allowed
from sampler_rollouts.domain.decision.stages import LEAVING, TESTED
from sampler_rollouts.domain.limits import clip
from sampler_rollouts.domain.outcome import EventNote
from sampler_rollouts.domain.plan import Release, Rollout
from sampler_rollouts.domain.quantities import time_stamp
from sampler_rollouts.domain.render import Child, Owner
from sampler_rollouts.domain.status import PoolStatus

if TYPE_CHECKING:
    from sampler_rollouts.domain.act import Act
    from sampler_rollouts.domain.check_template import CheckTemplate
    from sampler_rollouts.domain.evidence.look import Evidence
    from sampler_rollouts.domain.observation import Observation, PodState, WorkloadState
    from sampler_rollouts.domain.resource import Spec
    from sampler_rollouts.domain.status import Status


@dataclass(frozen=True, slots=True)
class ResourceMeta:
    """What the decision needs of the SamplerRollout's metadata."""

    namespace: str
    name: str
    uid: str
    generation: int = 0
    annotations: Mapping[str, str] = field(default_factory=dict)
    deleting: bool = False
    created_at: datetime | None = None
    allowed: Allowed = BY_DEFAULT
    """What the administrator lets its author choose."""

    @classmethod
    def of(cls, metadata: Mapping[str, Any], allowed: Allowed = BY_DEFAULT) -> ResourceMeta:
        """Read ``.metadata`` of the object."""
        return cls(
            namespace=str(metadata.get("namespace", "")),
            name=str(metadata.get("name", "")),
            uid=str(metadata.get("uid", "")),
            generation=int(metadata.get("generation") or 0),
            annotations=dict(metadata.get("annotations") or {}),
            deleting=metadata.get("deletionTimestamp") is not None,
            created_at=time_stamp(metadata.get("creationTimestamp")),
            allowed=allowed,
        )

    @property
    def owner(self) -> Owner:
        """The owner of every child."""
        return Owner(self.namespace, self.name, self.uid)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the spec asks for: the release by hash, and its pools. A spec that breaks rules asks for nothing."""

    spec: Spec
    release: Release
    templates: Mapping[str, CheckTemplate | None] = field(default_factory=dict)
    """Those of the admin's that its checks name, as they were observed."""


@dataclass(slots=True)
class Turn:
    """One decision under way. ``status`` is a copy that the policies change; everything else stays as it came."""

    meta: ResourceMeta
    wish: Wish | None
    problem: str
    status: Status
    seen: Observation
    evidence: Evidence | None
    now: datetime
    beside: Evidence | None = None
    """Of what serves in the pools that a candidate does not touch."""
    events: list[EventNote] = field(default_factory=list)
    moved: bool = False
    looked: bool = False
    """A person has it tried again, and so has looked at what is known against it."""

    @property
    def paused(self) -> bool:
        """Nothing may start or go on: a person said so, or the spec cannot be read."""
        return self.wish is None or self.wish.spec.paused or self.pause is not None

    @property
    def pause(self) -> Act | None:
        """A person's word that paused the very release that the spec asks for."""
        pause = self.status.pause
        return pause if pause is not None and pause.release == self.target else None

    @property
    def target(self) -> str:
        """Hash of the release that the spec asks for; empty if that cannot be known."""
        return self.wish.release.hash if self.wish else ""

    @property
    def evidence_reason(self) -> str:
        """Why the metrics source gave no answer; empty if it did, or was not asked."""
        return self.evidence.reason if self.evidence and not self.evidence.available else ""

    def note(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Say it as an Event."""
        self.events.append(EventNote("Warning" if warning else "Normal", reason, clip(message)))

    def forget_evidence(self) -> None:
        """Another release is the candidate now: what was asked about the last one says nothing about it."""
        self.evidence = self.beside = None

    def pods(self, pool: str, revision: str) -> list[PodState]:
        """Servers of one pool's revision that are not on their way out; what only stands by is none."""
        return [
            pod
            for pod in self.seen.pods
            if pod.pool == pool and pod.revision == revision and revision and not (pod.terminating or pod.held)
        ]

    def ready(self, pool: str, revision: str) -> int:
        """How many of them are ready."""
        return sum(pod.ready for pod in self.pods(pool, revision))

    def workload(self, pool: str, revision: str) -> WorkloadState | None:
        """The Deployment of one pool's revision."""
        return next((item for item in self.seen.workloads if (item.pool, item.revision) == (pool, revision)), None)

    def pool(self, name: str) -> PoolStatus:
        """The status of one pool, made on first use."""
        found = self.status.pool(name)
        if found is None:
            found = PoolStatus(name=name, replicas=self._remembered(name))
            self.status.pools.append(found)
        return found

    def replicas(self, name: str) -> int:
        """How many servers the pool is to have: what the spec says, or its autoscaler, or what either last said; if
        that is lost, what there is."""
        wanted = self.wish.spec.pool(name) if self.wish else None
        if wanted and wanted.replicas:
            return wanted.replicas
        row = self.status.pool(name)  # asking makes no row: a removed pool has none
        asked = self.seen.counts.get(name) if self.autoscaled(name) else None
        known = asked or (row.replicas if row else 0) or self._remembered(name)
        there = [item.replicas for item in self.seen.workloads if item.pool == name]
        return known or max([1, *there])

    def autoscaled(self, name: str) -> bool:
        """Whether an autoscaler owns the pool's count, as the spec says, or last said of a pool that still serves."""
        wanted, row = self.wish.spec.pool(name) if self.wish else None, self.status.pool(name)
        return wanted.replicas is None if wanted else row is not None and row.autoscaled

    def covered(self, name: str) -> int:
        """How many of them count already: of more than before those that have been ready."""
        row = self.status.pool(name)
        return min(self.replicas(name), (row.covered if row else 0) or limits.REPLICAS)

    def _remembered(self, name: str) -> int:
        """As many as the releases say that have the pool, or may bring it back; 0 if none does."""
        pools = (item for release in self.status.kept() for item in release.pools if item.name == name)
        return next((item.replicas for item in pools if item.replicas), 0)


def moving(rollout: Rollout) -> list[str]:
    """The pools that the rollout moves, in order of waves."""
    return [name for wave in rollout.waves for name in wave]


def begun(rollout: Rollout) -> list[str]:
    """The pools that have, or had, candidate pods: those of this wave and of earlier ones."""
    return [name for wave in rollout.waves[: rollout.wave + 1] for name in wave]


def this_wave(rollout: Rollout) -> list[str]:
    """The pools of the wave under way."""
    return rollout.waves[rollout.wave] if rollout.wave < len(rollout.waves) else []


def weight_of(rollout: Rollout, pool: str) -> int:
    """The weight that a pool is to have."""
    if pool in this_wave(rollout):
        return rollout.weight
    return 100 if pool in begun(rollout) else 0


def table_wave(rollout: Rollout) -> bool:
    """Whether the wave under way is the route table's own, behind those of all pools (R11)."""
    return rollout.table is not None and rollout.wave >= len(rollout.waves)


def met_since(rollout: Rollout) -> datetime:
    """When users began to meet it anew: with the table's wave, or with the rollout."""
    since = rollout.table.since if rollout.table else None
    return since or rollout.started_at


def gated(rollout: Rollout) -> bool:
    """Whether there is anything to test: pods that change, or a route table."""
    return bool(rollout.waves) or rollout.table is not None


def tested_pools(rollout: Rollout) -> list[str]:
    """Pools that are under test now: in the table's wave those that its new table names."""
    if rollout.table is not None and table_wave(rollout):
        return rollout.table.pools
    return begun(rollout)


def born(rollout: Rollout) -> list[datetime]:
    """When its own pods were created: not those of pools that it does not move, which are asked by its table."""
    return [birth.at for birth in rollout.births_in(*moving(rollout))]


def counted_since(rollout: Rollout) -> datetime:
    """From when on both arms' requests count (R14): a candidate's first pod may come long after the rollout's start.

    The pods of a pool that it was taken back from count: what the others have shown begins no second time (R15).
    """
    births = born(rollout) if rollout.table else [birth.at for birth in rollout.births]
    first = min(births, default=rollout.started_at)
    return rollout.started_at if rollout.first else max(rollout.started_at, first)


def exposing(rollout: Rollout) -> list[str]:
    """Pools whose requests say how many met it: those that a table under test names, else those that move.

    Where a table was the only difference and is taken back in its bake, all that were watched.
    """
    if table_wave(rollout):
        return tested_pools(rollout)
    return moving(rollout) or list(dict.fromkeys(group.pool for group in rollout.born))


def heard(rollout: Rollout, pools: list[str]) -> list[str]:
    """Those of some pools that requests reach: what only the new table names has none before its wave."""
    silent = rollout.table.silent if rollout.table and not table_wave(rollout) else []
    return [name for name in pools if name not in silent]


def narrowed(status: Status) -> bool:
    """Whether a release that is under way by steps has been taken back from single pools: it is held, and goes on."""
    rollout = status.rollout
    return rollout is not None and status.stage in TESTED and status.held(rollout.release) is not None


def struck(rollout: Rollout) -> list[Child]:
    """What leaves pools from which alone a release was taken back."""
    if rollout.first:
        return []
    return [Child(item.name, item.revision) for release in rollout.leftovers for item in release.pools]


def leaving(status: Status) -> list[Child]:
    """What is on its way out: of a candidate that leaves all its pools, and of one that was taken back from some."""
    rollout = status.rollout
    if rollout is None:
        return []
    pools = moving(rollout) if status.stage in LEAVING else []
    return [*(Child(pool, revision_in(status.candidate, pool)) for pool in pools), *struck(rollout)]


def untried(rollout: Rollout) -> bool:
    """Whether it has no weight yet, in any pool or by its table: what serves, serves as if there were no candidate."""
    if table_wave(rollout) and rollout.weight:
        return False
    return not any(weight_of(rollout, pool) for pool in begun(rollout))


def revision_in(release: Release | None, pool: str) -> str:
    """A pool's revision in a release that may not be there."""
    return release.revision(pool) if release else ""


def has_stable(turn: Turn, pool: str) -> bool:
    """Whether a stable release serves in a pool, beside whatever is tried."""
    return revision_in(turn.status.stable, pool) != ""


def names(*releases: Release | None) -> list[str]:
    """All pools of some releases, in order, each once."""
    found: Iterable[str] = (name for release in releases if release for name in release.names())
    return list(dict.fromkeys(found))
