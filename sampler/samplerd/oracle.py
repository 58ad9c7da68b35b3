"""The slow, plain sampler in NumPy, written from docs/sampling.md alone. It shares no code with the one that serves.

It says what a row's token must be, and judges the token that was really drawn.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache

import numpy as np
import numpy.typing as npt
from quality_contract import (
    KIND_BEST_DROPPED,
    KIND_INVALID_ROW,
    KIND_KEPT_SET,
    KIND_OTHER_TOKEN,
    KIND_OUTSIDE_KEPT,
)

from samplerd.oracle_changes import NO_CHANGES, Changes, Floats, changed, without_tiny

Ids = npt.NDArray[np.intp]
Words = npt.NDArray[np.uint32]
Masses = npt.NDArray[np.uint64]

TOLERANCE = 2.0**-15
"""Two scores closer than this may change places: logarithms differ in their last bits between platforms."""


@dataclass(frozen=True)
class Request:
    """What a row was asked for."""

    temperature: float
    top_k: int
    top_p: float
    seed: int
    position: int
    min_p: float = 0.0
    changes: Changes = NO_CHANGES


@dataclass(frozen=True)
class Drawn:
    """What the sampler says it drew. `kept` is a count."""

    valid: bool
    best: int
    token: int
    kept: int
    threshold: float


@dataclass(frozen=True)
class Expected:
    """What the semantics say.

    `kept` is in no particular order; `below` (nats below the best) and `scores` belong to it.
    """

    valid: bool
    best: int
    token: int
    kept: Ids
    below: Floats
    scores: Floats
    threshold: float


def expect(logits: Floats, request: Request) -> Expected:
    """Work out one row, float32 [V] (the real vocabulary alone)."""
    stored = without_tiny(logits)
    row = changed(stored, request.changes)
    top = row.max()
    if np.isnan(stored).any() or np.isposinf(stored).any() or not np.isfinite(top):
        return _of_one(0, 0.0, valid=False)
    best = int(row.argmax())
    temperature = np.float32(request.temperature)
    if temperature < 2.0**-16:
        return _of_one(best, float(top), valid=True)
    inverse = max(np.float32(1) / temperature, np.float32(2.0**-126))
    with np.errstate(over="ignore"):  # far below is far below
        below = (top - row) * inverse
    kept = _kept(row, below, request)
    scores = _gumbel(request, kept) - below[kept]
    winners = kept[scores == scores.max()]
    return Expected(True, best, int(winners.min()), kept, below[kept], scores, float(row[kept].min()))


def _of_one(token: int, logit: float, *, valid: bool) -> Expected:
    """A row whose kept set is one token."""
    nothing = np.zeros(1, np.float32)
    return Expected(valid, token, token, np.array([token], np.intp), nothing, nothing, logit)


def judge(expected: Expected, drawn: Drawn) -> str | None:
    """Compare what was drawn with what was expected: the kind of mismatch, or None if it is right."""
    if drawn.valid != expected.valid:
        return KIND_INVALID_ROW
    if not drawn.valid:
        return None if drawn.token == expected.token else KIND_OUTSIDE_KEPT
    if drawn.best != expected.best:
        return KIND_BEST_DROPPED
    same_set = (drawn.kept, drawn.threshold) == (expected.kept.size, expected.threshold)
    return _judge_token(expected, drawn.token) or (None if same_set else KIND_KEPT_SET)


def _judge_token(expected: Expected, token: int) -> str | None:
    if token == expected.token:
        return None
    place = np.flatnonzero(expected.kept == token)
    if place.size == 0:
        return KIND_OUTSIDE_KEPT
    behind = float(expected.scores.max()) - float(expected.scores[place[0]])
    return None if behind <= TOLERANCE else KIND_OTHER_TOKEN


def _kept(row: Floats, below: Floats, request: Request) -> Ids:
    """Min-p, then top-k within it, then top-p within that."""
    kept = np.flatnonzero(row > -np.inf)
    min_p = np.float32(request.min_p)
    if min_p >= 2.0**-126:  # a subnormal parameter is 0
        least = int(np.ceil(np.float64(min_p) * 2**24)) << 16
        kept = kept[_mass(below[kept]) >= np.uint64(least)]
    if 0 < request.top_k < row.size:
        kept = _best(row, kept, request.top_k)
    if np.float32(request.top_p) < 1:
        kept = _nucleus(row, below, kept, np.float32(request.top_p))
    return kept


def _best(row: Floats, ids: Ids, count: int) -> Ids:
    """Exactly `count` of the ids: larger logit first, the lower id first among equals. Order of the result: any."""
    if count >= ids.size:
        return ids
    values = row[ids]
    last = np.partition(values, ids.size - count)[ids.size - count]
    above = ids[values > last]
    level = ids[values == last]  # ascending, as `ids` are
    return np.sort(np.concatenate([above, level[: count - above.size]]))


def _nucleus(row: Floats, below: Floats, ids: Ids, top_p: np.float32) -> Ids:
    """The shortest prefix of the order whose mass reaches the target. Sorts as few tokens as it can."""
    total = int(_mass(below[ids]).sum())
    share = int(np.ceil(np.float64(top_p) * 2**24))
    target = -(-share * total // 2**24)
    count = 256
    while True:
        some = _best(row, ids, count)
        order = some[np.lexsort((some, -row[some]))]
        reached = np.cumsum(_mass(below[order]))
        if int(reached[-1]) >= target or some.size == ids.size:
            return order[: max(1, int(np.searchsorted(reached, np.uint64(target))) + 1)]
        count *= 8


def _mass(below: Floats) -> Masses:
    """2^40 e^-below in whole numbers, by the specified tables."""
    per_nat = np.float32(1512775.375)  # the float32 nearest to 2^20 / ln 2
    with np.errstate(over="ignore"):
        steps = np.minimum(below * per_nat, np.float32(41 * 2**20)).astype(np.int64)
    whole, fraction = np.divmod(steps, 2**20)
    coarse, fine = _tables()
    product = coarse[fraction // 1024] * fine[fraction % 1024]
    weights: Masses = product >> (whole + 20).astype(np.uint64)
    return weights


@cache
def _tables() -> tuple[Masses, Masses]:
    def power(exponent: Decimal) -> int:
        return int((Decimal(2) ** (30 - exponent)).to_integral_value())

    coarse = [power(Decimal(step) / 2**10) for step in range(1024)]
    fine = [power(Decimal(step) / 2**20) for step in range(1024)]
    return np.array(coarse, np.uint64), np.array(fine, np.uint64)


def _gumbel(request: Request, ids: Ids) -> Floats:
    low = _word(request.seed % 2**32)
    high = _word(request.seed // 2**32)
    position = _word(request.position)
    first = _mix(_mix(_mix(low ^ np.uint32(0x9E3779B9)) ^ high) ^ position)
    second = _mix(_mix(_mix(position ^ np.uint32(0x7F4A7C15)) ^ low) ^ high)
    bits = _mix(_mix(ids.astype(np.uint32) ^ first) + second)
    uniform = (bits.astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32)
    waiting = -np.log1p(-np.minimum(uniform, np.float32(1 - 2.0**-24)))
    noise: Floats = -np.log(waiting)
    return noise


def _word(value: int) -> Words:
    return np.array([value], np.uint32)


def _mix(word: Words) -> Words:
    word = (word ^ (word >> np.uint32(16))) * np.uint32(0x21F0AAAD)
    word = (word ^ (word >> np.uint32(15))) * np.uint32(0xD35A2D97)
    return word ^ (word >> np.uint32(15))
