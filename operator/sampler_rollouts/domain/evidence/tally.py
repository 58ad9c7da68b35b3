"""All pods of one check in one pool, and what was wrong with their data, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from sampler_rollouts.domain.evidence.grid import IntArray
from sampler_rollouts.domain.evidence.intervals import RESTART, Increments
from sampler_rollouts.domain.evidence.unaccounted import UNACCOUNTED

NO_PROBES: Mapping[str, Increments] = {}


@dataclass(frozen=True, slots=True)
class Tally:
    """Users' requests and synthetic probes. Arrays of shape (pod-intervals,)."""

    pods: Mapping[str, Increments]
    probes: Mapping[str, Increments]
    checked: IntArray
    bad: IntArray
    doubtful: int

    @classmethod
    def of(cls, pods: Mapping[str, Increments], probes: Mapping[str, Increments] = NO_PROBES) -> Tally:
        """Put the pod-intervals of all pods together."""
        empty, every = np.zeros(0, dtype=np.int64), [*pods.values(), *probes.values()]
        return cls(
            pods=pods,
            probes=probes,
            checked=np.concatenate([empty, *(one.checked for one in every)]),
            bad=np.concatenate([empty, *(one.bad for one in every)]),
            doubtful=sum(one.doubtful for one in every),
        )

    @property
    def newest(self) -> int | None:
        """The newest believed scrape of any pod, in Unix milliseconds."""
        return max((one.newest for one in self.pods.values() if one.newest is not None), default=None)

    @property
    def newest_sample(self) -> datetime | None:
        """The same as a time."""
        return None if self.newest is None else datetime.fromtimestamp(self.newest / 1000, UTC)

    def drops(self) -> Counter[str]:
        """What was not believed, by reason."""
        drops: Counter[str] = Counter()
        for one in (*self.pods.values(), *self.probes.values()):
            drops.update(one.drops)
        return drops

    def detail(self, *said: str) -> str:
        """What is to be said, then what was dropped."""
        drops = self.drops()
        restarts, lost = drops.pop(RESTART, 0), drops.pop(UNACCOUNTED, 0)
        parts = list(said)
        if drops:
            parts.append("not believed: " + ", ".join(f"{count} {reason}" for reason, count in sorted(drops.items())))
        if lost:
            parts.append(f"{lost} requests that the gateway sent are accounted for by no pod")
        if restarts:
            parts.append(f"counters started anew {restarts} times")
        return "; ".join(filter(None, parts))
