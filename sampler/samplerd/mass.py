"""Probability mass as whole numbers, so that sums have no rounding and the nucleus is the same everywhere.

docs/sampling.md defines the weights: a token z nats below the best one has the weight 2^40 x e^-z, cut to an integer in
one specified way. Needs 64-bit integers: `configure_jax` switches them on.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

_STEPS_PER_NAT = np.float32(2**20 / math.log(2))
"""Steps of 2^-20 powers of two in one nat."""
_ZERO_FROM = 41 << 20
"""From here on a weight is zero."""
_COARSE = np.array([round(2**30 * 2 ** (-step / 2**10)) for step in range(1024)], np.uint64)
_FINE = np.array([round(2**30 * 2 ** (-step / 2**20)) for step in range(1024)], np.uint64)


def weights(below_best: jax.Array) -> jax.Array:
    """uint64 weights of tokens that stand `below_best` nats (float32, >= 0, inf for masked) below the best token."""
    steps = jnp.minimum(below_best * _STEPS_PER_NAT, jnp.float32(_ZERO_FROM)).astype(jnp.int32)
    coarse = jnp.asarray(_COARSE)[(steps >> 10) & 1023]
    fine = jnp.asarray(_FINE)[steps & 1023]
    return (coarse * fine) >> (20 + (steps >> 20)).astype(jnp.uint64)


def nucleus_target(total: jax.Array, top_p: jax.Array) -> jax.Array:
    """The mass a nucleus must reach: ceil(P total / 2^24), where P = ceil(p 2^24) for p the request's float32.

    `total` is uint64 below 2^58; the product is taken in two halves so that it fits in 64 bits.
    """
    share = jnp.ceil(jnp.clip(top_p, 0.0, 1.0) * jnp.float32(2**24)).astype(jnp.uint64)
    high, low = total >> jnp.uint64(24), total & jnp.uint64(2**24 - 1)
    return share * high + ((share * low + jnp.uint64(2**24 - 1)) >> jnp.uint64(24))


def least_kept(min_p: jax.Array) -> jax.Array:
    """The smallest mass that min-p keeps, uint64 [B]: ceil(min_p 2^24) 2^16, as the best token weighs 2^40."""
    share = jnp.ceil(jnp.clip(min_p, 0.0, 1.0) * jnp.float32(2**24)).astype(jnp.uint64)
    return share << jnp.uint64(16)
