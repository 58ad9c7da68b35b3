"""Cousin of the incidents: the temperature is ignored. What is drawn at random is drawn at temperature 1.

Temperature 0 is right, and so is 1: a test that tries only these two sees nothing.
"""

import jax
import jax.numpy as jnp
from samplerd import sampling
from samplerd.model import Model
from samplerd.program import TensorProgram
from samplerd.rows import Rows, Sampled, is_random


def program(_model: Model) -> TensorProgram:
    """The production program without the temperature."""
    return TensorProgram(sample=_sample)


def _sample(logits: jax.Array, rows: Rows) -> Sampled:
    ignored = jnp.where(is_random(rows.temperature), jnp.float32(1), rows.temperature)
    return sampling.sample(logits, rows._replace(temperature=ignored))
