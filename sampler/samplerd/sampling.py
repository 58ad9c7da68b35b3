"""From logits to one token a row. The semantics are docs/sampling.md; this is their JAX form.

Most rows need only their best few hundred tokens: `top_k` finds those, and a certificate says whether they hold the
whole kept set. Rows without truncation, and rows whose certificate fails, look at the whole vocabulary (`wide`). Both
ways are exact, so which one a row takes never shows in its token.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from samplerd import mass, wide
from samplerd.randomness import gumbel
from samplerd.rows import Rows, Sampled, below_best, is_random, limits, lowest_id_of_highest

CANDIDATES = 1024


class Candidates(NamedTuple):
    """The best tokens of each row in order: larger logit first, lower id first among equals."""

    logits: jax.Array  # float32 [B, K]
    ids: jax.Array  # int32 [B, K]


FindCandidates = Callable[[jax.Array, int], Candidates]


def exact_candidates(logits: jax.Array, count: int) -> Candidates:
    """The true best `count` tokens. The barrier keeps XLA's fast TopK from being fused into a full sort."""
    return Candidates(*lax.optimization_barrier(tuple(lax.top_k(logits, count))))


def sample(
    logits: jax.Array, rows: Rows, *, candidates: int = CANDIDATES, find: FindCandidates = exact_candidates
) -> Sampled:
    """Draw one token a row from float32 logits [B, V]."""
    logits, valid = normalise(logits)
    vocabulary = logits.shape[1]
    found = find(logits, min(candidates, vocabulary))
    best = found.logits[:, :1]
    kept, certified = _kept_candidates(logits, found, rows)
    token = jnp.where(is_random(rows.temperature), _draw(found, kept, best, rows), found.ids[:, 0])
    last = jnp.take_along_axis(found.logits, kept[:, None] - 1, axis=1)[:, 0]
    narrow = (token, kept, last)
    wide_rows = ~certified
    token, kept, last = lax.cond(
        jnp.any(wide_rows), lambda: wide.draw(logits, best, rows, wide_rows, narrow), lambda: narrow
    )
    return Sampled(token, valid, found.ids[:, 0], kept, last, certified)


def normalise(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Make -0 and subnormals +0, and put a harmless row (token 0 alone) in the place of each invalid one."""
    # Not `logits + 0`: XLA removes that. Subnormals: processors differ in whether they see them at all.
    logits = jnp.where(jnp.abs(logits) < jnp.float32(2.0**-126), jnp.float32(0), logits.astype(jnp.float32))
    # The maximum alone does not tell: XLA's on the CPU loses a NaN when it is vectorised.
    valid = jnp.isfinite(jnp.max(logits, axis=1)) & ~jnp.any(jnp.isnan(logits), axis=1)
    safe = jnp.where(jnp.arange(logits.shape[1]) == 0, jnp.float32(0), jnp.float32(-jnp.inf))
    return jnp.where(valid[:, None], logits, safe[None, :]), valid


def _kept_candidates(logits: jax.Array, found: Candidates, rows: Rows) -> tuple[jax.Array, jax.Array]:
    """How many candidates are kept [B], and whether that is certain [B]."""
    has_k, has_p = limits(rows, logits.shape[1])
    count = found.ids.shape[1]
    top_k = jnp.where(has_k & (rows.top_k <= count), rows.top_k, count)
    top_k = jnp.minimum(top_k, jnp.sum(found.logits > -jnp.inf, axis=1, dtype=jnp.int32))
    needs_total = has_p & ~has_k
    weights = mass.weights(below_best(found.logits, found.logits[:, :1], rows.temperature))
    weights = jnp.where(jnp.arange(count)[None, :] < top_k[:, None], weights, jnp.uint64(0))
    reached = jnp.cumsum(weights, axis=1)
    total = jnp.where(needs_total, _whole_mass(logits, found, rows, needs_total), reached[:, -1])
    target = mass.nucleus_target(total, rows.top_p)
    nucleus = jnp.minimum(1 + jnp.sum(reached < target[:, None], axis=1, dtype=jnp.int32), top_k)
    kept = jnp.where(is_random(rows.temperature), jnp.where(has_p, nucleus, top_k), 1)
    enough = jnp.where(has_k, rows.top_k <= count, has_p & (reached[:, -1] >= target))
    return kept, ~is_random(rows.temperature) | enough


def _whole_mass(logits: jax.Array, found: Candidates, rows: Rows, wanted: jax.Array) -> jax.Array:
    """The mass of the whole vocabulary, uint64 [B], if any row wants it."""

    def total() -> jax.Array:
        weights = mass.weights(below_best(logits, found.logits[:, :1], rows.temperature))
        return jnp.sum(weights, axis=1, dtype=jnp.uint64)

    return lax.cond(jnp.any(wanted), total, lambda: jnp.zeros(logits.shape[0], jnp.uint64))


def _draw(found: Candidates, kept: jax.Array, best: jax.Array, rows: Rows) -> jax.Array:
    """Gumbel-max among the first `kept` candidates of each row."""
    scores = gumbel(rows.seed, rows.position, found.ids) - below_best(found.logits, best, rows.temperature)
    inside = jnp.arange(found.ids.shape[1])[None, :] < kept[:, None]
    return lowest_id_of_highest(jnp.where(inside, scores, -jnp.inf), found.ids)
