"""Noise that is a function of (seed, position, token id) only. docs/sampling.md defines it; this is its JAX form.

The same request so gets the same token whatever the batch, its order or the number of candidates looked at.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

_LARGEST_BELOW_ONE = 1.0 - 2.0**-24
_LN_2 = math.log(2)
_MARGIN = 2.0**-10
"""Far more than what rounding does to noise and bound on any platform."""


def mix(word: jax.Array) -> jax.Array:
    """Scramble 32 bits, one to one: form and constants of Wellons' hash-prospector, issue 19 (not its `lowbias32`)."""
    word = word ^ (word >> jnp.uint32(16))
    word = word * jnp.uint32(0x21F0AAAD)
    word = word ^ (word >> jnp.uint32(15))
    word = word * jnp.uint32(0xD35A2D97)
    return word ^ (word >> jnp.uint32(15))


def row_keys(seeds: jax.Array, positions: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Two 32-bit keys a row from seeds [B, 2] (low word first) and positions [B]."""
    low, high, position = seeds[:, 0], seeds[:, 1], positions.astype(jnp.uint32)
    first = mix(mix(mix(low ^ jnp.uint32(0x9E3779B9)) ^ high) ^ position)
    second = mix(mix(mix(position ^ jnp.uint32(0x7F4A7C15)) ^ low) ^ high)
    return first, second


def gumbel(seeds: jax.Array, positions: jax.Array, ids: jax.Array) -> jax.Array:
    """Standard Gumbel noise, float32, for token ids [B, N] (or [1, N] for all rows alike).

    The uniform is centred in its 2^-32 cell and taken from the small side, so that the upper tail, which decides which
    rare token wins, is exact down to 2^-33 and the noise is always finite: from -2.81 to 22.87.
    """
    uniform = _centred(seeds, positions, ids) * jnp.float32(2.0**-32)
    exponential = -jnp.log1p(-jnp.minimum(uniform, jnp.float32(_LARGEST_BELOW_ONE)))
    return -jnp.log(exponential)


def gumbel_bound(seeds: jax.Array, positions: jax.Array, ids: jax.Array) -> jax.Array:
    """Numbers that `gumbel` never exceeds, float32, close to it where it is large, and without a logarithm.

    -log1p(-u) >= u, so the noise is at most -ln u; and log2(1 + f) >= f, so the bits of a float u, read as a number,
    give no more than its logarithm: together at most 0.06 too much for large noise. The margin is for rounding.
    """
    bits = lax.bitcast_convert_type(_centred(seeds, positions, ids), jnp.int32)
    return jnp.float32((32 + 127) * _LN_2 + _MARGIN) - bits.astype(jnp.float32) * jnp.float32(_LN_2 / 2**23)


def _centred(seeds: jax.Array, positions: jax.Array, ids: jax.Array) -> jax.Array:
    """2^32 u, float32 [B, N]: 32 random bits as a whole number, plus a half."""
    first, second = row_keys(seeds, positions)
    bits = mix(mix(ids.astype(jnp.uint32) ^ first[:, None]) + second[:, None])
    return bits.astype(jnp.float32) + jnp.float32(0.5)
