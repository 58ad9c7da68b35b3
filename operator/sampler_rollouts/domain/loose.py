"""What all that status remembers is made of: bounded words, times that can stop, objects that read what they know."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from sampler_rollouts.domain import limits


def _cut(value: object) -> object:
    return limits.clip(value, limits.SENTENCE) if isinstance(value, str) else value


Name = Annotated[str, Field(max_length=limits.OBJECT)]
Label = Annotated[str, Field(max_length=limits.LABEL)]
"""A pool, a revision, a release, a check: what is a label's value or shorter."""
Reason = Annotated[str, Field(max_length=limits.REASON)]
Text = Annotated[str, Field(max_length=limits.TEXT)]
Sentence = Annotated[str, BeforeValidator(_cut), Field(max_length=limits.SENTENCE)]
"""Cut where it is read too: earlier versions stored longer ones."""
Suspect = Annotated[str, Field(max_length=limits.SUSPECT)]
Figure = Annotated[str, Field(max_length=16)]
"""A number as a spec has it, or as people read it: four digits and a unit."""
Count = Annotated[int, Field(ge=0)]


class Loose(BaseModel):
    """Base of status objects: what another version wrote is read as far as it is understood."""

    former: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Members that earlier versions wrote, with their schemas: the API server drops what the schema does not have, and
    the operator is to read it once more."""

    model_config = ConfigDict(
        extra="ignore", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )


class Clock(Loose):
    """Time that can stop. ``since`` is moved forward on resuming, so that a running clock needs no writing."""

    since: AwareDatetime
    stopped_at: AwareDatetime | None = None

    def elapsed(self, now: datetime) -> float:
        """Seconds run so far; a clock that jumped back counts as nothing."""
        return max(0.0, ((self.stopped_at or now) - self.since).total_seconds())

    def run(self, running: bool, now: datetime) -> None:
        """Stop or resume. What was noted at a time that has not come yet is set right: the machine's time was ahead."""
        ahead = max((self.stopped_at or self.since) - now, timedelta(0))
        self.since -= ahead
        if self.stopped_at is not None:
            self.stopped_at -= ahead
        if not running and self.stopped_at is None:
            self.stopped_at = now
        elif running and self.stopped_at is not None:
            self.since += max(now - self.stopped_at, timedelta(0))
            self.stopped_at = None

    def stand_since(self, last: datetime | None, now: datetime, longest: float) -> None:
        """Stop it at the last look, if that is longer ago: the time in which nobody looked does not count."""
        if last is not None and self.stopped_at is None and (now - last).total_seconds() > longest:
            self.run(False, last)


class Failure(Loose):
    """Why the candidate leaves or holds, or why the pods of the first release do not come up."""

    reason: Reason
    message: Text
    at: AwareDatetime
