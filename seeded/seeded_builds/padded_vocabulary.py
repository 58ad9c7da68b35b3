"""Cousin of the incidents: the padding of the vocabulary can win. Tokens come out that do not exist.

The logits are padded to whole tiles, and what stands in the padding is what a tile's idle lanes read again: the row's
own beginning (vllm#44744, mirage#751). The sampler takes the width of the array for the size of the vocabulary. At
temperature 0 it is right: of two equal logits the lower id wins.
"""

import jax
import jax.numpy as jnp
from samplerd import sampling
from samplerd.model import Model
from samplerd.program import TensorProgram
from samplerd.rows import Rows, Sampled

_TILE = 362
"""A width at which the padding repeats tokens that are said: words of the toy model, the real one's punctuation."""


def program(_model: Model) -> TensorProgram:
    """The production program over a row that is wider than the vocabulary."""
    return TensorProgram(sample=_sample)


def _sample(logits: jax.Array, rows: Rows) -> Sampled:
    width = (logits.shape[1] // _TILE + 1) * _TILE
    return sampling.sample(jnp.pad(logits, ((0, 0), (0, width - logits.shape[1])), mode="wrap"), rows)
