"""Loads SmolLM2-135M-Instruct from its GGUF file, tensor by tensor so that memory never holds it twice."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from samplerd import transformer
from samplerd.memory import release_memory
from samplerd.model import Head, Model
from samplerd.model_file import ModelFile, ModelFileError, Shape, find_model_file
from samplerd.tokenizer import SmolTokenizer
from samplerd.transformer import Layer, Weights

NAME = "smollm2-135m"

_Matrix = npt.NDArray[np.float32]


def load(context: int, path: Path | None = None) -> Model:
    """Load the model for sequences of up to `context` tokens. Raises ModelFileError."""
    file = ModelFile(find_model_file(path))
    shape = file.shape()
    if context > shape.max_context:
        raise ModelFileError(f"the model reads at most {shape.max_context} tokens; --context {context} is too long")
    tokenizer = SmolTokenizer(file)
    weights = _weights(file, shape, context)
    del file
    release_memory()
    return Model(
        name=NAME,
        vocabulary=shape.vocabulary,
        context=context,
        tokenizer=tokenizer,
        weights=weights,
        empty_cache=lambda slots: transformer.empty_cache(shape, slots, context),
        body=partial(transformer.body, shape),
        head=Head(matrices=lambda weights: weights.embedding, logits=transformer.head, token_axis=0),
        prefill=partial(transformer.prefill, shape),
    )


def _weights(file: ModelFile, shape: Shape, context: int) -> Weights:
    cosine, sine = transformer.rotation_tables(shape, context)
    return Weights(
        embedding=_on_device(file.tensor("token_embd.weight")),
        layers=tuple(_layer(file, shape, f"blk.{index}") for index in range(shape.layers)),
        output_norm=_on_device(file.tensor("output_norm.weight")),
        cosine=cosine,
        sine=sine,
    )


def _layer(file: ModelFile, shape: Shape, prefix: str) -> Layer:
    query = unpermute(file.tensor(f"{prefix}.attn_q.weight"), shape.query_heads)
    key = unpermute(file.tensor(f"{prefix}.attn_k.weight"), shape.kv_heads)
    value = file.tensor(f"{prefix}.attn_v.weight")
    gate, up = file.tensor(f"{prefix}.ffn_gate.weight"), file.tensor(f"{prefix}.ffn_up.weight")
    return Layer(
        attention_norm=_on_device(file.tensor(f"{prefix}.attn_norm.weight")),
        query_key_value=_on_device(np.concatenate([query, key, value])),
        attention_output=_on_device(file.tensor(f"{prefix}.attn_output.weight")),
        mlp_norm=_on_device(file.tensor(f"{prefix}.ffn_norm.weight")),
        gate_up=_on_device(np.concatenate([gate, up])),
        down=_on_device(file.tensor(f"{prefix}.ffn_down.weight")),
    )


def unpermute(matrix: _Matrix, heads: int) -> _Matrix:
    """Undo the file's order of a head's rows, which puts the rotary pair (i, i + N / 2) side by side.

    Rotating halves without this gives fluent junk and no error at all.
    """
    rows, columns = matrix.shape
    pairs = matrix.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def _on_device(array: _Matrix) -> jax.Array:
    return jnp.asarray(array).block_until_ready()
