"""Sums, maxima and minima along long rows, in the form that XLA compiles well for processors.

A plain reduction over thousands of columns is rewritten there into a cascade of windows, before which all that is
reduced is written to memory. One over 32 neighbours is left alone: a vectorised loop with all that it reads from.
Only integers are summed here; sums of integers, maxima and minima do not depend on the order.
"""

from collections.abc import Callable
from functools import partial, reduce
from operator import add

import jax
import jax.numpy as jnp
from jax import lax

Fold = Callable[..., jax.Array]

STRIDE = 32
"""The longest reduction that XLA leaves alone."""


def row_sum(values: jax.Array) -> jax.Array:
    """The sum over the last axis of integers [B, W], in their own type."""
    assert jnp.issubdtype(values.dtype, jnp.integer)
    return _folded(values, partial(jnp.sum, dtype=values.dtype))


def row_max(values: jax.Array) -> jax.Array:
    """The maximum over the last axis of numbers [B, W] without NaN."""
    return _folded(values, jnp.max)


def row_min(values: jax.Array) -> jax.Array:
    """The minimum over the last axis of numbers [B, W] without NaN."""
    return _folded(values, jnp.min)


def blockwise(values: jax.Array, fold: Fold) -> jax.Array:
    """One number [B, N] for each 32 neighbours of values [B, W]; the last of them may be fewer."""
    width = values.shape[1]
    whole = width // STRIDE * STRIDE
    parts = []
    if whole:
        parts.append(fold(values[:, :whole].reshape(-1, whole // STRIDE, STRIDE), axis=2))
    if whole < width:
        parts.append(fold(values[:, whole:], axis=1, keepdims=True))
    # Without the barrier XLA works the folds out again for every use of them, ten times slower.
    blocks: jax.Array = lax.optimization_barrier(jnp.concatenate(parts, axis=1))
    return blocks


def _folded(values: jax.Array, fold: Fold) -> jax.Array:
    while values.shape[1] > STRIDE * STRIDE:
        values = blockwise(values, fold)
    return fold(values, axis=1)


def sums_above(values: jax.Array, limits: jax.Array) -> jax.Array:
    """The sum of the unsigned integers [B, W] that are above each of some limits [B, N], [B, N].

    Written as a sum of 32 stretches of the row: a reduction here would be one scalar loop for each limit.
    """
    stretch = values.shape[1] // STRIDE
    whole = stretch * STRIDE
    none = jnp.zeros((), values.dtype)

    def above(some: jax.Array) -> jax.Array:
        return jnp.where(some[:, None, :] > limits[:, :, None], some[:, None, :], none)

    rest = jnp.sum(above(values[:, whole:]), axis=2, dtype=values.dtype)
    if not stretch:
        return rest
    parts = reduce(add, (above(values[:, start : start + stretch]) for start in range(0, whole, stretch)))
    parts = lax.optimization_barrier(parts).reshape(-1, stretch)
    return row_sum(parts).reshape(limits.shape) + rest
