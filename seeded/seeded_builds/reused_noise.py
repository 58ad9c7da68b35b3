"""Cousin of the incidents: randomness is used twice. Every step of an answer draws with the same noise.

As when a generator's offset is not moved on, or its key is made once (tpu-inference#1189, TensorRT-Edge-LLM#211).
"""

import jax
import jax.numpy as jnp
from samplerd import sampling
from samplerd.model import Model
from samplerd.program import TensorProgram
from samplerd.rows import Rows, Sampled


def program(_model: Model) -> TensorProgram:
    """The production program that takes every position for the first."""
    return TensorProgram(sample=_sample)


def _sample(logits: jax.Array, rows: Rows) -> Sampled:
    return sampling.sample(logits, rows._replace(position=jnp.zeros_like(rows.position)))
