"""Rows that break samplers: logits of every nature, and parameters that fall on the very edges those logits have."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from samplerd.rows import Rows

from tests.proofs.row_oracle import Counts, Floats, Limited, Ordered, limited, ordered

Generator = np.random.Generator
_LN2 = np.float32(np.log(2))


def _near_ties(generator: Generator, shape: tuple[int, int]) -> Floats:
    """At most three units in the last place around one number."""
    steps = generator.integers(-3, 4, shape, np.int32)
    return (np.float32(4.0).view(np.int32) + steps).view(np.float32)


def _zipf(generator: Generator, shape: tuple[int, int]) -> Floats:
    ranks = generator.permuted(np.tile(np.arange(1, shape[1] + 1, dtype=np.float32), (shape[0], 1)), axis=1)
    return -generator.uniform(0.8, 1.6, (shape[0], 1)).astype(np.float32) * np.log(ranks)


def _masked(generator: Generator, shape: tuple[int, int]) -> Floats:
    """Nearly all tokens masked; one never is."""
    rows = np.where(generator.random(shape) < 0.1, _normal(generator, shape), np.float32(-np.inf))
    rows[np.arange(shape[0]), generator.integers(0, shape[1], shape[0])] = 0.25
    return rows


def _peaked(generator: Generator, shape: tuple[int, int]) -> Floats:
    rows = _normal(generator, shape)
    rows[np.arange(shape[0]), generator.integers(0, shape[1], shape[0])] += np.float32(20)
    return rows


def _invalid(generator: Generator, shape: tuple[int, int]) -> Floats:
    """A NaN or +inf somewhere, or everything masked."""
    rows = _normal(generator, shape)
    places = generator.integers(0, shape[1], shape[0])
    rows[np.arange(shape[0]), places] = generator.choice(np.array([np.nan, -np.nan, np.inf], np.float32), shape[0])
    rows[generator.random(shape[0]) < 0.2] = -np.inf
    return rows


def _normal(generator: Generator, shape: tuple[int, int]) -> Floats:
    return generator.standard_normal(shape, np.float32)


NATURES: dict[str, Callable[[Generator, tuple[int, int]], Floats]] = {
    "normal": lambda generator, shape: _normal(generator, shape) * np.float32(3),
    "near ties": _near_ties,
    "ties": lambda generator, shape: np.round(_normal(generator, shape) * 2) / np.float32(2),
    "halves": lambda generator, shape: -_LN2 * generator.integers(0, 24, shape).astype(np.float32),
    "zipf": _zipf,
    "long tail": lambda generator, shape: -np.abs(generator.standard_cauchy(shape)).astype(np.float32),
    "flat": lambda generator, shape: _normal(generator, shape) * np.float32(0.05),
    "peaked": _peaked,
    "masked": _masked,
    "invalid": _invalid,
    "all equal": lambda generator, shape: np.repeat(_normal(generator, (shape[0], 1)), shape[1], axis=1),
    "signed zeros": lambda generator, shape: generator.choice(
        np.array([0.0, -0.0, 1e-40, -1e-40, -1.0], np.float32), shape
    ),
    "huge": lambda generator, shape: _normal(generator, shape) * np.float32(1e30),
    "ascending": lambda generator, shape: np.sort(_normal(generator, shape), axis=1),
}
TEMPERATURES = np.array([0.0, 1e-5, 2.0**-16, 1e-4, 0.1, 0.7, 1.0, 1.0, 1.0, 1.5, 2.0], np.float32)
SHARES = np.array([0, 1e-30, 1e-8, 1e-7, 1e-4, 1e-3, 0.5, 0.9, 0.95, 0.99, 0.999, 1 - 2.0**-24, 1, 1], np.float32)
LEAST = np.array([0, 0, 1e-40, 1e-6, 0.02, 0.25, 0.5, 1], np.float32)


@dataclass(frozen=True)
class Batch:
    """Logits [B, V] with what is asked of them, and what the oracle made of them on the way."""

    logits: Floats
    asked: Rows
    ordered: Ordered
    limited: Limited
    exact: npt.NDArray[np.bool_]
    """Rows whose top-p is a prefix's share of the mass, or the next number above or below, [B]."""


def batch(generator: Generator, shape: tuple[int, int], dtype: str) -> Batch:
    """Rows of all natures in turn, in a random order. What float type they are stored in decides what they are."""
    names = list(NATURES)
    share = -(-shape[0] // len(names))
    made = np.concatenate([NATURES[name](generator, (share, shape[1])) for name in names])
    with np.errstate(over="ignore"):  # what is huge becomes infinite in float16, and the row invalid
        logits = generator.permuted(made, axis=0)[: shape[0]] if shape[1] == 1 else generator.permutation(made)
        logits = logits[: shape[0]].astype(dtype).astype(np.float32)
    return _asked(generator, logits)


def _asked(generator: Generator, logits: Floats) -> Batch:
    rows, vocabulary = logits.shape
    temperature = generator.choice(TEMPERATURES, rows)
    in_order = ordered(logits, temperature)
    min_p = _least_kept(generator, in_order)
    top_k = _counts(generator, rows, vocabulary)
    within = limited(in_order, top_k, min_p)
    top_p = generator.choice(SHARES, rows)
    exact = generator.random(rows) < 0.4
    top_p[exact] = _prefix_shares(generator, within)[exact]
    asked = Rows(
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        seed=generator.integers(0, 2**32, (rows, 2), np.uint32),
        position=generator.integers(0, 2**31, rows).astype(np.int32),
    )
    return Batch(logits, asked, in_order, within, exact)


def _counts(generator: Generator, rows: int, vocabulary: int) -> npt.NDArray[np.int32]:
    """Off, the edges of the candidate lists and of the vocabulary, and anything."""
    edges = [-1, 0, 0, 0, 1, 2, 3, 31, 32, 33, 50, 63, 64, 65, 1023, 1024, 1025, 2**31 - 1]
    edges += [max(1, vocabulary + step) for step in (-1, 0, 1)]
    drawn = generator.integers(1, vocabulary + 1, rows)
    return np.where(generator.random(rows) < 0.3, drawn, generator.choice(edges, rows)).astype(np.int32)


def _least_kept(generator: Generator, rows: Ordered) -> Floats:
    """Min-p as anybody asks for it, or such that the least mass is that of a token, or just above it."""
    count, vocabulary = rows.masses.shape
    place = generator.integers(0, min(vocabulary, 300), count)
    steps = rows.masses[np.arange(count), place] >> np.uint64(16)
    exact = np.minimum(steps + generator.integers(0, 2, count).astype(np.uint64), np.uint64(2**24))
    exact_share = (exact.astype(np.float64) * 2.0**-24).astype(np.float32)
    return np.where(generator.random(count) < 0.2, exact_share, generator.choice(LEAST, count))


def _prefix_shares(generator: Generator, within: Limited) -> Floats:
    """P / 2^24 where P 2^-24 is a prefix's share of the mass, rounded down or up, or one more. Each is a float32."""
    place: Counts = generator.integers(0, within.count)
    prefix = np.take_along_axis(within.reached, place[:, None], axis=1)[:, 0]
    shares = [
        int(mass) * 2**24 // int(total) + int(step)
        for mass, total, step in zip(prefix, within.total, generator.integers(0, 3, place.size), strict=True)
    ]
    return (np.minimum(shares, 2**24) * 2.0**-24).astype(np.float32)
