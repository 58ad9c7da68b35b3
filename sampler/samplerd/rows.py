"""What a sampling step is asked and what it gives, and the few formulas that all ways through the sampler share."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from samplerd.edits import Edits
from samplerd.reach import Reach

COLDEST = 2.0**-16
"""A temperature below this is 0: the best token, without noise."""
SMALLEST_NORMAL = 2.0**-126
"""What is smaller is subnormal: 0 on some platforms and not on others. A parameter is then 0, on all of them; of the
reciprocal of a temperature this is the least."""
MOST_TOP_LOGPROBS = 20
"""Alternatives that a step can report; OpenAI's limit."""


class Rows(NamedTuple):
    """What the requests ask for, one entry a row of the batch. Off: temperature 0, top_k 0, top_p 1, min_p 0."""

    temperature: jax.Array  # float32 [B], >= 0
    top_k: jax.Array  # int32 [B]
    top_p: jax.Array  # float32 [B]
    min_p: jax.Array  # float32 [B]
    seed: jax.Array  # uint32 [B, 2], low word first
    position: jax.Array  # int32 [B]: where in the sequence the new token will stand
    edits: Edits | None = None  # allowed ids, bias and penalties; None: a program without them
    logprobs: jax.Array | None = None  # bool [B]: which rows want log-probabilities; None: a program without them


def seed_words(seed: int) -> tuple[int, int]:
    """A seed of 64 bits as the two words of `Rows.seed`."""
    return seed & 0xFFFFFFFF, seed >> 32


class Logprobs(NamedTuple):
    """Log-probabilities under the model's own distribution (no edits, temperature 1), in nats."""

    token: jax.Array  # float32 [B]: of the drawn token
    top_ids: jax.Array  # int32 [B, 20]: the best tokens in order; V for "no such token"
    top: jax.Array  # float32 [B, 20]: theirs; -inf for masked ones


class Sampled(NamedTuple):
    """What a step gives for each row."""

    token: jax.Array  # int32 [B]
    valid: jax.Array  # bool [B]: false for a row that docs/sampling.md calls invalid; the token is then 0
    best: jax.Array  # int32 [B]: the best kept id
    kept: jax.Array  # int32 [B]: the size of the kept set
    threshold: jax.Array  # float32 [B]: the logit of the last kept token
    certified: jax.Array  # bool [B]: the candidates were enough
    logprobs: Logprobs | None = None  # if rows.logprobs is there; zeros for rows that did not want them


class Limits(NamedTuple):
    """Which rows have which truncation on, bool [B] each."""

    min_p: jax.Array
    top_k: jax.Array
    top_p: jax.Array


def is_random(temperature: jax.Array) -> jax.Array:
    """Which rows draw, rather than take the best token, [B]."""
    return temperature >= jnp.float32(COLDEST)


def below_best(logits: jax.Array, best: jax.Array, temperature: jax.Array) -> jax.Array:
    """How many nats each token stands below the best one at its row's temperature, [B, N].

    A product with the reciprocal, as docs/sampling.md says: XLA makes one of any division of a row by one number, which
    rounds otherwise, but not where there is one column. The barrier keeps it from doing anything else to it.
    """
    divisor = jnp.where(is_random(temperature), temperature, jnp.float32(1))
    inverse = lax.optimization_barrier(jnp.maximum(jnp.float32(1) / divisor, jnp.float32(SMALLEST_NORMAL)))
    return (best[:, None] - logits) * inverse[:, None]


def limits(rows: Rows, reach: Reach) -> Limits:
    """Which truncations are on."""
    random = is_random(rows.temperature)
    return Limits(
        min_p=random & (rows.min_p >= jnp.float32(SMALLEST_NORMAL)),
        top_k=random & (rows.top_k > 0) & (rows.top_k < reach.vocabulary),
        top_p=random & (rows.top_p < 1),
    )


def lowest_id_of_highest(scores: jax.Array, ids: jax.Array, reach: Reach) -> jax.Array:
    """The id with the highest score, the lowest one among equals, int32 [B]. (XLA's argmax is slow on the CPU.)"""
    highest = reach.most(jnp.max(scores, axis=1))[:, None]
    lowest = jnp.min(jnp.where(scores == highest, ids, jnp.iinfo(jnp.int32).max), axis=1)
    return reach.least(lowest.astype(jnp.int32))
