"""Folded reductions are plain ones, and the bound on noise is one, close where it matters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samplerd.folding import row_max, row_min, row_sum, sums_above
from samplerd.randomness import gumbel, gumbel_bound


@pytest.mark.parametrize("width", [1, 31, 32, 1024, 1025, 3000, 33000])
def test_folds_are_the_plain_reductions(width: int) -> None:
    values = np.random.default_rng(width).integers(0, 2**58 // width, (3, width)).astype(np.uint64)
    assert (np.asarray(jax.jit(row_sum)(values)) == values.sum(axis=-1)).all()
    assert (np.asarray(jax.jit(row_max)(values)) == values.max(axis=-1)).all()
    assert (np.asarray(jax.jit(row_min)(values)) == values.min(axis=-1)).all()


@pytest.mark.parametrize("width", [1, 31, 32, 100, 3000])
def test_sums_above_limits_are_the_plain_ones(width: int) -> None:
    values = np.random.default_rng(width).integers(0, 2**58 // width, (3, width)).astype(np.uint64)
    limits = np.concatenate([values[:, :1], np.sort(values, axis=1)[:, width // 2 :][:, :1], 0 * values[:, :1]], axis=1)
    plain = np.where(values[:, None, :] > limits[:, :, None], values[:, None, :], np.uint64(0)).sum(axis=2)
    assert (np.asarray(jax.jit(sums_above)(values, limits)) == plain).all()


def test_noise_never_exceeds_its_bound() -> None:
    seeds, positions = np.array([[1, 2], [3, 4]], np.uint32), np.array([5, 6], np.int32)
    ids = jnp.arange(500_000, dtype=jnp.int32)[None, :]
    noise = np.asarray(jax.jit(gumbel)(seeds, positions, ids))
    bound = np.asarray(jax.jit(gumbel_bound)(seeds, positions, ids))
    assert (bound > noise).all()
    assert (bound - noise)[noise > 8].max() < 0.07
