"""The upper bound behind ``Passed``: right at all looks at once, and near to what is possible."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_rollouts.domain.evidence.bound import log_evidence_below, upper_bound, upper_bounds
from sampler_rollouts.domain.evidence.grid import IntArray

counts = st.integers(1, 10**9).flatmap(lambda checked: st.tuples(st.just(checked), st.integers(0, checked)))


def fewest_to_pass(bad: int, limit: float = 0.03, confidence: float = 0.95) -> int:
    return next(n for n in range(bad, 10_000) if upper_bound(n, bad, confidence) < limit)


def test_requests_to_pass() -> None:
    """At a limit of 3 % and 95 % confidence: 99 clean ones are the least that any method can do with."""
    assert fewest_to_pass(0) == 105
    assert [fewest_to_pass(bad) for bad in (1, 2, 3)] == [246, 330, 403]
    assert fewest_to_pass(0, confidence=0.99) < 1.15 * math.log(100) / 0.03


def test_the_crossing_by_hand() -> None:
    """Without bad requests: the sum of w ((1-fp)/(1-p))^n over the fractions f is 1/(1 - 0.95) at the bound."""
    p, n = upper_bound(200, 0, 0.95), 200
    weights = [(0.0, 0.55), *((0.01 * 90 ** (i / 15), 0.434 / 16) for i in range(16))]
    weights += [(f, 0.004) for f in (0.95, 0.98, 0.99, 0.995)]
    mixture = sum(w * ((1 - f * p) / (1 - p)) ** n for f, w in weights)
    assert sum(w for _, w in weights) == pytest.approx(1)
    assert mixture == pytest.approx(20, rel=1e-9)


@pytest.mark.parametrize("limit", [0.001, 0.03, 0.3])
@pytest.mark.parametrize("share", [1.0, 1.5, 3.0])
def test_supermartingale_for_every_rate_at_or_above(limit: float, share: float) -> None:
    rate = limit * share
    for checked in range(40):
        for bad in range(checked + 1):
            now = math.exp(log_evidence_below(limit, checked, bad))
            good_next = math.exp(log_evidence_below(limit, checked + 1, bad))
            bad_next = math.exp(log_evidence_below(limit, checked + 1, bad + 1))
            assert rate * bad_next + (1 - rate) * good_next <= now * (1 + 1e-9)


def pass_counts(limit: float, confidence: float, most: int) -> IntArray:
    """The most bad requests with which 1, 2, ... ``most`` checked ones pass; -1 where none do."""
    result, bad = [], -1
    for checked in range(1, most + 1):
        while bad < checked and log_evidence_below(limit, checked, bad + 1) > -math.log(1 - confidence):
            bad += 1
        result.append(bad)
    return np.array(result)


def test_the_bound_is_where_the_evidence_crosses() -> None:
    most = pass_counts(0.03, 0.95, 400)
    for checked in (104, 105, 245, 246, 400):
        bounds = [upper_bound(checked, bad, 0.95) for bad in range(8)]
        assert sum(bound < 0.03 for bound in bounds) == most[checked - 1] + 1


def test_false_passes_under_continuous_looking() -> None:
    """4,000 streams exactly at the limit, looked at after every request, at 90 % confidence."""
    random = np.random.default_rng(7)
    bad = (random.random((4000, 2000)) < 0.03).cumsum(axis=1)
    rate = float((bad <= pass_counts(0.03, 0.9, 2000)).any(axis=1).mean())
    assert 0.02 < rate <= 0.1


@pytest.mark.parametrize(("true_rate", "median", "share"), [(0.0, 105, 1.0), (0.003, 120, 1.0), (0.015, 1200, 0.95)])
def test_honest_builds_pass(true_rate: float, median: float, share: float) -> None:
    random = np.random.default_rng(3)
    bad = (random.random((500, 3000)) < true_rate).cumsum(axis=1)
    passed = bad <= pass_counts(0.03, 0.95, 3000)
    assert passed.any(axis=1).mean() >= share
    assert np.median(passed.argmax(axis=1) + 1) <= median


@given(counts, st.sampled_from([0.5, 0.95, 0.999]), st.floats(1, 50))
@settings(deadline=None)
def test_a_bound_is_a_rate_above_the_estimate(pair: tuple[int, int], confidence: float, design_effect: float) -> None:
    checked, bad = pair
    bound = upper_bound(checked, bad, confidence, design_effect)
    assert bad / checked <= bound <= 1.0
    assert bound > 0.0


@given(counts, st.integers(1, 1000))
@settings(deadline=None)
def test_more_bad_raises_and_more_good_lowers_it(pair: tuple[int, int], more: int) -> None:
    checked, bad = pair
    here = upper_bound(checked, bad, 0.95)
    assert upper_bound(checked + more, bad + more, 0.95) >= here * (1 - 1e-9)
    assert upper_bound(checked + more, bad, 0.95) <= here * (1 + 1e-9)


def test_no_data_exclude_nothing() -> None:
    assert upper_bound(0, 0, 0.95) == 1.0
    assert upper_bound(5, 5, 0.95) == 1.0
    assert upper_bound(10**9, 10**9, 0.95) == 1.0


def test_a_billion_requests_narrow_it() -> None:
    assert upper_bound(10**9, 10**7, 0.95) == pytest.approx(0.01, rel=0.01)
    assert upper_bound(10**9, 0, 0.95) == pytest.approx(3.2e-9, rel=0.1)


def test_many_bounds_at_once_are_those_one_by_one() -> None:
    """To the bit, whoever stands beside."""
    checked = np.array([0, 1, 105, 3000, 3000, 10**9, 2**52])
    bad = np.array([0, 1, 0, 0, 3000, 17, 10**6])
    for confidence, effect in ((0.95, 1.0), (0.8, 3.5)):
        every = upper_bounds(checked, bad, confidence, effect)
        assert every.tolist() == [
            upper_bound(int(n), int(k), confidence, effect) for n, k in zip(checked, bad, strict=True)
        ]
        assert every[0] == 1.0
