"""The incidents' table: what is asked, what somebody else's route says, how a row comes about."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
import yaml
from sampler_rollouts.domain.resource import parse_spec

from local.demo.ask import LONG, STANDARD, AskSource
from local.demo.manifests import NAME
from local.demo.recording import CheckPoint, ConditionPoint, EndPoint, StatusPoint
from local.demo.tally import OK, SERVER_ERROR, Record
from local.gateway.install import Edge
from local.incidents import table, thresholds
from local.incidents.cast import ALARM, CAST, FAULTS, PROMOTED, ROLLED_BACK
from local.incidents.manifests import EXAMPLE, STRANGER, release, strangers_route
from local.incidents.rows import Row, Seen, of_alarm, of_release

EDGE = Edge("http://10.96.0.7")
I2 = next(one for one in CAST if one.name == "I2")
I1 = next(one for one in CAST if one.name == "I1")
LATER = next(one for one in CAST if one.name == "I1-later")
STABLE = {"standard": "aaaa000000", "long": "aaaa000001"}
CANDIDATE = {"standard": "bbbb000000", "long": "bbbb000001"}


def answer(at: float, revision: str, **more: Any) -> Record:
    return Record(at=at, seconds=0.5, phase="I2", outcome=OK, fingerprint=f"{revision}-abcd", **more)


def status(at: float, end: EndPoint | None = None, **more: Any) -> StatusPoint:
    usual = {"generation": 3, "observed_generation": 3, "stable": STABLE, "candidate": CANDIDATE}
    return StatusPoint(at=at, last_end=end, **{**usual, **more})


def ended(result: str = "RolledBack", **more: Any) -> EndPoint:
    usual = {"at": 130.0, "weight": 10, "exposed": 40, "total": 400, "sentence": "check unexpected-script was bad"}
    return EndPoint(result=result, **{**usual, **more})


def asks(long_share: float) -> AskSource:
    return AskSource(
        ["One?", "Two?"], max_tokens=2, top_k=4, top_k_share=0.0, rng=random.Random(1), long_share=long_share
    )


def test_clients_say_the_class_of_what_they_ask_truly() -> None:
    source = asks(0.3)
    drawn = [source.next() for _ in range(400)]
    assert {one.context_class for one in drawn} == {STANDARD, LONG}
    assert all((one.prompt.count("?") > 1) == (one.context_class == LONG) for one in drawn)
    assert all(one.headers() == {"x-context-class": one.context_class} for one in drawn)
    assert 80 < sum(one.context_class == LONG for one in drawn) < 160


def test_without_classes_nothing_is_said() -> None:
    assert asks(0.0).next().headers() == {}


def test_releases_differ_in_their_image_alone_and_the_operator_takes_them() -> None:
    made = release("localhost/s@sha256:" + "a" * 64, "synthetic", EDGE)
    spec = parse_spec(made["spec"], NAME)
    assert {pool.image for pool in spec.pools} == {"localhost/s@sha256:" + "a" * 64}
    assert spec.gateway is not None
    example = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))["spec"]
    assert made["spec"]["quality"] == example["quality"]
    assert {check.name for check in spec.quality.checks} >= {one.check for one in CAST if one.check}


def test_every_image_of_the_cast_is_built() -> None:
    assert {one.image for one in CAST if one.expected == ROLLED_BACK and not one.misroutes} == set(FAULTS)


def test_the_incidents_table_is_one_that_the_operator_takes_and_nothing_else_differs() -> None:
    image = "localhost/s@sha256:" + "a" * 64
    made = release(image, "synthetic", EDGE, I1.misroutes)
    routes = parse_spec(made["spec"], NAME).routes[STANDARD]
    assert {one.pool: one.share for one in routes.to} == {STANDARD: "96%", LONG: "4%"}
    del made["spec"]["routing"]["routes"]
    assert made == release(image, "synthetic", EDGE)


def test_a_table_is_told_by_the_short_requests_that_the_long_pool_answered() -> None:
    records = [
        answer(85, STABLE["standard"], context_class=STANDARD),
        answer(100, STABLE["long"], context_class=STANDARD),
        answer(101, STABLE["long"], context_class=LONG),
    ]
    end = ended(sentence="check misrouted was bad", exposed=12)
    row = of_release(I1, Seen(80, [status(90, candidate=STABLE), status(131, end)], records))
    assert (row.ended, row.seconds, row.requests, row.problems) == (ROLLED_BACK, 30.0, 12, ())


def test_somebody_elses_route_takes_short_requests_alone_and_sends_a_part_to_the_long_pool() -> None:
    made = strangers_route(EDGE, {STANDARD: "chat-standard-1", LONG: "chat-long-1"}, 16)
    (rule,) = made["spec"]["rules"]
    assert rule["matches"][0]["headers"] == [{"name": "x-context-class", "value": "standard"}]
    assert {one["name"]: one["weight"] for one in rule["backendRefs"]} == {"chat-standard-1": 84, "chat-long-1": 16}


def test_a_rollback_is_told_by_the_operators_history_and_the_clients_times() -> None:
    records = [answer(90, STABLE["standard"]), answer(100, CANDIDATE["standard"]), answer(120, CANDIDATE["long"])]
    row = of_release(I2, Seen(80, [status(90), status(131, ended())], records))
    assert (row.ended, row.weight, row.seconds, row.requests, row.share) == (ROLLED_BACK, 10, 30.0, 40, 0.1)
    assert row.problems == ()


@pytest.mark.parametrize(
    ("end", "more", "said"),
    [
        (ended("Promoted", sentence=""), [], "expected rolled back, came out promoted"),
        (ended(sentence="check errors was bad"), [], "does not name the check unexpected-script"),
        (ended(weight=100), [], "full traffic before it was stopped"),
        (ended(exposed=0), [], "never answered a request"),
        (ended(), [Record(101, 0.1, "I2", SERVER_ERROR, detail="HTTP 503")], "1 requests failed"),
        (ended(at=20.0), [], "came out undecided"),
    ],
)
def test_what_is_not_as_told_is_said(end: EndPoint, more: list[Record], said: str) -> None:
    row = of_release(I2, Seen(80, [status(131, end)], [answer(100, CANDIDATE["standard"]), *more]))
    assert any(said in problem for problem in row.problems), row.problems


def test_the_audit_may_stop_a_build_before_its_first_answer_is_whole() -> None:
    """It looks at tokens; every other check counts answers."""
    audited = next(one for one in CAST if one.check == "replay-audit")
    end = ended(sentence="check replay-audit found 8 wrong in 9 audited tokens", exposed=0)
    assert of_release(audited, Seen(80, [status(131, end)], [])).problems == ()


def test_an_alarm_counts_the_short_requests_that_went_to_the_long_pool() -> None:
    said = f"check misrouted; last change seen: kubectl wrote HTTPRoute {STRANGER}"
    alarm = ConditionPoint(type="Degraded", status="True", reason="CheckFailed", message=said, observed_generation=3)
    records = [
        answer(101, STABLE["standard"], context_class=STANDARD),
        answer(102, STABLE["long"], context_class=STANDARD),
        answer(103, STABLE["long"], context_class=LONG),
        answer(104, STABLE["standard"], context_class=STANDARD),
        answer(190, STABLE["long"], context_class=STANDARD),  # after the alarm
    ]
    seen = Seen(100, [status(110), status(150, conditions=[alarm])], records)
    row = of_alarm(LATER, seen)
    assert (row.ended, row.requests, row.seconds) == (ALARM, 1, 48.0)
    assert row.share == pytest.approx(1 / 3)
    assert row.problems == ()
    unnamed = alarm.model_copy(update={"message": "check misrouted"})
    assert STRANGER in of_alarm(LATER, replace(seen, statuses=[status(150, conditions=[unnamed])])).problems[0]
    assert "expected alarm" in of_alarm(LATER, replace(seen, statuses=[status(110)])).problems[0]


def points(rates: list[tuple[int, int]], check: str = "unexpected-script") -> list[CheckPoint]:
    """Cumulative counts at the end of each measurement."""
    return [
        CheckPoint(
            at=thresholds.SECONDS * number,
            pool="standard",
            check=check,
            checked=checked,
            bad=bad,
            max_rate=0.03,
            upper_bound=1.0,
            log_e=0.0,
            log_threshold=9.0,
            verdict="Inconclusive",
        )
        for number, (checked, bad) in enumerate(rates)
    ]


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ([(0, 0), (50, 0), (100, 0), (150, 0), (200, 0), (250, 0)], "passes it"),
        ([(0, 0), (50, 0), (100, 2), (150, 2), (200, 2), (250, 2)], "aborts at measurement 2"),
        ([(0, 0), (50, 1), (100, 2), (150, 3), (200, 4), (250, 5)], "passes it"),  # 2% is within the limit
        ([(0, 0), (50, 0), (50, 0), (150, 0), (200, 0), (250, 0)], "passes it"),  # nothing measured, nothing wrong
        ([(0, 0), (50, 0), (100, 0)], "has had 2 of 5"),
        ([], "nothing measured"),
    ],
)
def test_a_gate_of_thresholds(rates: list[tuple[int, int]], said: str) -> None:
    assert said in thresholds.verdict(points(rates))


def test_the_table_names_what_is_not_as_told() -> None:
    good = Row("honest-1", "the same", PROMOTED, PROMOTED, weight=100, seconds=61.2, requests=20, share=0.25)
    bad = Row("I2", "a | b", ROLLED_BACK, PROMOTED, problems=("expected rolled back, came out promoted",))
    text = table.markdown([good, bad])
    assert "| honest-1 | the same | promoted | 100 | 61 | 20 | 25.0% | - |" in text
    assert "**promoted** (expected rolled back)" in text
    assert "* I2: expected rolled back, came out promoted" in text
    assert "a \\| b" in text
    assert "All as told" in table.markdown([good])


def test_the_table_leads_to_the_page_of_each() -> None:
    drawn = Row("I2", "what", ROLLED_BACK, ROLLED_BACK, page="incidents/I2.html")
    assert "| [I2](incidents/I2.html) | what |" in table.markdown([drawn])
