"""Verdicts of one look (R12, R13, R15)."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_rollouts.domain.evidence.evaluate import count_tests, evaluate
from sampler_rollouts.domain.evidence.look import CheckLook, Evidence, Traffic
from sampler_rollouts.domain.evidence.samples import CheckPlan, Question, SampleSet, Series

from tests.unit.operator.evidence.build import (
    AUDIT,
    ERRORS,
    NAN,
    SCRIPT,
    Values,
    at,
    audit,
    pair,
    question,
    samples,
    summary,
)

CLEAN = [0, 20, 40, 60]
ZERO = [0, 0, 0, 0]


def two(checked: Values, bad: Values, **more: str) -> list[Series]:
    """The same on both candidate pods."""
    return pair(checked, bad, **more) + pair(checked, bad, pod="c2", **more)


def errors(evidence: Evidence) -> CheckLook:
    return evidence.looks["pool", "errors"]


def see(*found: list[Series], now: float = 4, asked: Question | None = None) -> CheckLook:
    return errors(evaluate(asked or question(), samples(*found), at(now)))


def test_enough_clean_requests_pass() -> None:
    assert summary(see(two(CLEAN, ZERO))) == ("Passed", "", 120, 0)
    assert see(two(CLEAN, ZERO)).upper_bound < 0.03


def test_105_clean_requests_pass_and_104_do_not() -> None:
    assert summary(see(pair([105], [0]), pair([0], [0], pod="c2"), now=1)) == ("Passed", "", 105, 0)
    few = see(pair([104], [0]), pair([0], [0], pod="c2"), now=1)
    assert summary(few) == ("Inconclusive", "TooFewRequests", 104, 0)


def test_many_bad_requests_fail() -> None:
    look = see(two([0, 5, 10], [0, 3, 6]), now=3)
    assert summary(look) == ("Failed", "", 20, 12)
    assert look.log_e >= look.log_threshold == pytest.approx(math.log(4 / 0.005))


def test_bonferroni_raises_the_threshold() -> None:
    asked = question(tests=40_000)
    assert summary(see(two([0, 5, 10], [0, 2, 4]), now=3, asked=asked))[:2] == ("Inconclusive", "TooFewRequests")
    assert see(two([0, 5, 10], [0, 2, 4]), now=3).verdict.value == "Failed"


def test_one_burst_on_one_pod_decides_nothing() -> None:
    burst = see(two(CLEAN, ZERO), pair([5000], [5000], route_hash="abc"))
    assert summary(burst)[:2] == ("Inconclusive", "UnconfirmedBurst")
    assert burst.log_e < 0


def test_a_burst_on_two_pods_fails() -> None:
    assert see(pair([0, 50], [0, 50]), pair([0, 50], [0, 50], pod="c2"), now=3).verdict.value == "Failed"


def test_without_data_nothing_is_known() -> None:
    look = see()
    assert summary(look) == ("Inconclusive", "NoData", 0, 0)
    assert (look.upper_bound, look.log_e, look.newest_sample) == (1.0, 0.0, None)
    assert "c1, c2" in look.detail


def test_pods_that_the_rollout_did_not_create_are_nobodys_evidence() -> None:
    foreign = pair([0, 500, 900], [0, 500, 900], pod="x1") + pair([0, 500, 900], [0, 500, 900], pod="x2")
    assert summary(see(two(CLEAN, ZERO), foreign)) == ("Passed", "", 120, 0)


def test_stale_data_never_pass() -> None:
    assert see(two(CLEAN, ZERO), now=7).verdict.value == "Passed"
    late = see(two(CLEAN, ZERO), now=7.01)
    assert summary(late) == ("Inconclusive", "StaleData", 120, 0)


def test_one_silent_pod_is_enough_to_wait() -> None:
    found = pair([200] * 9, [0] * 9) + pair([200], [0], pod="c2")
    silent = see(found, now=9)
    assert summary(silent)[:2] == ("Inconclusive", "StaleData")
    assert "c2" in silent.detail
    gone = question(serving=frozenset({"c1"}))
    assert summary(see(found, now=9, asked=gone)) == ("Passed", "", 400, 0)


def test_a_pod_just_born_need_not_have_been_scraped() -> None:
    young = question(births={"c1": at(0), "c2": at(7)})
    assert see(pair([200] * 9, [0] * 9), now=9, asked=young).verdict.value == "Passed"
    assert see(pair([200] * 11, [0] * 11), now=11, asked=young).reason == "StaleData"


def test_a_serving_pod_that_is_not_ours_to_count_blocks() -> None:
    asked = question(serving=frozenset({"c1", "c2", "c3"}))
    assert see(two(CLEAN, ZERO), asked=asked).reason == "StaleData"


def test_stale_evidence_of_a_fault_stands() -> None:
    for later in (3, 10, 10_000):
        assert see(two([0, 5, 10], [0, 3, 6]), now=later).verdict.value == "Failed"


def test_an_outage_adds_one_interval_and_nothing_else() -> None:
    before = two([0, 20], [0, 1])
    assert see(before, now=2).reason == "TooFewRequests"
    assert see(before, now=100).reason == "StaleData"
    gap: list[float | None] = [None] * 98
    after = see(two([0, 20, *gap, 400], [0, 1, *gap, 4]), now=101)
    assert summary(after) == ("Passed", "", 800, 8)


def test_nan_from_now_on_is_invalid_not_stale() -> None:
    look = see(two([200, NAN, NAN, NAN, NAN], [0, NAN, NAN, NAN, NAN]), now=5)
    assert summary(look) == ("Inconclusive", "InvalidData", 400, 0)
    assert "16 NotANumber" in look.detail
    assert see(two([NAN, NAN], [NAN, NAN]), now=2).reason == "InvalidData"


def test_a_nan_in_between_costs_nothing() -> None:
    assert summary(see(two([0, NAN, 60], [0, NAN, 0]), now=3)) == ("Passed", "", 120, 0)


def test_an_unavailable_source_is_the_reason_of_all() -> None:
    evidence = evaluate(question(ERRORS, AUDIT), SampleSet(unavailable="SourceTimeout", message="slow"), at(4))
    assert (evidence.available, evidence.reason, evidence.message) == (False, "SourceTimeout", "slow")
    assert {summary(look) for look in evidence.looks.values()} == {("Inconclusive", "SourceTimeout", 0, 0)}
    assert set(evidence.looks) == {("pool", "errors"), ("pool", "replay-audit")}
    assert evidence.fresh == {"pool": False}
    assert evidence.traffic == {}


def test_each_check_has_its_look() -> None:
    found = samples(two(CLEAN, ZERO), two(CLEAN, [0, 10, 20, 30], check="unexpected-script"))
    evidence = evaluate(question(ERRORS, SCRIPT), found, at(4))
    assert [look.verdict.value for look in evidence.looks.values()] == ["Passed", "Failed"]
    assert evidence.available
    assert errors(evidence).newest_sample == at(4)
    assert errors(evidence).newest_sample.tzinfo is UTC  # type: ignore[union-attr]


def test_labels_of_a_plan_narrow_it() -> None:
    narrowed = replace(ERRORS, labels={"route_hash": "abc"})
    look = see(two(CLEAN, [0, 20, 40, 60]), two(CLEAN, ZERO, route_hash="abc"), asked=question(narrowed))
    assert summary(look) == ("Passed", "", 120, 0)


def test_traffic_of_both_arms_since_the_start() -> None:
    stable = pair([900, 1000, 1007, 1010], ZERO, pod="s1", revision="old", first=-1)
    restarted = pair([50, 60, 5], [0, 0, 0], pod="s2", revision="old")
    other = pair([7, 9], [0, 0], pod="x1", revision="older")
    evidence = evaluate(question(), samples(two([3, 9], [0, 0]), stable, restarted, other), at(4))
    assert evidence.traffic == {"pool": Traffic(candidate=18, stable=3 + 10 + 5)}


def test_traffic_needs_no_errors_check() -> None:
    assert evaluate(question(SCRIPT), samples(two([3, 9], [0, 0])), at(3)).traffic["pool"].candidate == 18


def test_an_unchanged_revision_counts_each_pod_once() -> None:
    asked = question()
    same = replace(asked, arms=(replace(asked.arms[0], stable_revision="new"),))
    found = samples(two([3, 9], [0, 0]), pair([10, 11], [0, 0], pod="s1"))
    assert evaluate(same, found, at(3)).traffic["pool"] == Traffic(candidate=18, stable=1)


@pytest.mark.parametrize(
    ("found", "now", "fresh"),
    [
        (two([1, 2], [0, 0]), 5, True),
        (two([1, 2], [0, 0]), 5.1, False),
        (pair([1, 2], [0, 0]), 3, True),  # c2 is too young to be missed
        (pair([1] * 9, [0] * 9), 9, False),
        (two([1, 2], [0, 0], check="unexpected-script"), 3, True),
        ([], 3, False),
    ],
)
def test_fresh_is_said_of_pools(found: list[Series], now: float, fresh: bool) -> None:
    assert evaluate(question(), samples(found), at(now)).fresh == {"pool": fresh}


def test_tests_are_counted_without_the_audit() -> None:
    assert count_tests((ERRORS, SCRIPT, AUDIT), ("a", "b")) == 4
    assert count_tests((AUDIT,), ("a",)) == 0


def test_no_test_at_all_is_no_infinite_power() -> None:
    assert see(two([0, 1], [0, 1]), now=2, asked=question(tests=0)).log_threshold == pytest.approx(math.log(200))


def test_a_design_effect_slows_both_verdicts() -> None:
    doubled = question(design_effect=2.0)
    assert see(two(CLEAN, ZERO), asked=doubled).reason == "TooFewRequests"
    assert see(two([0, 60, 110], ZERO[:3]), now=3, asked=doubled).verdict.value == "Passed"
    assert see(two([0, 2, 4], [0, 2, 3]), now=3).verdict.value == "Failed"
    assert see(two([0, 2, 4], [0, 2, 3]), now=3, asked=doubled).verdict.value == "Inconclusive"


def test_the_audit_rides_along() -> None:
    evidence = evaluate(question(ERRORS, AUDIT), samples(two(CLEAN, ZERO), audit([0, 4000], [0, 0])), at(4))
    assert evidence.looks["pool", "replay-audit"].reason == "StaleData"  # c2 does not expose it
    other = audit([0, 100], [0, 0], pod="c2")
    evidence = evaluate(question(ERRORS, AUDIT), samples(two(CLEAN, ZERO), audit([0, 4000], [0, 0]), other), at(4))
    assert evidence.looks["pool", "replay-audit"].verdict.value == "Passed"


totals = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=3, max_size=30)


@given(totals, st.integers(1, 5))
@settings(deadline=None)
def test_how_often_one_looks_changes_no_total(increments: list[tuple[int, int]], every: int) -> None:
    """The e-value of all data and the bound depend on the last sample only; so does recomputation, bit by bit."""
    checked = np.cumsum([good + bad for good, bad in increments])
    bad = np.cumsum([bad for _, bad in increments])
    last = len(increments) - 1
    thin = [i % every == 0 or i == last for i in range(len(increments))]
    sparse = pair(
        [float(v) if keep else None for v, keep in zip(checked, thin, strict=True)],
        [float(v) if keep else None for v, keep in zip(bad, thin, strict=True)],
    )
    dense = pair(checked.tolist(), bad.tolist())
    asked = question(births=["c1"])
    one, other = see(dense, now=last + 1, asked=asked), see(sparse, now=last + 1, asked=asked)
    assert (one.checked, one.bad, one.upper_bound) == (other.checked, other.bad, other.upper_bound)
    assert one == see(dense, now=last + 1, asked=asked)


@pytest.mark.long
def test_looking_at_every_scrape_does_not_cry_wolf() -> None:
    """Whole path, 100 rollouts of 2 pods and 60 scrapes exactly at the limit, at 5 %: false alarms and false passes."""
    random = np.random.default_rng(11)
    asked = question(alpha=0.05, tests=1)
    failed = passed = 0
    for _ in range(100):
        requests = random.poisson(6, size=(2, 60))
        checked, bad = requests.cumsum(axis=1), random.binomial(requests, 0.03).cumsum(axis=1)
        found = samples(*(pair(checked[i].tolist(), bad[i].tolist(), pod=f"c{i + 1}") for i in range(2)))
        verdicts = {errors(evaluate(asked, found, at(scrape))).verdict.value for scrape in range(6, 61, 6)}
        failed += "Failed" in verdicts
        passed += "Passed" in verdicts
    assert failed <= 100 * 0.05
    assert passed <= 100 * 0.05 + 6


@pytest.mark.long
def test_bursts_of_one_arm_need_a_declared_design_effect() -> None:
    """What R15 does not promise without one: repeated bursts of ten requests that share a fate."""
    random = np.random.default_rng(5)

    def alarms(design_effect: float) -> int:
        asked = question(alpha=0.05, tests=1, design_effect=design_effect)
        count = 0
        for _ in range(100):
            sessions = random.poisson(1, size=(2, 80))
            checked, bad = 10 * sessions.cumsum(axis=1), 10 * random.binomial(sessions, 0.03).cumsum(axis=1)
            found = samples(*(pair(checked[i].tolist(), bad[i].tolist(), pod=f"c{i + 1}") for i in range(2)))
            count += any(
                errors(evaluate(asked, found, at(scrape))).verdict.value == "Failed" for scrape in range(16, 81, 16)
            )
        return count

    assert alarms(1.0) > 100 * 0.10
    assert alarms(10.0) <= 100 * 0.05


RATIO = CheckPlan("errors", max_ratio=2.0)
BOTH = CheckPlan("errors", 0.03, max_ratio=2.0)


def stable(checked: Values, bad: Values) -> list[Series]:
    """Stable's two pods; their first sample is the base line."""
    return pair(checked, bad, pod="s1", revision="old") + pair(checked, bad, pod="s2", revision="old")


