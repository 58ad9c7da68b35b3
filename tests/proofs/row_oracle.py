"""The oracle for many rows at once, in NumPy, written from docs/sampling.md: what would take hours takes minutes.

It sorts every row whole and sums masses along it. Of `samplerd.oracle` it takes the tables of the exponential and the
hash's `mix`; with the sampler that serves it shares nothing. tests/unit/samplerd/test_proofs.py holds the two oracles
equal.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from samplerd import oracle

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]
Masses = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

_LOW_WORD = np.uint64(2**32 - 1)
_SIGN = np.uint32(2**31)
_PER_NAT = np.float32(1512775.375)
"""The float32 nearest to 2^20 / ln 2."""
_WHOLE = 2**24


@dataclass(frozen=True)
class Ordered:
    """Rows in the total order, [B, V] each: larger logit first, lower id first among equals."""

    valid: Flags  # [B]; an invalid row stands as zeros
    greedy: Flags  # [B]
    ids: npt.NDArray[np.int64]
    logits: Floats
    below: Floats  # nats below the best
    masses: Masses


def ordered(logits: Floats, temperature: Floats) -> Ordered:
    """Put rows [B, V] in order; temperatures [B]."""
    clean = np.where(np.abs(logits) < np.float32(2.0**-126), np.float32(0), logits)
    strange = np.isnan(clean) | np.isposinf(clean)
    valid = ~strange.any(axis=1) & (clean > -np.inf).any(axis=1)
    clean = np.where(valid[:, None], clean, np.float32(0))
    ids, values = _sorted(clean)
    greedy = temperature < np.float32(2.0**-16)
    inverse = np.maximum(np.float32(1) / np.where(greedy, np.float32(1), temperature), np.float32(2.0**-126))
    with np.errstate(over="ignore"):  # far below is far below
        below = (values[:, :1] - values) * inverse[:, None]
    return Ordered(valid, greedy | ~valid, ids, values, below, _masses(below))


def _sorted(rows: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Ids and logits in the order, by one sort of whole numbers: the logit's bits, falling, above the id."""
    bits = rows.view(np.uint32)
    rising = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    keys = (~rising).astype(np.uint64) << np.uint64(32) | np.arange(rows.shape[1], dtype=np.uint64)
    keys.sort(axis=1)
    rising = ~(keys >> np.uint64(32)).astype(np.uint32)
    values = np.where(rising & _SIGN, rising & ~_SIGN, ~rising).view(np.float32)
    return (keys & _LOW_WORD).astype(np.int64), values


def _masses(below: Floats) -> Masses:
    with np.errstate(over="ignore"):
        steps = np.minimum(below * _PER_NAT, np.float32(41 * 2**20)).astype(np.int64)
    coarse, fine = oracle._tables()
    product = coarse[steps >> 10 & 1023] * fine[steps & 1023]
    return product >> ((steps >> 20) + 20).astype(np.uint64)


@dataclass(frozen=True)
class Limited:
    """What min-p and top-k keep of each row, [B], and the sums of the masses along the order, [B, V]."""

    count: Counts
    reached: Masses

    @property
    def total(self) -> Masses:
        """The mass of what is kept, [B]."""
        return np.take_along_axis(self.reached, self.count[:, None] - 1, axis=1)[:, 0]


def limited(rows: Ordered, top_k: npt.NDArray[np.int32], min_p: Floats) -> Limited:
    """Min-p, then top-k within it. A greedy row keeps one token."""
    least = np.ceil(min_p.astype(np.float64) * _WHOLE).astype(np.uint64) << np.uint64(16)
    heavy = (min_p < np.float32(2.0**-126))[:, None] | (rows.masses >= least[:, None])
    count = ((rows.logits > -np.inf) & heavy).sum(axis=1)
    on = (top_k > 0) & (top_k < rows.ids.shape[1])
    count = np.where(on, np.minimum(count, top_k), count)
    return Limited(np.where(rows.greedy, 1, count), np.cumsum(rows.masses, axis=1, dtype=np.uint64))


def nucleus(rows: Ordered, within: Limited, top_p: Floats) -> Counts:
    """How many tokens are kept in the end, [B]. The product of share and mass needs Python's whole numbers."""
    shares = np.ceil(top_p.astype(np.float64) * _WHOLE).astype(np.int64)
    totals = within.total
    targets = [-(-int(share) * int(total) // _WHOLE) for share, total in zip(shares, totals, strict=True)]
    short = within.reached < np.array(targets, np.uint64)[:, None]
    kept = np.minimum(1 + short.sum(axis=1), within.count)
    return np.where((top_p < 1) & ~rows.greedy, kept, within.count)


@dataclass(frozen=True)
class Drawn:
    """What a sampler says of each row, [B] each."""

    valid: Flags
    best: npt.NDArray[np.int32]
    token: npt.NDArray[np.int32]
    kept: npt.NDArray[np.int32]
    threshold: Floats


def judge(rows: Ordered, kept: Counts, asked: Any, drawn: Drawn) -> Flags:
    """Which rows are right, [B]: all equal, and the token's score within the tolerance of the best one.

    `asked` has seeds, uint32 [B, 2], and positions, [B].
    """
    last = np.take_along_axis(rows.logits, kept[:, None] - 1, axis=1)[:, 0]
    same = (drawn.valid == rows.valid) & (drawn.best == np.where(rows.valid, rows.ids[:, 0], 0))
    set_right = (drawn.kept == kept) & (drawn.threshold == last)
    token_right = _token_within_tolerance(rows, kept, asked, drawn.token)
    return same & np.where(rows.valid, set_right & token_right, drawn.token == 0)


def _token_within_tolerance(rows: Ordered, kept: Counts, asked: Any, token: npt.NDArray[np.int32]) -> Flags:
    """Scores of the kept tokens alone, all rows' in one long array."""
    row = np.repeat(np.arange(kept.size), kept)
    starts = np.cumsum(kept) - kept
    place = np.arange(row.size) - np.repeat(starts, kept)
    ids = rows.ids[row, place]
    scores = _noise(asked.seed[row], asked.position[row], ids) - rows.below[row, place]
    highest = np.maximum.reduceat(scores, starts)
    mine = np.maximum.reduceat(np.where(ids == token[row], scores, -np.inf), starts)
    return (highest - mine <= oracle.TOLERANCE) | (rows.greedy & (token == rows.ids[:, 0]))


def _noise(seed: npt.NDArray[np.uint32], position: npt.NDArray[np.int32], ids: npt.NDArray[np.int64]) -> Floats:
    """Gumbel noise of (seed, position, token) triples, [N]."""
    mix = oracle._mix
    low, high, place = seed[:, 0], seed[:, 1], position.astype(np.uint32)
    first = mix(mix(mix(low ^ np.uint32(0x9E3779B9)) ^ high) ^ place)
    second = mix(mix(mix(place ^ np.uint32(0x7F4A7C15)) ^ low) ^ high)
    bits = mix(mix(ids.astype(np.uint32) ^ first) + second)
    uniform = (bits.astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32)
    noise: Floats = -np.log(-np.log1p(-np.minimum(uniform, np.float32(1 - 2.0**-24))))
    return noise
