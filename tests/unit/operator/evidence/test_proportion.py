"""The interval of a share of requests (R8)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sampler_rollouts.domain.evidence.proportion import is_skewed, log_evidence_against, share_interval


@pytest.mark.parametrize("share", [0.05, 0.5, 0.625, 0.9])
@pytest.mark.parametrize("total", [1, 10, 60])
def test_the_evidence_is_one_on_average_if_the_share_is_true(share: float, total: int) -> None:
    """A martingale from 1: the licence for looking at any time."""
    chances = [math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(total + 1)]
    mean = sum(chance * math.exp(log_evidence_against(share, k, total)) for k, chance in enumerate(chances))
    assert mean == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_interval_misses_the_true_share_at_any_look_in_at_most_one_of_twenty_streams(share: float) -> None:
    rng = np.random.default_rng(8)
    missed = 0
    for _ in range(400):
        found = np.cumsum(rng.random(400) < share)
        missed += any(log_evidence_against(share, int(k), n) >= math.log(20) for n, k in enumerate(found, 1))
    assert missed <= 20 + 3 * math.sqrt(400 * 0.05 * 0.95)


@pytest.mark.parametrize(("exposed", "total"), [(0, 30), (30, 30), (1, 3), (50, 100), (250, 500), (10**6, 10**7)])
def test_both_ends_are_where_the_evidence_is_twenty(exposed: int, total: int) -> None:
    low, high = share_interval(exposed, total)
    assert 0 <= low <= exposed / total <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            assert log_evidence_against(end, exposed, total) == pytest.approx(math.log(20), abs=1e-3)


@pytest.mark.parametrize(("exposed", "total"), [(0, 0), (5, 3), (0, 2**53), (2**53, 2**53), (2**52, 2**53), (1, 1)])
def test_any_counts_give_an_interval(exposed: int, total: int) -> None:
    low, high = share_interval(exposed, total)
    assert 0 <= low <= high <= 1


def test_a_design_effect_widens_it_as_fewer_requests_would() -> None:
    assert share_interval(80, 100, 4) == pytest.approx(share_interval(20, 25))
    assert is_skewed(share_interval(80, 100), 0.5)
    assert not is_skewed(share_interval(80, 100, 4), 0.5)


def test_skewed_is_what_lies_wholly_outside() -> None:
    assert not is_skewed((0.0, 1.0), 0.5)
    assert not is_skewed((0.62, 0.9), 0.5)
    assert is_skewed((0.63, 0.9), 0.5)
    assert is_skewed((0.1, 0.37), 0.5)
    assert not is_skewed((0.99, 1.0), 0.9), "no share is above 1.25 times 90 %"


@pytest.mark.long
def test_an_honest_demo_is_not_held() -> None:
    """Two pools at 50 %, some hundreds of requests each, looked at after every one."""
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        found = np.cumsum(rng.random(500) < 0.5)
        held += any(is_skewed(share_interval(int(found[n]), n + 1), 0.5) for n in range(0, 500, 10))
    assert held <= 4


@pytest.mark.parametrize(("share", "requests"), [(0.8, 150), (0.9, 60), (1.0, 12)])
def test_what_is_plainly_another_share_is_found_soon(share: float, requests: int) -> None:
    assert is_skewed(share_interval(round(share * requests), requests), 0.5)