def compared(*found: list[Series], plan: CheckPlan = BOTH, scrapes: int = 6) -> CheckLook:
    return see(*found, now=scrapes, asked=question(plan, compared=True))


STEADY = [20.0 * i for i in range(1, 7)]
HALF = [10.0 * i for i in range(6)]


def test_worse_than_stable_fails() -> None:
    for plan in (BOTH, RATIO, ERRORS):
        look = compared(two(STEADY, HALF), stable(STEADY, [0] * 6), plan=plan)
        assert look.verdict.value == "Failed", plan
        assert (look.stable_checked, look.stable_bad) == (200, 0)
        assert look.unproven == look.log_e
        assert "stable was bad in 0 of 200" in look.detail


def test_as_bad_as_stable_is_not_its_fault() -> None:
    for plan in (BOTH, ERRORS):
        look = compared(two(STEADY, HALF), stable(STEADY, HALF), plan=plan)
        assert summary(look)[:2] == ("Inconclusive", "SharedDegradation")
    relative = compared(two(STEADY, HALF), stable(STEADY, HALF), plan=RATIO)
    assert relative.verdict.value == "Passed", "no more than twice as bad, and no other limit is asked for"


def test_above_its_limit_beside_a_stable_that_has_answered_little_is_not_decided_yet() -> None:
    few = [1.0 * i for i in range(1, 7)]
    for plan in (BOTH, ERRORS):
        look = compared(two(STEADY, HALF), stable(few, [0] * 6), plan=plan)
        assert summary(look)[:2] == ("Inconclusive", "UnconfirmedAgainstStable"), plan
        assert "stable was bad in 0 of 10" in look.detail
        assert look.log_e < look.log_threshold <= look.unproven, "so far the evidence has come, but for the proof"
        assert compared(two(STEADY, HALF), stable(few, few), plan=plan).reason == "SharedDegradation", plan


