"""Mass in whole numbers: equal on both sides, and close to the real exponential."""

from typing import Any

import jax
import numpy as np
import pytest
from samplerd import mass, oracle
from samplerd.rows import below_best

weights_of: Any = jax.jit(mass.weights)
target_of: Any = jax.jit(mass.nucleus_target)


def test_tables_are_the_oracles_tables() -> None:
    coarse, fine = oracle._tables()
    assert (coarse == mass._COARSE).all()
    assert (fine == mass._FINE).all()


def test_weights_are_the_oracles_and_close_to_the_exponential() -> None:
    rng = np.random.default_rng(4)
    below = np.concatenate([[0, 1e-30, 27, 28.4, 28.5, 100, 3e38, np.inf], rng.exponential(6, 200_000)])
    below = below.astype(np.float32)
    mine = np.asarray(weights_of(below))
    assert (mine == oracle._mass(below)).all()
    exact = 2.0**40 * np.exp(-below.astype(np.float64))
    assert (np.abs(mine - exact) <= 2e-6 * exact * np.clip(below, 1, 100) + 2).all()


def test_weights_never_rise_with_distance() -> None:
    below = np.sort(np.random.default_rng(5).exponential(3, 100_000)).astype(np.float32)
    assert (np.diff(np.asarray(weights_of(below)).astype(np.int64)) <= 0).all()


def test_the_target_is_exact_up_to_the_largest_totals() -> None:
    rng = np.random.default_rng(6)
    totals = [1, 2**24 - 1, 2**24, 2**58 - 1, *(int(x) for x in rng.integers(1, 2**58, 500))]
    for top_p in (0.0, 1e-9, 0.1, 0.5, 0.95, 0.999999):
        share = int(np.ceil(np.float64(np.float32(top_p)) * 2**24))
        got = np.asarray(target_of(np.array(totals, np.uint64), np.full(len(totals), top_p, np.float32)))
        assert [int(x) for x in got] == [-(-share * total // 2**24) for total in totals]


@pytest.mark.parametrize("temperature", [2.0**-16, 1e-4, 0.1, 0.7, 1.0, 1.3, 1.5, 2.0, 1e30, 3e38])
@pytest.mark.parametrize("columns", [1, 65, 1000])
def test_the_distance_to_the_best_is_the_specified_product_to_the_last_bit(temperature: float, columns: int) -> None:
    """XLA divides where there is one column, and multiplies with the reciprocal where there are more."""
    logits = np.random.default_rng(4).standard_normal((64, columns)).astype(np.float32)
    logits[0, 0], logits[1, 0] = -np.inf, -3e38
    best = np.full(64, 4.0, np.float32)
    temperatures = np.full(64, temperature, np.float32)
    got = np.asarray(jax.jit(below_best)(logits, best, temperatures))
    inverse = max(np.float32(1) / np.float32(temperature), np.float32(2.0**-126))
    with np.errstate(over="ignore"):
        exact = (best[:, None] - logits) * inverse
    tiny = exact < 2.0**-126  # so close to the best that their mass is the whole, subnormal or flushed to 0
    np.testing.assert_array_equal(np.where(tiny & (got < 2.0**-126), 0, got), np.where(tiny, 0, exact))
    assert got[0, 0] == np.inf
