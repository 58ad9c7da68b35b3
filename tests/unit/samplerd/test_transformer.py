"""The decoder with small random weights against a float64 forward pass written apart from it, and against itself."""

from functools import partial
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import pytest
from samplerd import transformer
from samplerd.transformer import Weights

from tests.unit.samplerd import small_decoder
from tests.unit.samplerd.reference import forward
from tests.unit.samplerd.small_decoder import SHAPE

CONTEXT = 32


@pytest.fixture(scope="module")
def weights() -> Weights:
    return small_decoder.weights(SHAPE, CONTEXT)


@jax.jit
def decode(weights: Weights, cache: Any, tokens: Any, positions: Any) -> Any:
    hidden, cache = transformer.body(SHAPE, weights, cache, tokens, positions)
    return transformer.head(weights.embedding, hidden), cache


prefill: Any = jax.jit(partial(transformer.prefill, SHAPE))


def step_by_step(weights: Weights, tokens: list[int], *, slot: int, slots: int) -> npt.NDArray[np.float32]:
    """Logits after each token, [len(tokens), V], with idle company in the other slots."""
    cache = transformer.empty_cache(SHAPE, slots, CONTEXT)
    out = []
    for position, token in enumerate(tokens):
        batch, positions = np.zeros(slots, np.int32), np.full(slots, CONTEXT - 1, np.int32)
        batch[slot], positions[slot] = token, position
        logits, cache = decode(weights, cache, batch, positions)
        out.append(np.asarray(logits[slot]))
    return np.stack(out)


TOKENS = [int(token) for token in np.random.default_rng(12).integers(0, 97, 20)]


def test_logits_equal_the_independent_forward_pass(weights: Weights) -> None:
    expected = forward(SHAPE, weights, TOKENS)
    for slot in (0, 2):
        got = step_by_step(weights, TOKENS, slot=slot, slots=3)
        assert np.abs(got - expected).max() < 2e-4


@pytest.mark.parametrize("chunk", [4, 7, 16])
def test_reading_in_chunks_is_reading_token_by_token(weights: Weights, chunk: int) -> None:
    expected = forward(SHAPE, weights, TOKENS)[-1]
    cache = transformer.empty_cache(SHAPE, 2, CONTEXT)
    cache = jax.tree.map(lambda array: array + 3.0, cache)  # what another sequence left behind
    done = 0
    while done < len(TOKENS) - 1:
        part = TOKENS[done:-1][:chunk]
        padded = np.zeros(chunk, np.int32)
        padded[: len(part)] = part
        cache = prefill(weights, cache, padded, np.int32(done), np.int32(1))
        done += len(part)
    tokens, positions = np.array([0, TOKENS[-1]], np.int32), np.array([CONTEXT - 1, len(TOKENS) - 1], np.int32)
    logits, _ = decode(weights, cache, tokens, positions)
    assert np.abs(np.asarray(logits[1]) - expected).max() < 2e-4
