"""Results as plain data, the same for JSON and for tables."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from samplerctl.numbers import duration, figure, percent

if TYPE_CHECKING:
    from sampler_rollouts.domain.evidence.look import CheckLook
    from sampler_rollouts.domain.quality_spec import Quality

    from samplerctl.power import Detection, Question
    from samplerctl.replay import Course

MOST_POINTS = 20
"""Lines of a course that a table shows: every change of verdict, and some in between."""


def power_result(asked: Question, found: Detection, to_pass: int | None, rps: float | None) -> dict[str, Any]:
    """All counts are candidate requests; seconds are null without traffic, or where the requests are."""

    def seconds(requests: int | None) -> float | None:
        return round(requests / (rps * asked.share), 3) if requests is not None and rps else None

    return {
        "sprt_bound": math.ceil(asked.fewest),
        "median": found.median,
        "p95": found.p95,
        "confirmed_median": found.confirmed_median,
        "confirmed_p95": found.confirmed_p95,
        "passed_median": to_pass,
        "seconds": seconds(found.median),
        "p95_seconds": seconds(found.p95),
        "confirmed_seconds": seconds(found.confirmed_median),
        "passed_seconds": seconds(to_pass),
    }


def power_table(asked: Question, found: Mapping[str, Any]) -> None:
    """For people, with the remedy where an honest build does not pass."""
    table = Table(box=None, pad_edge=False)
    table.add_column()
    table.add_column("candidate requests", justify="right")
    table.add_column("time", justify="right")
    rows = (
        ("fewest that any test needs (SPRT)", "sprt_bound", ""),
        ("found, median", "median", "seconds"),
        ("found, 95 of 100", "p95", "p95_seconds"),
        ("confirmed by a second pod-interval, median", "confirmed_median", "confirmed_seconds"),
        ("confirmed by a second pod-interval, 95 of 100", "confirmed_p95", ""),
        ("honest build Passed, median", "passed_median", "passed_seconds"),
    )
    for text, requests, seconds in rows:
        time = found.get(seconds)
        table.add_row(text, _requests(found[requests]), "" if time is None else duration(time))
    out = console()
    out.print(table)
    if found["passed_median"] is None:
        out.print(_wider(asked), soft_wrap=True)


def _wider(asked: Question) -> str:
    """Which option to raise: those that leave no room, else the one that leaves the least."""
    nearest = "--max-ratio" if asked.related < asked.max_rate else "--max-rate"
    remedies = {"--max-rate": "--max-rate", "--max-ratio": "--max-ratio (or --ignore-below)"}
    named = " and ".join(remedies[option] for option in asked.too_tight or (nearest,))
    often = "never passes" if asked.too_tight else "seldom passes within the requests that were simulated"
    return f"An honest build ({percent(asked.honest)}) {often} at these margins: raise {named}."


def console() -> Console:
    """As wide as the terminal; what is piped or kept in a file is not wrapped at 80 columns.

    Names from files and clusters are shown as they are: brackets and colons in them mean nothing.
    """
    return Console(width=None if sys.stdout.isatty() else 160, markup=False, emoji=False)


def _requests(count: int | None) -> str:
    return "never" if count is None else f"{count:,}"


def replay_result(courses: Mapping[tuple[str, str], Course], start: float, quality: Quality) -> dict[str, Any]:
    """The verdicts that stand at the end, the first failure, and the course of each check."""
    from samplerctl.replay import first_failure  # noqa: PLC0415

    first = first_failure(courses)
    return {
        "results": [_result(course, start, quality) for course in courses.values()],
        "first_failed": None
        if first is None
        else {
            "check": first[1].check,
            "pool": first[1].pool,
            "time": first[0],
            "seconds": first[0] - start,
            "checked": first[1].checked,
        },
    }


def _result(course: Course, start: float, quality: Quality) -> dict[str, Any]:
    from sampler_rollouts.domain.evidence.bound import lower_bound  # noqa: PLC0415
    from sampler_rollouts.domain.quantities import ratio  # noqa: PLC0415

    look = course.final
    lower = lower_bound(look.checked, look.bad, ratio(quality.pass_confidence), float(quality.design_effect))
    return {
        "check": look.check,
        "pool": look.pool,
        "verdict": look.verdict.value,
        "reason": look.reason,
        "rate": look.bad / look.checked if look.checked else None,
        "lower": lower,
        "upper": look.upper_bound,
        "checked": look.checked,
        "bad": look.bad,
        "stable_checked": look.stable_checked,
        "stable_bad": look.stable_bad,
        "ratio_lower": look.ratio_bounds[0],
        "ratio_upper": look.ratio_bounds[1] if math.isfinite(look.ratio_bounds[1]) else None,
        "dropped": dict(course.points[-1][1].dropped),
        "stable_dropped": dict(course.stable_dropped),
        "stable_unusable": course.stable_unusable,
        "failed": _first(course.failed, start),
        "passed": _first(course.passed, start),
        "course": [
            {"seconds": time - start, "verdict": one.verdict.value, "reason": one.reason}
            for time, one in _changes(course)
        ],
    }


def _first(found: tuple[float, CheckLook] | None, start: float) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"time": found[0], "seconds": found[0] - start, "checked": found[1].checked}


def _changes(course: Course) -> list[tuple[float, CheckLook]]:
    """The looks at which verdict or reason became another one."""
    before = (None, *(look for _, look in course.points))
    return [
        (time, look)
        for (time, look), last in zip(course.points, before, strict=False)
        if last is None or (look.verdict, look.reason) != (last.verdict, last.reason)
    ]


def replay_table(quality: Quality, found: Mapping[str, Any]) -> None:
    """For people."""
    out = console()
    sure, ratio_sure = _confidences(quality)
    out.print("Numbers are those at the first Failed, where there is one, else those of the last look.")
    table = Table(box=None, pad_edge=False)
    left = ("pool", "check", "verdict")
    for name in (*left, "requests", "bad", "rate", f"bounds ({sure} each)", f"times stable's ({ratio_sure} each)"):
        table.add_column(name, justify="left" if name in left else "right")
    for one in found["results"]:
        table.add_row(
            one["pool"],
            one["check"],
            one["verdict"] + (f" ({one['reason']})" if one["reason"] else ""),
            f"{one['checked']:,}",
            f"{one['bad']:,}",
            "" if one["rate"] is None else percent(one["rate"]),
            f"{percent(one['lower'])} to {percent(one['upper'])}",
            _ratio(one),
        )
    out.print(table)
    if any(_ratio(one).endswith("?") for one in found["results"]):
        out.print("?: the data do not bound yet how many times stable's rate it may be.")
    for one in found["results"]:
        for name in ("failed", "passed"):
            if one[name] is not None:
                first = one[name]
                at = f"after {first['checked']:,} requests and {duration(first['seconds'])}"
                out.print(f"{one['pool']}, {one['check']}: {name.capitalize()} {at}")
    for line in _drops(found["results"]):
        out.print(line, soft_wrap=True)
    if found["first_failed"] is None:
        out.print("Nothing failed.")


def _drops(results: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What was not believed, of the whole recording: the candidate's and stable's, and where the names are told."""
    some = False
    for one in results:
        for arm, key in (("candidate", "dropped"), ("stable", "stable_dropped")):
            if one[key]:
                some = True
                named = ", ".join(f"{count:,} {reason}" for reason, count in sorted(one[key].items()))
                yield f"{one['pool']}, {one['check']}: dropped of {arm}: {named}"
        if one["stable_unusable"]:
            yield f"{one['pool']}, {one['check']}: stable has no sample that can be used: nothing was compared with it"
    if some:
        yield "What these names mean: docs/evidence.md#counting"


def _confidences(quality: Quality) -> tuple[str, str]:
    """Of each bound of the rate, and of each of the ratio, as people write them."""
    from sampler_rollouts.domain.evidence.judge import RATIO_SHARE  # noqa: PLC0415
    from sampler_rollouts.domain.quantities import ratio  # noqa: PLC0415

    sure = ratio(quality.pass_confidence)
    return f"{100 * sure:.6g}%", f"{100 * (1 - RATIO_SHARE * (1 - sure)):.6g}%"


def _ratio(one: Mapping[str, Any]) -> str:
    if not one["stable_checked"]:
        return ""
    upper = "?" if one["ratio_upper"] is None else figure(one["ratio_upper"])
    return f"{figure(one['ratio_lower'])} to {upper}"
