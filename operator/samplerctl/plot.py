"""The course of every check as one page: evidence against its threshold, and the rate's upper bound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from samplerctl.numbers import duration, percent

if TYPE_CHECKING:
    from samplerctl.replay import Course

WIDTH, HEIGHT, LEFT, TOP = 720.0, 180.0, 56.0, 12.0
STYLE = """
body { font: 14px system-ui, sans-serif; margin: 2em; color: #222; max-width: 60em }
svg { background: #fafafa; border: 1px solid #ddd; display: block; margin: .3em 0 1.2em }
text { font-size: 11px; fill: #555 }
.line { fill: none; stroke: #1f5fa8; stroke-width: 1.6 } .limit { stroke: #b3261e; stroke-dasharray: 5 4 }
"""


def page(courses: Mapping[tuple[str, str], Course], start: float) -> str:
    """A page without scripts and without anything from elsewhere."""
    parts = [_section(check, pool, course, start) for (check, pool), course in courses.items()]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>samplerctl replay</title>'
        f"<style>{STYLE}</style><h1>Recorded evidence</h1>{''.join(parts)}</html>\n"
    )


def _section(check: str, pool: str, course: Course, start: float) -> str:
    times = [time - start for time, _ in course.points]
    looks = [look for _, look in course.points]
    final = course.final
    said = f"{final.verdict.value}{f' ({final.reason})' if final.reason else ''}: {final.bad} of {final.checked} bad"
    evidence = _chart(times, [look.log_e for look in looks], final.log_threshold, "evidence, nats", "{:.3g}".format)
    limit = None if math.isnan(final.max_rate) else final.max_rate
    bound = _chart(times, [look.upper_bound for look in looks], limit, "upper bound of the rate", percent)
    return f"<h2>{escape(check)} in {escape(pool)}</h2><p>{escape(said)}</p>{evidence}{bound}"


def _chart(times: list[float], values: list[float], limit: float | None, name: str, write: object) -> str:
    text = write if callable(write) else str
    shown = [*values, *([] if limit is None else [limit])]
    low, high = min(0.0, *shown), max(shown)
    if limit is not None and name.startswith("upper"):
        high = min(high, 5 * limit)  # what lies far above is of no interest, and would hide what lies near
    high = high if high > low else low + 1.0
    last = max(times[-1], 1e-9)

    def place(time: float, value: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - 8) * time / last
        return across, TOP + (HEIGHT - TOP - 28) * (high - min(max(value, low), high)) / (high - low)

    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, times, values))
    marks = [(low, text(low)), (high, text(high))] + ([] if limit is None else [(limit, text(limit))])
    ticks = "".join(f'<text x="4" y="{place(0, value)[1] + 4:.1f}">{escape(label)}</text>' for value, label in marks)
    rule = ""
    if limit is not None:
        y = place(0, limit)[1]
        rule = f'<line class="limit" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>'
    end = f'<text x="{WIDTH - 8}" y="{HEIGHT - 8}" text-anchor="end">{escape(duration(last))}</text>'
    title = f'<text x="{LEFT}" y="{HEIGHT - 8}">{escape(name)}</text>'
    inside = f'{rule}<polyline class="line" points="{line}"/>{ticks}{title}{end}'
    return f'<svg width="{WIDTH:g}" height="{HEIGHT:g}">{inside}</svg>'
