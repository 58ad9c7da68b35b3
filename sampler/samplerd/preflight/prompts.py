"""Fixed synthetic prompts, and the log-probabilities that a model gives to each of their tokens.

Read token by token with the prompt's own next token forced, so that they depend on the logits alone and not on any
draw: what goes wrong upstream of the sampler shows here, beside another build's or another pool's numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from samplerd.model import Model

LENGTH = 16
"""Tokens of each prompt that are read."""
TEXTS = (
    "The river runs down from the hills to the sea, and the people of the valley have lived beside it for years.",
    "def mean(values):\n    total = 0\n    for value in values:\n        total += value\n    return total",
    "In 1969 the crew of 3 flew 384400 km; 12 people have walked there since, the last of them in 1972.",
    "Question: which of these is a city? (a) Paris (b) Seine (c) Alps. Answer: it is the first of the three.",
)

Floats64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """A prompt's tokens and the log-probability of each after the first, in nats."""

    prompt: int
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]


def prompts(model: Model) -> list[tuple[int, ...]]:
    """The prompts as tokens of a model, cut to what is read."""
    length = min(LENGTH, model.context - 1)
    return [tuple(model.tokenizer.encode(text)[:length]) for text in TEXTS]


def log_softmax(logits: npt.NDArray[np.float32]) -> Floats64:
    """Log-probabilities [..., V] in float64."""
    exact = logits.astype(np.float64)
    below = exact - exact.max(axis=-1, keepdims=True)
    whole: Floats64 = below - np.log(np.exp(below).sum(axis=-1, keepdims=True))
    return whole


def scored(number: int, tokens: Sequence[int], logits: Sequence[npt.NDArray[np.float32]]) -> Scored:
    """Score a prompt by the logits [V] after each of its tokens but the last."""
    after = zip(tokens[1:], logits, strict=False)
    return Scored(number, tuple(tokens), tuple(round(float(log_softmax(row)[token]), 6) for token, row in after))
