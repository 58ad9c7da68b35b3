"""What can befall one write: the process is killed around it, or the API server answers with an error."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sampler_rollouts.cluster.errors import ConflictError, ServerError, UnavailableError

from tests.support.kube.api import MemoryApi, Write


class Killed(BaseException):
    """The process is gone: no handler of ours may catch this."""


class Kind(StrEnum):
    """Which."""

    KILLED_BEFORE = "killed before it"
    KILLED_AFTER = "killed after it"
    CONFLICT = "answered by a conflict"
    TIMED_OUT = "timed out after success"
    ERROR = "answered by a 500"


@dataclass
class Fault:
    """One fault at one write, counted from the beginning of what is told."""

    kind: Kind
    at: int
    seen: int = 0
    write: Write | None = None
    """What it hit."""

    def arm(self, api: MemoryApi) -> None:
        """From now on writes count."""
        api.before_write, api.after_write = self._before, self._after

    def _hits(self, write: Write) -> bool:
        if self.seen != self.at:
            return False
        self.write = write
        return True

    def _before(self, write: Write) -> None:
        if self._hits(write) and self.kind in (Kind.KILLED_BEFORE, Kind.CONFLICT, Kind.ERROR):
            self.seen += 1
            call = f"{write[0]} {write[1]}"
            if self.kind is Kind.CONFLICT:
                raise ConflictError(f"{call}: 409 for a test")
            if self.kind is Kind.ERROR:
                raise ServerError(f"{call}: 500 for a test")
            raise Killed

    def _after(self, write: Write) -> None:
        hit = self._hits(write)
        self.seen += 1
        if hit and self.kind is Kind.TIMED_OUT:
            raise UnavailableError(f"{write[0]} {write[1]}: no answer, for a test")
        if hit and self.kind is Kind.KILLED_AFTER:
            raise Killed
