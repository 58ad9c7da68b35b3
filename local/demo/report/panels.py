"""Small drawings, one a check: the evidence against a release, and the bound below which it passes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from quality_contract import CHECK_REPLAY_AUDIT

from local.demo.recording import CheckPoint, ReleaseRecord
from local.demo.report import words
from local.demo.report.charts import moments, pools_of
from local.demo.report.scales import clock, percent, time_ticks
from local.demo.report.svg import Plot

WIDTH, HEIGHT = 350, 190
_LN10 = math.log(10)
# Evidence below this says only "no reason to worry"; drawing it to scale would flatten what matters.
_LEAST_LOG10_E = -3.0
_RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)

Height = Callable[[CheckPoint], float]


def evidence(release: ReleaseRecord, check: str) -> str:
    """The evidence that the check's rate is above its limit, against the threshold at which the operator stops."""
    return _audit(release, check) if check == CHECK_REPLAY_AUDIT else _e_value(release, check)


def _e_value(release: ReleaseRecord, check: str) -> str:
    points = _points(release, check)
    threshold = max(p.log_threshold for p in points) / _LN10
    highest = threshold * 1.35
    plot = _plot(points, release, (_LEAST_LOG10_E, highest), f"Evidence of {check}")
    plot.band(threshold, highest, "zone-bad")
    _grid(plot, points, release, range(-2, math.ceil(highest), 2), lambda v: f"10{_superscript(round(v))}")
    plot.caption(f"{check}: e-value")
    plot.across(threshold, "threshold", "stop")
    _lines(plot, release, points, lambda p: p.log_e / _LN10, "Failed")
    return plot.render()


def _audit(release: ReleaseRecord, check: str) -> str:
    points = _points(release, check)
    threshold = math.exp(points[0].log_threshold)
    highest = min(max([3.0, *(_confirmations(p) * 1.2 for p in points)]), 8.0)
    plot = _plot(points, release, (0.0, highest), f"Evidence of {check}")
    plot.band(threshold, highest, "zone-bad")
    _grid(plot, points, release, range(math.ceil(highest)), lambda v: f"{v:g}")
    plot.caption(f"{check}: scrapes with wrong tokens")
    plot.across(threshold, "threshold", "stop")
    _lines(plot, release, points, _confirmations, "Failed")
    return plot.render()


def _confirmations(point: CheckPoint) -> float:
    """The audit's e-value is the number of pod-intervals with a mismatch, but never below one."""
    return math.exp(min(point.log_e, 10.0)) if point.bad else 0.0


def bounds(release: ReleaseRecord, check: str) -> str:
    """The upper confidence bound of the check's rate, against the limit below which it passes."""
    points = _points(release, check)
    limit = points[-1].max_rate
    lowest = limit / 5
    plot = _plot(points, release, (lowest, 1.0), f"Bound of {check}", log_y=True)
    plot.band(lowest, limit, "zone-good")
    _grid(plot, points, release, [v for v in _RATES if v >= lowest], percent)
    plot.caption(f"{check}: bound of bad {words.unit(check)}")
    plot.across(limit, "limit", f"passes below {percent(limit)}")
    _lines(plot, release, points, lambda p: p.upper_bound, "Passed")
    return plot.render()


def _points(release: ReleaseRecord, check: str) -> list[CheckPoint]:
    return [p for p in release.evidence if p.check == check]


def _plot(
    points: Sequence[CheckPoint], release: ReleaseRecord, y: tuple[float, float], title: str, *, log_y: bool = False
) -> Plot:
    first, last = _window(points, release)
    return Plot(WIDTH, HEIGHT, x=(first, last), y=y, title=title, log_y=log_y, top=30, left=44)


def _window(points: Sequence[CheckPoint], release: ReleaseRecord) -> tuple[float, float]:
    """From a little before the first look to a little after the last, in seconds since the apply."""
    first, last = points[0].at - release.applied_at, points[-1].at - release.applied_at
    margin = max(2.0, 0.06 * (last - first))
    return max(0.0, first - margin), last + margin


def _grid(
    plot: Plot, points: Sequence[CheckPoint], release: ReleaseRecord, ys: Sequence[float], text: Callable[[float], str]
) -> None:
    first, last = _window(points, release)
    plot.grid([t for t in time_ticks(last, 5 * last / (last - first)) if t >= first], ys, clock, text)


def _lines(plot: Plot, release: ReleaseRecord, points: Sequence[CheckPoint], height: Height, verdict: str) -> None:
    origin = release.applied_at
    moments(plot, release, origin, named=False)
    for index, pool in enumerate(pools_of(release)):
        mine = [p for p in points if p.pool == pool]
        plot.line([(p.at - origin, height(p)) for p in mine], f"line pool-{index}", steps=True)
        found = next((p for p in mine if p.verdict == verdict), None)
        if found is not None:
            when = clock(found.at - origin)
            hint = f"{pool}: {verdict} after {found.checked} checked {words.unit(found.check)}, {found.bad} bad, {when}"
            plot.dot(found.at - origin, height(found), f"dot pool-{index}", hint)


def _superscript(number: int) -> str:
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
