"""A pod of the simulated world."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass
class Pod:
    name: str
    pool: str
    revision: str
    created: datetime
    terminating_since: datetime | None = None
    restarts: int = 0
    was_ready: bool = False
    unready_since: datetime | None = None
    """Since when it has run and not been ready; None before it was first looked at."""
    ready_since: datetime | None = None
    orphaned: datetime | None = None
    """When the object that owned it was deleted: the garbage collector comes for it some time later."""
