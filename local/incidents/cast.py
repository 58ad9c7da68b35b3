"""What is replayed, in order: which image each release is, or what happens without one, and how it should end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PROMOTED: Final = "promoted"
ROLLED_BACK: Final = "rolled back"
ALARM: Final = "alarm"
"""The release was verified long ago: nothing is rolled back, and a person is told what has changed."""


@dataclass(frozen=True)
class Incident:
    """One of them. ``image`` is a key of ``images.ensure``; without one, somebody else's route is what happens."""

    name: str
    what: str
    expected: str
    image: str = ""
    check: str = ""
    """The check that should stop it."""


CAST: Final = (
    Incident("honest-1", "the same source in another image", PROMOTED, image="good-2"),
    Incident("I2", "rare-token boost: Thai in English answers", ROLLED_BACK, "rare-token-boost", "unexpected-script"),
    Incident("I3a", "excess precision: the best token is dropped", ROLLED_BACK, "excess-precision", "replay-audit"),
    Incident("I3b", "approximate top-k at some batch sizes", ROLLED_BACK, "approximate-top-k", "replay-audit"),
    Incident("honest-2", "the same source in a third image", PROMOTED, image="good-3"),
    Incident("I1", "a second route, not ours, sends 16% of short requests to the long pool", ALARM, check="misrouted"),
)
FAULTS: Final = ("rare-token-boost", "excess-precision", "approximate-top-k")
