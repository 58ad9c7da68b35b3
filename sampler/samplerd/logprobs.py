"""Log-probabilities of the model's own distribution, for the rows that want them."""

import jax
import jax.numpy as jnp
from jax import lax

from samplerd import candidates, mass
from samplerd.candidates import View
from samplerd.rows import MOST_TOP_LOGPROBS, Logprobs, Rows, Sampled, below_best, is_random

_LN_2 = 0.6931471805599453


def logprobs_of(raw: View, sampled: Sampled, wanted: jax.Array) -> Logprobs:
    """Log-probabilities of the drawn token and of the best ones; zeros where not wanted."""
    rows = wanted.shape[0]
    none = Logprobs(
        jnp.zeros(rows, jnp.float32),
        jnp.full((rows, MOST_TOP_LOGPROBS), raw.reach.vocabulary, jnp.int32),
        jnp.zeros((rows, MOST_TOP_LOGPROBS), jnp.float32),
    )
    made: Logprobs = lax.cond(
        jnp.any(wanted), lambda: _chosen(_work_out(raw, sampled.token), none, wanted), lambda: none
    )
    return made


def _chosen(made: Logprobs, none: Logprobs, wanted: jax.Array) -> Logprobs:
    return Logprobs(
        jnp.where(wanted, made.token, none.token),
        jnp.where(wanted[:, None], made.top_ids, none.top_ids),
        jnp.where(wanted[:, None], made.top, none.top),
    )


def _work_out(raw: View, token: jax.Array) -> Logprobs:
    peaks = candidates.survey(raw)
    one = jnp.ones(token.shape[0], jnp.float32)
    below = below_best(raw.clean(), peaks.top, one)
    count = min(MOST_TOP_LOGPROBS, raw.reach.vocabulary)
    found = candidates.find(raw, peaks, count)
    total = _whole_sum(raw, mass.weights(below), after=found.ids[:, 0])
    whole = log_of_mass(total)
    top = -below_best(found.logits, peaks.top, one) - whole[:, None]
    pad = ((0, 0), (0, MOST_TOP_LOGPROBS - count))
    return Logprobs(
        -_of_token(raw, below, token, after=total) - whole,
        jnp.pad(found.ids, pad, constant_values=raw.reach.vocabulary),
        jnp.pad(top, pad, constant_values=-jnp.inf),
    )


def _of_token(raw: View, below: jax.Array, token: jax.Array, after: jax.Array) -> jax.Array:
    """`below` of the token, wherever it stands."""
    mine = jnp.where(raw.reach.ids() == token[:, None], below, -jnp.inf)
    return raw.reach.most(jnp.max(mine, axis=1), after.astype(jnp.int64))


def log_of_mass(total: jax.Array) -> jax.Array:
    """ln(total / 2^40) in float32, [B]: total is rounded once, to float32."""
    return jnp.log(total.astype(jnp.float32)) - jnp.float32(40 * _LN_2)


def processed_logprob(edited: View, rows: Rows, sampled: Sampled) -> jax.Array:
    """Of the drawn token under the distribution it was drawn from, float32 [B]; 0 for greedy and invalid rows."""
    peaks = candidates.survey(edited)
    logits = edited.clean()
    below = below_best(logits, peaks.top, rows.temperature)
    above = logits > sampled.threshold[:, None]
    heavier = _whole_sum(edited, jnp.where(above, mass.weights(below), jnp.uint64(0)))
    last = mass.weights(below_best(sampled.threshold[:, None], peaks.top, rows.temperature))[:, 0]
    count = edited.reach.sum(jnp.sum(above, axis=1, dtype=jnp.int32), after=heavier.astype(jnp.int64))
    level = sampled.kept - count  # all level tokens weigh the same
    total = heavier + jnp.maximum(level, 0).astype(jnp.uint64) * last
    drawn = sampled.valid & is_random(rows.temperature)
    return jnp.where(drawn, -_of_token(edited, below, sampled.token, after=total) - log_of_mass(total), jnp.float32(0))


def _whole_sum(view: View, weights: jax.Array, after: jax.Array | None = None) -> jax.Array:
    return view.reach.sum(jnp.sum(weights, axis=1, dtype=jnp.uint64), after)
