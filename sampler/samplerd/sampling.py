"""From logits to one token a row. The semantics are docs/sampling.md; this is their JAX form.

One pass over the logits finds block maxima; most rows then need only their best few dozen tokens (`candidates`), and a
certificate says if those hold the whole kept set. Other rows go over the whole vocabulary: `wide` and `nucleus`
find the last kept token, `winner` the best one up to it. All ways are exact: which one is taken never shows.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from samplerd import candidates, edits, mass, nucleus, wide, winner
from samplerd.candidates import Candidates, Peaks, View
from samplerd.folding import row_sum
from samplerd.logprobs import logprobs_of
from samplerd.randomness import gumbel
from samplerd.reach import Reach
from samplerd.rows import Limits, Rows, Sampled, below_best, is_random, limits, lowest_id_of_highest
from samplerd.shards import over_mesh, shards_here
from samplerd.wide import Last

CANDIDATES = 64
"""How many candidates each row has."""


class Draw(NamedTuple):
    """What the ways through the sampler hand on: each improves the rows that are not certified yet."""

    token: jax.Array  # int32 [B]
    kept: jax.Array  # int32 [B]
    threshold: jax.Array  # float32 [B]
    certified: jax.Array  # bool [B]


def sample(logits: jax.Array, rows: Rows, *, vocabulary: int | None = None, size: int = CANDIDATES) -> Sampled:
    """Draw one token a row from logits [B, W] of any float type; ids from `vocabulary` (default W) on are padding.

    In a program that is traced with a mesh whose axis is `shards.AXIS`, the vocabulary is split over it: same tokens.
    """
    width = logits.shape[1]
    real = width if vocabulary is None else vocabulary
    if shards_here() > 1:
        return over_mesh(partial(sample_part, size=size), logits, rows, vocabulary=real)
    return sample_part(logits, rows, Reach(width, real), size=size)


def sample_part(logits: jax.Array, rows: Rows, reach: Reach, *, size: int = CANDIDATES) -> Sampled:
    """Draw one token a row, given one part of the vocabulary; every part of a mesh gets the same answer."""
    raw = View(logits, reach)
    view, sound = _edited_if_any(raw, rows.edits)
    sampled = _sample(view, rows, sound, size)
    if rows.logprobs is None:
        return sampled
    return sampled._replace(logprobs=logprobs_of(raw, sampled, rows.logprobs))


def _edited_if_any(raw: View, made: edits.Edits | None) -> tuple[View, jax.Array]:
    """What is sampled, and which rows are sound, bool [B].

    Handing the logits through an optional edit costs a batch without any a copy of them. Two samplers, one behind the
    edit and one beside it, would spare that and double the time to compile; a program without edits has neither.
    """
    everything = jnp.ones(raw.logits.shape[0], jnp.bool_)
    if made is None:
        return raw, everything
    logits, sound = lax.cond(
        jnp.any(made.active),
        lambda: (edited(raw, made).logits, _numbers(raw)),
        lambda: (raw.logits.astype(jnp.float32), everything),
    )
    return View(logits, raw.reach), sound


def edited(raw: View, made: edits.Edits) -> View:
    """The logits that everything after the edits sees."""
    return View(edits.apply(raw.clean(), made, raw.reach), raw.reach)


def _numbers(raw: View) -> jax.Array:
    """Which rows hold no NaN and no +inf. An edit may hide one, which must not hide the model's error."""
    strange = jnp.max(jnp.where(raw.clean() < jnp.inf, 0, 1), axis=1)
    return raw.reach.most(strange) == 0


def _sample(view: View, rows: Rows, sound: jax.Array, size: int) -> Sampled:
    peaks = candidates.survey(view)
    valid = peaks.valid & sound
    peaks = peaks._replace(valid=valid, top=jnp.where(valid, peaks.top, 0))
    best = candidates.first(view, peaks)
    greedy = Draw(best, jnp.ones_like(best), peaks.top, jnp.ones_like(valid))
    drawing = valid & is_random(rows.temperature)
    draw = lax.cond(jnp.any(drawing), lambda: _randomly(view, peaks, rows, greedy, drawing, size), lambda: greedy)
    return Sampled(draw.token, valid, best, draw.kept, draw.threshold, draw.certified)


def _randomly(view: View, peaks: Peaks, rows: Rows, greedy: Draw, drawing: jax.Array, size: int) -> Draw:
    on = limits(rows, view.reach)
    found = candidates.find(view, peaks, min(size, view.reach.vocabulary))
    closed = _closed(found, rows, on, view.reach)
    draw = _from_candidates(found, peaks, rows, on, None, greedy._replace(certified=~drawing), view.reach)
    if size >= view.reach.vocabulary:  # the candidates are all tokens: every row is certified
        return draw
    done: Draw = lax.cond(jnp.all(closed | ~drawing), lambda: draw, lambda: _openly(view, peaks, rows, on, found, draw))
    return done


def _openly(view: View, peaks: Peaks, rows: Rows, on: Limits, found: Candidates, draw: Draw) -> Draw:
    """Draw the rows for which one must know all tokens, be it only their mass."""
    weighed = jnp.any(~draw.certified & (on.top_p | on.min_p))
    draw, last = lax.cond(
        weighed,
        lambda: _weighing(view, peaks, rows, on, found, draw),
        lambda: (draw, _last_by_count(view, peaks, rows, on, ~draw.certified, None)),
    )

    def widely() -> Draw:
        token, kept, threshold = winner.draw(view, peaks, rows, last, ~draw.certified)
        mine = Draw(token, kept, threshold, draw.certified)
        return Draw(*(jnp.where(draw.certified, old, new) for old, new in zip(draw, mine, strict=True)))

    done: Draw = lax.cond(jnp.all(draw.certified), lambda: draw, widely)
    return done


