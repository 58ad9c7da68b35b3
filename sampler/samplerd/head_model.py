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

from samplerd.model import Head, Model

CONTEXT = 64


class Weights(NamedTuple):
    """The weights."""

    hidden: jax.Array  # [N, D]: the hidden state after each of N tokens
    matrix: jax.Array  # [D, V]


def head_model(model: Model, hidden: npt.NDArray[np.float32], matrix: npt.NDArray[np.float32], dtype: str) -> Model:
    """A model with the tokenizer of another one: token t of N gives hidden [N, D] row t times matrix [D, V]."""
    return dataclasses.replace(
        model,
        vocabulary=matrix.shape[1],
        context=CONTEXT,
        weights=Weights(jnp.asarray(hidden, dtype), jnp.asarray(matrix, dtype)),
        empty_cache=lambda _slots: (),
        body=_body,
        head=Head(matrices=lambda weights: weights.matrix, logits=_head, token_axis=1),
        prefill=_prefill,
    )


def _body(weights: Weights, cache: tuple[()], tokens: jax.Array, _positions: jax.Array) -> tuple[jax.Array, tuple[()]]:
    return weights.hidden[tokens], cache


def _head(matrix: jax.Array, hidden: jax.Array) -> jax.Array:
    return hidden @ matrix


def _prefill(_weights: Weights, cache: tuple[()], _tokens: jax.Array, _start: jax.Array, _slot: jax.Array) -> tuple[()]:
    return cache
