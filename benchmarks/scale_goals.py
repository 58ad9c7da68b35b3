"""The goals of ``benchmarks.scale``, what was found beside them, and the table that says both."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from sampler_rollouts.domain.decision.decide import LOOK_SECONDS

ROLLOUTS: Final = 2000
"""So many are to be borne, and fewer all the more."""
CORES: Final = 1.0
"""Fewer processors than this."""
MEGABYTES: Final = 400.0
"""At most, at any time."""
P99: Final = 1.0
"""Seconds that 99 of 100 looks take at most."""
DECIDED: Final = LOOK_SECONDS + 2 * P99
"""Seconds from the scrape that suffices to the rollback: a look that began just before it, the pause, and the next."""


@dataclass(frozen=True)
class Decision:
    """How one bad build was taken back."""

    after: float
    """Seconds after the scrape that sufficed: infinite if it was not taken back, NaN if no scrape until then did."""
    scrape: int = 0
    """How many scrapes of the bad pods there were by then."""
    enough: int = 0
    """How many of them sufficed."""

    def __str__(self) -> str:
        if math.isinf(self.after):
            return "not taken back"
        if math.isnan(self.after):
            return f"after scrape {self.scrape}, of which none suffices"
        return f"{self.after:.1f} s after scrape {self.enough}, which sufficed, at scrape {self.scrape}"


@dataclass
class Row:
    """One count's figures."""

    count: int
    begun: float
    cores: float = 0.0
    api_cores: float = 0.0
    rss: float = 0.0
    peak: float = 0.0
    looks: float = 0.0
    late: float = 0.0
    slow: float = 0.0
    """The share of looks that took longer than ``P99``."""
    p50: str = ""
    p99: str = ""
    requests: str = ""
    writes: float = 0.0
    """Statuses that the API server took, in a second."""
    queries: float = 0.0
    failures: str = ""
    decisions: list[Decision] = field(default_factory=list)
    starts: str = ""
    load: float = 0.0

    @property
    def worst(self) -> Decision:
        """Of the bad builds the one that was taken back latest."""
        return max(self.decisions, key=lambda one: math.inf if math.isnan(one.after) else one.after)

    def missed(self) -> Iterator[str]:
        """The goals that are not met; those of ``ROLLOUTS`` hold for fewer too."""
        if self.count <= ROLLOUTS:
            yield from ([] if self.cores < CORES else ["cores"])
            yield from ([] if self.peak <= MEGABYTES else ["memory"])
            # Nothing is not fast.
            yield from ([] if self.looks and self.slow <= 0.01 else ["p99"])
            yield from ([] if self.decisions and self.worst.after <= DECIDED else ["decided"])


def goals() -> str:
    """In a line."""
    return (
        f"goals with up to {ROLLOUTS} rollouts: under {CORES:g} core, at most {MEGABYTES:g} MB, p99 of a look "
        f"at most {P99:g} s, a rollback at most {DECIDED:g} s after the scrape that suffices"
    )


def table(rows: Sequence[Row]) -> str:
    """As docs/benchmarks.md has it; what misses its goal is marked."""
    head = "| rollouts | cores | MB now / most | looks/s | late | p50, p99 s | requests/s | statuses/s | queries/s"
    starts = "change to first pod, s: p50, most"
    lines = [f"{head} | API cores | created to serving | {starts} | bad builds taken back |", "|---" * 13 + "|"]
    for row in rows:
        missed = set(row.missed())
        cells = (
            f"{row.count}",
            _marked(f"{row.cores:.2f}", "cores" in missed),
            _marked(f"{row.rss:.0f} / {row.peak:.0f}", "memory" in missed),
            f"{row.looks:.1f}{f' ({row.failures})' if row.failures else ''}",
            f"{row.late:.1%}",
            _marked(f"{row.p50}, {row.p99}", "p99" in missed),
            row.requests,
            f"{row.writes:.2f}",
            f"{row.queries:.2f}",
            f"{row.api_cores:.2f}",
            f"{row.begun:.0f} s (load {row.load:.1f})",
            row.starts,
            _marked(_said(row), "decided" in missed),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _said(row: Row) -> str:
    several = f" (the latest of {len(row.decisions)})" if len(row.decisions) > 1 else ""
    return f"{row.worst}{several}" if row.decisions else "not tried"


def _marked(text: str, marked: bool) -> str:
    return f"**{text} MISSED**" if marked else text
