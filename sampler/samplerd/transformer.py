"""A Llama-style decoder in plain JAX: float32, one array of keys and one of values per layer.

Names of axes: B rows of a batch, C tokens of a prompt chunk, S slots of the cache, T positions of the context, D width,
H = KV x G query heads (G of them share one key/value head), N head size, V vocabulary.

Layers are unrolled and the cache is donated: on the CPU that is faster than a scan over stacked layers. The prompt is
read in chunks that fill the cache and nothing else; its last token goes through `decode`, so that every token that is
ever sampled comes from the few decode programs.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from samplerd.model_file import Shape


class Layer(NamedTuple):
    """The weights of one layer. Matrices are [out, in]; projections that read the same input are stacked."""

    attention_norm: jax.Array  # [D]
    query_key_value: jax.Array  # [(H + 2 KV) N, D]
    attention_output: jax.Array  # [D, H N]
    mlp_norm: jax.Array  # [D]
    gate_up: jax.Array  # [2 F, D]
    down: jax.Array  # [D, F]


class Weights(NamedTuple):
    """All weights. The output head is the embedding itself."""

    embedding: jax.Array  # [V, D]
    layers: tuple[Layer, ...]
    output_norm: jax.Array  # [D]
    cosine: jax.Array  # [T, N / 2]
    sine: jax.Array  # [T, N / 2]


class LayerCache(NamedTuple):
    """Keys and values of one layer, [S, KV, T, N] each."""

    keys: jax.Array
    values: jax.Array


Cache = tuple[LayerCache, ...]


def empty_cache(shape: Shape, slots: int, context: int) -> Cache:
    """Make a zeroed cache for `slots` sequences of at most `context` tokens."""
    size = (slots, shape.kv_heads, context, shape.head_size)
    return tuple(LayerCache(jnp.zeros(size, jnp.float32), jnp.zeros(size, jnp.float32)) for _ in range(shape.layers))


def rotation_tables(shape: Shape, context: int) -> tuple[jax.Array, jax.Array]:
    """Cosines and sines of the rotary embedding, [T, N / 2]: angle = position x base^(-2 i / N)."""
    exponents = jnp.arange(0, shape.head_size, 2, dtype=jnp.float32) / shape.head_size
    angles = jnp.arange(context, dtype=jnp.float32)[:, None] * (shape.rope_base**-exponents)[None, :]
    return jnp.cos(angles), jnp.sin(angles)


def _project(inputs: jax.Array, matrix: jax.Array) -> jax.Array:
    """Multiply [rows, in] by [out, in]."""
    return lax.dot_general(inputs, matrix, (((1,), (1,)), ((), ())))


def _norm(inputs: jax.Array, weight: jax.Array, epsilon: float) -> jax.Array:
    mean_square = jnp.mean(inputs * inputs, axis=-1, keepdims=True)
    return inputs * lax.rsqrt(mean_square + jnp.float32(epsilon)) * weight


def _rotate(heads: jax.Array, cosine: jax.Array, sine: jax.Array) -> jax.Array:
    """Rotate [rows, heads, N] by halves (i, i + N / 2); the loader has undone the file's interleaving."""
    first, second = jnp.split(heads, 2, axis=-1)
    cosine, sine = cosine[:, None, :], sine[:, None, :]
    return jnp.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)


def _mlp(x: jax.Array, layer: Layer, shape: Shape) -> jax.Array:
    gate, up = jnp.split(_project(_norm(x, layer.mlp_norm, shape.norm_epsilon), layer.gate_up), 2, axis=-1)
    return x + _project(jax.nn.silu(gate) * up, layer.down)


