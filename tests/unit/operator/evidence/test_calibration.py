"""The core of calibration: a sampler against its own distribution."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from quality_contract import LARGEST_SURPRISAL_NATS
from sampler_rollouts.domain.evidence.calibration import (
    LOG_WEIGHTS,
    PSI,
    TILTS,
    Draws,
    bias,
    bias_bound,
    gains,
    log_e_biased,
    log_e_unbiased,
)

from tests.support.examples import examples

FIVE_PERCENT = math.log(20)


def row(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Probabilities, clipped surprisal, its mean and its variance."""
    said = np.exp(logits - logits.max())
    said /= said.sum()
    surprisal = np.minimum(-np.log(said), LARGEST_SURPRISAL_NATS)
    entropy = float((said * surprisal).sum())
    return said, surprisal, entropy, float((said * (surprisal - entropy) ** 2).sum())


def drawn(random: np.random.Generator, logits: np.ndarray, how: np.ndarray, count: int, parts: int = 4) -> Draws:
    """What a sampler counts that draws from ``how``, in so many pod-intervals."""
    _, surprisal, entropy, variance = row(logits)
    tokens = random.choice(logits.size, (parts, count // parts), p=how)
    each = np.full(parts, count // parts, dtype=np.float64)
    return Draws(each, surprisal[tokens].sum(axis=1), each * entropy, each * variance)


def at_temperature(logits: np.ndarray, temperature: float) -> np.ndarray:
    return row(logits / temperature)[0]


def one(*sums: float) -> Draws:
    return Draws(*(np.array([value], dtype=np.float64) for value in sums))


def test_by_hand() -> None:
    draws = one(10, 15, 12, 8)
    psi = [(math.exp(t * 12) - 1 - t * 12) / 144 for t in TILTS]
    up, down = (
        sum(math.exp(t * (sign * 3 - 10 * 0.1) - p * (8 + 12)) for t, p in zip(TILTS, psi, strict=True)) / len(TILTS)
        for sign in (1, -1)
    )
    assert log_e_biased(draws, 0.1, leave_one_out=False) == pytest.approx(math.log((up + down) / 2), rel=1e-9)
    within = sum(math.exp(t * (10 * 0.1 - 3) - p * (8 + 12)) for t, p in zip(TILTS, psi, strict=True)) / len(TILTS)
    assert log_e_unbiased(draws, 0.1) == pytest.approx(math.log(within), rel=1e-9)
    assert bias(draws) == pytest.approx(0.3)
    assert all(p * 12 <= t for t, p in zip(TILTS, psi, strict=True)), "what passing needs"


ROWS = st.lists(st.floats(-9, 9), min_size=2, max_size=5).map(np.array)


@given(ROWS, ROWS)
@settings(max_examples=examples(60), deadline=None)
def test_the_test_of_no_bias_is_a_supermartingale(first: np.ndarray, second: np.ndarray) -> None:
    """Exhaustively for two draws of a right sampler, whatever the rows: the mean of every e-value is at most 1."""
    mean = np.zeros(2 * TILTS.size)
    rows = [row(first), row(second)]
    for tokens in itertools.product(range(first.size), range(second.size)):
        chance = math.prod(rows[i][0][token] for i, token in enumerate(tokens))
        sums = [sum(one) for one in zip(*((rows[i][1][t], *rows[i][2:]) for i, t in enumerate(tokens)), strict=True)]
        mean += chance * np.exp(gains(one(2.0, *sums), 0.0)[:, 0])
    assert mean.max() <= 1 + 1e-9


@given(ROWS, st.integers(0, 4), st.floats(0.001, 0.5))
@settings(max_examples=examples(80), deadline=None)
def test_a_bias_up_to_the_margin_is_allowed_and_a_larger_one_is_never_shown_to_be_within(
    logits: np.ndarray, odd: int, margin: float
) -> None:
    """One draw of a sampler that takes one token too often, by as much as makes exactly the margin."""
    said, surprisal, entropy, variance = row(logits)
    pull = surprisal[odd % said.size] - entropy
    assume(abs(pull) > margin)
    share = margin / abs(pull)
    how = (1 - share) * said
    how[odd % said.size] += share
    found = [np.exp(gains(one(1.0, surprise, entropy, variance), margin)[:, 0]) for surprise in surprisal]
    mean = sum(chance * values for chance, values in zip(how, found, strict=True))
    assert mean.max() <= 1 + 1e-9
    sign = 1.0 if pull > 0 else -1.0
    within = sum(
        chance * np.exp(TILTS * (margin - sign * (surprise - entropy)) - PSI * (variance + 12 * margin))
        for chance, surprise in zip(how, surprisal, strict=True)
    )
    assert within.max() <= 1 + 1e-9


@pytest.mark.parametrize(("temperature", "biased"), [(1.0, False), (0.9, True), (1.15, True)])
def test_a_wrong_temperature_is_seen_in_both_directions(temperature: float, biased: bool) -> None:
    random = np.random.default_rng(9)
    logits = random.normal(0, 2, 500)
    draws = drawn(random, logits, at_temperature(logits, temperature), 20_000)
    assert (log_e_biased(draws, 0.05, leave_one_out=True) > math.log(1000)) == biased
    assert (log_e_unbiased(draws, 0.05) > FIVE_PERCENT) == (not biased)
    assert (bias_bound(draws, 0.95) < 0.05) == (not biased)
    assert (bias(draws) < -0.05) == (temperature < 1)


def test_the_bound_is_the_smallest_margin_that_is_shown() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, 100)
    draws = drawn(random, logits, row(logits)[0], 8000)
    bound = bias_bound(draws, 0.95)
    assert log_e_unbiased(draws, bound) >= FIVE_PERCENT > log_e_unbiased(draws, bound * 0.999)
    assert bias_bound(draws, 0.99) > bound > abs(bias(draws))
    assert bias_bound(Draws(*np.zeros((4, 0))), 0.95) == LARGEST_SURPRISAL_NATS
    assert math.isnan(bias(Draws(*np.zeros((4, 0)))))


def test_doubtful_draws_count_with_their_worst() -> None:
    """A contradicted draw could have pulled by 12 nats to either side: the bound holds for each of those."""
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, 100)
    draws = drawn(random, logits, row(logits)[0], 8000)
    bound = bias_bound(draws, 0.95, doubtful=20)
    for pull in (-12.0, 0.0, 12.0):
        worst = Draws(*(np.append(getattr(draws, name), value) for name, value in worst_of(20, pull).items()))
        assert bias_bound(worst, 0.95) <= bound + 1e-9


def worst_of(count: int, pull: float) -> dict[str, float]:
    return {
        "count": float(count),
        "surprisal": count * max(0.0, pull),
        "entropy": count * max(0.0, -pull),
        "variance": count * 36.0,
    }


def test_one_pod_interval_decides_nothing() -> None:
    burst = Draws(*(np.array([values, 0.0]) for values in (5000.0, 40_000.0, 10_000.0, 10_000.0)))
    assert log_e_biased(burst, 0.05, leave_one_out=False) > 1000
    assert log_e_biased(burst, 0.05, leave_one_out=True) <= 0
    twice = Draws(*(np.repeat(getattr(burst, name)[:1], 2) for name in ("count", "surprisal", "entropy", "variance")))
    assert log_e_biased(twice, 0.05, leave_one_out=True) > 1000


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=examples(40), deadline=None)
def test_leaving_one_out_is_at_most_what_leaving_any_one_out_gives(seed: int) -> None:
    random = np.random.default_rng(seed)
    draws = Draws(*random.uniform([[1], [0], [0], [0]], [[40], [200], [200], [90]], (4, 5)))
    rest = [Draws(*(np.delete(getattr(draws, name), place) for name in Draws.__slots__)) for place in range(5)]
    least = min(log_e_biased(some, 0.05, leave_one_out=False) for some in rest)
    assert log_e_biased(draws, 0.05, leave_one_out=True) <= least + 1e-9


