"""What the cluster refused at the last look: told to the next decision at once, and to people once a minute.

This is the one thing remembered outside status. It may be lost at any time: the next look is refused again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sampler_rollouts.cluster.adapter import child_id
from sampler_rollouts.cluster.kinds import DEPLOYMENT, SERVICE, Kind, RolloutKey, labels, metadata
from sampler_rollouts.domain.observation import Observation, WorkloadState
from sampler_rollouts.domain.outcome import Manifest
from sampler_rollouts.domain.render import LABEL_POOL, LABEL_REVISION
from sampler_rollouts.reconcile.correct import NOT_APPLIED, Refusal

SAY_AGAIN: Final = timedelta(seconds=60)
"""A message may hold a port or a time: said at each look it would be a new Event, and a new status, each time."""

_Id = tuple[str, str, str]
_Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Said:
    refusal: Refusal
    at: datetime


class Refusals:
    """By SamplerRollout, and by child and what was tried."""

    def __init__(self) -> None:
        self._last: dict[RolloutKey, dict[_Id, _Said]] = {}

    def note(self, key: RolloutKey, refusals: Iterable[Refusal], now: datetime) -> list[Refusal]:
        """Replace what was refused before; those to be told to people are returned."""
        before, after, said = self._last.get(key, {}), dict[_Id, _Said](), list[Refusal]()
        for refusal in refusals:
            if refusal.passing:
                continue
            name = (refusal.reason, *child_id(refusal.child))
            known = before.get(name)
            if known is None or now - known.at >= SAY_AGAIN:
                known = _Said(refusal, now)
                said.append(refusal)
            after[name] = known
        if after:
            self._last[key] = after
        else:
            self.forget(key)
        return said

    def forget(self, key: RolloutKey) -> None:
        """Nothing is refused, or the SamplerRollout is gone."""
        self._last.pop(key, None)

    def shown(self, key: RolloutKey, seen: Observation) -> Observation:
        """What was seen, and what was refused. A Deployment that could not even be made has no pods."""
        refused = {_place(one.child): one.message for one in self._not_applied(key, DEPLOYMENT)}
        known = [replace(w, refused=w.refused or refused.get((w.pool, w.revision), "")) for w in seen.workloads]
        there = {(w.pool, w.revision) for w in known}
        missing = [WorkloadState(*place, 0, why) for place, why in refused.items() if place not in there]
        services = {metadata(one.child)["name"]: one.message for one in self._not_applied(key, SERVICE)}
        return replace(seen, workloads=(*known, *missing), refused_services=services)

    def _not_applied(self, key: RolloutKey, kind: Kind) -> list[Refusal]:
        refusals = (said.refusal for said in self._last.get(key, {}).values())
        return [one for one in refusals if one.child["kind"] == kind.kind and one.reason == NOT_APPLIED]


def _place(child: Manifest) -> _Place:
    return labels(child).get(LABEL_POOL, ""), labels(child).get(LABEL_REVISION, "")
