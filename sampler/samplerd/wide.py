"""The exact sampler over the whole vocabulary, for rows whose candidates cannot be shown to be enough.

The kept set is always a prefix of the total order. Its last logit is found by bisection on the logits' bits, and among
the tokens that share that logit, its last id by bisection on the ids: no sort, whatever the ties.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from samplerd import mass
from samplerd.candidates import Peaks, View
from samplerd.floats import MASKED_KEY, order_key, value_of
from samplerd.randomness import gumbel
from samplerd.reach import Reach
from samplerd.rows import Limits, Rows, below_best, lowest_id_of_highest

Outcome = tuple[jax.Array, jax.Array, jax.Array]
"""Token, kept count and threshold, [B] each."""


class Last(NamedTuple):
    """The last token of a prefix of the order, [B] each."""

    key: jax.Array  # int32
    id: jax.Array  # int32


def draw(view: View, peaks: Peaks, rows: Rows, on: Limits, wanted: jax.Array, narrow: Outcome) -> Outcome:
    """Do the `wanted` rows over the whole vocabulary; the others keep their `narrow` outcome."""
    reach = view.reach
    keys = jnp.where(peaks.valid[:, None], order_key(view.clean()), jnp.int32(MASKED_KEY))
    # Barriers: what is used more than once would else be worked out again for every use.
    keys = lax.optimization_barrier(keys)
    below = lax.optimization_barrier(below_best(value_of(keys), peaks.top, rows.temperature))
    everything = Last(jnp.full(wanted.shape, MASKED_KEY + 1, jnp.int32), jnp.full(wanted.shape, 2**31 - 1, jnp.int32))
    truncated = jnp.any(wanted & (on.min_p | on.top_k | on.top_p))
    last = lax.cond(truncated, lambda: _last_kept(keys, below, rows, on, reach), lambda: everything)
    inside = _within(keys, last, reach)
    ids = reach.ids()
    scores = jnp.where(inside, gumbel(rows.seed, rows.position, ids) - below, -jnp.inf)
    scores = lax.optimization_barrier(scores)
    token = lowest_id_of_highest(scores, ids, reach)
    kept = reach.sum(jnp.sum(inside, axis=1, dtype=jnp.int32))
    threshold = value_of(reach.least(jnp.min(jnp.where(inside, keys, jnp.iinfo(jnp.int32).max), axis=1)))
    mine = (token, kept, threshold)
    token, kept, threshold = (jnp.where(wanted, new, old) for new, old in zip(mine, narrow, strict=True))
    return token, kept, threshold


def _within(keys: jax.Array, last: Last, reach: Reach) -> jax.Array:
    """Which tokens stand in the prefix, bool [B, W]."""
    level = (keys == last.key[:, None]) & (reach.ids() <= last.id[:, None])
    return (keys > last.key[:, None]) | level


def _last_kept(keys: jax.Array, below: jax.Array, rows: Rows, on: Limits, reach: Reach) -> Last:
    """The last kept token of each row: min-p, then top-k within it, then top-p within that."""
    weights = mass.weights(below)
    heavy = ~on.min_p[:, None] | (weights >= mass.least_kept(rows.min_p)[:, None])
    ones = ((keys > MASKED_KEY) & heavy).astype(jnp.uint64)
    there = reach.sum(jnp.sum(ones, axis=1, dtype=jnp.uint64))
    count = jnp.where(on.top_k, jnp.minimum(rows.top_k.astype(jnp.uint64), there), there)
    by_count = lax.cond(
        jnp.any(on.top_k | on.min_p),
        lambda: _select(keys, ones, count, reach),
        lambda: Last(jnp.full(count.shape, MASKED_KEY + 1, jnp.int32), jnp.full(count.shape, 2**31 - 1, jnp.int32)),
    )
    weights = jnp.where(_within(keys, by_count, reach), weights, jnp.uint64(0))
    total = reach.sum(jnp.sum(weights, axis=1, dtype=jnp.uint64))
    target = jnp.maximum(mass.nucleus_target(total, rows.top_p), jnp.uint64(1))
    by_mass = lax.cond(jnp.any(on.top_p), lambda: _select(keys, weights, target, reach), lambda: by_count)
    return Last(*(jnp.where(on.top_p, new, old) for new, old in zip(by_mass, by_count, strict=True)))


def _select(keys: jax.Array, measure: jax.Array, target: jax.Array, reach: Reach) -> Last:
    """The last token of the shortest prefix whose measure reaches the target, which must be 1 at least.

    Tokens of one key all have the same measure, so how many of them are needed is a division.
    """

    def measured(inside: jax.Array) -> jax.Array:
        return reach.sum(jnp.sum(jnp.where(inside, measure, jnp.uint64(0)), axis=1, dtype=jnp.uint64))

    low = reach.least(jnp.min(jnp.where(measure > 0, keys, jnp.iinfo(jnp.int32).max), axis=1))
    high = reach.most(jnp.max(keys, axis=1))
    key = _bisect(low, high, lambda tried: measured(keys >= tried[:, None]) >= target)
    level = (keys == key[:, None]) & (measure > 0)
    missing = target - measured(keys > key[:, None])
    each = jnp.maximum(reach.most(jnp.max(jnp.where(level, measure, jnp.uint64(0)), axis=1)), jnp.uint64(1))
    needed = (missing + each - jnp.uint64(1)) // each
    return Last(key, _id_of(level, needed, reach))


def _id_of(level: jax.Array, needed: jax.Array, reach: Reach) -> jax.Array:
    """The id of the `needed`-th of the tokens in `level`, int32 [B]."""
    ids = reach.ids()

    def up_to(last: jax.Array) -> jax.Array:
        return reach.sum(jnp.sum(level & (ids <= last[:, None]), axis=1, dtype=jnp.uint64))

    lowest = reach.least(jnp.min(jnp.where(level, ids, jnp.iinfo(jnp.int32).max), axis=1))
    # Bisected downwards: the largest -id for which enough tokens stand at or before it. Without ties: no step at all.
    most = reach.most(jnp.max(jnp.where(level, ids, -1), axis=1))
    return -_bisect(-most, -lowest, lambda tried: up_to(-tried) >= needed)


def _bisect(low: jax.Array, high: jax.Array, holds: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """The largest int32 in [low, high] of which `holds` is true, [B], where it is true of `low` and then false."""

    def going(bounds: tuple[jax.Array, jax.Array]) -> jax.Array:
        return jnp.any(bounds[0] < bounds[1])

    def halve(bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        below, above = bounds[0].astype(jnp.int64), bounds[1].astype(jnp.int64)
        middle = ((below + above + 1) >> 1).astype(jnp.int32)
        true = holds(middle)
        return jnp.where(true, middle, bounds[0]), jnp.where(true, bounds[1], middle - 1).astype(jnp.int32)

    loop: Callable[..., tuple[jax.Array, jax.Array]] = lax.while_loop
    found, _ = loop(going, halve, (low.astype(jnp.int32), jnp.maximum(low, high).astype(jnp.int32)))
    return found
