"""One notification, as status holds it until everybody has been told."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.loose import Label, Loose, Reason, Text


class NoticeType(StrEnum):
    """What happened."""

    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    HELD = "Held"
    DEGRADED = "Degraded"
    RECOVERED = "Recovered"


ENDS_TROUBLE = frozenset({NoticeType.PROMOTED, NoticeType.RECOVERED})
"""After these nobody is needed, unless another one follows."""


class Notice(Loose):
    """Something that people asked to be told of, and who has not been told yet."""

    id: Annotated[str, Field(max_length=32)]
    """The same for each try: a receiver that knows it has been told already."""
    type: NoticeType
    reason: Reason = ""
    release: Label = ""
    message: Text = ""
    at: AwareDatetime
    receivers: Annotated[list[Label], Field(max_length=limits.RECEIVERS)] = Field(default_factory=list)
    """Who has not been told yet, by the names of the administrator's configuration."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose rollout it is."""

    namespace: str
    rollout: str
    uid: str
    cluster: str = ""
    """What the administrator calls this cluster."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A notification and where it comes from: all that a receiver learns."""

    notice: Notice
    origin: Origin


def made(uid: str, kind: NoticeType, at: datetime, *, release: str, reason: str, message: str) -> Notice:
    """A notice whose id is a digest of what happened, to which object, and when."""
    moment = at.astimezone(UTC)
    told = json.dumps([uid, kind.value, reason, release, moment.isoformat()])
    digest = hashlib.sha256(told.encode()).hexdigest()[:32]
    return Notice(id=digest, type=kind, reason=reason, release=release, message=limits.clip(message), at=moment)
