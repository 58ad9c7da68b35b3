"""What the engine needs of a language model, whichever it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from samplerd.tokenizer import Tokenizer

# A pytree of arrays; its inner shape is the model's own affair.
Pytree = Any


@dataclass(frozen=True)
class Head:
    """A model's last product, by itself, so that it can be made for a part of the vocabulary only.

    `matrices(weights)` are the arrays that have an entry for every token of the vocabulary, along `token_axis`;
    `logits(matrices, state)` gives logits [B, N] of the N tokens that they hold.
    """

    matrices: Callable[[Pytree], Pytree]
    logits: Callable[[Pytree, Pytree], jax.Array]
    token_axis: int


@dataclass(frozen=True)
class Model:
    """A language model as pure functions over its weights and a cache.

    `body(weights, cache, tokens [B], positions [B])` gives what the head needs of the first B slots, and the cache.
    `prefill(weights, cache, tokens [C], start, slot)` gives the cache with a chunk of a prompt in one slot.
    `empty_cache(slots)` gives a cache for sequences of up to `context` tokens.
    """

    name: str
    vocabulary: int
    context: int
    tokenizer: Tokenizer
    weights: Pytree
    empty_cache: Callable[[int], Pytree]
    body: Callable[[Pytree, Pytree, jax.Array, jax.Array], tuple[Pytree, Pytree]]
    head: Head
    prefill: Callable[[Pytree, Pytree, jax.Array, jax.Array, jax.Array], Pytree]

    def decode(
        self, weights: Pytree, cache: Pytree, tokens: jax.Array, positions: jax.Array
    ) -> tuple[jax.Array, Pytree]:
        """Read one token [B] at its position [B]; give the logits [B, V] of the first B slots, and the cache."""
        state, cache = self.body(weights, cache, tokens, positions)
        return self.head.logits(self.head.matrices(weights), state), cache
