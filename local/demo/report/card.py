"""One release's part of the page."""

from __future__ import annotations

from html import escape

from samplerctl.drawing.html import drawing, events, facts, legend, paragraph, table
from samplerctl.drawing.scales import clock

from local.demo.recording import Pair, ReleaseRecord
from local.demo.report import charts, panels, words

_AGAINST = (
    "Evidence that the rate of bad requests is above its limit: an e-value, which an honest build brings above the "
    "dashed line with the stated small probability only, however often one looks. A wrong token is no matter of "
    "chance: the replay audit needs it confirmed, on a second pod or in a second interval."
)
_BELOW = (
    "The highest rate that the data do not rule out. Once it is below the limit the check has passed; every check in "
    "every pool must have passed before the release gets all traffic."
)


def card(release: ReleaseRecord) -> str:
    """The release's fate, why, the drawings, the answers and the events."""
    kind = "bad" if release.outcome == "rolled back" else "good"
    head = (
        f'<div class="head"><h2>Release {release.number}: {escape(release.title)}</h2>'
        f'<span class="badge {kind}">{escape(words.fate(release))}</span></div>'
    )
    return (
        f"<section>{head}{paragraph(release.what, 'lead')}{_sentence(release, kind)}{_facts(release)}"
        f"{_legend(release)}{drawing(charts.weights(release)) if release.number > 1 else ''}{_evidence(release)}"
        f"{_pair(release.pair)}{_traffic(release)}{_events(release)}</section>"
    )


def _sentence(release: ReleaseRecord, kind: str) -> str:
    return f'<blockquote class="{kind}">{escape(release.sentence)}</blockquote>' if release.sentence else ""


def _facts(release: ReleaseRecord) -> str:
    found = [(words.seconds(release.ended_at - release.applied_at), "from its apply to the end of its turn")]
    if release.seconds_to_decision is not None and release.number > 1:
        found += [
            (words.seconds(release.seconds_to_decision), "from its first answer to the decision"),
            (f"{release.answered_by_it_until_decision}", "answers of its own till then"),
            (words.weight(release), "highest weight it was given"),
        ]
    if release.outcome == "rolled back":
        found.append(
            (
                words.share(release.share_exposed),
                f"of the answers since its apply ({release.answered_by_it} of {release.answered_since_applied})",
            )
        )
    return facts(found)


def _legend(release: ReleaseRecord) -> str:
    return legend([f"pool {name}" for name in charts.pools_of(release)], "time since the release was applied, min:s")


def _evidence(release: ReleaseRecord) -> str:
    checks = charts.checks_of(release)
    if not checks:
        return paragraph(release.evidence_note, "remark") if release.evidence_note else ""
    against = "".join(drawing(panels.evidence(release, c)) for c in checks)
    below = "".join(drawing(panels.bounds(release, c)) for c in checks)
    note = paragraph(release.evidence_note, "remark") if release.evidence_note else ""
    return (
        f'<h3>Is it bad?</h3>{paragraph(_AGAINST, "remark")}<div class="thirds">{against}</div>'
        f'<h3>Is it good?</h3>{paragraph(_BELOW, "remark")}<div class="thirds">{below}</div>{note}'
    )


def _pair(pair: Pair | None) -> str:
    if pair is None:
        return ""
    return (
        f"<h3>A bad answer beside a good one, to one of the load generator's own questions</h3>"
        f"<p>{escape(pair.prompt)} <span class='remark'>({escape(pair.drawn)})</span></p>"
        f'<div class="pair"><div class="answer bad"><small>this release</small><q>{escape(pair.bad)}</q></div>'
        f'<div class="answer good"><small>{escape(pair.good_release)}, asked the same</small>'
        f"<q>{escape(pair.good)}</q></div></div>"
        f"{paragraph(pair.remark, 'remark')}"
    )


def _traffic(release: ReleaseRecord) -> str:
    if not release.traffic.requests:
        return ""
    rows = []
    for name, part in (
        ("all, in this release's turn", release.traffic),
        ("answered by this release", release.own_traffic),
    ):
        failed = ", ".join(f"{n} {kind}" for kind, n in part.failures.items()) or "0"
        rows.append(
            [
                name,
                str(part.requests),
                failed,
                str(part.throttled),
                f"{part.per_second:.2f}",
                f"{part.p50:.2f} s",
                f"{part.p95:.2f} s",
            ]
        )
    head = ["requests", "sent", "without an answer", "429 and asked again", "a second", "median", "95th percentile"]
    return f"<h3>Requests and latency</h3>{table(head, rows, numbers=range(1, 7))}"


def _events(release: ReleaseRecord) -> str:
    if not release.events:
        return ""
    rows = [[clock(max(0.0, e.at - release.applied_at)), e.type, e.reason, e.message] for e in release.events]
    return events(rows, "min:s")
