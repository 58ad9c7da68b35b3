"""What is replayed, in order: which image each release is, or what happens without one, and how it should end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PROMOTED: Final = "promoted"
ROLLED_BACK: Final = "rolled back"
ALARM: Final = "alarm"
"""The release was verified long ago: nothing is rolled back, and a person is told what has changed."""

MISROUTED: Final = 4
"""Five times the 0.8% of 2025: of one request a second that is one in half a minute at weight 100."""
STRANGERS: Final = 16


@dataclass(frozen=True)
class Incident:
    """One of them. ``image`` is a key of ``images.ensure``; without one, somebody else's route is what happens.

    ``misroutes`` is the percentage of the short requests that the release's route table sends to the long pool.
    """

    name: str
    what: str
    expected: str
    image: str = ""
    check: str = ""
    """The check that should stop it."""
    misroutes: int = 0


CAST: Final = (
    Incident("honest-1", "the same source in another image", PROMOTED, image="good-2"),
    Incident(
        "I1",
        f"a route table sends {MISROUTED}% of short requests to the long pool",
        ROLLED_BACK,
        "good-2",
        "misrouted",
        MISROUTED,
    ),
    Incident("I2", "rare-token boost: Thai in English answers", ROLLED_BACK, "rare-token-boost", "unexpected-script"),
    Incident("I3a", "excess precision: the best token is dropped", ROLLED_BACK, "excess-precision", "replay-audit"),
    Incident("I3b", "approximate top-k at some batch sizes", ROLLED_BACK, "approximate-top-k", "replay-audit"),
    Incident("honest-2", "the same source in a third image", PROMOTED, image="good-3"),
    Incident("I1-later", f"a route, not ours, sends {STRANGERS}% of short requests there", ALARM, check="misrouted"),
)
FAULTS: Final = ("rare-token-boost", "excess-precision", "approximate-top-k")
