"""The page: recording in, HTML out."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import Path

from samplerctl.drawing.html import drawing, facts, page, paragraph, table

from local.demo.recording import Recording, ReleaseRecord
from local.demo.report import charts, words
from local.demo.report.card import card

_STYLE = Path(__file__).with_name("report.css")


def render(recording: Recording) -> str:
    """The whole page. It needs nothing but itself: no script, no font, no address."""
    cards = (card(r) for r in recording.releases)
    parts = [_head(recording), _overview(recording), _agreement(recording), *cards, _resources(recording)]
    body = "".join(parts) + _foot(recording)
    return page("Sampler rollouts: the demo's report", body, _STYLE.read_text(encoding="utf-8"))


def _head(recording: Recording) -> str:
    began = datetime.fromtimestamp(recording.started_at, tz=UTC).strftime("%d %B %Y, %H:%M UTC")
    lead = f"{began} · model {recording.model} · {recording.machine}"
    took = facts(
        [
            (words.seconds(recording.ended_at - recording.started_at), "the whole demo"),
            (f"{recording.traffic.requests:,}", "requests sent"),
            (f"{recording.traffic.failed:,}", "requests without an answer"),
            (f"{recording.traffic.per_second:.1f}", "answers a second"),
            (f"{recording.traffic.p50:.1f} s / {recording.traffic.p95:.1f} s", "latency, median / 95th percentile"),
        ]
    )
    return f"<h1>Four releases of a sampler</h1>{paragraph(lead, 'lead')}{_told(recording)}{took}"


def _told(recording: Recording) -> str:
    if not recording.deviations:
        text = "Everything went as told: the good build was promoted, the bad ones were rolled back by the operator."
        return f'<div class="banner good">{text}</div>'
    items = "".join(f"<li>{escape(d)}</li>" for d in recording.deviations)
    return f'<div class="banner bad">Not as told:<ul>{items}</ul></div>'


def _overview(recording: Recording) -> str:
    legend = "".join(
        f'<span><i class="box release-{r.number}"></i>{r.number}: {escape(r.title)}</span>' for r in recording.releases
    )
    head = [
        "",
        "release",
        "outcome",
        "highest weight",
        "first answer to decision",
        "its answers till then",
        "share exposed",
    ]
    rows = table(head, [_row(r) for r in recording.releases], numbers=[3, 4, 5, 6])
    note = (
        "Its answers till then: of all answers from its first one to the decision. Share exposed: of all answers from "
        "its apply to its own last one. Both are the load generator's counts, by the fingerprint in each answer; the "
        "sentence has the operator's own, from Prometheus, up to its last look."
    )
    said = "".join(
        f"<dt>release {r.number}</dt><dd>{escape(r.sentence)}</dd>" for r in recording.releases if r.sentence
    )
    return (
        f'<section><h2>What happened</h2><div class="legend">{legend}</div>{drawing(charts.traffic(recording))}'
        f"<h3>The releases</h3>{rows}{paragraph(note, 'remark')}"
        f"<h3>The operator's sentences</h3><dl>{said}</dl>{_one_block(recording)}</section>"
    )


def _row(release: ReleaseRecord) -> list[str]:
    first = release.number == 1
    return [
        str(release.number),
        release.title,
        words.fate(release),
        words.weight(release),
        "-" if first else words.seconds(release.seconds_to_decision),
        "-" if first else f"{release.answered_by_it_until_decision} of {release.answered_until_decision}",
        "-" if release.should_stay else words.share(release.share_exposed),
    ]


def _one_block(recording: Recording) -> str:
    if not recording.manifest_quality:
        return ""
    quality = f"<pre>{escape(recording.manifest_quality)}</pre>"
    return f"<details><summary>The one quality block, the same for all releases</summary>{quality}</details>"


def _agreement(recording: Recording) -> str:
    found = recording.agreement
    if found is None:
        return ""
    kind = "good" if found.same else "bad"
    answers = "".join(
        f'<div class="answer {kind}"><small>{escape(words.layout(a))}</small><q>{escape(a.text)}</q></div>'
        for a in found.answers
    )
    note = (
        "A token is a function of the logits, the request, its seed and its place, whatever the size of the batch and "
        "over however many devices the vocabulary is split. Each pool was asked by itself, before the load began; how "
        "many devices it has is what its servers say."
    )
    return (
        f"<section><h2>One request, every pool</h2>{paragraph(words.agreement(found), 'lead')}"
        f'<div class="pair">{answers}</div>{paragraph(note, "remark")}</section>'
    )


def _resources(recording: Recording) -> str:
    if not recording.resources:
        return ""
    rows = [
        [
            r.component,
            str(r.processes),
            _mib(r.rest_mib),
            _cores(r.rest_cores),
            _mib(r.load_mib),
            _cores(r.load_cores),
            _mib(r.peak_mib),
        ]
        for r in recording.resources
    ]
    head = [
        "component",
        "processes",
        "MiB at rest",
        "cores at rest",
        "MiB under load",
        "cores under load",
        "MiB at most",
    ]
    note = (
        "Pods by the kubelet's summary, the cluster's own programs by /proc. Under load: the median of all looks "
        "while there was load; at rest: with four sampler pods ready, after it had ended."
    )
    return (
        f"<section><h2>Memory and CPU</h2>{table(head, rows, numbers=range(1, 7))}{paragraph(note, 'remark')}</section>"
    )


def _mib(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _cores(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _foot(recording: Recording) -> str:
    failures = "; ".join(
        f"{phase or 'before release 1'}: " + ", ".join(f"{n} {kind}" for kind, n in kinds.items())
        for phase, kinds in recording.failures_by_phase.items()
    )
    text = (
        f"Load: {recording.workers} workers in a closed loop, one connection and one request a session, 12 tokens an "
        "answer, "
        "questions of the load generator's own (no user wrote any of them; that is why answers may be shown here). "
        "The model is a small one, and shaky on facts in every release. "
        f"Requests without an answer, by phase: {failures or 'none'}. "
        "Evidence is recomputed from Prometheus' raw samples by the operator's own function; status and events are as "
        "the API server showed them."
    )
    return f"<footer>{escape(text)}</footer>"
