"""What a verdict needs is what the real tests need; time and requests are each other's inverse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sampler_rollouts.domain.evidence.bound import upper_bound
from sampler_rollouts.domain.evidence.eprocess import log_e_value
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.feasibility import (
    Assured,
    Stretch,
    rate_interval,
    requests_within,
    seconds_until,
    to_fail,
    to_pass,
)
from sampler_rollouts.domain.evidence.samples import CheckPlan

from tests.unit.operator.evidence.build import CALIBRATION, NAN, at, draws, pair, question, samples

SURE = Assured(math.log(800), 0.95, 1.0)


def verdict(plan: CheckPlan, checked: int, bad: int = 0) -> str:
    """Of the real look at one pod without a stable beside it."""
    asked = question(plan, births=["c1"])
    given = samples(pair([checked // 2, checked], [bad // 2, bad]))
    return str(evaluate(asked, given, at(3)).looks["pool", "errors"].verdict)


@pytest.mark.parametrize("limit", [0.3, 0.03, 0.01, 0.002])
def test_a_clean_candidate_passes_at_exactly_so_many(limit: float) -> None:
    plan = CheckPlan("errors", limit)
    need = to_pass(plan, SURE, compared=True).requests
    assert verdict(plan, math.ceil(need * 1.002)) == "Passed"
    assert verdict(plan, math.floor(need * 0.995) - 1) == "Inconclusive"


def test_three_percent_takes_105_as_documented() -> None:
    assert to_pass(CheckPlan("errors", 0.03), SURE, compared=True).requests == 105
    clustered = Assured(math.log(800), 0.95, 4.0)
    assert to_pass(CheckPlan("errors", 0.03), clustered, compared=True).requests == pytest.approx(4 * 105, abs=4)


def test_a_bad_build_fails_at_exactly_so_many() -> None:
    count = to_fail(0.03, 0.3, SURE)
    assert log_e_value(count, 0.3 * count, 0.03) >= SURE.log_threshold > log_e_value(count - 1, 0.3 * count - 0.3, 0.03)
    assert to_fail(0.03, 0.03, SURE) == math.inf


@pytest.mark.parametrize("variance", [0.1, 3.7])
def test_calibrated_draws_pass_at_exactly_so_many(variance: float) -> None:
    def calibrated(count: int) -> str:
        counters = [[count * each * part for part in (0.5, 1)] for each in (4.7, 4.7, variance)]
        given = draws([count // 2, count], *counters)
        found = evaluate(question(CALIBRATION, births=["c1"]), samples(given), at(3)).looks["pool", "calibration"]
        assert found.variance == pytest.approx(variance, rel=1e-3)
        return str(found.verdict)

    clustered = Assured(math.log(800), 0.95, 4.0)
    need = to_pass(CALIBRATION, clustered, compared=True, variance=variance)
    assert need.field == "maxBiasNats"
    assert calibrated(math.ceil(need.requests * 1.002)) == "Passed"
    assert calibrated(math.floor(need.requests * 0.995) - 1) == "Inconclusive"


def test_of_calibration_nothing_is_known_before_the_first_draws() -> None:
    assert math.isnan(to_pass(CALIBRATION, SURE, compared=True).requests)
    narrow = CheckPlan("calibration", max_bias=1e-8)
    assert to_pass(narrow, SURE, compared=True, variance=1.0).requests == math.inf


def test_the_shorter_way_counts_of_a_ratio() -> None:
    soft = CheckPlan("errors", max_ratio=2.0, ignore_below=0.01)
    by_ignoring = to_pass(soft, SURE, compared=True)
    assert (by_ignoring.field, by_ignoring.requests) == ("ignoreBelow", 341)
    often_bad = to_pass(soft, SURE, compared=True, stable_rate=0.3)
    assert often_bad.field == "maxRatio"
    assert often_bad.requests < 341


def test_what_depends_on_stable_is_not_known_without_it() -> None:
    bare = CheckPlan("errors", max_ratio=2.0)
    assert math.isnan(to_pass(bare, SURE, compared=True).requests)
    assert to_pass(bare, SURE, compared=False).requests == math.inf
    assert to_pass(CheckPlan("errors", max_ratio=1.0), SURE, compared=True, stable_rate=0.1).requests == math.inf
    assert to_pass(CheckPlan("errors", 0.03, max_ratio=2.0), SURE, compared=False).requests == 105


def test_a_candidate_as_good_as_stable_passes_by_ratio_after_so_many() -> None:
    plan = CheckPlan("errors", NAN, max_ratio=2.0)
    need = to_pass(plan, SURE, compared=True, stable_rate=0.2, share=0.5).requests

    def look(count: int) -> str:
        values = [count * step // 10 for step in range(1, 11)]
        bad = [value // 5 for value in values]
        stable = pair([0, *values], [0, *bad], pod="s1", revision="old", first=0.1)  # type: ignore[arg-type]
        asked = question(plan, births=["c1"], compared=True)
        return str(evaluate(asked, samples(pair(values, bad), stable), at(12)).looks["pool", "errors"].verdict)

    assert look(round(need * 1.2)) == "Passed"
    assert look(round(need * 0.8)) == "Inconclusive"


stretches = st.lists(st.builds(Stretch, st.floats(0.01, 1.0), st.floats(0.0, 1000.0)), min_size=1, max_size=5)


@given(st.floats(0.0, 1e5), st.floats(0.01, 100.0), stretches)
def test_time_and_requests_are_each_other_s_inverse(requests: float, rate: float, ramp: list[Stretch]) -> None:
    needed = seconds_until(requests, rate, ramp)
    assert requests_within(needed, rate, ramp) == pytest.approx(requests, rel=1e-6, abs=1e-6)


def test_without_traffic_it_never_ends() -> None:
    assert seconds_until(1.0, 0.0, [Stretch(0.5, 60.0)]) == math.inf


def test_the_interval_of_a_rate_holds_it() -> None:
    random = np.random.default_rng(7)
    for mean in (3.0, 30.0, 300.0):
        counts = random.poisson(mean, 2000)
        held = [low <= mean / 60 <= high for low, high in (rate_interval(int(one), 60.0, 1.0) for one in counts)]
        assert np.mean(held) > 0.93
    assert rate_interval(0, 60.0, 1.0)[0] == 0


def test_the_proposed_limit_is_the_bound_of_what_comes() -> None:
    """``upper_bound`` of clean requests is the narrowest limit that they show."""
    limit = upper_bound(200, 0, 0.95)
    assert to_pass(CheckPlan("errors", limit * 1.01), SURE, compared=True).requests <= 200
    assert to_pass(CheckPlan("errors", limit * 0.99), SURE, compared=True).requests > 200
