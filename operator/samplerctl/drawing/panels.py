"""Small drawings, one a check: lines of several pools over time, against the limit that matters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from samplerctl.drawing.scales import time_ticks
from samplerctl.drawing.svg import Plot, Points, colour

WIDTH, HEIGHT = 350, 190
WIDE = 1060
"""Of a drawing over the whole page."""

Write = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Line:
    """One pool's. ``index`` says which colour it has; ``mark`` is where a verdict was found, and the hint there."""

    index: int
    points: Points
    mark: tuple[float, float, str] | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """What the lines are drawn against, and the zone beyond it. ``kind``: ``threshold`` or ``limit``."""

    at: float
    kind: str
    text: str
    zone: tuple[float, float]
    zone_kind: str


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened, as an upright line; ``before``: its text stands on its left."""

    at: float
    kind: str
    text: str
    before: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """The vertical one: its ends, its ticks, how they are written."""

    ends: tuple[float, float]
    ticks: Sequence[float]
    write: Write
    log: bool = False


def panel(
    title: str,
    caption: str,
    lines: Sequence[Line],
    limit: Limit | None,
    *,
    window: tuple[float, float],
    axis: Axis,
    clock: Write,
    moments: Sequence[Moment] = (),
) -> str:
    """One check. ``window`` is the stretch of time that is drawn, in the lines' own seconds."""
    first, last = window
    plot = Plot(WIDTH, HEIGHT, x=window, y=axis.ends, title=title, log_y=axis.log, top=30, left=44)
    if limit is not None:
        plot.band(*limit.zone, limit.zone_kind)
    ticks = time_ticks(last, 5 * last / (last - first)) if last > first else []
    plot.grid([tick for tick in ticks if tick >= first], axis.ticks, clock, axis.write)
    plot.caption(caption)
    if limit is not None:
        plot.across(limit.at, limit.kind, limit.text)
    draw_moments(plot, moments, named=False)
    for line in lines:
        plot.line(line.points, f"line pool-{colour(line.index)}", steps=True)
        if line.mark is not None:
            x, y, hint = line.mark
            plot.dot(x, y, f"dot pool-{colour(line.index)}", hint)
    return plot.render()


def weights(
    title: str,
    caption: str,
    wanted: Sequence[Line],
    observed: Sequence[Line],
    *,
    span: float,
    clock: Write,
    moments: Sequence[Moment] = (),
) -> str:
    """Weights over time in per cent: what was wanted, dotted, and what was seen."""
    plot = Plot(WIDE, 190, x=(0, span), y=(0, 108), title=title, top=36)
    plot.grid(time_ticks(span, 12), [0, 25, 50, 75, 100], clock, lambda value: f"{value:g} %")
    plot.caption(caption)
    for lines, kind in ((wanted, " faint"), (observed, "")):
        for line in lines:
            plot.line(line.points, f"line pool-{colour(line.index)}{kind}", steps=True)
    draw_moments(plot, moments, named=True)
    return plot.render()


def draw_moments(plot: Plot, moments: Sequence[Moment], *, named: bool) -> None:
    """Mark what happened."""
    for moment in moments:
        plot.upright(moment.at, moment.kind, moment.text if named else "", before=moment.before)
