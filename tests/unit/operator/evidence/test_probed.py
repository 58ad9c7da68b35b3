"""Synthetic probes as evidence: what they add, what they may not hide, and that they are nobody's traffic."""

from __future__ import annotations

from typing import Any

import pytest
from quality_contract import PROBE_ROUTE_HASH
from sampler_rollouts.domain.evidence.evaluate import count_tests, evaluate
from sampler_rollouts.domain.evidence.fold import fold
from sampler_rollouts.domain.evidence.look import CheckLook, Evidence, Traffic
from sampler_rollouts.domain.evidence.samples import CheckPlan, Series

from tests.unit.operator.evidence.build import AUDIT, CALIBRATION, ERRORS, at, pair, question, samples, summary

SCRAPES = 21
RATIO = CheckPlan("errors", max_ratio=2.0)


def course(each: float) -> list[float]:
    """A counter that gains so much at each scrape, from zero."""
    return [float(int(each * scrape)) for scrape in range(SCRAPES)]


def users(checked: float, bad: float, **where: Any) -> list[Series]:
    return pair(course(checked), course(bad), **where)


def probes(checked: float, bad: float, **where: Any) -> list[Series]:
    return users(checked, bad, route_hash=PROBE_ROUTE_HASH, **where)


STABLE = {"pod": "s1", "revision": "old"}


def evidence(*found: list[Series], plan: CheckPlan = ERRORS, **changes: Any) -> Evidence:
    asked = question(plan, **{"births": ["c1"], "probes": True, **changes})
    return evaluate(asked, samples(*found), at(SCRAPES))


def look(*found: list[Series], **changes: Any) -> CheckLook:
    (one,) = evidence(*found, **changes).looks.values()
    return one


def test_probes_that_are_not_asked_for_count_for_nothing() -> None:
    found = look(users(10, 0), probes(50, 50), probes=False)
    assert summary(found) == ("Passed", "", 200, 0)


def test_probes_are_nobodys_traffic() -> None:
    found = [users(2, 0), probes(9, 0), users(3, 0, **STABLE), probes(9, 0, **STABLE)]
    for counted in (True, False):
        assert evidence(*found, probes=counted).traffic == {"pool": Traffic(candidate=40, stable=60)}


def test_where_users_send_little_probes_let_a_good_build_pass() -> None:
    assert summary(look(users(0.5, 0))) == ("Inconclusive", "TooFewRequests", 10, 0)
    found = look(users(0.5, 0), probes(10, 0))
    assert summary(found) == ("Passed", "", 210, 0)
    assert "200 of them probes, of which 0 bad" in found.detail


def test_where_users_send_little_probes_find_a_bad_build() -> None:
    assert look(users(0.2, 0), probes(5, 2)).verdict == "Failed"


def test_good_probes_do_not_hide_what_only_users_meet() -> None:
    found = look(users(3, 1), probes(500, 0))
    assert found.bad / found.checked < ERRORS.max_rate, "diluted, the share is well below the limit"
    assert found.verdict == "Failed"


def test_nothing_passes_while_users_requests_speak_against_the_build() -> None:
    alone = [float(min(scrape, 3)) for scrape in range(SCRAPES)]
    found = look(pair(course(1), alone), probes(500, 0))
    assert (found.verdict, found.bad) == ("Inconclusive", 3)
    assert look(users(1, 0), probes(500, 0)).verdict == "Passed"
    # Beside stable too, as long as nothing shows that it is the worse one: 18 of 240 beside 2 of 60.
    arms = [pair(_up_to(240), _up_to(18)), probes(150, 0)]
    stable = [pair(_up_to(60), _up_to(2), **STABLE), probes(150, 0, **STABLE)]
    found = look(*arms, *stable, compared=True, tests=8)
    assert (found.verdict, found.bad) == ("Inconclusive", 18)


def _up_to(whole: int) -> list[float]:
    return [float(whole * scrape // (SCRAPES - 1)) for scrape in range(SCRAPES)]


@pytest.mark.parametrize(("bad", "verdict"), [(4, "Passed"), (16, "Failed")])
def test_probes_are_compared_with_probes_alone(bad: float, verdict: str) -> None:
    # Synthetic prompts fail in a fifth of all cases in both builds, users' never; the arms' shares of both differ much.
    found = [users(1, 0), probes(20, bad), users(200, 0, **STABLE), probes(20, 4, **STABLE)]
    assert look(*found, plan=RATIO, compared=True).verdict == verdict


def test_a_restart_shows_in_all_counters_of_a_process() -> None:
    before, after = [5.0] * 10, [7.0] * 11
    own = pair(before + after, [0.0] * SCRAPES)
    others = pair([50.0] * 10 + [3.0] * 11, [0.0] * SCRAPES, route_hash=PROBE_ROUTE_HASH)
    for counted in (True, False):
        assert evidence(own, others, probes=counted).traffic["pool"].candidate == 12
    assert look(own, others, probes=False).checked == 12


def test_folded_or_not_the_evidence_is_the_same() -> None:
    found = [users(2, 0.1), probes(5, 0.2), users(3, 0.1, **STABLE), probes(5, 0.2, **STABLE)]
    asked = question(ERRORS, AUDIT, births=["c1"], probes=True, compared=True)
    whole = samples(*found)
    done = fold(asked, whole, round(at(12).timestamp() * 1000))
    assert done.folded
    assert sum(len(one.times) for one in done.series) < sum(len(one.times) for one in whole.series)
    assert evaluate(asked, done, at(SCRAPES)) == evaluate(asked, whole, at(SCRAPES))


def test_two_questions_share_alpha() -> None:
    assert count_tests([ERRORS, AUDIT], ["a", "b"], probes=True) == 2 * count_tests([ERRORS, AUDIT], ["a", "b"])


def test_of_calibration_one_question_is_asked() -> None:
    assert count_tests([CALIBRATION, AUDIT], ["a"], probes=True) == 1
    assert count_tests([ERRORS, CALIBRATION], ["a", "b"], probes=True) == 6


def test_in_the_bake_probes_find_a_change_and_hide_none() -> None:
    baking = {"bake_intervals": 5, "since": at(-1)}
    assert look(users(0.2, 0), probes(5, 0), **baking).verdict != "Failed"
    assert look(users(0.2, 0), probes(5, 2.5), **baking).verdict == "Failed", "users alone are too few"
    hidden = look(users(5, 2.5), probes(500, 0), **baking)
    assert hidden.bad / hidden.checked < ERRORS.max_rate, "diluted, the share is well below the limit"
    assert hidden.verdict == "Failed"
