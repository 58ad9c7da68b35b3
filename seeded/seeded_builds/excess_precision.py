"""Incident of December 2024 and 26 August: two operations saw the logits in different precision, and lost the best.

The logits pass a matrix product in bfloat16, as the head of a model does on such hardware. A compiler may keep its
result in float32 for one reader and round it for another (XLA's `xla_allow_excess_precision`, which is on by default).
Here one reader finds the largest logit and another drops whatever lies above it, which can be nothing: unless the best
token was rounded up, and the maximum was not. The workaround was a barrier; this build is the rewrite without it.

Nothing is simulated: `guarded` is the same program with the barrier, and right. Whether the compiler keeps the digits
depends on the shape: on a CPU it does for two rows or more, and not for one.
"""

import jax
import jax.numpy as jnp
from jax import lax
from samplerd.model import Model
from samplerd.program import TensorProgram

_BLOCK = 32
_FAR_BELOW = -1e30
"""A finite stand-in for the padding: a product of 0 and infinity would spoil the block."""


def program(model: Model) -> TensorProgram:
    """The program without the barrier."""
    return _made(model, barrier=False)


def guarded(model: Model) -> TensorProgram:
    """The same with the barrier: what this build is to be compared with, as its logits are bfloat16."""
    return _made(model, barrier=True)


def _made(model: Model, *, barrier: bool) -> TensorProgram:
    def hand_over(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
        blocks = _product(logits)
        if barrier:
            blocks = lax.optimization_barrier(blocks)
        return _flat(blocks, model.vocabulary), _flat(_nothing_above_the_largest(blocks), model.vocabulary)

    return TensorProgram(hand_over=hand_over)


def _product(logits: jax.Array) -> jax.Array:
    """Logits [B, V] in bfloat16 [B, N, 32]: three bfloat16 parts of each, added up by a product with unit matrices."""
    rows, vocabulary = logits.shape
    padding = ((0, 0), (0, -vocabulary % _BLOCK))
    blocks = jnp.pad(logits, padding, constant_values=_FAR_BELOW).reshape(rows, -1, _BLOCK)
    parts, rest = [], blocks
    for _ in range(3):
        parts.append(rest.astype(jnp.bfloat16))
        rest = rest - parts[-1].astype(jnp.float32)
    units = jnp.tile(jnp.eye(_BLOCK, dtype=jnp.bfloat16), (3, 1))
    # A batch of products, one a row: its result has the shape that is read, with no reshaping in between.
    weights = jnp.broadcast_to(units, (rows, *units.shape))
    return lax.dot_general(jnp.concatenate(parts, axis=2), weights, (((2,), (1,)), ((0,), (0,))))


def _nothing_above_the_largest(blocks: jax.Array) -> jax.Array:
    """A clamp that does nothing, as long as both of its operands have the same digits."""
    largest = jnp.max(blocks, axis=(1, 2), keepdims=True).astype(jnp.float32)
    values = blocks.astype(jnp.float32)
    return jnp.where(values <= largest, values, -jnp.inf)


def _flat(blocks: jax.Array, vocabulary: int) -> jax.Array:
    return blocks.reshape(blocks.shape[0], -1)[:, :vocabulary]
