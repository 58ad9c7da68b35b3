"""Small drawings, one a check: the evidence against a release, and the bound below which it passes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from quality_contract import CHECK_REPLAY_AUDIT
from samplerctl.drawing.panels import Axis, Limit, Line, panel
from samplerctl.drawing.scales import RATES, clock, percent

from local.demo.recording import CheckPoint, ReleaseRecord
from local.demo.report import words
from local.demo.report.charts import moments, pools_of

_LN10 = math.log(10)
# Evidence below this says only "no reason to worry"; drawing it to scale would flatten what matters.
_LEAST_LOG10_E = -3.0

Height = Callable[[CheckPoint], float]


def evidence(release: ReleaseRecord, check: str) -> str:
    """The evidence that the check's rate is above its limit, against the threshold at which the operator stops."""
    return _audit(release, check) if check == CHECK_REPLAY_AUDIT else _e_value(release, check)


def _e_value(release: ReleaseRecord, check: str) -> str:
    points = _points(release, check)
    threshold = max(p.log_threshold for p in points) / _LN10
    highest = threshold * 1.35
    ticks = range(-2, math.ceil(highest), 2)
    axis = Axis((_LEAST_LOG10_E, highest), ticks, lambda v: f"10{_superscript(round(v))}")
    return _against(release, check, "e-value", axis, threshold, lambda p: p.log_e / _LN10)


def _audit(release: ReleaseRecord, check: str) -> str:
    points = _points(release, check)
    threshold = math.exp(points[0].log_threshold)
    highest = min(max([3.0, *(_confirmations(p) * 1.2 for p in points)]), 8.0)
    axis = Axis((0.0, highest), range(math.ceil(highest)), lambda v: f"{v:g}")
    return _against(release, check, "scrapes with wrong tokens", axis, threshold, _confirmations)


def _against(release: ReleaseRecord, check: str, what: str, axis: Axis, threshold: float, height: Height) -> str:
    limit = Limit(threshold, "threshold", "stop", (threshold, axis.ends[1]), "zone-bad")
    return _panel(release, check, f"Evidence of {check}", what, axis, limit, height, "Failed")


def _confirmations(point: CheckPoint) -> float:
    """The audit's e-value is the number of pod-intervals with a mismatch, but never below one."""
    return math.exp(min(point.log_e, 10.0)) if point.bad else 0.0


def bounds(release: ReleaseRecord, check: str) -> str:
    """The upper confidence bound of the check's rate, against the limit below which it passes."""
    rate = _points(release, check)[-1].max_rate
    lowest = rate / 5
    axis = Axis((lowest, 1.0), [v for v in RATES if v >= lowest], percent, log=True)
    limit = Limit(rate, "limit", f"passes below {percent(rate)}", (lowest, rate), "zone-good")
    what = f"bound of bad {words.unit(check)}"
    return _panel(release, check, f"Bound of {check}", what, axis, limit, lambda p: p.upper_bound, "Passed")


def _panel(
    release: ReleaseRecord,
    check: str,
    title: str,
    what: str,
    axis: Axis,
    limit: Limit,
    height: Height,
    verdict: str,
) -> str:
    points = _points(release, check)
    return panel(
        title,
        f"{check}: {what}",
        _lines(release, points, height, verdict),
        limit,
        window=_window(points, release),
        axis=axis,
        clock=clock,
        moments=moments(release),
    )


def _points(release: ReleaseRecord, check: str) -> list[CheckPoint]:
    return [p for p in release.evidence if p.check == check]


def _window(points: Sequence[CheckPoint], release: ReleaseRecord) -> tuple[float, float]:
    """From a little before the first look to a little after the last, in seconds since the apply."""
    first, last = points[0].at - release.applied_at, points[-1].at - release.applied_at
    margin = max(2.0, 0.06 * (last - first))
    return max(0.0, first - margin), last + margin


def _lines(release: ReleaseRecord, points: Sequence[CheckPoint], height: Height, verdict: str) -> list[Line]:
    return [_line(release, points, height, verdict, index, pool) for index, pool in enumerate(pools_of(release))]


def _line(
    release: ReleaseRecord, points: Sequence[CheckPoint], height: Height, verdict: str, index: int, pool: str
) -> Line:
    origin = release.applied_at
    mine = [p for p in points if p.pool == pool]
    drawn = [(p.at - origin, height(p)) for p in mine]
    found = next((p for p in mine if p.verdict == verdict), None)
    if found is None:
        return Line(index, drawn)
    when = clock(found.at - origin)
    hint = f"{pool}: {verdict} after {found.checked} checked {words.unit(found.check)}, {found.bad} bad, {when}"
    return Line(index, drawn, (found.at - origin, height(found), hint))


def _superscript(number: int) -> str:
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
