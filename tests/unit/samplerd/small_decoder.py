"""A small decoder with random weights: real attention over a real cache of keys and values."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from samplerd import transformer
from samplerd.model import Head, Model
from samplerd.model_file import Shape
from samplerd.synthetic import ToyTokenizer
from samplerd.transformer import Layer, Weights

SHAPE = Shape(
    vocabulary=97,
    layers=3,
    width=48,
    query_heads=6,
    kv_heads=2,
    head_size=8,
    max_context=64,
    rope_base=1000.0,
    norm_epsilon=1e-5,
)
_HIDDEN = 80


def weights(shape: Shape, context: int) -> Weights:
    """Random weights of a shape, always the same."""
    rng = np.random.default_rng(11)

    def matrix(*size: int) -> jax.Array:
        return jnp.asarray(rng.standard_normal(size) / np.sqrt(size[-1]), jnp.float32)

    def norm() -> jax.Array:
        return jnp.asarray(1 + 0.1 * rng.standard_normal(shape.width), jnp.float32)

    width, mixed = shape.width, (shape.query_heads + 2 * shape.kv_heads) * shape.head_size
    layers = tuple(
        Layer(
            norm(),
            matrix(mixed, width),
            matrix(width, width),
            norm(),
            matrix(2 * _HIDDEN, width),
            matrix(width, _HIDDEN),
        )
        for _ in range(shape.layers)
    )
    tables = transformer.rotation_tables(shape, context)
    return Weights(matrix(shape.vocabulary, width) * 4, layers, norm(), *tables)


def model(context: int) -> Model:
    """The decoder as a model that an engine can serve, with the toy's tokenizer."""
    tokenizer = ToyTokenizer()
    shape = dataclasses.replace(SHAPE, vocabulary=tokenizer.size)
    return Model(
        name="small-decoder",
        vocabulary=tokenizer.size,
        context=context,
        tokenizer=tokenizer,
        weights=weights(shape, context),
        empty_cache=lambda slots: transformer.empty_cache(shape, slots, context),
        body=partial(transformer.body, shape),
        head=Head(matrices=lambda weights: weights.embedding, logits=transformer.head, token_axis=0),
        prefill=partial(transformer.prefill, shape),
    )
