"""The page of a report. Everything that is not HTML by our own hand is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

from samplerctl import live, report_lines
from samplerctl.drawing.html import drawing, events, facts, legend, page, paragraph, table
from samplerctl.live_shown import limits_text
from samplerctl.numbers import duration, percent
from samplerctl.report import Report
from samplerctl.report_source import CHECK_BAD, CHECK_BOUND, CHECK_EVIDENCE, CHECK_REQUESTS
from samplerctl.served import NOT_WELL, TRIED, Life, Place

_AGAINST = (
    "The evidence that the share of bad requests is above its limit, as a part of the threshold at which the check "
    "fails. An honest build comes to the dashed line with the stated small probability only, however often one looks."
)
_BELOW = (
    "The highest share that the data do not rule out. Below the limit the check has passed; every check in every pool "
    "must have passed before the release gets all traffic."
)
_UNKNOWN = "not known"


def render(report: Report) -> str:
    """The whole page."""
    parts = (_head(report), _weights(report), _evidence(report), _events(report), _others(report), _known(report))
    return page(f"{'/'.join(report.whose)}: release {report.life.release}", "".join(parts) + _foot(report))


def _head(report: Report) -> str:
    life = report.life
    kind = "bad" if life.role == TRIED or life.verdict == NOT_WELL else "good"
    verdict = life.verdict + (f" ({life.reason})" if life.reason else "")
    said = f'<blockquote class="{kind}">{escape(life.message)}</blockquote>' if life.message else ""
    lead = f"SamplerRollout {'/'.join(report.whose)} · {_time(report.start)} to {_time(report.end)}"
    return (
        f"<h1>Release {escape(life.release)}</h1>{paragraph(lead, 'lead')}"
        f'<section><div class="head"><h2>{escape(life.role.capitalize())}</h2>'
        f'<span class="badge {kind}">{escape(verdict)}</span></div>{said}{facts(_facts(report))}'
        f"{paragraph(f'What differs: {life.changes}') if life.changes else ''}"
        f"<h3>Pools</h3>{_pools(life)}{_conditions(report)}</section>"
    )


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    life = report.life
    end = report.decided or report.now
    yield duration((end - report.began).total_seconds()), "from the rollout's begin to " + _until(report)
    yield duration(max(0.0, (end - life.since).total_seconds())), "since its first pod was created"
    share = percent(life.exposed / life.total) if life.total else _UNKNOWN
    yield share, f"of the answered requests were its own ({life.exposed:,} of {life.total:,})"
    if life.until is not None and life.full_traffic is not None:
        yield duration((life.until - life.full_traffic).total_seconds()), "with all traffic"


def _until(report: Report) -> str:
    if report.decided is None:
        return "now"
    return "its end" if report.life.role == TRIED else "full traffic"


def _pools(life: Life) -> str:
    if not life.places:
        return paragraph(f"Pools and revisions are {_UNKNOWN}.", "remark")
    head = ["pool", "revision", "image", "its own requests", "of", "share"]
    rows = [_pool(name, place) for name, place in life.places.items()]
    # Of a rollout that has ended the whole release's verdict is kept, not each pool's.
    if not any(place.verdict for place in life.places.values()):
        return table(head, [row[:-1] for row in rows], numbers=[3, 4, 5], wide=[2])
    return table([*head, "verdict"], rows, numbers=[3, 4, 5], wide=[2])


def _pool(name: str, place: Place) -> list[str]:
    counts = ["-", "-", "-"]
    if place.exposed is not None and place.total is not None:
        share = percent(place.exposed / place.total) if place.total else "-"
        counts = [f"{place.exposed:,}", f"{place.total:,}", share]
    verdict = place.verdict + (f" ({place.reason})" if place.reason else "")
    return [name, place.revision, place.image or "-", *counts, verdict or "-"]


def _conditions(report: Report) -> str:
    rows = [[one["type"], one["status"], one["reason"], one["message"]] for one in report.conditions]
    body = table(["condition", "status", "reason", "message"], rows, wide=[3])
    return f"<details><summary>Conditions now</summary>{body}</details>" if rows else ""


def _weights(report: Report) -> str:
    svg = report_lines.weights_drawing(report)
    shown = drawing(svg) if svg else paragraph(f"Weights over time are {_UNKNOWN}: see below.", "remark")
    return f"<section><h2>Weights</h2>{_legend(report, table=True) if svg else ''}{shown}</section>"


def _legend(report: Report, *, table: bool = False) -> str:
    names = [f"pool {name}" for name in report_lines.pools_of(report)]
    if table and report.told.table:
        names.append("route table")
    since = "since the rollout began" if report.start == report.began else f"since {_time(report.start)}"
    return legend(names, f"time {since}, {report_lines.writer(report)[1]}")


def _evidence(report: Report) -> str:
    checks = report_lines.checks_of(report)
    against = "".join(drawing(report_lines.evidence_drawing(report, check)) for check in checks)
    below = "".join(drawing(report_lines.bound_drawing(report, check)) for check in checks)
    drawn = ""
    if against or below:
        drawn = (
            f'{_legend(report)}<h3>Is it bad?</h3>{paragraph(_AGAINST, "remark")}<div class="thirds">{against}</div>'
        )
        drawn += f'<h3>Is it good?</h3>{paragraph(_BELOW, "remark")}<div class="thirds">{below}</div>'
    else:
        drawn = paragraph(f"Evidence over time is {_UNKNOWN}: see below.", "remark")
    return f"<section><h2>Evidence</h2>{drawn}{_table(report)}</section>"


def _table(report: Report) -> str:
    rows = list(_rows(report))
    if not rows:
        return ""
    head = ["pool", "check", "limits", "verdict", "seen", "bad", "bound", "evidence, of its threshold"]
    note = f"Limits are those of {report.limits_from}. " if report.limits_from else ""
    note += "Numbers are the last that status has." if report.evidence else "Numbers are the last that were scraped."
    return f"<h3>Check by check</h3>{table(head, rows, numbers=[4, 5, 6, 7])}{paragraph(note, 'remark')}"


def _rows(report: Report) -> Iterator[list[str]]:
    for pool in report.evidence:
        for check in pool["checks"]:
            yield [pool["pool"], check["check"], limits_text(check), *_of_status(check)]
    if report.evidence:
        return
    for pool_name in report_lines.pools_of(report):
        for name in report_lines.checks_of(report):
            found = _last(report, pool_name, name)
            if found:
                limits = report.limits.get(name)
                words = limits_text(live.limits_of(limits)) if limits else ""
                yield [pool_name, name, words, *_of_samples(found)]


def _of_status(check: Mapping[str, Any]) -> Iterator[str]:
    """Verdict and numbers of one row of ``explain``."""
    if check["verdict"] is None:
        yield from ("not looked at yet", "", "", "", "")
        return
    yield check["verdict"] + (f" ({check['reason']})" if check["reason"] else "")
    yield f"{check['checked']:,}"
    yield "" if check["bad"] is None else f"{check['bad']:,}"
    yield "" if check["upper"] is None else percent(check["upper"])
    threshold = check["odds_to_fail"]
    yield f"odds {check['odds']:,.3g}" + (f" of {threshold:,.0f}" if threshold else "")


def _of_samples(found: Mapping[str, float]) -> Iterator[str]:
    evidence = found.get(CHECK_EVIDENCE)
    yield "Failed" if evidence is not None and evidence >= 1 else "-"
    for name in (CHECK_REQUESTS, CHECK_BAD):
        yield f"{found[name]:,.0f}" if name in found else ""
    yield percent(found[CHECK_BOUND]) if CHECK_BOUND in found else ""
    yield f"{evidence:.2f}" if evidence is not None else ""


def _last(report: Report, pool: str, check: str) -> dict[str, float]:
    names = (CHECK_EVIDENCE, CHECK_REQUESTS, CHECK_BAD, CHECK_BOUND)
    series = {name: report.told.checks.get((name, pool, check)) for name in names}
    return {name: points[-1][1] for name, points in series.items() if points}


def _events(report: Report) -> str:
    rows = [[_time(one.at), one.type, one.reason, _repeated(one.message, one.count)] for one in report.events]
    shown = events(rows, "when") if rows else paragraph("The API server has none of this time.", "remark")
    return f"<section><h2>Events</h2>{shown}</section>"


def _repeated(message: str, count: int) -> str:
    return message if count < 2 else f"{message} ({count} times, the last time then)"


def _others(report: Report) -> str:
    if not report.others:
        return ""
    head = ["release", "", "verdict", "since", "until", "exposed", "why"]
    rows = [_other(one) for one in report.others]
    return f"<section><h2>Other releases that status knows</h2>{table(head, rows, numbers=[5], wide=[6])}</section>"


def _other(life: Life) -> list[str]:
    verdict = life.verdict + (f" ({life.reason})" if life.reason else "")
    share = percent(life.exposed / life.total) if life.total else "-"
    until = _time(life.until) if life.until else "-"
    return [life.release, life.role, verdict, _time(life.since), until, share, life.message or life.changes]


def _known(report: Report) -> str:
    return f"<section><h2>What is not known</h2>{_list(report.unknown)}</section>"


def _list(items: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(one)}</li>' for one in items)}</ul>"


def _foot(report: Report) -> str:
    text = (
        f"Made by samplerctl at {_time(report.now)}. Weights and evidence over time are the operator's own metrics, as "
        "they were scraped; all else is as the API server has it. It holds names, numbers and the operator's words: "
        "neither prompts nor answers."
    )
    return f"<footer>{escape(text)}</footer>"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
