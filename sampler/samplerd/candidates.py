"""The best tokens of each row without looking at all of them twice: maxima of short blocks first, then a few blocks.

A token of the best K that stands outside the K best blocks would have K predecessors, the best tokens of those blocks:
blocks are contiguous, so of two equal maxima the one in the lower block has the lower id. Exact for any logits.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from samplerd.floats import INFINITY_KEY, MASKED_KEY, flushed, order_key, value_of
from samplerd.folding import STRIDE, blockwise
from samplerd.reach import Reach

BLOCK = STRIDE


class View(NamedTuple):
    """Logits as the program stores them, and which part of the vocabulary they are."""

    logits: jax.Array  # bfloat16, float16 or float32 [B, W]
    reach: Reach

    def clean(self) -> jax.Array:
        """float32 [B, W]: -0 and subnormals +0, padding -inf. For loops that read all; XLA fuses it into them."""
        logits = flushed(self.logits.astype(jnp.float32))
        if not self.reach.padded:
            return logits
        return jnp.where(self.reach.ids() < self.reach.vocabulary, logits, -jnp.inf)


class Peaks(NamedTuple):
    """What one pass over the logits tells."""

    blocks: jax.Array  # float32 [B, N]: the largest clean logit of each block of this part
    top: jax.Array  # float32 [B]: the largest of the whole vocabulary; 0 for invalid rows
    valid: jax.Array  # bool [B]


class Candidates(NamedTuple):
    """The best tokens of each row in order: larger logit first, lower id first among equals."""

    logits: jax.Array  # float32 [B, K]
    ids: jax.Array  # int32 [B, K]


def survey(view: View, left: jax.Array | None = None) -> Peaks:
    """Find the maximum of every block, and the rows that hold NaN or +inf or nothing but -inf.

    If not all tokens are `left`, bool [B, W], the others count as -inf; they must be the beginning of the order.
    In integers: XLA's float maximum on the CPU loses a NaN when it is vectorised.
    """
    keys = _block_keys(view, left)
    top = view.reach.most(jnp.max(keys, axis=1))
    valid = (top < INFINITY_KEY) & (top > MASKED_KEY)
    blocks = value_of(jnp.minimum(keys, jnp.int32(INFINITY_KEY)))
    return Peaks(blocks, jnp.where(valid, value_of(top), jnp.float32(0)), valid)


def _block_keys(view: View, left: jax.Array | None) -> jax.Array:
    """int32 [B, N]; the last block may be short."""
    keys = order_key(view.logits.astype(jnp.float32))
    if left is not None:
        keys = jnp.where(left, keys, jnp.int32(MASKED_KEY))
    if view.reach.padded:
        keys = jnp.where(view.reach.ids() < view.reach.vocabulary, keys, jnp.int32(MASKED_KEY))
    return blockwise(keys, jnp.max)


def tokens_of(view: View, blocks: jax.Array) -> Candidates:
    """All tokens of some blocks [B, K] of this part, in the order of the blocks; -inf for places without a token."""
    places = (blocks[:, :, None] * BLOCK + jnp.arange(BLOCK, dtype=jnp.int32)).reshape(blocks.shape[0], -1)
    ids = places + view.reach.offset()
    inside = (places < view.reach.width) & (ids < view.reach.vocabulary)
    logits = jnp.take_along_axis(view.logits, places, axis=1, mode="clip")
    return Candidates(jnp.where(inside, flushed(logits.astype(jnp.float32)), -jnp.inf), ids)


def find(view: View, peaks: Peaks, count: int) -> Candidates:
    """The true best `count` of the tokens that were surveyed; of an invalid row, token 0 alone."""
    mine = _best_here(view, peaks, min(count, view.reach.width))
    logits = view.reach.side_by_side(mine.logits)
    ids = view.reach.side_by_side(mine.ids, after=order_key(logits[:, 0]))
    if view.reach.axis is not None:
        logits, places = top(logits, min(count, logits.shape[1]))
        ids = jnp.take_along_axis(ids, places, axis=1)
    order = jnp.arange(logits.shape[1], dtype=jnp.int32)[None, :]
    valid = peaks.valid[:, None]
    safe = jnp.where(order == 0, jnp.float32(0), -jnp.inf)
    return Candidates(jnp.where(valid, logits, safe), jnp.where(valid, ids, order))


def _best_here(view: View, peaks: Peaks, count: int) -> Candidates:
    """The best of this part."""
    if count < peaks.blocks.shape[1]:
        _, blocks = top(peaks.blocks, count)
        logits, ids = tokens_of(view, jnp.sort(blocks, axis=1))  # sorted: places then stand in the order of the ids
    else:
        logits, ids = view.clean(), jnp.broadcast_to(view.reach.ids(), view.logits.shape)
    # Above the top stands what the survey left out; or it is NaN and the row invalid: keep XLA's TopK out of that.
    logits = jnp.where(logits <= peaks.top[:, None], logits, -jnp.inf)
    best, places = top(logits, count)
    return Candidates(best, jnp.take_along_axis(ids, places, axis=1))


def top(values: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """`lax.top_k` behind barriers, which keep XLA's fast TopK from being fused into a full sort.

    Two of them: one around both would be merged with the TopK itself, and the compiler for several devices then aborts.
    """
    best, places = lax.top_k(values, count)
    return lax.optimization_barrier(best), lax.optimization_barrier(places)


def first(view: View, peaks: Peaks) -> jax.Array:
    """The best token of each row, int32 [B]; 0 for invalid rows."""
    number = jnp.arange(peaks.blocks.shape[1], dtype=jnp.int32)[None, :]
    block = jnp.min(jnp.where(peaks.blocks == peaks.top[:, None], number, peaks.blocks.shape[1]), axis=1)
    logits, ids = tokens_of(view, block[:, None].astype(jnp.int32))
    level = logits == peaks.top[:, None]
    lowest = jnp.min(jnp.where(level, ids, jnp.iinfo(jnp.int32).max), axis=1).astype(jnp.int32)
    return jnp.where(peaks.valid, view.reach.least(lowest), 0)
