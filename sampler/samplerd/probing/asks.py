"""What is asked: prompts of stock words, and parameters from all of the sampler's paths. Nothing of a user's."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_OPENINGS: Final = (
    "Write two sentences about",
    "Explain in simple words",
    "Give one example of",
    "Name three things to know about",
    "What is the difference between today and a hundred years ago for",
)
_SUBJECTS: Final = (
    "a river", "the moon", "bread", "a bicycle", "the tides", "a lighthouse", "glass", "a garden in winter",
    "paper", "a railway", "salt", "the wind", "a bridge", "honey", "a clock", "the harvest",
)  # fmt: skip
_CODE: Final = ("sum", "median", "reverse", "count the words of", "sort", "remove duplicates from")

PARAMETERS: Final[tuple[Mapping[str, Any], ...]] = (
    {"temperature": 0},
    {"temperature": 1},
    {"temperature": 0.7, "top_p": 0.9},
    {"temperature": 1, "top_k": 40},
    {"temperature": 0.8, "top_k": 20, "top_p": 0.95},
    {"temperature": 1, "min_p": 0.05},
)
"""One after the other. None has a seed: what a server draws by itself calibrates (docs/metrics.md)."""


@dataclass
class Asks:
    """An endless supply."""

    max_tokens: int
    rng: random.Random
    _made: int = 0

    def next(self) -> bytes:
        """The body of one `POST /v1/chat/completions`."""
        parameters = PARAMETERS[self._made % len(PARAMETERS)]
        self._made += 1
        message = {"role": "user", "content": self.prompt()}
        return json.dumps({"messages": [message], "max_tokens": self.max_tokens, **parameters}).encode()

    def prompt(self) -> str:
        """A prompt of stock words."""
        if self.rng.random() < 0.25:
            return (
                f"Write a short Python function to {self.rng.choice(_CODE)} a list of {self.rng.randint(2, 99)} items."
            )
        return f"{self.rng.choice(_OPENINGS)} {self.rng.choice(_SUBJECTS)}."
