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

    def of(self, release: str, now: datetime) -> float:
        """Seconds of a release until now."""
        running = (now - self.since).total_seconds() if self.since and release == self.release else 0
        return self.valid.get(release, 0) + (running if running <= LONGEST else 0)

    def look(self, release: str, valid: bool, now: datetime) -> None:
        """One look: what serves, and whether all its data are there."""
        if self.release:
            self.valid[self.release] = self.of(self.release, now)
        self.release, self.since = release, now if valid else None
