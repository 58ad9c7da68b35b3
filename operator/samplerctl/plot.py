"""The course of every check as one page: evidence against its threshold, and bounds against the limits that decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from sampler_rollouts.domain.evidence.bound import upper_bound
from sampler_rollouts.domain.evidence.judge import IGNORED_SHARE
from sampler_rollouts.domain.evidence.look import Verdict
from sampler_rollouts.domain.evidence.samples import CheckPlan, is_compared
from sampler_rollouts.domain.quantities import ratio

from samplerctl.drawing import html
from samplerctl.drawing.scales import clock, hours, nice_ticks, time_ticks
from samplerctl.drawing.svg import Plot
from samplerctl.numbers import duration, figure, percent
from samplerctl.replay import looked_at

if TYPE_CHECKING:
    from sampler_rollouts.domain.evidence.look import CheckLook
    from sampler_rollouts.domain.quality_spec import Quality

    from samplerctl.replay import Course

WIDTH, HEIGHT = 1060, 210
MOST_LIMITS = 5.0
"""A bound so many times above its limits is cut off: it would hide what lies near them."""
VERDICTS = {Verdict.FAILED: ("verdict-bad", "bad"), Verdict.PASSED: ("verdict-good", "good")}

Write = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class _Limit:
    """A dashed line: ``limit`` is what a bound has to come below, ``threshold`` what evidence has to reach."""

    at: float
    text: str
    kind: str = "limit"


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where a verdict was found first."""

    at: float
    kind: str
    text: str


def page(courses: Mapping[tuple[str, str], Course], start: float, quality: Quality) -> str:
    """A page without scripts and without anything from elsewhere."""
    plans = {plan.name: plan for plan in looked_at(quality)}
    parts = [_section(plans[check], course, start, quality) for (check, _), course in courses.items()]
    return html.page("samplerctl replay", f"<h1>Recorded evidence</h1>{''.join(parts)}")


def _section(plan: CheckPlan, course: Course, start: float, quality: Quality) -> str:
    final = course.final
    badge = VERDICTS.get(final.verdict, ("", ""))[1]
    verdict = f"{final.verdict.value}{f' ({final.reason})' if final.reason else ''}"
    head = f'<div class="head"><h2>{escape(f"{plan.name} in {final.pool}")}</h2>'
    head += f'<span class="badge {badge}">{escape(verdict)}</span></div>'
    text = f"{final.bad:,} of {final.checked:,} requests were bad."
    body = "".join(map(html.paragraph, [text, *_decided(plan, course, start, quality)]))
    return f"<section>{head}{body}{''.join(map(html.drawing, _drawings(plan, course, start, quality)))}</section>"


def _decided(plan: CheckPlan, course: Course, start: float, quality: Quality) -> Iterator[str]:
    for word, found in (("Failed", course.failed), ("Passed", course.passed)):
        if found is not None:
            yield f"{word} after {found[1].checked:,} requests and {duration(found[0] - start)}."
    if course.failed is not None:
        return
    if course.passed is None:
        yield f"Missing for Passed: {_missing(plan, course.final, quality)}."
        return
    before = [look for time, look in course.points if time < course.passed[0]]
    if before:
        yield f"What came last for Passed: {_missing(plan, before[-1], quality)}."
    if course.final.verdict is not Verdict.PASSED:
        yield f"Missing for Passed at the end: {_missing(plan, course.final, quality)}."


def _missing(plan: CheckPlan, look: CheckLook, quality: Quality) -> str:
    """Which bounds are not below their limits at that look."""
    wanted = []
    if look.max_rate <= look.upper_bound:  # never so for NaN
        wanted.append(f"the rate's bound below maxRate {percent(look.max_rate)}")
    lower = [f"the ratio's bound below maxRatio {plan.max_ratio:g}"]
    below = look.ratio_bounds[1] < plan.max_ratio
    if plan.ignore_below:
        lower.append(f"the rate's below ignoreBelow {percent(plan.ignore_below)}")
        below = below or _ignored_bound(look, quality) < plan.ignore_below
    if not math.isnan(plan.max_ratio) and look.stable_checked and not below:
        wanted.append(" or ".join(lower))
    return ", and ".join(wanted) or look.reason or "data that are fresh and whole"


