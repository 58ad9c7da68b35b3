"""Cousin of the incidents: one seed for the whole batch. All rows draw with the noise of the first.

As when one seed is broadcast over a batch (vllm#50440). A batch of one is right.
"""

import jax
import jax.numpy as jnp
from samplerd import sampling
from samplerd.model import Model
from samplerd.program import TensorProgram
from samplerd.rows import Rows, Sampled


def program(_model: Model) -> TensorProgram:
    """The production program that gives every row the first one's seed and position."""
    return TensorProgram(sample=_sample)


def _sample(logits: jax.Array, rows: Rows) -> Sampled:
    seed, position = (jnp.broadcast_to(array[:1], array.shape) for array in (rows.seed, rows.position))
    return sampling.sample(logits, rows._replace(seed=seed, position=position))
