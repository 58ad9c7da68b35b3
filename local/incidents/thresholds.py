"""What a gate of thresholds says of the same samples: a few measurements, each bad/checked against a limit. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from local.demo.recording import CheckPoint

MEASUREMENTS: Final = 5
SECONDS: Final = 12.0
"""A minute of production, scaled like the rates and times of the example."""


def verdict(points: Sequence[CheckPoint]) -> str:
    """Its word on a release, over all checks and pools. An empty measurement succeeds, as gates in the wild have it."""
    if not points:
        return "nothing measured"
    start = min(point.at for point in points)
    for number in range(1, MEASUREMENTS + 1):
        until = start + number * SECONDS
        over = [where for where, bad in _measured(points, until - SECONDS, until) if bad]
        if over:
            pool, check = over[0]
            return f"aborts at measurement {number} (check {check}, pool {pool})"
        if max(point.at for point in points) < until:
            return f"has had {number - 1} of {MEASUREMENTS} measurements, and decides nothing"
    return "passes it"


def _measured(points: Sequence[CheckPoint], since: float, until: float) -> Iterator[tuple[tuple[str, str], bool]]:
    """For each pool and check, whether a stretch of time was above the limit."""
    places = dict.fromkeys((point.pool, point.check) for point in points)
    for place in places:
        mine = [point for point in points if (point.pool, point.check) == place]
        before, after = (_last(mine, at) for at in (since, until))
        checked, bad = after[0] - before[0], after[1] - before[1]
        yield place, bad > mine[0].max_rate * checked


def _last(points: Sequence[CheckPoint], at: float) -> tuple[int, int]:
    """Checked and bad by then; both only rise."""
    past = [point for point in points if point.at <= at]
    return (past[-1].checked, past[-1].bad) if past else (0, 0)