def _ignored_bound(look: CheckLook, quality: Quality) -> float:
    """The rate's bound at the share of the error that ``ignoreBelow`` has."""
    sure = 1 - IGNORED_SHARE * (1 - ratio(quality.pass_confidence))
    return upper_bound(look.checked, look.bad, sure, float(quality.design_effect))


def _drawings(plan: CheckPlan, course: Course, start: float, quality: Quality) -> Iterator[str]:
    times, looks = [time - start for time, _ in course.points], [look for _, look in course.points]
    marks, last = list(_marks(course, start)), looks[-1]
    threshold = _Limit(last.log_threshold, f"Failed from {figure(last.log_threshold)} on", "threshold")
    evidence = [look.log_e for look in looks]
    yield _chart("Evidence that the limit is broken, in nats", times, evidence, [threshold], figure, marks)
    limits = [] if math.isnan(last.max_rate) else [_Limit(last.max_rate, f"maxRate {percent(last.max_rate)}")]
    limits += [_Limit(plan.ignore_below, f"ignoreBelow {percent(plan.ignore_below)}")] if plan.ignore_below else []
    sure = 100 * ratio(quality.pass_confidence)
    name = f"Upper bound of the rate, at {sure:.6g}%"
    yield _chart(name, times, [look.upper_bound for look in looks], limits, percent, marks)
    if is_compared(plan) and not math.isnan(plan.max_ratio) and last.stable_checked:
        limits = [_Limit(plan.max_ratio, f"maxRatio {plan.max_ratio:g}")]
        ratios = [look.ratio_bounds[1] for look in looks]
        yield _chart("Upper bound of how many times stable's rate it is", times, ratios, limits, figure, marks)


def _marks(course: Course, start: float) -> Iterator[_Mark]:
    for found in (course.failed, course.passed):
        if found is not None:
            time, look = found
            text = f"{look.verdict.value} after {look.checked:,} requests"
            yield _Mark(time - start, VERDICTS[look.verdict][0], text)


def _chart(
    name: str,
    times: Sequence[float],
    values: Sequence[float],
    limits: Sequence[_Limit],
    write: Write,
    marks: Sequence[_Mark],
) -> str:
    """One line over time. Bounds that lie far above their limits are cut off, and the caption says where."""
    wanted = [limit.at for limit in limits]
    finite = [value for value in values if math.isfinite(value)]
    low, high = min([0.0, *finite, *wanted]), max([0.0, *finite, *wanted])
    bounded = any(limit.kind == "limit" for limit in limits)
    if bounded:
        most = max(MOST_LIMITS * max(wanted), 2 * min(finite, default=0.0))
        high = min(high, most) if len(finite) == len(values) else most  # one that is infinite lies above all
    high = high if high > low else low + 1.0
    shown = [min(value, high) for value in values]
    if any(value > high for value in values):
        name += f", cut off above {write(high)}"
    span = times[-1]
    # Room above the line for what the marks say, and at the right for the limits.
    ends = (low, low + (high - low) * 1.2)
    plot = Plot(WIDTH, HEIGHT, x=(0.0, max(span, 1e-9)), y=ends, title=name, top=36, left=60, right=130)
    plot.grid(time_ticks(span, 12), nice_ticks(*ends, 4), hours if span >= 3600 else clock, write)
    plot.caption(f"{name}; time in {'h:min' if span >= 3600 else 'min:s'}")
    above = -math.inf
    for limit in sorted(limits, key=lambda one: -one.at):
        above = plot.beside(limit.at, limit.kind, limit.text, above=above)
    plot.line(list(zip(times, shown, strict=True)), "line pool-0")
    for mark in marks:
        at = next(value for time, value in zip(times, shown, strict=True) if time == mark.at)
        plot.upright(mark.at, mark.kind, mark.text, before=mark.at > span / 2)
        plot.dot(mark.at, at, "dot pool-0", mark.text)
    return plot.render()
