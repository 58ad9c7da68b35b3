"""What the engine needs of a language model, whichever it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from samplerd.tokenizer import Tokenizer

# A pytree of arrays; its inner shape is the model's own affair.
Pytree = Any


@dataclass(frozen=True)
class Model:
    """A language model as pure functions over its weights and a cache.

    `decode(weights, cache, tokens [B], positions [B])` gives float32 logits [B, V] of the first B slots, and the cache.
    `prefill(weights, cache, tokens [C], start, slot)` gives the cache with a chunk of a prompt in one slot.
    `empty_cache(slots)` gives a cache for sequences of up to `context` tokens.
    """

    name: str
    vocabulary: int
    context: int
    tokenizer: Tokenizer
    weights: Pytree
    empty_cache: Callable[[int], Pytree]
    decode: Callable[[Pytree, Pytree, jax.Array, jax.Array], tuple[jax.Array, Pytree]]
    prefill: Callable[[Pytree, Pytree, jax.Array, jax.Array, jax.Array], Pytree]
