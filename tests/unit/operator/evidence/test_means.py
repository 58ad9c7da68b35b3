"""Bounded means: how seldom an honest build is said to score lower, and how soon a worse one is."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from sampler_rollouts.domain.evidence.means import (
    POINT,
    STAKES,
    Scores,
    differences,
    drop_bound,
    log_e_close,
    log_e_lower,
)

MARGIN = 0.02


def scores(*found: tuple[int, float]) -> Scores:
    times, values = zip(*found, strict=True) if found else ((), ())
    return Scores(np.array(times, dtype=np.int64), np.round(np.array(values) * POINT).astype(np.int64))


def test_windows_close_when_both_arms_have_a_score() -> None:
    candidate = scores((1, 0.5), (2, 0.7), (5, 0.25), (9, 0.9))
    stable = scores((2, 0.75), (3, 1.0), (4, 0.5), (6, 0.5))
    assert differences(candidate, stable) == pytest.approx([0.6 - 0.75, 0.25 - 0.75, 0.9 - 0.5], abs=1e-6)


def test_the_order_of_one_moment_does_not_matter() -> None:
    one = differences(scores((1, 0.5), (1, 0.75)), scores((1, 1.0), (1, 0.25)))
    other = differences(scores((1, 0.75), (1, 0.5)), scores((1, 0.25), (1, 1.0)))
    assert one.tolist() == other.tolist() == [0.0]


def test_without_scores_of_one_arm_there_is_nothing() -> None:
    assert differences(scores(), scores((1, 0.5))).size == 0
    assert differences(scores(), scores()).size == 0
    assert log_e_lower(differences(scores(), scores()), MARGIN, leave_one_out=True) == pytest.approx(0.0)


def test_by_hand() -> None:
    """One window, the candidate 0.5 lower: the mean over the stakes of 1 + t (m - z)."""
    found = differences(scores((1, 0.25)), scores((1, 0.75)))
    null = 0.49
    by_hand = np.mean(1 + STAKES / (1 - null) * (null - 0.25))
    assert math.exp(log_e_lower(found, MARGIN, leave_one_out=False)) == pytest.approx(by_hand, rel=1e-9)
    assert log_e_lower(found, MARGIN, leave_one_out=True) == pytest.approx(0.0)


@pytest.mark.parametrize("drop", [0.0, 0.02])
def test_it_is_a_supermartingale_at_the_margin(drop: float) -> None:
    """Exhaustively: scores of 0 and 1, two windows, stable at 0.6, the candidate at most as much lower as allowed."""
    chances = {1.0: 0.6 - drop, 0.0: 0.4 + drop}
    stable = {1.0: 0.6, 0.0: 0.4}
    mean = 0.0
    for first, second in itertools.product(itertools.product(chances, stable), repeat=2):
        chance = chances[first[0]] * stable[first[1]] * chances[second[0]] * stable[second[1]]
        found = np.array([first[0] - first[1], second[0] - second[1]])
        mean += chance * math.exp(log_e_lower(found, MARGIN, leave_one_out=False))
    assert mean <= 1 + 1e-12
    assert mean == pytest.approx(1.0) if drop == MARGIN else mean < 1


def test_false_alarms_exactly_at_the_margin() -> None:
    """400 rollouts of 300 runs of one item each, looked at after every one: at 5 % seldom, though not never."""
    random = np.random.default_rng(5)
    alarms = 0
    for _ in range(400):
        found = _paired(random, 300, 0.7 - MARGIN, 0.7, items=1)
        logs = np.cumsum(np.log1p(STAKES[:, None] / (1 - 0.49) * (0.49 - (1 + found) / 2)), axis=1)
        alarms += bool((np.logaddexp.reduce(logs, axis=0) - math.log(STAKES.size) >= math.log(20)).any())
    assert alarms <= 400 * 0.05
    assert alarms > 0


def _paired(random: np.random.Generator, runs: int, mean: float, stable: float, items: int = 50) -> np.ndarray:
    """Differences of scores that are means of so many items each."""
    return np.asarray((random.binomial(items, mean, runs) - random.binomial(items, stable, runs)) / items)


@pytest.mark.parametrize(("drop", "runs"), [(0.1, 200), (0.3, 50)])
def test_a_worse_build_fails(drop: float, runs: int) -> None:
    random = np.random.default_rng(6)
    found = [_paired(random, runs, 0.8 - drop, 0.8) for _ in range(40)]
    failed = [log_e_lower(one, MARGIN, leave_one_out=True) >= math.log(4 / 0.005) for one in found]
    assert sum(failed) >= 36


def test_an_equal_build_passes_and_a_worse_one_does_not() -> None:
    random = np.random.default_rng(7)
    wanted = math.log(20)
    passed = [log_e_close(_paired(random, 4000, 0.8, 0.8), MARGIN) >= wanted for _ in range(20)]
    wrong = [log_e_close(_paired(random, 4000, 0.8 - MARGIN, 0.8), MARGIN) >= wanted for _ in range(60)]
    assert sum(passed) >= 18
    assert sum(wrong) <= 3


def test_the_bound_is_where_the_evidence_turns() -> None:
    found = _paired(np.random.default_rng(8), 500, 0.75, 0.8)
    bound = drop_bound(found, 0.95)
    assert 0.05 < bound < 0.2
    assert log_e_close(found, bound + 1e-6) >= math.log(20) > log_e_close(found, bound - 1e-6)
    assert drop_bound(np.zeros(0), 0.95) == 1.0


def test_one_window_decides_nothing() -> None:
    """A single run that fails altogether, beside runs that are as good as stable."""
    found = np.array([-1.0] * 3 + [0.0] * 10)
    assert log_e_lower(found[1:], MARGIN, leave_one_out=False) == pytest.approx(
        log_e_lower(found, MARGIN, leave_one_out=True), rel=1e-9
    )
