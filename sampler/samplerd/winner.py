"""The token with the highest score among all that a prefix of the order holds, whatever its size.

A score is noise minus z, and noise takes two logarithms; a bound on it takes none (`gumbel_bound`). The best bound of
each block says in which few of them the winner can stand, and only their tokens are scored: if the best score is above
the bounds of all other blocks, it is the best of all. If not, all tokens are scored.
"""

import jax
import jax.numpy as jnp
from jax import lax

from samplerd.candidates import Peaks, View, tokens_of, top
from samplerd.floats import order_key, value_of
from samplerd.folding import blockwise, row_max, row_min
from samplerd.randomness import gumbel, gumbel_bound
from samplerd.rows import Rows, below_best
from samplerd.wide import Last, keys_of, within

SCORED = 16
"""How many blocks are scored. About one token's bound is above the best score: more than 16 are as good as never."""
_HIGHEST = jnp.iinfo(jnp.int32).max

Outcome = tuple[jax.Array, jax.Array, jax.Array]
"""Token, kept count and threshold, [B] each."""


def draw(view: View, peaks: Peaks, rows: Rows, last: Last, wanted: jax.Array) -> Outcome:
    """Draw from the tokens up to `last` for the `wanted` rows, bool [B]; what it gives for others means nothing."""
    inside = _inside(view, peaks, last)
    kept = view.reach.sum(_add(blockwise(inside.astype(jnp.int32), _add), axis=1))
    ended = last.id < _HIGHEST
    lowest = lax.cond(jnp.all(ended | ~wanted), lambda: last.key, lambda: _lowest(view, peaks, last, kept))
    threshold = value_of(jnp.where(ended, last.key, lowest))
    token, sure = _among_best(view, peaks, rows, last, inside, after=jnp.maximum(kept, lowest))
    token = lax.cond(jnp.all(sure | ~wanted), lambda: token, lambda: _among_all(view, peaks, rows, last))
    return token, kept, threshold


def _inside(view: View, peaks: Peaks, last: Last) -> jax.Array:
    """Which tokens stand in the prefix, bool [B, W].

    Each rarely taken branch works this out for itself: what it gets from outside would be written to memory for it.
    """
    return within(keys_of(view, peaks), last, view.reach.ids())


def _lowest(view: View, peaks: Peaks, last: Last, after: jax.Array) -> jax.Array:
    """The key of the last token inside, int32 [B]."""
    keys = jnp.where(_inside(view, peaks, last), keys_of(view, peaks), _HIGHEST)
    return view.reach.least(row_min(keys), after)


def _add(values: jax.Array, **how: object) -> jax.Array:
    return jnp.sum(values, dtype=jnp.int32, **how)  # type: ignore[arg-type]


def _among_best(
    view: View, peaks: Peaks, rows: Rows, last: Last, inside: jax.Array, after: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The best token in the most promising blocks, int32 [B], and whether no other can be better, bool [B]."""
    bounds = gumbel_bound(rows.seed, rows.position, view.reach.ids())
    bounds = bounds - below_best(view.clean(), peaks.top, rows.temperature)
    # Folded as integers: XLA would write floats to memory first and hand them to a library.
    blocks = value_of(blockwise(order_key(jnp.where(inside, bounds, -jnp.inf)), jnp.max))
    count = min(SCORED, blocks.shape[1])
    best, chosen = top(blocks, min(count + 1, blocks.shape[1]))
    rest = best[:, count] if best.shape[1] > count else jnp.full(best.shape[0], -jnp.inf)
    logits, ids = tokens_of(view, chosen[:, :count])
    there = within(order_key(logits), last, ids) & (logits > -jnp.inf)
    scores = gumbel(rows.seed, rows.position, ids) - below_best(logits, peaks.top, rows.temperature)
    scores = jnp.where(there, scores, -jnp.inf)
    highest = view.reach.most(jnp.max(scores, axis=1), after)
    winner = jnp.min(jnp.where(scores == highest[:, None], ids, _HIGHEST), axis=1)
    winner = view.reach.least(winner.astype(jnp.int32))
    return winner, highest > view.reach.most(rest, after=winner)


def _among_all(view: View, peaks: Peaks, rows: Rows, last: Last) -> jax.Array:
    """The best token of all, int32 [B]."""
    ids = view.reach.ids()
    below = below_best(view.clean(), peaks.top, rows.temperature)
    scores = jnp.where(_inside(view, peaks, last), gumbel(rows.seed, rows.position, ids) - below, -jnp.inf)
    scores = lax.optimization_barrier(scores)
    highest = view.reach.most(row_max(scores))
    winner = row_min(jnp.where(scores == highest[:, None], ids, _HIGHEST))
    return view.reach.least(winner)
