"""Whether a deviation is seen: the story of a made-up run, bent in one place at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from local.demo import told
from local.demo.recording import Recording, ReleaseRecord
from tests.unit.demo import made_up


@pytest.fixture
def recording() -> Recording:
    found = made_up.recording()
    found.failures_by_phase = {}
    return found


def test_a_run_as_told_has_no_deviation(recording):
    assert told.deviations(recording) == []


def last(release: ReleaseRecord, kind: str, **change: object) -> None:
    point = release.statuses[-1]
    point.conditions = [c.model_copy(update=change) if c.type == kind else c for c in point.conditions]


def verdicts(release: ReleaseRecord, old: str, new: str) -> None:
    release.evidence = [p.model_copy(update={"verdict": new}) if p.verdict == old else p for p in release.evidence]


BENT: list[tuple[int, str, Callable[[ReleaseRecord], object]]] = [
    (1, "Ready=True", lambda r: last(r, "Ready", status="False")),
    (2, "Ready=True", lambda r: last(r, "Ready", status="Unknown")),
    (2, "of an older generation", lambda r: last(r, "Ready", observed_generation=1)),
    (2, "Verified=True", lambda r: last(r, "Verified", status="False")),
    (2, "not all pools", lambda r: r.statuses[-1].stable.update(wide="other")),
    (
        2,
        "rolled back or stalled",
        lambda r: r.statuses[-1].conditions.append(made_up.condition("Stalled", generation=2)),
    ),
    (2, "no request was ever answered", lambda r: setattr(r, "answered_by_it", 0)),
    (2, "no evidence to draw", lambda r: setattr(r, "evidence", [])),
    (2, "never passes", lambda r: verdicts(r, "Passed", "Inconclusive")),
    (3, "never fails", lambda r: verdicts(r, "Failed", "Inconclusive")),
    (4, "never fails", lambda r: setattr(r, "evidence", [])),
    (2, "history says", lambda r: setattr(r, "outcome", "Restored")),
    (3, "history says nothing", lambda r: setattr(r, "outcome", "")),
    (3, "RolledBack=True", lambda r: last(r, "RolledBack", status="False")),
    (3, "Stalled=True", lambda r: last(r, "Stalled", status="False")),
    (3, "Ready=False with reason", lambda r: last(r, "Ready", reason="Progressing")),
    (3, "more than the canary", lambda r: setattr(r, "highest_wanted", 100.0)),
    (3, "ready pods were its, above", lambda r: setattr(r, "highest_observed", 67.0)),
    (3, "does not name the check", lambda r: setattr(r, "sentence", "check errors failed")),
    (4, "does not name the check", lambda r: setattr(r, "sentence", "check unexpected-script failed")),
    (4, "beside a good one", lambda r: setattr(r, "pair", None)),
    (4, "release 2 is not what serves", lambda r: r.statuses[-1].stable.update(wide="other")),
    (4, "an answer is odd", lambda r: r.after_problems.append("an answer is odd")),
    (4, "never showed a status", lambda r: setattr(r, "statuses", [])),
]


@pytest.mark.parametrize(("number", "words", "bend"), BENT, ids=[f"{n}-{w}" for n, w, _ in BENT])
def test_each_deviation_is_told(recording, number, words, bend):
    bend(recording.releases[number - 1])
    found = told.deviations(recording)
    assert any(words in deviation and f"release {number}" in deviation for deviation in found), found


def test_pools_that_drew_other_tokens_are_told_with_both_answers(recording):
    recording.agreement.answers[1].tokens[2] = " rarely"
    (said,) = told.deviations(recording)
    assert "wide (vocabulary over 4 devices)" in said
    assert "“Honey, mostly” / “Honey, rarely”" in said


def test_pools_that_were_not_compared_or_all_alike_are_told(recording):
    for answer in recording.agreement.answers:
        answer.devices = 1
    assert told.deviations(recording) == ["every pool has its vocabulary on 1 device(s): nothing was split"]
    recording.agreement = None
    assert told.deviations(recording) == ["the pools' answers to one request could not be compared"]


def test_requests_without_an_answer_are_told_by_phase(recording):
    recording.failures_by_phase = {"release 2": {"unreachable": 3}}
    assert told.deviations(recording) == ["requests without an answer in the phase 'release 2': 3 unreachable"]


@pytest.mark.parametrize(
    ("expected", "conditions", "words"),
    [
        ("promoted", [], ""),
        ("promoted", [("Reconciling", "Progressing")], ""),
        ("promoted", [("RolledBack", "CheckFailed")], "rolled back"),
        ("established", [("Stalled", "FirstReleaseFailed")], "stalled, FirstReleaseFailed"),
        ("rolled back", [("RolledBack", "CheckFailed"), ("Stalled", "RolledBack")], ""),
        ("rolled back", [("Ready", "FullTraffic")], "promoted"),
        ("rolled back", [("Stalled", "DeadlineExceeded")], "stalled, DeadlineExceeded"),
    ],
)
def test_another_end_than_expected_is_seen_while_waiting(expected, conditions, words):
    status = made_up.statuses(2)[0].model_copy(update={"conditions": []})
    status.conditions = [made_up.condition(kind, reason=reason, generation=2) for kind, reason in conditions]
    found = told.other_end(status, expected)
    assert words in found
    assert bool(found) is bool(words)
