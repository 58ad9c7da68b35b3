"""A Llama-style forward pass in float64 NumPy, written apart from the decoder: whole sequences, no cache."""

import numpy as np
import numpy.typing as npt
from samplerd.model_file import Shape
from samplerd.transformer import Weights

Array = npt.NDArray[np.float64]


def forward(shape: Shape, weights: Weights, tokens: list[int]) -> Array:
    """Logits after each token, [len(tokens), V]."""
    embedding = np.asarray(weights.embedding, np.float64)
    x = embedding[tokens]
    for layer in weights.layers:
        arrays = {name: np.asarray(value, np.float64) for name, value in layer._asdict().items()}
        x = x + _attention(shape, _norm(x, arrays["attention_norm"], shape), arrays)
        hidden = _norm(x, arrays["mlp_norm"], shape) @ arrays["gate_up"].T
        gate, up = hidden[:, : hidden.shape[1] // 2], hidden[:, hidden.shape[1] // 2 :]
        x = x + (gate / (1 + np.exp(-gate)) * up) @ arrays["down"].T
    result: Array = _norm(x, np.asarray(weights.output_norm, np.float64), shape) @ embedding.T
    return result


def _norm(x: Array, weight: Array, shape: Shape) -> Array:
    result: Array = x / np.sqrt((x**2).mean(axis=1, keepdims=True) + shape.norm_epsilon) * weight
    return result


def _turn(heads: Array, shape: Shape) -> Array:
    """Rotary embedding by complex numbers: pair i of a head turns by position x base^(-2 i / size)."""
    half = shape.head_size // 2
    frequency = shape.rope_base ** (-np.arange(half) / half)
    angle = np.exp(1j * np.arange(len(heads))[:, None] * frequency)[:, None, :]
    turned = (heads[..., :half] + 1j * heads[..., half:]) * angle
    return np.concatenate([turned.real, turned.imag], axis=-1)


def _attention(shape: Shape, x: Array, arrays: dict[str, Array]) -> Array:
    size, count = shape.head_size, len(x)
    heads = (x @ arrays["query_key_value"].T).reshape(count, -1, size)
    query = _turn(heads[:, : shape.query_heads], shape)
    key = _turn(heads[:, shape.query_heads : shape.query_heads + shape.kv_heads], shape)
    value = heads[:, shape.query_heads + shape.kv_heads :]
    future = np.triu(np.ones((count, count), bool), 1)
    mixed = np.zeros((count, shape.query_heads, size))
    for head in range(shape.query_heads):
        shared = head * shape.kv_heads // shape.query_heads
        scores = query[:, head] @ key[:, shared].T / np.sqrt(size)
        scores[future] = -np.inf
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        mixed[:, head] = scores / scores.sum(axis=1, keepdims=True) @ value[:, shared]
    result: Array = mixed.reshape(count, -1) @ arrays["attention_output"].T
    return result
