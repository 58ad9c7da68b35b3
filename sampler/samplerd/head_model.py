"""A model that is nothing but its last product: hidden states times a head, in any float type.

What goes wrong between the last dot and the sampler depends on the two being one program, on the float type and on the
shape, and not on the layers before. This model compiles in seconds where a whole one takes minutes.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from samplerd.model import Model

CONTEXT = 64


class Head(NamedTuple):
    """The weights."""

    hidden: jax.Array  # [N, D]: the hidden state after each of N tokens
    matrix: jax.Array  # [D, V]


def head_model(model: Model, hidden: npt.NDArray[np.float32], matrix: npt.NDArray[np.float32], dtype: str) -> Model:
    """A model with the tokenizer of another one: token t of N gives hidden [N, D] row t times matrix [D, V]."""
    return dataclasses.replace(
        model,
        vocabulary=matrix.shape[1],
        context=CONTEXT,
        weights=Head(jnp.asarray(hidden, dtype), jnp.asarray(matrix, dtype)),
        empty_cache=lambda _slots: (),
        decode=_decode,
        prefill=_prefill,
    )


def _decode(weights: Head, cache: tuple[()], tokens: jax.Array, _positions: jax.Array) -> tuple[jax.Array, tuple[()]]:
    return weights.hidden[tokens] @ weights.matrix, cache


def _prefill(_weights: Head, cache: tuple[()], _tokens: jax.Array, _start: jax.Array, _slot: jax.Array) -> tuple[()]:
    return cache