def _heads(
    x: jax.Array, layer: Layer, shape: Shape, cosine: jax.Array, sine: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Rotated queries [rows, KV, G, N], rotated keys and values [rows, KV, N]."""
    rows, kv, size = x.shape[0], shape.kv_heads, shape.head_size
    mixed = _project(_norm(x, layer.attention_norm, shape.norm_epsilon), layer.query_key_value)
    mixed = mixed.reshape(rows, shape.query_heads + 2 * kv, size)
    queries, keys, values = jnp.split(mixed, [shape.query_heads, shape.query_heads + kv], axis=1)
    queries = _rotate(queries, cosine, sine).reshape(rows, kv, shape.query_heads // kv, size)
    return queries, _rotate(keys, cosine, sine), values


def _softmax(scores: jax.Array, visible: jax.Array) -> jax.Array:
    scores = jnp.where(visible, scores, -jnp.inf)
    weights = jnp.exp(scores - jnp.max(scores, axis=-1, keepdims=True))
    return weights / jnp.sum(weights, axis=-1, keepdims=True)


def _put_rows(cached: jax.Array, new: jax.Array, positions: jax.Array) -> jax.Array:
    """Write [B, KV, N] at each row's position, one small update in place a row: a scatter would copy the cache."""
    for row in range(new.shape[0]):
        cached = lax.dynamic_update_slice(cached, new[row][None, :, None, :], _start(row, positions[row]))
    return cached


def _start(slot: int | jax.Array, position: jax.Array) -> tuple[jax.Array, ...]:
    """Where in [S, KV, T, N] a slot's position begins; all indices of one integer type."""
    zero = jnp.int32(0)
    return jnp.int32(slot), zero, jnp.int32(position), zero


def _decode_attention(
    queries: jax.Array, keys: jax.Array, values: jax.Array, positions: jax.Array, scale: float
) -> jax.Array:
    """One query a row: [B, KV, G, N] against [B, KV, T, N] up to and including its position."""
    visible = jnp.arange(keys.shape[2], dtype=jnp.int32)[None, :] <= positions[:, None]
    scores = jnp.einsum("bkgn,bktn->bkgt", queries, keys) * jnp.float32(scale)
    return jnp.einsum("bkgt,bktn->bkgn", _softmax(scores, visible[:, None, None, :]), values)


def body(
    shape: Shape, weights: Weights, cache: Cache, tokens: jax.Array, positions: jax.Array
) -> tuple[jax.Array, Cache]:
    """Read one token [B] at its position [B] for each of the first B slots; give what the head reads [B, D]."""
    rows = tokens.shape[0]
    x = weights.embedding[tokens]
    cosine, sine = weights.cosine[positions], weights.sine[positions]
    new_cache = []
    for layer, cached in zip(weights.layers, cache, strict=True):
        queries, keys, values = _heads(x, layer, shape, cosine, sine)
        new = LayerCache(_put_rows(cached.keys, keys, positions), _put_rows(cached.values, values, positions))
        mixed = _decode_attention(queries, new.keys[:rows], new.values[:rows], positions, shape.head_size**-0.5)
        x = x + _project(mixed.reshape(rows, -1), layer.attention_output)
        x = _mlp(x, layer, shape)
        new_cache.append(new)
    return _norm(x, weights.output_norm, shape.norm_epsilon), tuple(new_cache)


def head(embedding: jax.Array, hidden: jax.Array) -> jax.Array:
    """Logits [B, N] of the tokens whose rows of the embedding [N, D] are given."""
    return _project(hidden, embedding)


def _chunk_attention(
    queries: jax.Array, keys: jax.Array, values: jax.Array, positions: jax.Array, scale: float
) -> jax.Array:
    """C queries of one slot: [C, KV, G, N] against [KV, T, N], each up to and including its position."""
    visible = jnp.arange(keys.shape[1], dtype=jnp.int32)[None, :] <= positions[:, None]
    scores = jnp.einsum("ckgn,ktn->kgct", queries, keys) * jnp.float32(scale)
    return jnp.einsum("kgct,ktn->ckgn", _softmax(scores, visible[None, None]), values)


def prefill(
    shape: Shape, weights: Weights, cache: Cache, tokens: jax.Array, start: jax.Array, slot: jax.Array
) -> Cache:
    """Put the keys and values of a chunk of tokens [C] at positions start ... start + C - 1 of one slot into the cache.

    start + C must not exceed the context. Padding behind the prompt's end does no harm: a position is written anew by
    the token that really stands there before any later token looks at it.
    """
    x = weights.embedding[tokens]
    positions = start + jnp.arange(tokens.shape[0], dtype=jnp.int32)
    cosine, sine = weights.cosine[positions], weights.sine[positions]
    new_cache = []
    for layer, cached in zip(weights.layers, cache, strict=True):
        queries, keys, values = _heads(x, layer, shape, cosine, sine)
        all_keys = lax.dynamic_update_slice(cached.keys, keys.swapaxes(0, 1)[None], _start(slot, start))
        all_values = lax.dynamic_update_slice(cached.values, values.swapaxes(0, 1)[None], _start(slot, start))
        mixed = _chunk_attention(queries, all_keys[slot], all_values[slot], positions, shape.head_size**-0.5)
        x = x + _project(mixed.reshape(tokens.shape[0], -1), layer.attention_output)
        x = _mlp(x, layer, shape)
        new_cache.append(LayerCache(all_keys, all_values))
    return tuple(new_cache)