def test_without_stable_s_data_nothing_is_compared() -> None:
    assert compared(two(STEADY, HALF)).reason == "NoStableData"
    alone = see(two(STEADY, HALF), now=6, asked=question(RATIO))
    assert summary(alone)[:2] == ("Inconclusive", "NothingToCompare")
    assert see(two(STEADY, HALF), now=6, asked=question(BOTH)).verdict.value == "Failed", "the limit is left"


def test_without_a_stable_beside_it_the_limit_alone_passes() -> None:
    """A new pool, or one at full traffic: there is nothing to hold the ratio against."""
    given = samples(pair([60, 110], [0, 0]))
    alone = evaluate(question(BOTH, births=["c1"]), given, at(3)).looks["pool", "errors"]
    assert summary(alone) == ("Passed", "", 110, 0)
    bare = evaluate(question(RATIO, births=["c1"]), given, at(3)).looks["pool", "errors"]
    assert summary(bare)[:2] == ("Inconclusive", "NothingToCompare")
    beside = evaluate(question(BOTH, births=["c1"], compared=True), given, at(3)).looks["pool", "errors"]
    assert summary(beside)[0] == "Inconclusive"


def test_passed_by_ignore_below_or_by_ratio() -> None:
    soft = replace(BOTH, ignore_below=0.03)
    many = [100.0 * i for i in range(1, 7)]
    assert compared(two(many, [0] * 6), stable(many, [0] * 6), plan=soft).verdict.value == "Passed"
    assert compared(two(many, [0] * 6), stable(many, [0] * 6)).reason == "TooFewRequests"
    assert compared(two(many, [0] * 6), stable(many, HALF)).verdict.value == "Passed"


