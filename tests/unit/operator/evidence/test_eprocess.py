"""The test against the absolute limit: valid under every look, finite at any count, deaf to a single burst."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_rollouts.domain.evidence.eprocess import alternatives, log_e_value
from sampler_rollouts.domain.evidence.grid import WEIGHTS, IntArray

LIMITS = (0.0001, 0.03, 0.3, 0.9)

interval = st.integers(0, 200).flatmap(lambda checked: st.tuples(st.just(checked), st.integers(0, checked)))


def test_the_closed_form_by_hand() -> None:
    """Three bad of ten at a limit of 3 %: the weighted mean over the grid of (q/0.03)^3 ((1-q)/0.97)^7."""
    grid = alternatives(0.03)
    by_hand = sum(w * (q / 0.03) ** 3 * ((1 - q) / 0.97) ** 7 for q, w in zip(grid.tolist(), WEIGHTS, strict=True))
    assert float(log_e_value(10, 3, 0.03)) == pytest.approx(math.log(by_hand), rel=1e-12)
    assert (grid > 0.03).all()
    assert (grid < 1).all()


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 1.0])
def test_supermartingale_for_every_allowed_rate(limit: float, share: float) -> None:
    """Exhaustively for up to 60 requests: whatever was seen, the next one does not raise the e-value on average."""
    rate = limit * share
    for checked in range(60):
        bad = np.arange(checked + 1)
        now = np.exp(log_e_value(np.full(bad.shape, checked), bad, limit))
        good_next = np.exp(log_e_value(np.full(bad.shape, checked + 1), bad, limit))
        bad_next = np.exp(log_e_value(np.full(bad.shape, checked + 1), bad + 1, limit))
        assert (rate * bad_next + (1 - rate) * good_next <= now * (1 + 1e-9)).all()


def test_it_starts_at_one() -> None:
    assert float(log_e_value(0, 0, 0.03)) == pytest.approx(0.0, abs=1e-12)


def alarm_counts(limit: float, threshold: float, most: int) -> IntArray:
    """The fewest bad requests that reach the threshold after 1, 2, ... ``most`` checked ones: evidence rises in bad."""
    fewest = []
    for checked in range(1, most + 1):
        bad = np.arange(min(checked, int(3 * limit * checked) + 40) + 1)
        fewest.append(int(np.searchsorted(log_e_value(np.full(bad.shape, checked), bad, limit), threshold)))
    return np.array(fewest)


@pytest.mark.parametrize(("limit", "most"), [(0.03, 3000), (0.2, 1500)])
def test_false_alarms_under_continuous_looking(limit: float, most: int) -> None:
    """4,000 streams exactly at the limit, looked at after every request, at alpha 5 %."""
    random = np.random.default_rng(20261123)
    alarms = alarm_counts(limit, math.log(1 / 0.05), most)
    bad = (random.random((4000, most)) < limit).cumsum(axis=1)
    rate = float((bad >= alarms).any(axis=1).mean())
    assert 0.005 < rate <= 0.05  # a test that never fires proves nothing


@pytest.mark.parametrize(("rate", "median", "p95"), [(0.1, 180, 400), (0.3, 22, 50), (0.5, 9, 20)])
def test_detection(rate: float, median: float, p95: float) -> None:
    """Checked requests to detection, K = 4, alpha = 0.005 (docs/evidence.md)."""
    random = np.random.default_rng(1)
    alarms = alarm_counts(0.03, math.log(4 / 0.005), 1500)
    bad = (random.random((2000, 1500)) < rate).cumsum(axis=1)
    fired = bad >= alarms
    assert fired.any(axis=1).all()
    needed = fired.argmax(axis=1) + 1
    assert np.quantile(needed, 0.5) <= median
    assert np.quantile(needed, 0.95) <= p95


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from(LIMITS), st.floats(1, 100))
@settings(deadline=None)
def test_finite_at_a_billion(first: int, second: int, limit: float, design_effect: float) -> None:
    checked, bad = max(first, second), min(first, second)
    value = float(log_e_value(checked, bad, limit, design_effect))
    assert math.isfinite(value)
    assert float(log_e_value(checked, min(bad + 1000, checked), limit, design_effect)) >= value


@given(interval, st.sampled_from(LIMITS))
@settings(deadline=None)
def test_more_bad_is_more_evidence_and_more_good_is_less(pair: tuple[int, int], limit: float) -> None:
    checked, bad = pair
    here = float(log_e_value(checked, bad, limit))
    assert float(log_e_value(checked + 1, bad + 1, limit)) > here
    assert float(log_e_value(checked + 1, bad, limit)) < here


def test_a_design_effect_divides_the_counts() -> None:
    assert float(log_e_value(1000, 100, 0.03, 5.0)) == pytest.approx(float(log_e_value(200, 20, 0.03)))
