"""What a sampling step is asked and what it gives, and the few formulas that both ways through the sampler share."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

COLDEST = 2.0**-16
"""A temperature below this is 0: the best token, without noise."""


class Rows(NamedTuple):
    """What the requests ask for, one entry a row of the batch. Off values: temperature 0, top_k 0, top_p 1."""

    temperature: jax.Array  # float32 [B], >= 0
    top_k: jax.Array  # int32 [B]
    top_p: jax.Array  # float32 [B]
    seed: jax.Array  # uint32 [B, 2], low word first
    position: jax.Array  # int32 [B]: where in the sequence the new token will stand


class Sampled(NamedTuple):
    """What a step gives for each row."""

    token: jax.Array  # int32 [B]
    valid: jax.Array  # bool [B]: false if the row held NaN or +inf, or nothing but -inf; the token is then 0
    best: jax.Array  # int32 [B]: the best kept id
    kept: jax.Array  # int32 [B]: the size of the kept set
    threshold: jax.Array  # float32 [B]: the logit of the last kept token
    certified: jax.Array  # bool [B]: the candidates were enough


def is_random(temperature: jax.Array) -> jax.Array:
    """Which rows draw, rather than take the best token, [B]."""
    return temperature >= jnp.float32(COLDEST)


def below_best(logits: jax.Array, best: jax.Array, temperature: jax.Array) -> jax.Array:
    """How many nats each token stands below the best one, [B, N], once divided by the temperature."""
    divisor = jnp.where(is_random(temperature), temperature, jnp.float32(1))
    return (best - logits) / divisor[:, None]


def limits(rows: Rows, vocabulary: int) -> tuple[jax.Array, jax.Array]:
    """Which rows have top-k and top-p on, [B] each."""
    random = is_random(rows.temperature)
    return random & (rows.top_k > 0) & (rows.top_k < vocabulary), random & (rows.top_p < 1)


def lowest_id_of_highest(scores: jax.Array, ids: jax.Array) -> jax.Array:
    """The id with the highest score, the lowest one among equals, int32 [B]. (XLA's argmax is slow on the CPU.)"""
    highest = jnp.max(scores, axis=1, keepdims=True)
    return jnp.min(jnp.where(scores == highest, ids, jnp.iinfo(jnp.int32).max), axis=1).astype(jnp.int32)
