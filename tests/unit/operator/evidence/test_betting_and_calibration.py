"""Bounded means by betting, and the calibration of a sampler against its own distribution."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from quality_contract import LARGEST_SURPRISAL_NATS
from sampler_rollouts.domain.evidence.betting import (
    SHARES,
    log_capital_above,
    log_capital_below,
    log_e_drop,
    scores_of_runs,
)
from sampler_rollouts.domain.evidence.calibration import TILTS, Draws, log_e_biased, log_e_unbiased

FIVE_PERCENT = math.log(20)


def test_capital_by_hand() -> None:
    by_hand = sum((1 + f * (0.9 / 0.5 - 1)) * (1 + f * (0.2 / 0.5 - 1)) for f in SHARES) / len(SHARES)
    assert float(log_capital_above(np.array([0.9, 0.2]), 0.5)[-1]) == pytest.approx(math.log(by_hand), rel=1e-12)


@pytest.mark.parametrize("mean", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("values", [(0.0, 1.0), (0.0, 0.3, 1.0), (0.05, 0.95)])
def test_capital_is_a_supermartingale(mean: float, values: tuple[float, ...]) -> None:
    """Exhaustively for three scores of a distribution with exactly that mean, where one exists."""
    low, high = values[0], values[-1]
    share = (mean - low) / (high - low)
    chances = {low: 1 - share, high: share}
    expected = {"above": 0.0, "below": 0.0}
    for scores in itertools.product(chances, repeat=3):
        chance = math.prod(chances[score] for score in scores)
        expected["above"] += chance * math.exp(float(log_capital_above(np.array(scores), mean)[-1]))
        expected["below"] += chance * math.exp(float(log_capital_below(np.array(scores), mean)[-1]))
    assert expected["above"] <= 1 + 1e-12
    assert expected["below"] <= 1 + 1e-12


def test_a_drop_is_found_and_its_absence_shown() -> None:
    random = np.random.default_rng(2)

    def scores(mean: float) -> np.ndarray:
        return np.clip(random.normal(mean, 0.05, 400), 0, 1)

    dropped, _ = log_e_drop(scores(0.6), scores(0.7), 0.02)
    _, held = log_e_drop(scores(0.7), scores(0.7), 0.02)
    assert dropped > math.log(1000)
    assert held > FIVE_PERCENT
    assert log_e_drop(np.zeros(0), scores(0.7), 0.02) == (0.0, 0.0)


def test_false_alarms_of_drops() -> None:
    """At exactly the margin, looked at after every run."""
    random = np.random.default_rng(6)
    wrong = 0
    for _ in range(300):
        candidate, stable = random.binomial(1, 0.5, 200) * 1.0, random.binomial(1, 0.52, 200) * 1.0
        wrong += bool((log_capital_below((1 + candidate - stable) / 2, 0.49) >= FIVE_PERCENT).any())
    assert wrong <= 15


def test_a_gauge_scraped_again_is_no_second_observation() -> None:
    values = np.array([0.7, 0.7, 0.7, 0.6, 0.6, math.nan, 1.5, 0.5])
    runs = np.array([0, 1, 1, 2, 2, 3, 4, 2])
    assert scores_of_runs(values, runs).tolist() == [0.7, 0.6]
    assert scores_of_runs(np.zeros(0), np.zeros(0, dtype=np.int64)).size == 0


def draws_of(random: np.random.Generator, logits: np.ndarray, temperature: float, count: int) -> Draws:
    """What a sampler counts that draws at another temperature than it says."""
    said = np.exp(logits - logits.max())
    said /= said.sum()
    drawn = np.exp((logits - logits.max()) / temperature)
    surprisal = np.minimum(-np.log(said), LARGEST_SURPRISAL_NATS)
    entropy = float((said * surprisal).sum())
    variance = float((said * (surprisal - entropy) ** 2).sum())
    tokens = random.choice(logits.size, count, p=drawn / drawn.sum())
    return Draws(count, float(surprisal[tokens].sum()), count * entropy, count * variance)


def test_calibration_by_hand() -> None:
    draws = Draws(count=10, surprisal=15, entropy=12, variance=8)
    psi = [(math.exp(t * 12) - 1 - t * 12) / 144 for t in TILTS]
    up, down = (
        sum(math.exp(t * (sign * 3 - 10 * 0.1) - p * (8 + 12)) for t, p in zip(TILTS, psi, strict=True)) / len(TILTS)
        for sign in (1, -1)
    )
    assert log_e_biased(draws, 0.1) == pytest.approx(math.log((up + down) / 2), rel=1e-9)
    assert all(p * 12 <= t for t, p in zip(TILTS, psi, strict=True)), "what passing needs"


@pytest.mark.parametrize(("temperature", "biased"), [(1.0, False), (0.9, True), (1.15, True)])
def test_a_wrong_temperature_is_seen_in_both_directions(temperature: float, biased: bool) -> None:
    random = np.random.default_rng(9)
    draws = draws_of(random, random.normal(0, 2, 500), temperature, 20_000)
    assert (log_e_biased(draws, 0.05) > math.log(1000)) == biased
    assert (log_e_unbiased(draws, 0.05) > FIVE_PERCENT) == (not biased)


def test_false_alarms_of_calibration() -> None:
    """A right sampler, and one that is biased to exactly the margin by the most surprising token, at every look."""
    random = np.random.default_rng(10)
    logits = random.normal(0, 2, 50)
    said = np.exp(logits - logits.max())
    said /= said.sum()
    surprisal = np.minimum(-np.log(said), LARGEST_SURPRISAL_NATS)
    entropy = float((said * surprisal).sum())
    variance = float((said * (surprisal - entropy) ** 2).sum())
    margin = 0.05
    odd = margin / (surprisal.max() - entropy)
    wrong = {0.0: 0, odd: 0}
    for share in wrong:
        for _ in range(150):
            tokens = random.choice(said.size, 400, p=said)
            tokens[random.random(400) < share] = surprisal.argmax()
            sums = surprisal[tokens].cumsum()
            looks = range(20, 401, 20)
            found = (Draws(n, float(sums[n - 1]), n * entropy, n * variance) for n in looks)
            wrong[share] += any(log_e_biased(one, margin) >= FIVE_PERCENT for one in found)
    assert max(wrong.values()) <= 150 * 0.05


def test_a_billion_draws_are_finite() -> None:
    for sign in (1, -1):
        assert math.isfinite(log_e_biased(Draws(1e9, 5e9 + sign * 1e9, 5e9, 3e9), 0.05))
