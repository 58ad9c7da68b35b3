"""The bake's test: how seldom it alarms while nothing has changed, and how soon after a change."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from sampler_rollouts.domain.evidence.eprocess import log_e_value
from sampler_rollouts.domain.evidence.grid import LOG_WEIGHTS, log_mixture
from sampler_rollouts.domain.evidence.shiryaev import Course, advance, begin, log_threshold

LIMIT = 0.05


def one(course: Course, *pods: tuple[int, int], limit: float = LIMIT) -> Course:
    """An interval of one stream."""
    table = np.array(pods, dtype=np.int64).reshape(-1, 2)
    return advance(course, np.array([limit]), np.zeros(len(pods), dtype=np.int64), table[:, 0], table[:, 1])


def value(course: Course) -> float:
    return math.exp(float(log_mixture(course.logs, LOG_WEIGHTS)[0]))


def test_by_hand() -> None:
    """Two intervals: changes before the first and before the second."""
    both = math.exp(float(log_e_value(30, 5, LIMIT)))
    second = math.exp(float(log_e_value(20, 3, LIMIT)))
    assert value(one(one(begin(1), (10, 2)), (20, 3))) == pytest.approx(both + second, rel=1e-12)


@pytest.mark.parametrize("rate", [0.0, 0.02, LIMIT])
def test_it_gains_at_most_one_an_interval(rate: float) -> None:
    """Exhaustively for three intervals of two requests: the mean of R_t is at most t."""
    for intervals in (1, 2, 3):
        mean = 0.0
        for outcome in itertools.product(range(3), repeat=intervals):
            course, chance = begin(1), 1.0
            for bad in outcome:
                course = one(course, (2, bad))
                chance *= math.comb(2, bad) * rate**bad * (1 - rate) ** (2 - bad)
            mean += chance * value(course)
        assert mean <= intervals * (1 + 1e-12)


def test_false_alarms_over_a_bake_time() -> None:
    """4,000 streams at the limit, 200 intervals of 10 requests: at alpha 20 %, seldom and not never."""
    random = np.random.default_rng(4)
    streams, limits = np.arange(4000), np.full(4000, LIMIT)
    course, alarmed = begin(4000), np.zeros(4000, dtype=np.bool_)
    for _ in range(200):
        bad = random.binomial(10, LIMIT, 4000)
        # Two pods share the interval, so that leaving one out does not take all of it.
        rows, half = np.tile(streams, 2), bad // 2
        course = advance(course, limits, rows, np.full(8000, 5), np.concatenate([half, bad - half]))
        alarmed |= course.log_e >= log_threshold(1, 200 * 60, 0.2)
    assert 0 < alarmed.mean() <= 0.2


def test_a_long_good_past_does_not_hide_a_change() -> None:
    threshold = log_threshold(4, 24 * 3600, 0.005)
    course, waited = begin(1), 0
    for _ in range(1000):
        course = one(course, (15, 0), (15, 0))
    while float(course.log_e[0]) < threshold:
        course, waited = one(course, (15, 3), (15, 3)), waited + 1
    assert waited <= 6
    assert float(log_e_value(30_000 + 30 * waited, 6 * waited, LIMIT)) < 0


def test_one_burst_on_one_pod_decides_nothing() -> None:
    course = begin(1)
    for _ in range(50):
        course = one(course, (20, 0), (20, 0))
    course = one(course, (5000, 5000), (20, 0))
    assert float(log_mixture(course.logs, LOG_WEIGHTS)[0]) > 1000
    assert float(course.log_e[0]) < math.log(60)
    course = one(course, (5000, 5000), (20, 0))
    assert float(course.log_e[0]) > 100


def test_streams_side_by_side_and_finite() -> None:
    limits = np.array([0.01, 1e-6, 0.3])
    course = advance(begin(3), limits, np.array([1, 2]), np.array([10**9, 10**9]), np.array([10**9, 0]))
    assert course.log_e[0] == pytest.approx(0.0, abs=1e-12)  # no request: R = 1
    assert np.isfinite(course.logs).all()
    assert float(course.log_e[2]) < -1e3
    assert log_threshold(0, 0, 0.5) == pytest.approx(math.log(2))