def test_false_alarms() -> None:
    """A right sampler, and one that is biased to exactly the margin by the most surprising token, at every look."""
    random = np.random.default_rng(10)
    said, surprisal, entropy, variance = row(random.normal(0, 2, 50))
    margin = 0.05
    odd = margin / (surprisal.max() - entropy)
    wrong = {0.0: 0, odd: 0}
    for share in wrong:
        for _ in range(150):
            tokens = random.choice(said.size, 400, p=said)
            tokens[random.random(400) < share] = surprisal.argmax()
            sums = surprisal[tokens].cumsum()
            looks = range(20, 401, 20)
            found = (one(n, float(sums[n - 1]), n * entropy, n * variance) for n in looks)
            wrong[share] += any(log_e_biased(some, margin, leave_one_out=False) >= FIVE_PERCENT for some in found)
    assert max(wrong.values()) <= 150 * 0.05


def test_a_billion_draws_are_finite() -> None:
    for sign in (1, -1):
        assert math.isfinite(log_e_biased(one(1e9, 5e9 + sign * 1e9, 5e9, 3e9), 0.05, leave_one_out=True))
    assert np.exp(LOG_WEIGHTS).sum() == pytest.approx(1.0)


def rare_boosted(logits: np.ndarray) -> np.ndarray:
    """One draw in twenty is of the rarest tenth."""
    how = 0.95 * row(logits)[0]
    how[np.argsort(logits)[: logits.size // 10]] += 0.05 / (logits.size // 10)
    return how


def first_alarm(random: np.random.Generator, fault: str, tokens: int) -> int | None:
    """Tokens until ``Failed`` at 4 tests and alpha 0.005, looked at every 500; None if there was none."""
    parts = []
    for seen in range(500, tokens + 1, 500):
        logits = random.normal(0, 2.2, 1000)
        how = {"honest": row(logits)[0], "cold": at_temperature(logits, 0.95), "rare": rare_boosted(logits)}[fault]
        parts.append(drawn(random, logits, how, 500, parts=2))
        every = Draws(*(np.concatenate([getattr(part, name) for part in parts]) for name in Draws.__slots__))
        if log_e_biased(every, 0.05, leave_one_out=True) >= math.log(4 / 0.005):
            return seen
    return None


@pytest.mark.parametrize(("fault", "within"), [("cold", 15_000), ("rare", 8000)])
def test_tokens_to_detection(fault: str, within: int) -> None:
    """A temperature of 0.95 instead of 1, and rare tokens boosted, each row of logits another (docs/evidence.md)."""
    for seed in range(4):
        found = first_alarm(np.random.default_rng(seed), fault, within)
        assert found is not None, f"{fault}, seed {seed}"


def test_an_honest_sampler_never_alarms() -> None:
    assert [first_alarm(np.random.default_rng(seed), "honest", 15_000) for seed in range(4)] == [None] * 4
