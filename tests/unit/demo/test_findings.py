"""From the API server's objects and the load generator's records to what is told of a release."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from local.demo import findings, pairs
from local.demo.answers import Answer, AnswerBook, revision_of
from local.demo.ask import Ask
from local.demo.cast import CAST
from local.demo.recording import StatusPoint
from local.demo.tally import OK, Record
from local.demo.view import event_point, status_point
from tests.unit.demo import made_up

BEGIN = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def when(second: int) -> str:
    return f"2027-01-15T08:{second // 60:02d}:{second % 60:02d}Z"


def release(name: str) -> dict[str, Any]:
    pools = [{"name": pool, "revision": f"{name}-{pool}"} for pool in ("narrow", "wide")]
    return {"hash": name, "since": when(0), "pools": pools}


def raw(stage: str, *, generation: int = 3, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"generation": generation, "resourceVersion": "1"},
        "status": {"stage": stage, "observedGeneration": generation, **status},
    }


def pool(name: str, weight: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "revision": f"new-{name}", "weight": weight, "observedWeight": weight, "ready": 2, **more}


def condition(kind: str, status: str, reason: str = "Made") -> dict[str, Any]:
    times = {"lastTransitionTime": when(50), "observedGeneration": 3}
    return {"type": kind, "status": status, "reason": reason, "message": "m", **times}


def history(result: str, second: int) -> dict[str, Any]:
    requests = {"exposed": 40, "total": 90}
    times = {"startedAt": when(0), "endedAt": when(second)}
    return {"release": "new", "result": result, "message": "the sentence", "weight": 50, "requests": requests, **times}


WORST = {"name": "errors", "verdict": "Inconclusive", "reason": "TooFewRequests", "checked": 12, "bad": 1}


def canary() -> StatusPoint:
    pools = [pool("narrow", 50, worstCheck=WORST), pool("wide", 50, passedAt=when(40))]
    status = raw("Progressing", progress="wave 1/1", pools=pools, stable=release("old"), candidate=release("new"))
    return status_point(status, BEGIN + 30)


def test_a_status_as_the_table_shows_it():
    seen = canary()
    assert seen.phase == "Progressing: wave 1/1"
    assert seen.candidate == {"narrow": "new-narrow", "wide": "new-wide"}
    narrow, wide = seen.pools
    assert (narrow.wanted, narrow.checked, narrow.worst) == (50.0, 12, "errors 1/12 TooFewRequests")
    assert (narrow.check, wide.check) == ("errors", "")
    assert wide.passed_at == BEGIN + 40


def pod(name: str, revision: str, *, ready: bool = True, leaving: bool = False) -> dict[str, Any]:
    labels = {"samplerrollouts.io/pool": name, "samplerrollouts.io/revision": revision}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "metadata": {"labels": labels, **({"deletionTimestamp": when(9)} if leaving else {})},
        "status": {"conditions": conditions},
    }


def test_ready_pods_are_counted_for_what_is_tried_and_what_serves():
    status = raw(
        "Progressing",
        pools=[pool("narrow", 50), pool("wide", 50)],
        stable=release("old"),
        candidate={**release("new"), "pools": [{"name": "narrow", "revision": "new-narrow"}]},
    )
    pods = [
        pod("narrow", "new-narrow"),
        pod("narrow", "old-narrow"),
        pod("narrow", "old-narrow", ready=False),
        pod("wide", "old-wide"),
        pod("wide", "old-wide", leaving=True),
        pod("other", "old-wide"),
    ]
    narrow, wide = status_point(status, BEGIN, pods).pools
    assert (narrow.candidate_ready, narrow.stable_ready) == (1, 1)
    assert (wide.candidate_ready, wide.stable_ready) == (None, 1), "nothing is tried in this pool"


def test_a_status_that_is_not_there_yet():
    seen = status_point({"metadata": {"generation": 1}}, BEGIN)
    assert (seen.pools, seen.conditions, seen.last_end) == ([], [], None)
    assert not seen.is_true("Ready")


def test_a_rollback_is_told_from_the_history():
    record = findings.new_record(CAST[2], "image")
    record.applied_at = BEGIN + 1
    back = raw(
        "Serving",
        stable=release("old"),
        pools=[pool("narrow", 100), pool("wide", 100)],
        history=[history("RolledBack", 45)],
        conditions=[condition("RolledBack", "True"), condition("Ready", "False", "RolledBack")],
    )
    findings.note_status(record, [canary(), status_point(back, BEGIN + 60)], generation=3)
    assert (record.outcome, record.sentence, record.decided_at) == ("rolled back", "the sentence", BEGIN + 45)
    assert record.revisions == {"narrow": "new-narrow", "wide": "new-wide"}
    assert (record.highest_wanted, record.highest_observed) == (50.0, 50.0)
    assert record.end is not None
    assert (record.end.exposed, record.end.total) == (40, 90)


def test_a_promotion_is_decided_when_the_last_pool_passed():
    record = findings.new_record(CAST[1], "image")
    record.applied_at = BEGIN + 1
    ready = raw(
        "Serving", stable=release("new"), history=[history("Promoted", 50)], conditions=[condition("Ready", "True")]
    )
    findings.note_status(record, [canary(), status_point(ready, BEGIN + 60)], generation=3)
    assert (record.outcome, record.decided_at, record.full_traffic_at) == ("promoted", BEGIN + 40, BEGIN + 50)


def test_the_end_of_an_earlier_release_is_not_this_ones():
    record = findings.new_record(CAST[3], "image")
    record.applied_at = BEGIN + 100
    findings.note_status(
        record, [status_point(raw("Progressing", history=[history("RolledBack", 45)]), BEGIN + 101)], 3
    )
    assert (record.outcome, record.decided_at) == ("", None)


def answered(at: float, revision: str, seconds: float = 1.0) -> Record:
    return Record(at=BEGIN + at, seconds=seconds, phase="p", outcome=OK, fingerprint=f"{revision}-none", tokens=12)


def test_requests_and_exposure_are_counted_from_the_first_to_the_last_answer():
    record = findings.new_record(CAST[2], "image")
    record.applied_at, record.ended_at, record.decided_at = BEGIN, BEGIN + 100, BEGIN + 20
    record.revisions = {"wide": "new"}
    records = [answered(at, "old") for at in range(0, 60, 2)] + [answered(at, "new") for at in range(11, 31, 2)]
    findings.note_traffic(record, records)
    assert record.first_candidate_at == BEGIN + 11
    assert (record.answered_by_it, record.answered_by_it_until_decision) == (10, 5)
    assert (record.answered_since_applied, record.answered_beside, record.answered_until_decision) == (25, 20, 10)
    assert record.seconds_to_decision == 9
    assert record.share_exposed == 0.4
    assert record.traffic.requests == 40


def test_a_release_that_answered_nothing_has_no_exposure():
    record = findings.new_record(CAST[2], "image")
    record.applied_at, record.ended_at = BEGIN, BEGIN + 100
    findings.note_traffic(record, [answered(1, "old")])
    assert (record.first_candidate_at, record.share_exposed, record.seconds_to_decision) == (None, 0.0, None)


def test_buckets_hold_every_request():
    records = [answered(at, "old" if at < 12 else "new") for at in range(20)]
    records.append(Record(at=BEGIN + 21, seconds=1, phase="p", outcome="unreachable"))
    found = findings.buckets(records, {"old": 1, "new": 2})
    assert [b.by_release for b in found] == [{"1": 5}, {"1": 5}, {"1": 2, "2": 3}, {"2": 5}, {}]
    assert [b.failed for b in found] == [0, 0, 0, 0, 1]
    assert findings.buckets([], {}) == []


def test_events_have_a_time_however_it_is_written():
    event = {"metadata": {"creationTimestamp": when(9)}, "type": "Warning", "reason": "RolledBack", "message": "m"}
    assert event_point(event).at == BEGIN + 9
    assert event_point({**event, "eventTime": "2027-01-15T08:00:07.500000Z"}).at == BEGIN + 7.5
    assert event_point({**event, "lastTimestamp": when(8)}).at == BEGIN + 8


def answer(text: str, seed: int = 1, top_k: int | None = None) -> Answer:
    return Answer(ask=Ask(prompt="What is rain?", seed=seed, top_k=top_k), text=text, fingerprint="new-none", at=0.0)


def test_an_answer_with_foreign_letters_is_shown_beside_the_same_ask_answered_well():
    bad = [answer("Rain is water."), answer("Rain สีเขียวสวย is", 2), answer("Rain is ส water", 3)]
    found = pairs.find("unexpected-script", bad, lambda ask: answer("Rain is water.", ask.seed), "release 2")
    assert found is not None
    assert found.good == "Rain is water."
    assert "สีเขียวสวย" in found.bad or "ส" in found.bad
    assert pairs.find("unexpected-script", bad[:1], lambda ask: answer("x"), "release 2") is None


def test_an_answer_that_only_a_comparison_shows_must_differ_from_a_repeatable_one():
    bad = [answer("Rain is nice.", 1), answer("Rain is wet.", 2, top_k=40)]
    found = pairs.find("replay-audit", bad, lambda ask: answer("Rain falls."), "release 2")
    assert found is not None
    assert "top_k 40" in found.drawn
    again = iter(["a", "b", "c", "d"])
    assert pairs.find("replay-audit", bad, lambda ask: answer(next(again)), "release 2") is None
    assert pairs.find("replay-audit", [answer("Same.")], lambda ask: answer("Same."), "release 2") is None


def test_a_good_answer_that_cannot_be_had_is_no_pair():
    def refuse(ask: Ask) -> Answer:
        raise httpx.ConnectError("gone")

    assert pairs.find("unexpected-script", [answer("ส")], refuse, "release 2") is None


def test_the_answer_book_keeps_the_newest():
    book = AnswerBook(keep=2)
    for number in range(4):
        book.add(answer(str(number)))
    assert [a.text for a in book.of_revisions({"new"})] == ["2", "3"]
    assert book.of_revisions({"other"}) == []


@pytest.mark.parametrize(("fingerprint", "revision"), [("0123456789-none", "0123456789"), ("", "")])
def test_revision_of_a_fingerprint(fingerprint, revision):
    assert revision_of(fingerprint) == revision


def test_answers_are_shown_from_the_pool_where_the_check_failed():
    record = made_up.release(3)
    assert findings.suspect_revisions(record) == record.revisions
    busy = next(s for s in record.statuses if s.candidate)
    busy.pools[1].verdict = "Failed"
    assert findings.suspect_revisions(record) == {"wide": record.revisions["wide"]}