def _weighing(view: View, peaks: Peaks, rows: Rows, on: Limits, found: Candidates, draw: Draw) -> tuple[Draw, Last]:
    """Certify what the mass of all tokens certifies, and find the last kept token of the other rows."""
    weights = lax.optimization_barrier(mass.weights(below_best(view.clean(), peaks.top, rows.temperature)))
    heavy = ~on.min_p[:, None] | (weights >= mass.least_kept(rows.min_p)[:, None])
    total = view.reach.sum(row_sum(jnp.where(heavy, weights, jnp.uint64(0))))
    draw = _from_candidates(found, peaks, rows, on, total, draw, view.reach)
    wanted = ~draw.certified

    def last() -> Last:
        by_count = _last_by_count(view, peaks, rows, on, wanted, weights)
        massed = wanted & on.top_p

        def by_mass() -> Last:
            limited = lax.cond(
                jnp.any(massed & on.top_k), lambda: _mass_of(view, peaks, weights, by_count), lambda: total
            )
            return _last_by_mass(view, peaks, rows, found, weights, limited, by_count, massed)

        ended: Last = lax.cond(jnp.any(massed), by_mass, lambda: by_count)
        return ended

    found_last: Last = lax.cond(jnp.any(wanted), last, lambda: wide.everything(len(wanted)))
    return draw, found_last


def _last_by_count(
    view: View, peaks: Peaks, rows: Rows, on: Limits, wanted: jax.Array, weights: jax.Array | None
) -> Last:
    """The last token that min-p and top-k keep, if a wanted row has them on."""
    last: Last = lax.cond(
        jnp.any(wanted & (on.top_k | on.min_p)),
        lambda: wide.last_by_count(view, peaks, rows, on, weights),
        lambda: wide.everything(len(wanted)),
    )
    return last


def _mass_of(view: View, peaks: Peaks, weights: jax.Array, last: Last) -> jax.Array:
    """The mass of all tokens up to the last one, uint64 [B]."""
    inside = wide.within(wide.keys_of(view, peaks), last, view.reach.ids())
    return view.reach.sum(row_sum(jnp.where(inside, weights, jnp.uint64(0))))


def _last_by_mass(
    view: View,
    peaks: Peaks,
    rows: Rows,
    found: Candidates,
    weights: jax.Array,
    total: jax.Array,
    by_count: Last,
    massed: jax.Array,
) -> Last:
    """The last token that top-p keeps of those up to `by_count`, whose mass is `total`; that where not `massed`."""
    target = jnp.maximum(mass.nucleus_target(total, rows.top_p), jnp.uint64(1))
    last = nucleus.last_by_mass(view, peaks, rows, found, weights, total, target, massed)
    return Last(*(jnp.where(massed, new, old) for new, old in zip(last, by_count, strict=True)))


def _closed(found: Candidates, rows: Rows, on: Limits, reach: Reach) -> jax.Array:
    """Which rows have all that min-p and top-k keep among the candidates, [B]."""
    count = found.ids.shape[1]
    last = found.logits[:, -1]
    lightest = mass.weights(below_best(last[:, None], found.logits[:, 0], rows.temperature))[:, 0]
    ended = (last == -jnp.inf) | (count >= reach.vocabulary)
    return ended | (on.top_k & (rows.top_k <= count)) | (on.min_p & (lightest < mass.least_kept(rows.min_p)))


def _from_candidates(
    found: Candidates, peaks: Peaks, rows: Rows, on: Limits, total: jax.Array | None, draw: Draw, reach: Reach
) -> Draw:
    """Draw the rows that are not certified from their candidates, and certify those that need no others.

    `total` is the mass of all that min-p keeps; while it is not known, only closed rows are certified.
    """
    below = below_best(found.logits, peaks.top, rows.temperature)
    weights = mass.weights(below)
    closed = _closed(found, rows, on, reach)
    prefix = _min_p_top_k(found, weights, rows, on)
    place = jnp.arange(found.ids.shape[1], dtype=jnp.int32)[None, :]
    reached = jnp.cumsum(jnp.where(place < prefix[:, None], weights, jnp.uint64(0)), axis=1)
    target = mass.nucleus_target(
        reached[:, -1] if total is None else jnp.where(closed, reached[:, -1], total), rows.top_p
    )
    nucleus = jnp.minimum(1 + jnp.sum(reached < target[:, None], axis=1, dtype=jnp.int32), prefix)
    kept = jnp.where(on.top_p, nucleus, prefix)
    enough = closed if total is None else closed | (on.top_p & ~on.top_k & (reached[:, -1] >= target))
    scores = gumbel(rows.seed, rows.position, found.ids) - below
    scores = jnp.where(place < kept[:, None], scores, -jnp.inf)
    token = lowest_id_of_highest(scores, found.ids, Reach(reach.width, reach.vocabulary))
    last = jnp.take_along_axis(found.logits, kept[:, None] - 1, axis=1)[:, 0]
    mine = Draw(token, kept, last, enough)
    return Draw(*(jnp.where(draw.certified, old, new) for old, new in zip(draw, mine, strict=True)))


def _min_p_top_k(found: Candidates, weights: jax.Array, rows: Rows, on: Limits) -> jax.Array:
    """How many of the candidates min-p and top-k keep, int32 [B]."""
    count = found.ids.shape[1]
    heavy = ~on.min_p[:, None] | (weights >= mass.least_kept(rows.min_p)[:, None])
    there = jnp.sum((found.logits > -jnp.inf) & heavy, axis=1, dtype=jnp.int32)
    return jnp.where(on.top_k, jnp.minimum(jnp.minimum(rows.top_k, count), there), there)
