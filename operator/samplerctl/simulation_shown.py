"""What came of simulated rollouts, as JSON, as a table and as a page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from samplerctl import numbers
from samplerctl.errors import InputError
from samplerctl.incidents import INCIDENTS, Incident
from samplerctl.not_simulated import simulated, words
from samplerctl.numbers import duration, percent
from samplerctl.output import console
from samplerctl.rollout_file import read_rollout
from samplerctl.simulate import TRAFFIC, Ending, Setting

OUTCOMES = ("promoted", "rolled back", "held", "unfinished")
COLOURS = dict(zip(OUTCOMES, ("#1b7f3b", "#b3261e", "#b07400", "#777777"), strict=True))
WIDTH, HEIGHT, LEFT, TOP = 720.0, 180.0, 56.0, 12.0
STYLE = """
body { font: 14px system-ui, sans-serif; margin: 2em; color: #222; max-width: 60em }
svg { background: #fafafa; border: 1px solid #ddd; display: block; margin: .3em 0 1.2em }
text { font-size: 11px; fill: #555 }
"""

Found = dict[str, Any]


def setting(
    file: Path,
    incident: str,
    rps: float,
    rate: str | None,
    usual: Sequence[str],
    runs: int,
    seed: int,
    scrape: float,
    ready_after: float,
    tokens: float,
) -> Setting:
    """What the command line asks for; InputError names the option that cannot be understood."""
    if incident not in INCIDENTS:
        raise InputError(f"--incident: {incident!r} is unknown: write one of {', '.join(INCIDENTS)}")
    for name, value in (("--rps", rps), ("--scrape", scrape), ("--tokens", tokens)):
        numbers.amount(name, value)
    numbers.amount("--ready-after", ready_after, zero=True)
    found = INCIDENTS[incident]
    if rate is not None:
        if not found.check:
            raise InputError("--rate: an honest candidate has none: leave it out")
        found = replace(found, rate=numbers.rate("--rate", rate), published=False)
    return Setting(
        simulated(read_rollout(file)),
        found,
        TRAFFIC[0],
        rps,
        runs,
        seed,
        scrape,
        ready_after,
        tokens,
        dict(_usual(text) for text in usual),
    )


def _usual(text: str) -> tuple[str, float]:
    check, equals, rate = text.partition("=")
    if not check or not equals:
        raise InputError(f"--usual: {text!r} is not CHECK=RATE: write such as errors=0.1%")
    return check, numbers.rate(f"--usual {check}", rate, zero=True)


def result(name: str, setting: Setting, endings: Mapping[str, Sequence[Ending]], rates: Mapping[str, float]) -> Found:
    """All that was found, by kind of traffic."""
    incident = setting.incident
    return {
        "rollout": setting.file.name,
        "incident": name,
        "check": incident.check or None,
        "rate": incident.rate if incident.check else None,
        "rate_published": incident.published,
        "usual_rates": dict(rates),
        "rps": setting.rps,
        "runs": setting.runs,
        "not_simulated": list(setting.file.left_out),
        "results": [_of_traffic(kind, some) for kind, some in endings.items()],
    }


def _of_traffic(kind: str, endings: Sequence[Ending]) -> dict[str, Any]:
    counts = Counter(ending.outcome for ending in endings)
    reasons = Counter(ending.reason for ending in endings if ending.reason)
    return {
        "traffic": kind,
        **{outcome.replace(" ", "_"): counts[outcome] for outcome in OUTCOMES},
        "seconds": {outcome.replace(" ", "_"): _quantiles(endings, outcome, "seconds") for outcome in counts},
        "exposed": {outcome.replace(" ", "_"): _quantiles(endings, outcome, "exposed") for outcome in counts},
        "exposed_share": sum(one.exposed for one in endings) / max(1, sum(one.requests for one in endings)),
        "reasons": dict(reasons.most_common()),
        "example": next((ending.message for ending in endings if ending.message), ""),
        "endings": [
            {name: getattr(one, name) for name in ("outcome", "seconds", "exposed", "requests", "weight")}
            for one in endings
        ],
    }


def _quantiles(endings: Sequence[Ending], outcome: str, name: str) -> dict[str, float]:
    values = sorted(getattr(ending, name) for ending in endings if ending.outcome == outcome)
    return {"median": median(values), "p95": values[math.ceil(0.95 * len(values)) - 1]}


def table(found: Found) -> None:
    """For people."""
    out = console()
    out.print(_headline(found))
    shown = Table(box=None, pad_edge=False)
    columns = ("traffic", *OUTCOMES[:3], "outcome", "after (median, 95%)", "candidate's requests (median, 95%)")
    for column in columns:
        shown.add_column(column, justify="right" if column in OUTCOMES else "left")
    for one in found["results"]:
        for place, outcome in enumerate(one["seconds"]):
            counts = [str(one[name.replace(" ", "_")]) if place == 0 else "" for name in OUTCOMES[:3]]
            times, requests = one["seconds"][outcome], one["exposed"][outcome]
            shown.add_row(
                one["traffic"] if place == 0 else "",
                *counts,
                outcome.replace("_", " "),
                f"{duration(times['median'])}, {duration(times['p95'])}",
                f"{requests['median']:,.0f}, {requests['p95']:,}",
            )
    out.print(shown)
    for one in found["results"]:
        if one["example"]:
            out.print(f"{one['traffic']}: {one['example']}")
    for line in words(found["not_simulated"]):
        out.print(line, soft_wrap=True)


def _headline(found: Found) -> str:
    text = (
        f"{found['runs']} rollouts of {found['rollout']} for each traffic, {found['rps']:g} requests a second and pool"
    )
    if not found["check"]:
        return f"{text}; the candidate is as good as stable"
    usual = percent(found["usual_rates"][found["check"]])
    origin = "" if found["rate_published"] else ", not a published rate"
    return f"{text}; {found['incident']}: {found['check']} {percent(found['rate'])} instead of {usual}{origin}"


def page(found: Found, incident: Incident) -> str:
    """When runs ended, and how: a page without scripts and without anything from elsewhere."""
    parts = "".join(_section(one, found["runs"]) for one in found["results"])
    left_out = "".join(f"<p>{escape(line)}.</p>" for line in words(found["not_simulated"]))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>samplerctl simulate</title>'
        f"<style>{STYLE}</style><h1>{escape(found['incident'])}: {escape(incident.words)}</h1>"
        f"<p>{escape(_headline(found))}. "
        f"Each line is the share of rollouts that had ended so by then.</p>{parts}{left_out}</html>\n"
    )


def _section(one: Mapping[str, Any], runs: int) -> str:
    counts = ", ".join(f"{one[name.replace(' ', '_')]} {name}" for name in OUTCOMES if one[name.replace(" ", "_")])
    exposed = f"{percent(one['exposed_share'])} of all requests met the candidate."
    said = f"<p>{escape(one['example'])}</p>" if one["example"] else ""
    times = _chart(one["endings"], "seconds", runs, duration)
    requests = _chart(one["endings"], "exposed", runs, lambda value: f"{value:,.0f} candidate requests")
    return f"<h2>{escape(one['traffic'])}</h2><p>{escape(counts)}. {exposed}</p>{times}{requests}{said}"


def _chart(endings: Sequence[Mapping[str, Any]], name: str, runs: int, write: Any) -> str:
    """One rising line for each outcome; every run keeps its place in the whole."""
    last = max(1e-9, *(float(one[name]) for one in endings))
    bottom, right = HEIGHT - 28, WIDTH - 110

    def place(value: float, share: float) -> tuple[float, float]:
        return LEFT + (right - LEFT) * value / last, TOP + (bottom - TOP) * (1 - share)

    lines = ""
    for number, outcome in enumerate(OUTCOMES):
        values = sorted(float(one[name]) for one in endings if one["outcome"] == outcome)
        if not values:
            continue
        points = [place(0, 0)]
        for count, value in enumerate(values):
            points += [place(value, count / runs), place(value, (count + 1) / runs)]
        points.append(place(last, len(values) / runs))
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        y = min(points[-1][1] + 4, bottom - 12 * number)
        label = f'<text x="{right + 6}" y="{y:.1f}" fill="{COLOURS[outcome]}">{outcome} {len(values) / runs:.0%}</text>'
        lines += f'<polyline fill="none" stroke="{COLOURS[outcome]}" stroke-width="1.8" points="{path}"/>{label}'
    ticks = "".join(f'<text x="4" y="{place(0, share)[1] + 4:.1f}">{share:.0%}</text>' for share in (0.0, 0.5, 1.0))
    for part, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        x, label = place(last * part, 0)[0], escape(write(last * part))
        ticks += f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{label}</text>'
    frame = f'<line x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}" stroke="#ccc"/>'
    return f'<svg width="{WIDTH:g}" height="{HEIGHT:g}">{frame}{lines}{ticks}</svg>'
