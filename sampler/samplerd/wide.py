"""The exact sampler over the whole vocabulary, for rows whose candidates cannot be shown to be enough.

The kept set is always a prefix of the total order. Here its last token is found, for top-k and min-p, by bisection on
the logits' bits and, among equal logits, on the ids. For top-p `nucleus` searches for a mass, and comes back to this
bisection where that does not get to an end. No sort, whatever the ties. The draw is in `winner`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from samplerd import mass
from samplerd.candidates import Peaks, View
from samplerd.floats import MASKED_KEY, order_key
from samplerd.folding import row_max, row_min, row_sum
from samplerd.reach import Reach
from samplerd.rows import Limits, Rows

_HIGHEST = jnp.iinfo(jnp.int32).max


class Last(NamedTuple):
    """The last token of a prefix of the order, [B] each."""

    key: jax.Array  # int32
    id: jax.Array  # int32


def everything(rows: int) -> Last:
    """The end of the whole order."""
    return Last(jnp.full(rows, MASKED_KEY + 1, jnp.int32), jnp.full(rows, _HIGHEST, jnp.int32))


def keys_of(view: View, peaks: Peaks) -> jax.Array:
    """The logits as integers in their order, int32 [B, W]; of invalid rows, all masked."""
    return jnp.where(peaks.valid[:, None], order_key(view.clean()), jnp.int32(MASKED_KEY))


def within(keys: jax.Array, last: Last, ids: jax.Array) -> jax.Array:
    """Which tokens, given by keys and ids [B, N] each, stand in the prefix, bool [B, N]."""
    level = (keys == last.key[:, None]) & (ids <= last.id[:, None])
    return (keys > last.key[:, None]) | level


def last_by_count(view: View, peaks: Peaks, rows: Rows, on: Limits, weights: jax.Array | None) -> Last:
    """The last token that min-p and then top-k keep. Without `weights` no row may have min-p on."""
    reach = view.reach
    keys = lax.optimization_barrier(keys_of(view, peaks))
    there = keys > MASKED_KEY
    if weights is not None:
        there &= ~on.min_p[:, None] | (weights >= mass.least_kept(rows.min_p)[:, None])
    there = there.astype(jnp.int32)
    most = reach.sum(row_sum(there))
    count = jnp.where(on.top_k, jnp.minimum(rows.top_k, most), most)
    found: Last = lax.cond(
        jnp.any(on.top_k | on.min_p),
        lambda: select(keys, there, count, reach),
        lambda: everything(len(count)),
    )
    limited = on.top_k | on.min_p
    return Last(*(jnp.where(limited, new, old) for new, old in zip(found, everything(len(count)), strict=True)))


def select(keys: jax.Array, measure: jax.Array, target: jax.Array, reach: Reach) -> Last:
    """The last token of the shortest prefix whose measure reaches the target, which must be 1 at least.

    Tokens of one key all have the same measure, so how many of them are needed is a division.
    """
    none = jnp.zeros((), measure.dtype)

    def measured(inside: jax.Array) -> jax.Array:
        return reach.sum(row_sum(jnp.where(inside, measure, none)))

    low = reach.least(row_min(jnp.where(measure > 0, keys, _HIGHEST)))
    high = reach.most(row_max(keys), after=low)
    key = _bisect(low, high, lambda tried: measured(keys >= tried[:, None]) >= target)
    level = (keys == key[:, None]) & (measure > 0)
    missing = target - measured(keys > key[:, None])
    heaviest = reach.most(row_max(jnp.where(level, measure, none)), after=missing.astype(jnp.int64))
    each = jnp.maximum(heaviest, none + 1)
    needed = ((missing + each - 1) // each).astype(jnp.int32)
    return Last(key, _id_of(level, needed, reach))


def _id_of(level: jax.Array, needed: jax.Array, reach: Reach) -> jax.Array:
    """The id of the `needed`-th of the tokens in `level`, int32 [B]."""
    ids = reach.ids()

    def up_to(last: jax.Array) -> jax.Array:
        return reach.sum(row_sum((level & (ids <= last[:, None])).astype(jnp.int32)))

    lowest = reach.least(row_min(jnp.where(level, ids, _HIGHEST)), after=needed)
    # Bisected downwards: the largest -id for which enough tokens stand at or before it. Without ties: no step at all.
    most = reach.most(row_max(jnp.where(level, ids, -1)), after=lowest)
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
