"""The noise: the same bits on both sides, finite everywhere, even in the far tail, independent in all its arguments."""

from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from samplerd import oracle, randomness

noise_of: Any = jax.jit(randomness.gumbel)


def noise(seeds: npt.NDArray[np.uint32], positions: npt.NDArray[np.int32], ids: int) -> npt.NDArray[np.float32]:
    return np.asarray(noise_of(seeds, positions, np.arange(ids, dtype=np.int32)[None]))


def seeds(count: int) -> npt.NDArray[np.uint32]:
    return np.stack([np.arange(count), np.zeros(count)], axis=1).astype(np.uint32)


def test_words_are_the_oracles_words() -> None:
    words = np.random.default_rng(1).integers(0, 2**32, 10_000, dtype=np.uint32)
    assert (np.asarray(randomness.mix(words)) == oracle._mix(words)).all()


def test_noise_is_the_oracles_noise_to_the_last_bits() -> None:
    mine = noise(np.array([[123456789, 987654321]], np.uint32), np.array([77], np.int32), 65536)[0]
    request = oracle.Request(1.0, 0, 1.0, 123456789 + (987654321 << 32), 77)
    theirs = oracle._gumbel(request, np.arange(65536))
    assert np.abs(mine - theirs).max() < oracle.TOLERANCE / 4


def test_extreme_bits_give_finite_noise() -> None:
    bits = np.array([0, 1, 2**31, 2**32 - 2**7, 2**32 - 1], np.uint32)
    uniform = (bits.astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32)
    gumbel = -np.log(-np.log1p(-np.minimum(uniform, np.float32(1 - 2.0**-24))))
    assert np.isfinite(gumbel).all()
    assert gumbel.max() < 23
    assert gumbel.min() > -3


def test_the_distribution_is_gumbels_also_in_the_tail() -> None:
    drawn = np.sort(noise(seeds(64), np.arange(64, dtype=np.int32), 65536).ravel())
    exact = np.exp(-np.exp(-drawn.astype(np.float64)))
    empirical = (np.arange(drawn.size) + 0.5) / drawn.size
    assert np.abs(exact - empirical).max() < 1.95 / np.sqrt(drawn.size)  # Kolmogorov-Smirnov at 0.1 %
    for level in (8, 10, 12):
        expected = drawn.size * -np.expm1(-np.exp(-float(level)))
        assert abs((drawn > level).sum() - expected) < 4.5 * np.sqrt(expected)


def test_steps_seeds_and_tokens_are_uncorrelated() -> None:
    same_seed = noise(np.tile(seeds(1), (50, 1)), np.arange(50, dtype=np.int32), 4000)
    same_step = noise(seeds(50), np.zeros(50, np.int32), 4000)
    for table in (same_seed, same_step, same_seed.T[:50], same_step.T[:50]):
        correlation = np.corrcoef(table)[~np.eye(len(table), dtype=bool)]
        assert np.abs(correlation).max() < 5.5 / np.sqrt(table.shape[1])


def test_every_seed_bit_and_the_position_matter() -> None:
    base = noise(np.array([[0, 0]], np.uint32), np.array([0], np.int32), 8)
    for word in (0, 1):
        for bit in range(32):
            seed = np.zeros((1, 2), np.uint32)
            seed[0, word] = np.uint32(1 << bit)
            assert (noise(seed, np.array([0], np.int32), 8) != base).all()
    assert (noise(np.array([[0, 0]], np.uint32), np.array([1], np.int32), 8) != base).all()
