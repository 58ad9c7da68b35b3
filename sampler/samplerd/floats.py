"""float32 as integers in the order of the logits: comparisons then see NaN, and no processor sees subnormals."""

import jax
import jax.numpy as jnp
from jax import lax

_MAGNITUDE = 0x7FFFFFFF
_SMALLEST_NORMAL = 0x00800000
_INFINITY = 0x7F800000

NAN_KEY = 0x7FFFFFFF
INFINITY_KEY = _INFINITY
MASKED_KEY = -_INFINITY - 1
"""The key of minus infinity: no token that can be kept has a smaller one."""


def flushed(values: jax.Array) -> jax.Array:
    """float32 with -0 and subnormals made +0. By the bits: processors differ in whether they see subnormals at all."""
    bits = lax.bitcast_convert_type(values, jnp.int32)
    tiny = (bits & jnp.int32(_MAGNITUDE)) < jnp.int32(_SMALLEST_NORMAL)
    return lax.bitcast_convert_type(jnp.where(tiny, jnp.int32(0), bits), jnp.float32)


def order_key(values: jax.Array) -> jax.Array:
    """int32 keys in the order of the float32 values: -0 and subnormals are +0, any NaN is the largest."""
    bits = lax.bitcast_convert_type(values, jnp.int32)
    magnitude = bits & jnp.int32(_MAGNITUDE)
    key = bits ^ ((bits >> 31) & jnp.int32(_MAGNITUDE))
    key = jnp.where(magnitude < jnp.int32(_SMALLEST_NORMAL), jnp.int32(0), key)
    return jnp.where(magnitude > jnp.int32(_INFINITY), jnp.int32(NAN_KEY), key)


def value_of(key: jax.Array) -> jax.Array:
    """The float32 value of a key."""
    return lax.bitcast_convert_type(key ^ ((key >> 31) & jnp.int32(_MAGNITUDE)), jnp.float32)
