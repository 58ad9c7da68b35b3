"""Sums, maxima and minima along long rows, in the form that XLA compiles well for processors.

A plain reduction over thousands of columns is rewritten there into a cascade of windows, before which all that is
reduced is written to memory. One over 32 columns at most is left alone: a vectorised loop with all that it reads from.
Only integers are summed here; sums of integers, maxima and minima do not depend on the order.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

Fold = Callable[..., jax.Array]

STRIDE = 32
"""The longest reduction that XLA leaves alone."""
_TILE = STRIDE * STRIDE


def row_sum(values: jax.Array) -> jax.Array:
    """The sum over the last axis of integers [..., W], in their own type."""
    assert jnp.issubdtype(values.dtype, jnp.integer)
    add = partial(jnp.sum, dtype=values.dtype)
    return add(_folded(values, add), axis=-1)


def row_max(values: jax.Array) -> jax.Array:
    """The maximum over the last axis of numbers [..., W] without NaN."""
    return jnp.max(_folded(values, jnp.max), axis=-1)


def row_min(values: jax.Array) -> jax.Array:
    """The minimum over the last axis of numbers [..., W] without NaN."""
    return jnp.min(_folded(values, jnp.min), axis=-1)


def _folded(values: jax.Array, fold: Fold) -> jax.Array:
    """Fewer numbers [..., N] with the same sum (maximum, minimum) as `values` [..., W].

    The 32 numbers that become one stand 32 columns apart: their neighbours become its neighbours, so that a processor
    folds several columns with one instruction.
    """
    outer, width = values.shape[:-1], values.shape[-1]
    while width > _TILE:
        whole = width // _TILE * _TILE
        tiles = values[..., :whole].reshape(*outer, whole // _TILE, STRIDE, STRIDE)
        parts = [fold(tiles, axis=-2).reshape(*outer, whole // STRIDE)]
        if whole < width:
            parts.append(values[..., whole:])
        # Without the barrier XLA works the first fold out again for every number of the second.
        values = lax.optimization_barrier(jnp.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0])
        width = values.shape[-1]
    return values
