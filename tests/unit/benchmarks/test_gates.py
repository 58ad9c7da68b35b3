"""The gates beside ours decide as published: else the table of misses and false alarms would flatter us."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.gates import _is_high, _root, data, ours, threshold


def passes(rate: float, traffic: float, failure_limit: int) -> float:
    """Exactly: requests a minute are Poisson, so bad and good ones are independent Poisson counts."""
    fine = 0.0
    for bad in range(40):
        least = 100 * bad - bad  # good ones that keep the share at 1 % or below
        good_mean = 60 * traffic * (1 - rate)
        below = sum(math.exp(-good_mean + n * math.log(good_mean) - math.lgamma(n + 1)) for n in range(least))
        mean = 60 * traffic * rate
        fine += math.exp(-mean + bad * math.log(mean) - math.lgamma(bad + 1)) * max(0.0, 1 - below)
    failing = 1 - fine
    return sum(math.comb(5, k) * failing**k * fine ** (5 - k) for k in range(failure_limit + 1))


@pytest.mark.parametrize("failure_limit", [0, 2])
@pytest.mark.parametrize(("rate", "traffic"), [(0.0005, 1.0), (0.008, 1.0), (0.008, 10.0)])
def test_the_threshold_gate_passes_as_often_as_it_must(rate: float, traffic: float, failure_limit: int) -> None:
    found = threshold(data(rate, traffic, runs=400, seed=1), failure_limit)
    assert found.passed.mean() == pytest.approx(passes(rate, traffic, failure_limit), abs=0.08)
    assert (found.passed ^ found.aborted).all()


def test_the_exact_figures_are_those_of_the_literature() -> None:
    """The anchors: an honest canary of 1 request a second is aborted in 14 %, a bug of 0.8 % passes in 9 %."""
    assert passes(0.0005, 1.0, 0) == pytest.approx(0.861, abs=0.001)
    assert passes(0.008, 1.0, 0) == pytest.approx(0.091, abs=0.001)
    assert passes(0.008, 1.0, 2) == pytest.approx(0.714, abs=0.002)


def test_the_shift_is_a_difference() -> None:
    x, y = np.array([5.0, 6.0, 9.0]), np.array([1.0, 2.0, 4.0])
    pairs = x[:, None] - y
    assert _root(pairs, 4.5) == pytest.approx(float(np.median(pairs)))


def test_kayenta_by_hand() -> None:
    low, high = np.arange(5.0), np.arange(5.0) + 10
    assert _is_high(high, low)
    assert not _is_high(low, high), "lower is not worse"
    assert not _is_high(low, low)
    assert not _is_high(np.zeros(50), np.zeros(50)), "nothing seen is a Pass there"
    assert not _is_high(np.array([]), low)
    sparse = np.zeros(50)
    sparse[:20] = 0.02
    assert not _is_high(sparse, np.zeros(50)), "most points are zero: the shift of the middle is zero"


def test_ours_finds_what_is_there_and_nothing_else() -> None:
    bad, honest = ours(data(0.16, 1.0, runs=40, seed=2)), ours(data(0.0005, 10.0, runs=20, seed=2))
    assert bad.aborted.all()
    assert not honest.aborted.any()
    assert honest.passed.any()
