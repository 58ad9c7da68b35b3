"""Requests of the simulated world: they go to the ready pods of a pool alike, or as a test says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sampler_rollouts.domain.evidence.look import Traffic
from sampler_rollouts.domain.evidence.samples import Arm
from sampler_rollouts.domain.plan import Release

Place = tuple[str, str]
"""Pool and revision."""


@dataclass
class Tally:
    """What a test itself has counted of one weight of one rollout in one pool."""

    exposed: float = 0
    total: float = 0
    unclear: bool = False
    """Whether there was a time that the operator may, but need not, count."""
    mark: tuple[float, float] | None = None

    def count(self, in_force: bool, new: float, old: float) -> None:
        """``new`` and ``old``: all that both arms have ended so far."""
        if in_force and self.mark:
            exposed = new - self.mark[0]
            self.exposed, self.total = self.exposed + exposed, self.total + exposed + old - self.mark[1]
        self.mark = (new, old) if in_force else None


@dataclass
class Arrivals:
    """What has ended, by pool and revision."""

    per_second: float = 0
    """In each pool that has a ready pod."""
    split: float | None = None
    """The candidate's share where both arms are ready, if it is not that of its ready pods."""
    ended: dict[Place, float] = field(default_factory=dict)
    alone: dict[str, datetime] = field(default_factory=dict)
    """Since when no pod of stable has been ready beside a candidate, by pool."""
    short: dict[str, datetime] = field(default_factory=dict)
    """Since when pods have given another share because some of stable's are not ready, by pool."""
    tallies: dict[tuple[str, str, datetime, int], Tally] = field(default_factory=dict)

    def answer(self, ready: Iterable[Place], candidate: Release | None, seconds: float) -> None:
        """Time passes. ``ready``: the place of every ready pod at its beginning."""
        by_pool: dict[str, list[str]] = {}
        for pool, revision in ready:
            by_pool.setdefault(pool, []).append(revision)
        for pool, revisions in by_pool.items():
            new = candidate.revision(pool) if candidate else ""
            for revision in revisions:
                share = self._share(revisions, revision, new)
                self.ended[(pool, revision)] = self.ended.get((pool, revision), 0) + share * self.per_second * seconds

    def _share(self, revisions: list[str], revision: str, new: str) -> float:
        """One pod's share."""
        count = revisions.count(new)
        if self.split is None or not 0 < count < len(revisions):
            return 1 / len(revisions)
        return self.split / count if revision == new else (1 - self.split) / (len(revisions) - count)

    def alone_for(self, pool: str, stable_ready: bool, now: datetime) -> float:
        """Seconds for which no pod of stable has been ready in a pool."""
        return _lasted(self.alone, pool, not stable_ready, now)

    def short_for(self, pool: str, short: bool, now: datetime) -> float:
        """Seconds for which stable's missing pods have made the share another one."""
        return _lasted(self.short, pool, short, now)

    def forget_all_but(self, pools: Iterable[str]) -> None:
        """The others are at no step."""
        for since in (self.alone, self.short):
            for pool in set(since) - set(pools):
                del since[pool]

    def traffic(self, arm: Arm) -> Traffic:
        """A few from the start, and what has ended since."""
        candidate, stable = (int(self.ended.get((arm.pool, one), 0)) for one in (arm.revision, arm.stable_revision))
        return Traffic(31 + candidate, 89 + stable)

    def of(self, pool: str, release: Release | None) -> float:
        """What a release has ended in a pool."""
        return self.ended.get((pool, release.revision(pool)), 0) if release else 0


def _lasted(since: dict[str, datetime], pool: str, holds: bool, now: datetime) -> float:
    if not holds:
        since.pop(pool, None)
        return 0
    return (now - since.setdefault(pool, now)).total_seconds()