def test_a_burst_against_stable_is_unconfirmed() -> None:
    burst = pair([1000, 1000, 1000, 1000, 1000, 1000], [900] * 6) + pair(STEADY, [0] * 6, pod="c2")
    assert compared(burst, stable([0, *STEADY[:-1]], [0] * 6)).reason in ("UnconfirmedBurst", "TooFewRequests")


@pytest.mark.long
def test_false_alarms_of_whole_looks_against_stable() -> None:
    """Whole path: 60 rollouts of 2 + 4 pods at exactly twice stable's rate, looked at every sixth scrape, at 5 %."""
    random = np.random.default_rng(17)
    asked = question(replace(RATIO), alpha=0.05, tests=1, compared=True)
    failed = 0
    for _ in range(60):
        found = []
        for pod, revision, rate in (("c1", "new", 0.04), ("c2", "new", 0.04), ("s1", "old", 0.02), ("s2", "old", 0.02)):
            requests = random.poisson(20, 60)
            bad = random.binomial(requests, rate)
            found += pair(requests.cumsum().tolist(), bad.cumsum().tolist(), pod=pod, revision=revision)
        failed += any(see(found, now=scrape, asked=asked).verdict.value == "Failed" for scrape in range(6, 61, 6))
    assert failed <= 60 * 0.05 + 1


def test_a_restart_that_only_another_checks_counter_shows_is_doubt() -> None:
    """Small counters may have grown again by the next scrape: what they had counted since the last one is lost."""
    errors = pair([40, 20, 10, 500, 900, 1400], [0] * 6)
    small = [pair([1, 1, 1, 110, 200, 320], [1] * 6, check=SCRIPT.name)]
    alone = evaluate(question(SCRIPT, births=["c1"]), samples(*small), at(6)).looks["pool", SCRIPT.name]
    assert summary(alone) == ("Passed", "", 320, 1)
    asked = question(ERRORS, SCRIPT, births=["c1"])
    found = evaluate(asked, samples(errors, *small), at(6)).looks["pool", SCRIPT.name]
    assert summary(found) == ("Inconclusive", "InvalidData", 320, 1)
