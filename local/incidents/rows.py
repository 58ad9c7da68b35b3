"""From what was recorded of an incident to a row of the table. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from quality_contract import CHECK_REPLAY_AUDIT

from local.demo.answers import revision_of
from local.demo.ask import LONG, STANDARD
from local.demo.recording import EndPoint, StatusPoint
from local.demo.tally import OK, Record
from local.incidents.cast import ALARM, PROMOTED, ROLLED_BACK, Incident
from local.incidents.manifests import STRANGER

NOTHING: Final = "undecided"
_RESULTS: Final = {"RolledBack": ROLLED_BACK, "Promoted": PROMOTED}


@dataclass(frozen=True)
class Row:
    """One incident. ``seconds`` and ``requests`` are from its first request to the decision, ``share`` is of all."""

    name: str
    what: str
    expected: str
    ended: str = NOTHING
    weight: int | None = None
    seconds: float | None = None
    requests: int = 0
    share: float = 0.0
    sentence: str = ""
    threshold_gate: str = ""
    page: str = ""
    """The report of it, relative to the table."""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What was recorded from ``began`` (Unix seconds) on."""

    began: float
    statuses: Sequence[StatusPoint]
    records: Sequence[Record]


def of_release(incident: Incident, seen: Seen) -> Row:
    """How a release ended, by the operator's own history and by the clients' own counts."""
    end = _end(seen)
    if end is None:
        return _judged(incident, seen, _row(incident))
    past = [one for one in seen.records if one.at <= end.at]
    mine = _misrouted(past, seen) if incident.misroutes else _of_candidate(past, seen)
    first = min((one.at for one in mine), default=None)
    made = replace(
        _row(incident),
        ended=_RESULTS.get(end.result, end.result),
        weight=end.weight,
        seconds=None if first is None else round(max(0.0, end.at - first), 1),
        requests=end.exposed,
        share=end.exposed / end.total if end.total else 0.0,
        sentence=end.sentence,
    )
    return _judged(incident, seen, made)


def _of_candidate(records: Sequence[Record], seen: Seen) -> list[Record]:
    """What the candidate's own pods answered."""
    revisions = {revision for status in seen.statuses for revision in status.candidate.values()}
    revisions -= set(seen.statuses[0].stable.values()) if seen.statuses else set()
    return [one for one in records if revision_of(one.fingerprint) in revisions]


def _misrouted(records: Sequence[Record], seen: Seen) -> list[Record]:
    """Short requests that the long pool answered."""
    pods = {status.stable.get(LONG) for status in seen.statuses}
    return [one for one in _short(records) if revision_of(one.fingerprint) in pods]


def _short(records: Sequence[Record]) -> list[Record]:
    """Short requests that were answered."""
    return [one for one in records if one.outcome == OK and one.context_class == STANDARD]


def _end(seen: Seen) -> EndPoint | None:
    """The newest end of a rollout, if it came after the beginning: the operator's clock has whole seconds."""
    ends = [status.last_end for status in seen.statuses if status.last_end and status.last_end.at >= seen.began - 1]
    return ends[-1] if ends else None


def of_alarm(incident: Incident, seen: Seen) -> Row:
    """When a person was told, and how many short requests had gone to the long pool by then."""
    told = next((status for status in seen.statuses if status.is_true("Degraded")), None)
    if told is None:
        return _judged(incident, seen, _row(incident))
    degraded = told.condition("Degraded")
    past = [one for one in seen.records if one.at <= told.at]
    short, wrong = _short(past), _misrouted(past, seen)
    first = min((one.at for one in wrong), default=seen.began)
    made = replace(
        _row(incident),
        ended=ALARM,
        seconds=round(told.at - first, 1),
        requests=len(wrong),
        share=len(wrong) / len(short) if short else 0.0,
        sentence=degraded.message if degraded else "",
    )
    return _judged(incident, seen, made)


def _row(incident: Incident) -> Row:
    return Row(name=incident.name, what=incident.what, expected=incident.expected)


def _judged(incident: Incident, seen: Seen, row: Row) -> Row:
    return replace(row, problems=tuple(_problems(incident, seen, row)))


def _problems(incident: Incident, seen: Seen, row: Row) -> Iterator[str]:
    """What was not as told."""
    if row.ended != incident.expected:
        yield f"expected {incident.expected}, came out {row.ended}"
    if incident.check and incident.check not in row.sentence:
        yield f"the sentence does not name the check {incident.check}"
    if incident.expected == ALARM and row.ended == ALARM and f"HTTPRoute {STRANGER}" not in row.sentence:
        yield f"the sentence does not name the route {STRANGER}, the last change"
    if incident.expected == ROLLED_BACK and row.weight == 100:
        yield "it had full traffic before it was stopped"
    # The audit looks at tokens: a build may be stopped for those of its first answers before any of them is whole.
    if row.ended != NOTHING and row.requests == 0 and CHECK_REPLAY_AUDIT not in row.sentence:
        yield "it never answered a request, so nothing was shown"
    failed = [one for one in seen.records if one.outcome != OK]
    if failed:
        yield f"{len(failed)} requests failed, the first with {failed[0].outcome} ({failed[0].detail})"
