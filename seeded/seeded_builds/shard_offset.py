"""Cousin of the incidents: a wrong offset for uneven shards. A shard's own place is returned as the place of all.

The vocabulary is split over four devices (five where four split it evenly), and each adds (its rank) x (its own width)
to the places it finds. That is right as long as all parts are equally wide; the last one is narrower (nkipy#52,
TensorRT-LLM#18836). The devices are emulated by `vmap`, through the same code that runs over a real mesh.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
from jax import lax
from samplerd import sampling
from samplerd.model import Model
from samplerd.program import TensorProgram
from samplerd.reach import Reach
from samplerd.rows import Rows, Sampled

_AXIS = "vocabulary"


class _MisplacedReach(Reach):
    """A part that thinks all others are as wide as itself."""

    def offset(self) -> jax.Array:
        rank = lax.axis_index(self.axis).astype(jnp.int32)
        own = jnp.minimum(jnp.int32(self.width), jnp.int32(self.vocabulary) - rank * jnp.int32(self.width))
        return rank * own


def program(_model: Model) -> TensorProgram:
    """The production program over misplaced parts."""
    return TensorProgram(sample=_sample)


def _sample(logits: jax.Array, rows: Rows) -> Sampled:
    return over_parts(logits, rows, _MisplacedReach)


def over_parts(logits: jax.Array, rows: Rows, kind: type[Reach]) -> Sampled:
    """Sample logits [B, V] in uneven parts; every part gives the same answer if they know where they stand."""
    vocabulary = logits.shape[1]
    count = next(count for count in itertools.count(4) if vocabulary % count)
    width = -(-vocabulary // count)
    padded = jnp.pad(logits, ((0, 0), (0, width * count - vocabulary)))
    parts = jnp.moveaxis(padded.reshape(-1, count, width), 1, 0)
    sample = functools.partial(sampling.sample_part, reach=kind(width, vocabulary, _AXIS))
    sampled = jax.vmap(sample, in_axes=(0, None), axis_name=_AXIS)(parts, rows)
    first: Sampled = jax.tree.map(lambda array: array[0], sampled)
    return first
