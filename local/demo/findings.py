"""What a release's turn shows, once it is over: counts from the load generator, moments from the operator's status."""

from __future__ import annotations

import math
from collections.abc import Sequence

from local.demo.answers import revision_of
from local.demo.cast import ESTABLISHED, PROMOTED, ROLLED_BACK, Role
from local.demo.recording import (
    EndPoint,
    EventPoint,
    PoolPoint,
    ReleaseRecord,
    StatusPoint,
    TrafficBucket,
    TrafficSummary,
)
from local.demo.tally import OK, Record, summarize

# The drawing of a run has about so many slices of time, none shorter than a few seconds.
BUCKETS, SHORTEST_BUCKET = 90, 5.0
# The operator's word for how a rollout ended: the story's.
OUTCOMES = {"Established": ESTABLISHED, "Promoted": PROMOTED, "RolledBack": ROLLED_BACK}


def new_record(role: Role, image: str) -> ReleaseRecord:
    """A release whose turn begins."""
    return ReleaseRecord(
        number=role.number,
        title=role.title,
        what=role.what,
        image=image,
        expected=role.expected,
        expected_check=role.check,
    )


def note_status(record: ReleaseRecord, statuses: Sequence[StatusPoint], generation: int) -> None:
    """Fill in what the operator's status showed in this turn. ``generation`` is the applied manifest's."""
    mine = [s for s in statuses if s.generation >= generation]
    record.statuses = mine
    candidates = [s.candidate for s in mine if s.candidate and s.observed_generation >= generation]
    serving = [s.stable for s in mine if s.is_true("Ready")]
    # The first release never is a candidate for long, and a slow look may miss it: then what serves is it.
    record.revisions = candidates[0] if candidates else (serving[-1] if serving else {})
    testing = [p for s in mine if s.candidate == record.revisions for p in s.pools]
    record.highest_wanted = max((p.wanted for p in testing), default=0.0)
    record.highest_observed = max((p.observed for p in testing), default=0.0)
    end = mine[-1].last_end if mine else None
    # The history's times have whole seconds, or fractions of them: one that began earlier is another release's.
    if end is not None and end.at >= record.applied_at - 1:
        _note_end(record, end, testing)


def _note_end(record: ReleaseRecord, end: EndPoint, testing: Sequence[PoolPoint]) -> None:
    record.end, record.sentence = end, end.sentence
    record.outcome = OUTCOMES.get(end.result, end.result)
    if end.result == "RolledBack":
        record.decided_at = end.at
        return
    record.full_traffic_at = end.at
    passed = [p.passed_at for p in testing if p.passed_at is not None and p.passed_at >= record.applied_at - 1]
    record.decided_at = max(passed, default=end.at)
    record.highest_wanted = 100.0


def suspect_revisions(record: ReleaseRecord) -> dict[str, str]:
    """The release's revisions by pool where a check failed; in all pools if the status does not say where."""
    failed = {p.name for s in record.statuses for p in s.pools if p.verdict == "Failed" and s.candidate}
    return {pool: revision for pool, revision in record.revisions.items() if pool in failed or not failed}


def note_traffic(record: ReleaseRecord, records: Sequence[Record]) -> None:
    """Fill in what the load generator saw. ``records`` are those of the whole run."""
    mine = set(record.revisions.values())
    turn = [r for r in records if record.applied_at <= r.ended_at < record.ended_at]
    own = [r for r in turn if r.outcome == OK and revision_of(r.fingerprint) in mine]
    record.traffic = summary_of(turn)
    record.own_traffic = summary_of(own)
    if not own:
        return
    record.first_candidate_at = min(r.at for r in own)
    last = max(r.ended_at for r in own)
    answered = [r for r in turn if r.outcome == OK and r.ended_at <= last]
    beside = [r for r in answered if r.ended_at >= record.first_candidate_at]
    record.answered_by_it, record.answered_since_applied, record.answered_beside = len(own), len(answered), len(beside)
    decided = record.decided_at or last
    record.answered_until_decision = sum(r.ended_at <= decided for r in beside)
    record.answered_by_it_until_decision = sum(r.ended_at <= decided for r in own)


def note_events(record: ReleaseRecord, events: Sequence[EventPoint]) -> None:
    """Fill in the turn's Events."""
    record.events = [e for e in events if record.applied_at - 1 <= e.at < record.ended_at]


def summary_of(records: Sequence[Record]) -> TrafficSummary:
    """Records as numbers."""
    return TrafficSummary(**summarize(records).to_json())


def release_book(releases: Sequence[ReleaseRecord]) -> dict[str, int]:
    """Which release a revision belongs to."""
    return {revision: release.number for release in releases for revision in release.revisions.values()}


def buckets(records: Sequence[Record], book: dict[str, int]) -> list[TrafficBucket]:
    """Slices of time with the number of answers of each release; slices without a request are there, too."""
    if not records:
        return []
    start = min(r.ended_at for r in records)
    span = max(r.ended_at for r in records) - start
    seconds = max(SHORTEST_BUCKET, math.ceil(span / BUCKETS))
    count = int(span // seconds) + 1
    found = [TrafficBucket(at=start + i * seconds, seconds=seconds, by_release={}) for i in range(count)]
    for record in records:
        bucket = found[int((record.ended_at - start) // seconds)]
        if record.outcome != OK:
            bucket.failed += 1
            continue
        name = str(book.get(revision_of(record.fingerprint), 0))
        bucket.by_release[name] = bucket.by_release.get(name, 0) + 1
    return found
