"""How a token is drawn: the step in which a build can be wrong while every answer still comes, and comes in time."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence


def draw(logprobs: Sequence[float], temperature: float, rng: random.Random) -> int:
    """A token's number. At temperature 0 the most likely one, the first of several that are."""
    if temperature == 0:
        return max(range(len(logprobs)), key=logprobs.__getitem__)
    scaled = [one / temperature for one in logprobs]
    most = max(scaled)
    return rng.choices(range(len(scaled)), weights=[math.exp(one - most) for one in scaled])[0]
