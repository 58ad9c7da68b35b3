"""Incident of 26 August: approximate top-k gave wrong results, at some batch sizes only.

On a TPU the approximate top-k splits the vocabulary into stride buckets and keeps one winner of each. Everywhere else
the same call is exact, so its error is rebuilt here: tokens that share a bucket with a better one are lost. Winners are
found by an 8-bit comparison, so that mixed precision plays its part too: even the best token is lost when a lower id in
its bucket looks equal. A batch of one takes another path and is right, as it was then: nobody could reproduce it.
"""

import jax
import jax.numpy as jnp
from samplerd import sampling
from samplerd.model import Model
from samplerd.program import TensorProgram
from samplerd.rows import Rows, Sampled

_BUCKETS = 8
_EXACT_BATCHES = (1,)


def program(_model: Model) -> TensorProgram:
    """The production program with the approximate selection."""
    return TensorProgram(sample=_sample)


def _sample(logits: jax.Array, rows: Rows) -> Sampled:
    exact = logits.shape[0] in _EXACT_BATCHES
    return sampling.sample(logits if exact else _winners(logits), rows)


def _winners(logits: jax.Array) -> jax.Array:
    """On a TPU the call itself; elsewhere what it does there. Each platform's program holds only its own."""
    chosen: jax.Array = jax.lax.platform_dependent(logits, tpu=_approximate, default=bucket_winners)
    return chosen


def _approximate(logits: jax.Array) -> jax.Array:
    """Logits [B, V] with all masked out but those that the TPU's approximate top-k gives."""
    rows, vocabulary = logits.shape
    best, places = jax.lax.approx_max_k(logits, -(-vocabulary // _BUCKETS), recall_target=0.5)
    return jnp.full_like(logits, -jnp.inf).at[jnp.arange(rows)[:, None], places].set(best)


def bucket_winners(logits: jax.Array) -> jax.Array:
    """Logits [B, V] with all but one token of each bucket (ids equal modulo the number of buckets) masked out."""
    rows, vocabulary = logits.shape
    length = -(-vocabulary // _BUCKETS)
    padding = ((0, 0), (0, length * _BUCKETS - vocabulary))
    buckets = jnp.pad(logits, padding, constant_values=-jnp.inf).reshape(rows, length, _BUCKETS)
    coarse = jax.lax.reduce_precision(buckets, exponent_bits=5, mantissa_bits=2)
    places = jnp.arange(length)[None, :, None]
    highest = coarse == jnp.max(coarse, axis=1, keepdims=True)
    winner = jnp.min(jnp.where(highest, places, length), axis=1, keepdims=True)
    return jnp.where(places == winner, buckets, -jnp.inf).reshape(rows, -1)[:, :vocabulary]
