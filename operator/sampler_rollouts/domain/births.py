"""Pods under test and when they were created, as status holds thousands of them in few bytes (R14).

The pods of a ReplicaSet share all of their names but the end, and are born within hours: a group holds what they share,
and a line of ``<end>+<seconds>`` for those that serve and one for those that do not. So 4,096 pods take 90 kB.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, takewhile
from typing import Annotated, Any, ClassVar, Final

from pydantic import AwareDatetime, Field, ValidationError, model_validator

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.loose import Label, Loose, Name

_ENTRY: Final = re.compile(r"([^ +]*)\+([0-9]{1,9})")
_OF_ENTRY: Final = 10
"""Bytes of an entry beside the end of its name: plus, seconds, blank."""
_OF_GROUP: Final = 120
"""Bytes of a group beside names and entries."""


@dataclass(slots=True)
class Birth:
    """A pod under test, and when it was created: the counters of one that the rollout created count from zero."""

    pod: str
    pool: str
    at: datetime
    """In whole seconds."""
    serving: bool = False
    """Ready when the operator last looked: then fresh samples of it are expected."""


class BornGroup(Loose):
    """Pods of one pool whose names begin alike."""

    pool: Label
    prefix: Name = ""
    since: AwareDatetime
    """When the oldest of them was created."""
    serving: Annotated[str, Field(max_length=limits.BIRTHS_TEXT)] = ""
    """``<rest of the name>+<seconds after since>``, with blanks between."""
    others: Annotated[str, Field(max_length=limits.BIRTHS_TEXT)] = ""
    """Those that are not ready, or have gone."""


class _Before(Loose):
    """A birth as earlier versions stored each."""

    pod: Name
    pool: Label
    at: AwareDatetime
    serving: bool = False


class WithBirths(Loose):
    """What remembers the pods that it is about."""

    born: Annotated[list[BornGroup], Field(max_length=limits.BIRTH_GROUPS)] = Field(default_factory=list)
    """The pods under test and when each was created, those of one Deployment together."""

    former: ClassVar = {
        "births": {
            "type": "array",
            "maxItems": limits.BIRTHS,
            "description": "As earlier versions stored them: read, never written.",
            "items": {
                "type": "object",
                "properties": {
                    "pod": {"type": "string", "maxLength": 253},
                    "pool": {"type": "string", "maxLength": 253},
                    "at": {"type": "string", "format": "date-time"},
                    "serving": {"type": "boolean"},
                },
            },
        }
    }

    @model_validator(mode="before")
    @classmethod
    def _read_former(cls, data: Any) -> Any:
        """Take over what an earlier version has stored."""
        if not isinstance(data, Mapping) or "births" not in data or data.get("born"):
            return data
        rest = {key: value for key, value in data.items() if key != "births"}
        return rest | {"born": grouped(_formerly(data["births"]))}

    @property
    def births(self) -> list[Birth]:
        """The pods, those that do not serve first, older ones first: new objects at each call."""
        return sorted((birth for group in self.born for birth in _of(group)), key=_order)

    @births.setter
    def births(self, found: Iterable[Birth]) -> None:
        self.born = grouped(found)

    def births_in(self, *pools: str) -> list[Birth]:
        """Those of some pools, in the same order."""
        return sorted((birth for group in self.born if group.pool in pools for birth in _of(group)), key=_order)


def _order(birth: Birth) -> tuple[bool, datetime, str, str]:
    return birth.serving, birth.at, birth.pool, birth.pod


def grouped(births: Iterable[Birth]) -> list[BornGroup]:
    """As status holds them. Of more than it can hold the oldest go that do not serve."""
    kept, groups, size = [], set(), 0
    for birth in sorted(births, key=_order, reverse=True)[: limits.BIRTHS]:
        group = (birth.pool, _prefix(birth.pod))
        size += len(birth.pod) - len(group[1]) + _OF_ENTRY
        size += 0 if group in groups else len(group[0]) + len(group[1]) + _OF_GROUP
        if size > limits.BIRTHS_TEXT:
            break
        groups.add(group)
        kept.append((group, birth))
    kept.sort(key=lambda one: (one[0], one[1].at, one[1].pod))
    return [_group(pool, [birth for _, birth in some]) for (pool, _), some in groupby(kept, key=lambda one: one[0])]


def _prefix(pod: str) -> str:
    return pod[: pod.rfind("-") + 1]


def _shared(names: list[str]) -> str:
    """What all names begin with: of sorted ones the first and the last tell."""
    pairs = zip(min(names), max(names), strict=False)
    return "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _group(pool: str, births: list[Birth]) -> BornGroup:
    prefix = _shared([birth.pod for birth in births])
    since = births[0].at.replace(microsecond=0)
    text = {True: "", False: ""}
    for serving in text:
        mine = (birth for birth in births if birth.serving is serving)
        text[serving] = " ".join(f"{one.pod[len(prefix) :]}+{int((one.at - since).total_seconds())}" for one in mine)
    return BornGroup(pool=pool, prefix=prefix, since=since, serving=text[True], others=text[False])


def _of(group: BornGroup) -> Iterable[Birth]:
    """What can be read of a group, which a stranger may have edited."""
    for text, serving in ((group.others, False), (group.serving, True)):
        for end, after in _ENTRY.findall(text):
            yield Birth(group.prefix + end, group.pool, group.since + timedelta(seconds=int(after)), serving)


def _formerly(stored: Any) -> list[Birth]:
    found = []
    for one in stored if isinstance(stored, list) else ():
        try:
            read = _Before.model_validate(one)
        except ValidationError:
            continue
        found.append(Birth(read.pod, read.pool, read.at, read.serving))
    return found
