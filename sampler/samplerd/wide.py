"""The exact sampler over the whole vocabulary, for rows whose candidates cannot be shown to be enough.

The kept set is always a prefix of the total order. That order is made one integer (logit first, then the lower id), and
the last kept token is found by bisection on its bits: no sort, no ties.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from samplerd import mass
from samplerd.randomness import gumbel
from samplerd.rows import Rows, below_best, limits, lowest_id_of_highest

Outcome = tuple[jax.Array, jax.Array, jax.Array]
"""Token, kept count and threshold, [B] each."""


def draw(logits: jax.Array, best: jax.Array, rows: Rows, wanted: jax.Array, narrow: Outcome) -> Outcome:
    """Do the `wanted` rows over the whole vocabulary; the others keep their `narrow` outcome."""
    below = below_best(logits, best, rows.temperature)
    keys = order_keys(logits)
    has_k, has_p = limits(rows, logits.shape[1])
    truncated = jnp.any(wanted & (has_k | has_p))
    first_kept_key = lax.cond(
        truncated, lambda: _last_kept_key(keys, below, rows), lambda: jnp.ones(keys.shape[0], jnp.uint64)
    )
    inside = keys >= first_kept_key[:, None]
    ids = jnp.arange(logits.shape[1], dtype=jnp.int32)[None, :]
    scores = jnp.where(inside, gumbel(rows.seed, rows.position, ids) - below, -jnp.inf)
    token = lowest_id_of_highest(scores, ids)
    kept = jnp.sum(inside, axis=1, dtype=jnp.int32)
    threshold = jnp.min(jnp.where(inside, logits, jnp.inf), axis=1)
    mine = (token, kept, threshold)
    token, kept, threshold = (jnp.where(wanted, new, old) for new, old in zip(mine, narrow, strict=True))
    return token, kept, threshold


def order_keys(logits: jax.Array) -> jax.Array:
    """The total order as unique uint64 numbers, larger is better; 0 for masked tokens."""
    bits = lax.bitcast_convert_type(logits, jnp.uint32)
    ordered = jnp.where(bits >> 31 == 1, ~bits, bits | jnp.uint32(1 << 31)).astype(jnp.uint64)
    id_bits = _id_bits(logits.shape[1])
    lower_first = jnp.arange(logits.shape[1], dtype=jnp.uint64) ^ jnp.uint64((1 << id_bits) - 1)
    keys = (ordered << jnp.uint64(id_bits)) | lower_first[None, :]
    return jnp.where(logits > -jnp.inf, keys, jnp.uint64(0))


def _id_bits(vocabulary: int) -> int:
    return max(1, (vocabulary - 1).bit_length())


def _last_kept_key(keys: jax.Array, below: jax.Array, rows: Rows) -> jax.Array:
    """The key of the last kept token of each row: first top-k, then top-p within it."""
    vocabulary = keys.shape[1]
    has_k, has_p = limits(rows, vocabulary)
    present = (keys > 0).astype(jnp.uint64)
    wanted = jnp.minimum(rows.top_k.astype(jnp.uint64), jnp.sum(present, axis=1, dtype=jnp.uint64))
    by_k = jnp.where(has_k, _bisect(keys, present, wanted), jnp.uint64(1))
    weights = jnp.where(keys >= by_k[:, None], mass.weights(below), jnp.uint64(0))
    target = mass.nucleus_target(jnp.sum(weights, axis=1, dtype=jnp.uint64), rows.top_p)
    by_p = _bisect(keys, weights, jnp.maximum(target, jnp.uint64(1)))
    return jnp.where(has_p, by_p, by_k)


def _bisect(keys: jax.Array, measure: jax.Array, target: jax.Array) -> jax.Array:
    """The largest key t for which the measure of all keys >= t reaches the target, uint64 [B]; bit by bit."""
    top_bit = 31 + _id_bits(keys.shape[1])

    def step(index: jax.Array, lower: jax.Array) -> jax.Array:
        tried = lower | (jnp.uint64(1) << (top_bit - index).astype(jnp.uint64))
        reached = jnp.sum(jnp.where(keys >= tried[:, None], measure, jnp.uint64(0)), axis=1, dtype=jnp.uint64)
        return jnp.where(reached >= target, tried, lower)

    loop: Callable[..., jax.Array] = lax.fori_loop
    return loop(0, top_bit + 1, step, jnp.zeros(keys.shape[0], jnp.uint64))
