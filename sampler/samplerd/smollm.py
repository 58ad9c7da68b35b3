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
from samplerd.model_file import ModelFile, ModelFileError, Shape, believed, find_model_file
from samplerd.tokenizer import SmolTokenizer
from samplerd.transformer import Layer, Weights

NAME = "smollm2-135m"

_Matrix = npt.NDArray[np.float32]


def load(context: int, path: Path | None = None) -> Model:
    """Load the model for sequences of up to `context` tokens. Raises ModelFileError."""
    file = ModelFile(find_model_file(path))
    shape = file.shape()
    if context > shape.max_context:
        most = f"reads at most {shape.max_context} tokens"
        raise ModelFileError(f"the model in {file.path} {most}: --context {context} is too long")
    with believed(file.path, f"holds no tokenizer of {NAME}"):
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
    embedding = _on_device(_read(file, "token_embd.weight", shape.vocabulary, shape.width))
    cosine, sine = transformer.rotation_tables(shape, context)
    return Weights(
        embedding=embedding,
        layers=tuple(_layer(file, shape, f"blk.{index}") for index in range(shape.layers)),
        output_norm=_on_device(_read(file, "output_norm.weight", shape.width)),
        cosine=cosine,
        sine=sine,
    )


def _layer(file: ModelFile, shape: Shape, prefix: str) -> Layer:
    width, keys = shape.width, shape.kv_heads * shape.head_size
    hidden = int(file.number("llama.feed_forward_length"))

    def read(name: str, *sizes: int) -> _Matrix:
        return _read(file, f"{prefix}.{name}.weight", *sizes)

    query = unpermute(read("attn_q", width, width), shape.query_heads)
    key, value = unpermute(read("attn_k", keys, width), shape.kv_heads), read("attn_v", keys, width)
    return Layer(
        attention_norm=_on_device(read("attn_norm", width)),
        query_key_value=_on_device(np.concatenate([query, key, value])),
        attention_output=_on_device(read("attn_output", width, width)),
        mlp_norm=_on_device(read("ffn_norm", width)),
        gate_up=_on_device(np.concatenate([read("ffn_gate", hidden, width), read("ffn_up", hidden, width)])),
        down=_on_device(read("ffn_down", width, hidden)),
    )


def _read(file: ModelFile, name: str, *sizes: int) -> _Matrix:
    """A tensor of these sizes, as the file's own metadata promise it."""
    array = file.tensor(name)
    if array.shape != sizes:
        raise ModelFileError(f"{file.path}: the tensor {name} has the shape {array.shape}, not {sizes}")
    return array


def unpermute(matrix: _Matrix, heads: int) -> _Matrix:
    """Undo the file's order of a head's rows, which puts the rotary pair (i, i + N / 2) side by side.

    Rotating halves without this gives fluent junk and no error at all.
    """
    rows, columns = matrix.shape
    pairs = matrix.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def _on_device(array: _Matrix) -> jax.Array:
    return jnp.asarray(array).block_until_ready()
