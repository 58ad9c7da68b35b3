"""How long the data of what serves have been there to be seen, as a test counts it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

LONGEST = 300
"""Seconds between two looks: what lies between looks further apart nobody has seen."""


@dataclass
class Baked:
    """By release; the time between two looks counts if data were valid at the first."""

    valid: dict[str, float] = field(default_factory=dict)
    release: str = ""
    since: datetime | None = None

    def until(self, now: datetime) -> float:
        """Seconds of the release that served at the last look."""
        running = (now - self.since).total_seconds() if self.since else 0
        return self.valid.get(self.release, 0) + (running if running <= LONGEST else 0)

    def look(self, release: str, valid: bool, now: datetime) -> None:
        """One look: what serves, and whether all its data are there."""
        if self.release:
            self.valid[self.release] = self.until(now)
        self.release, self.since = release, now if valid else None
