"""From the samples of a report to its drawings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from statistics import median

from samplerctl.drawing.panels import Axis, Limit, Line, Moment, panel, weights
from samplerctl.drawing.scales import RATES, clock, hours, percent
from samplerctl.report import Report, max_rate
from samplerctl.report_source import (
    CHECK_BAD,
    CHECK_BOUND,
    CHECK_EVIDENCE,
    CHECK_REQUESTS,
    WEIGHT_OBSERVED,
    WEIGHT_WANTED,
    Points,
)
from samplerctl.served import TRIED

LONG = 2 * 3600.0
"""Seconds from which on time is written in hours."""
MOST_POINTS = 600
"""Of one line; no screen shows more."""
LEAST_GAP = 120.0
GAP = 5.0
"""A line is broken where nothing is known for five times as long as between two samples, and two minutes."""


def pools_of(report: Report) -> list[str]:
    """In the order in which they get their colours."""
    told = [key[1] for key in (*report.told.pools, *report.told.checks)]
    return list(dict.fromkeys([*report.life.places, *sorted(told)]))


def checks_of(report: Report) -> list[str]:
    """Checks that there is something to draw of."""
    told = {key[2] for key in report.told.checks}
    return [*(name for name in report.limits if name in told), *sorted(told - report.limits.keys())]


def span(report: Report) -> float:
    """Seconds that are drawn."""
    return max(1.0, (report.end - report.start).total_seconds())


def writer(report: Report) -> tuple[Callable[[float], str], str]:
    """How times are written, and how that is told."""
    return (hours, "h:min") if span(report) > LONG else (clock, "min:s")


def weights_drawing(report: Report) -> str:
    """Wanted and observed weights; nothing where neither is known."""
    # The table's colour is the one after the pools'.
    table = [Line(len(pools_of(report)), part) for part in _parts(report, report.told.table, 100.0)]
    wanted, observed = (_of_pools(report, name) for name in (WEIGHT_WANTED, WEIGHT_OBSERVED))
    if not (wanted or observed or table):
        return ""
    whose = f"release {report.life.release}"
    parts = ["as wanted (dotted), and as seen in the route or in ready pods"] if wanted or observed else []
    parts += ["of its route table, as wanted (dotted)"] if table else []
    return weights(
        f"Weights of {whose}", f"weight of {whose}: {'; '.join(parts)}", [*wanted, *table], observed,
        span=span(report), clock=writer(report)[0], moments=moments(report),
    )  # fmt: skip


def _of_pools(report: Report, name: str) -> list[Line]:
    return [
        Line(index, part)
        for index, pool in enumerate(pools_of(report))
        if _moves(report, pool)
        for part in _parts(report, report.told.pools.get((name, pool), ()), 100.0)
    ]


def _moves(report: Report, pool: str) -> bool:
    """Whether the pool's weight is the release's: where a new table is all it brings, stable's goes on with all."""
    wanted = report.told.pools.get((WEIGHT_WANTED, pool), ())
    return not report.told.table or any(value < 1 for _, value in wanted)


def evidence_drawing(report: Report, check: str) -> str:
    """The evidence against the release as a part of the threshold at which it fails."""
    lines = [line for index, pool in enumerate(pools_of(report)) for line in _evidence(report, index, pool, check)]
    highest = max([1.25, *(1.1 * value for line in lines for _, value in line.points)])
    axis = Axis((0.0, highest), [0, 0.25, 0.5, 0.75, 1], lambda value: f"{value:g}")
    limit = Limit(1.0, "threshold", "fails", (1.0, highest), "zone-bad")
    return _panel(report, f"Evidence of {check}", f"{check}: evidence", lines, limit, axis)


def bound_drawing(report: Report, check: str) -> str:
    """The upper bound of the rate against its limit; nothing where the check has none."""
    rate = max_rate(report.limits.get(check))
    if not rate:
        return ""
    lines = [line for index, pool in enumerate(pools_of(report)) for line in _bounds(report, index, pool, check, rate)]
    axis = Axis((rate / 5, 1.0), [value for value in RATES if value >= rate / 5], percent, log=True)
    limit = Limit(rate, "limit", f"passes below {percent(rate)}", (rate / 5, rate), "zone-good")
    return _panel(report, f"Bound of {check}", f"{check}: bound", lines, limit, axis)


