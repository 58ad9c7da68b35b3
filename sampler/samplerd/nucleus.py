"""Where a nucleus of any size ends: a search for the mass at which it does, and then the few tokens around that place.

For a mass t let above(t) be the total of all tokens heavier than t. They are a prefix of the order, so the nucleus
ends among the tokens of mass `high` or less if above(high) misses the target. The search lowers `high` until
some dozens of tokens are missing; these are then picked in order, like candidates. Where they do not reach the
target, as with many equal masses, bisection on the order itself takes over.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from samplerd import candidates, mass
from samplerd.candidates import Candidates, Peaks, View
from samplerd.floats import order_key
from samplerd.folding import sums_above
from samplerd.reach import Reach
from samplerd.rows import Rows, below_best
from samplerd.wide import Last, keys_of, select

TRIES = 8
"""Masses tried in one pass over the vocabulary."""
_PASSES = 16
"""At most; few are usual."""
_PICKS = 4
"""How often tokens are picked, at most; once is usual."""
_PICKED = 64
"""How many tokens are picked at the end."""
_MISSING = 44
"""The search ends when fewer tokens of the mass `high` than this are missing: lighter ones need a few more."""
_AIM = 20
"""It aims at missing this many."""
_SPREAD = 1 / 32
"""How far apart tries stand, as a share of the bracket, once there is a guess to put them around."""


class Bracket(NamedTuple):
    """Where the nucleus ends: above(low - 1) reaches the target, above(high) misses it.

    All uint64 [B]. The totals may be bounds for `low` before anything was tried: they guide the search alone.
    """

    low: jax.Array
    above_low: jax.Array  # above(low - 1)
    high: jax.Array
    above_high: jax.Array  # above(high), exactly


Picks = tuple[jax.Array, Bracket, Last, jax.Array]
"""How often was picked, the bracket, the last kept token, and for which rows it was found."""


def last_by_mass(
    view: View,
    peaks: Peaks,
    rows: Rows,
    found: Candidates,
    weights: jax.Array,
    total: jax.Array,
    target: jax.Array,
    wanted: jax.Array,
) -> Last:
    """The last token of the shortest prefix of the whole order that reaches the target, for `wanted` rows, [B].

    `weights` are the masses uint64 [B, W] of all tokens; `total` is that of the tokens that count. The candidates
    `found` make the search shorter.
    """
    best = mass.weights(below_best(found.logits, peaks.top, rows.temperature))
    bracket = _first_bracket(best, total, target, view.reach)
    bracket = _narrowed(weights, bracket, total, target, wanted, view.reach)
    last, reached = _picked_in_turn(view, peaks, rows, weights, bracket, target, wanted)

    def bisected() -> Last:
        keys = lax.optimization_barrier(keys_of(view, peaks))
        exact = select(keys, weights, target, view.reach)
        return Last(*(jnp.where(reached, new, old) for new, old in zip(last, exact, strict=True)))

    ended: Last = lax.cond(jnp.all(reached | ~wanted), lambda: last, bisected)
    return ended


def _first_bracket(best: jax.Array, total: jax.Array, target: jax.Array, reach: Reach) -> Bracket:
    """What the masses of the best tokens [B, K] tell.

    Tokens lighter than (total - target) / V weigh less than total - target together, so the nucleus ends above them.
    """
    spare = total - jnp.minimum(target, total)
    low = jnp.maximum(spare // jnp.uint64(reach.vocabulary), jnp.uint64(1))
    lightest = best[:, -1]
    above = jnp.sum(jnp.where(best > lightest[:, None], best, jnp.uint64(0)), axis=1)
    misses = above < target
    heaviest = jnp.uint64(1 << 40)
    high = jnp.maximum(jnp.where(misses, lightest, heaviest), low)
    return Bracket(low, total - spare // jnp.uint64(2), high, jnp.where(misses, above, jnp.uint64(0)))


def _narrowed(
    weights: jax.Array, bracket: Bracket, total: jax.Array, target: jax.Array, wanted: jax.Array, reach: Reach
) -> Bracket:
    def going(state: tuple[jax.Array, Bracket]) -> jax.Array:
        tried, now = state
        near = target - now.above_high <= jnp.uint64(_MISSING) * now.high
        return (tried < _PASSES) & jnp.any(wanted & ~near & (now.low < now.high))

    def once(state: tuple[jax.Array, Bracket]) -> tuple[jax.Array, Bracket]:
        tried, now = state
        masses = _tries(now, total, target, tried)
        above = reach.sum(sums_above(weights, masses))
        return tried + 1, _tightened(now, masses, above, target)

    loop: Callable[..., tuple[jax.Array, Bracket]] = lax.while_loop
    _, ended = loop(going, once, (jnp.int32(0), bracket))
    return ended


def _tries(now: Bracket, total: jax.Array, target: jax.Array, tried: jax.Array) -> jax.Array:
    """Masses between low and high - 1, uint64 [B, TRIES]. Any would be right; good ones lie around the place.

    Every third time they are spread evenly, so that the bracket shrinks whatever the masses are; else around the place
    that it would be if the mass below t were a power of t.
    """
    low, high = now.low.astype(jnp.float32), now.high.astype(jnp.float32)
    octaves = jnp.log2(high / low)
    even = jnp.arange(1, TRIES + 1, dtype=jnp.float32) / (TRIES + 1)
    around = (jnp.arange(TRIES, dtype=jnp.float32) - (TRIES - 1) / 2) * _SPREAD
    wish = (total - target).astype(jnp.float32)
    below_low = jnp.maximum((total - now.above_low).astype(jnp.float32), 1)
    below_high = jnp.maximum((total - now.above_high).astype(jnp.float32), 1)

    def share_at(below: jax.Array) -> jax.Array:
        span = jnp.maximum(jnp.log2(below_high / below_low), jnp.float32(1e-6))
        return jnp.clip(jnp.log2(jnp.maximum(below, 1) / below_low) / span, 0, 1)

    one = low * jnp.exp2(octaves * share_at(wish))  # what a token near the place weighs
    guess = share_at(wish + _AIM * one)
    shares = jnp.where(tried % 3 == 0, even[None, :], jnp.clip(guess[:, None] + around, 0, 1))
    masses = (low[:, None] * jnp.exp2(octaves[:, None] * shares)).astype(jnp.uint64)
    return jnp.clip(masses, now.low[:, None], jnp.maximum(now.high - 1, now.low)[:, None])


def _tightened(now: Bracket, masses: jax.Array, above: jax.Array, target: jax.Array) -> Bracket:
    """The bracket once above(mass) is known for some masses [B, TRIES]."""
    misses = above < target[:, None]
    high = jnp.min(jnp.where(misses, masses, now.high[:, None]), axis=1)
    high = jnp.minimum(high, now.high)
    above_high = jnp.max(jnp.where(misses, above, now.above_high[:, None]), axis=1)
    low = jnp.max(jnp.where(misses, now.low[:, None], masses + jnp.uint64(1)), axis=1)
    above_low = jnp.min(jnp.where(misses, now.above_low[:, None], above), axis=1)
    higher = low > now.low
    return Bracket(
        jnp.where(higher, low, now.low),
        jnp.where(higher, above_low, now.above_low),
        high,
        jnp.maximum(above_high, now.above_high),
    )


def _picked_in_turn(
    view: View,
    peaks: Peaks,
    rows: Rows,
    weights: jax.Array,
    bracket: Bracket,
    target: jax.Array,
    wanted: jax.Array,
) -> tuple[Last, jax.Array]:
    """Pick until the last kept token is found, int32 [B], or too often; and whether it was found, bool [B]."""

    def going(state: Picks) -> jax.Array:
        return (state[0] < _PICKS) & jnp.any(wanted & ~state[3])

    def once(state: Picks) -> Picks:
        picks, now, last, ended = state
        lower, new, reached = _picked(view, peaks, rows, weights, now, target)
        last = Last(*(jnp.where(ended, old, one) for old, one in zip(last, new, strict=True)))
        return picks + 1, lower, last, ended | reached

    nobody = jnp.zeros(wanted.shape, jnp.int32)
    loop: Callable[..., Picks] = lax.while_loop
    _, _, last, ended = loop(going, once, (jnp.int32(0), bracket, Last(nobody, nobody), jnp.zeros_like(wanted)))
    return last, ended


def _picked(
    view: View, peaks: Peaks, rows: Rows, weights: jax.Array, bracket: Bracket, target: jax.Array
) -> tuple[Bracket, Last, jax.Array]:
    """Pick the tokens after those heavier than `high`: a lower bracket, the last kept token, and if it was there."""
    # The barrier makes the logits depend on the turn: XLA would write their keys to memory before the first one.
    logits, high = lax.optimization_barrier((view.logits, bracket.high))
    here = View(logits, view.reach)
    summit = candidates.survey(here, weights <= high[:, None])
    found = candidates.find(here, summit, min(_PICKED, view.reach.vocabulary))
    each = mass.weights(below_best(found.logits, peaks.top, rows.temperature))
    reached = bracket.above_high[:, None] + jnp.cumsum(jnp.where(summit.valid[:, None], each, jnp.uint64(0)), axis=1)
    place = jnp.sum(reached < target[:, None], axis=1, dtype=jnp.int32)
    inside = jnp.minimum(place, found.ids.shape[1] - 1)[:, None]
    key = jnp.take_along_axis(order_key(found.logits), inside, axis=1)[:, 0]
    last = Last(key, jnp.take_along_axis(found.ids, inside, axis=1)[:, 0])
    there = summit.valid & (place < found.ids.shape[1])
    # What is heavier than the lightest one picked is all counted; those as light as it are picked anew.
    lightest = each[:, -1]
    heavier = jnp.sum(jnp.where(each > lightest[:, None], each, jnp.uint64(0)), axis=1)
    return bracket._replace(high=lightest, above_high=bracket.above_high + heavier), last, there
