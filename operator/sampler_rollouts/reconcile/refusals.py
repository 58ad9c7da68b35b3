"""What the cluster refused at the last look: told to the next decision, and to people once a minute.

The decision writes it into status. A process that has just started has nothing to tell, and says that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sampler_rollouts.cluster.adapter import child_id
from sampler_rollouts.cluster.kinds import RolloutKey, labels
from sampler_rollouts.domain.observation import Observation, Refused, Verb
from sampler_rollouts.domain.render import LABEL_POOL, LABEL_REVISION
from sampler_rollouts.reconcile.correct import NOT_APPLIED, NOT_DELETED, NOT_SCALED, Refusal

STATUS_NOT_WRITTEN: Final = "StatusNotWritten"
CHILDREN_NOT_READ: Final = "ChildrenNotRead"
BEFORE_ANY_CHILD: Final = frozenset({STATUS_NOT_WRITTEN, CHILDREN_NOT_READ})
"""Of the SamplerRollout itself, at which a look ended."""
VERBS: Final[dict[str, Verb]] = {NOT_APPLIED: "apply", NOT_SCALED: "scale", NOT_DELETED: "delete"}

SAY_AGAIN: Final = timedelta(seconds=60)
"""A message may hold a port or a time: said at each look it would be a new Event, and a new status, each time."""

_Id = tuple[str, str, str]


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
            if refusal.reason in BEFORE_ANY_CHILD:  # No child was tried: what was refused before still is.
                after = before | after
            name = (refusal.reason, *child_id(refusal.child))
            known = before.get(name)
            if known is None or now - known.at >= SAY_AGAIN:
                known = _Said(refusal, now)
                said.append(refusal)
            after[name] = known
        self._last[key] = after
        return said

    def forget(self, key: RolloutKey) -> None:
        """The SamplerRollout is gone."""
        self._last.pop(key, None)

    def shown(self, key: RolloutKey, seen: Observation) -> Observation:
        """What was seen, and what was refused; None if nothing has been tried since the process started."""
        known = self._last.get(key)
        if known is None:
            return replace(seen, refusals=None)
        refusals = (said.refusal for said in known.values())
        return replace(
            seen, refusals=tuple(_of_child(one, VERBS[one.reason]) for one in refusals if one.reason in VERBS)
        )


def _of_child(refusal: Refusal, verb: Verb) -> Refused:
    kind, name = child_id(refusal.child)
    found = labels(refusal.child)
    return Refused(kind, name, found.get(LABEL_POOL, ""), found.get(LABEL_REVISION, ""), verb, refusal.message)