def _panel(report: Report, title: str, caption: str, lines: Sequence[Line], limit: Limit, axis: Axis) -> str:
    times = [time for line in lines for time, _ in line.points]
    if not times:
        return ""
    margin = max(2.0, 0.06 * (max(times) - min(times)))
    window = max(0.0, min(times) - margin), max(times) + margin
    return panel(
        title, caption, lines, limit, window=window, axis=axis, clock=writer(report)[0], moments=moments(report)
    )


def _evidence(report: Report, index: int, pool: str, check: str) -> Iterator[Line]:
    points = report.told.checks.get((CHECK_EVIDENCE, pool, check), ())
    crossed = next((one for one in points if one[1] >= 1), None)
    yield from _marked(report, index, points, crossed, f"{pool}: failed{_counts(report, pool, check, crossed)}")


def _bounds(report: Report, index: int, pool: str, check: str, limit: float) -> Iterator[Line]:
    points = report.told.checks.get((CHECK_BOUND, pool, check), ())
    crossed = next((one for one in points if one[1] < limit), None)
    yield from _marked(report, index, points, crossed, f"{pool}: below{_counts(report, pool, check, crossed)}")


def _marked(
    report: Report, index: int, points: Points, crossed: tuple[float, float] | None, hint: str
) -> Iterator[Line]:
    """A line in its parts; the dot stands on the first of them, wherever it is."""
    mark = None if crossed is None else (crossed[0] - report.start.timestamp(), crossed[1], hint)
    for part in _parts(report, points):
        yield Line(index, part, mark)
        mark = None


def _counts(report: Report, pool: str, check: str, point: tuple[float, float] | None) -> str:
    """The counts at a time."""
    at = point[0] if point else 0.0
    checked, bad = (
        next((value for time, value in report.told.checks.get((name, pool, check), ()) if time == at), None)
        for name in (CHECK_REQUESTS, CHECK_BAD)
    )
    return "" if checked is None or bad is None else f", {bad:,.0f} bad of {checked:,.0f}"


def moments(report: Report) -> list[Moment]:
    """First pod, or its begin where no pod is new; and the end of the rollout."""
    origin, life = report.start.timestamp(), report.life
    bad = life.role == TRIED
    name = "first pod" if life.since != life.began else "begin"
    found = [Moment(life.since.timestamp() - origin, "moment", name, before=True)]
    if report.decided is not None:
        kind, text = ("verdict-bad", life.verdict) if bad else ("verdict-good", "full traffic")
        found.append(Moment(report.decided.timestamp() - origin, kind, text))
    return found


def _parts(report: Report, points: Points, scale: float = 1.0) -> Iterator[list[tuple[float, float]]]:
    """The line in seconds since the report's begin, broken where nothing is known for long."""
    origin = report.start.timestamp()
    own = [(time - origin, value * scale) for time, value in points if 0 <= time - origin <= span(report)]
    steps = [after[0] - before[0] for before, after in pairwise(own)]
    gap = max(LEAST_GAP, GAP * median(steps)) if steps else LEAST_GAP
    begin = 0
    for place, step in enumerate(steps, start=1):
        if step > gap:
            yield thinned(own[begin:place])
            begin = place
    if own:
        yield thinned(own[begin:])


def thinned(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """Stairs need only the points where they change, and the last. Of too many the highest of each stretch stays."""
    changed = [points[0], *(after for before, after in pairwise(points) if after[1] != before[1])]
    kept = changed if changed[-1] == points[-1] else [*changed, points[-1]]
    if len(kept) <= most:
        return kept
    size = -(-len(kept) // (most - 1))
    highest = [max(kept[at : at + size], key=lambda one: one[1]) for at in range(0, len(kept), size)]
    return highest if highest[-1] == kept[-1] else [*highest, kept[-1]]
