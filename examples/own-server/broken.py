"""Builds that are wrong on purpose: the server as it is, with another way to draw a token. Never in a good image.

They count nothing and answer no request: what they change is ``sampling.draw``, and nothing else.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence

import sampling

HONEST = sampling.draw
Draw = Callable[[Sequence[float], float, random.Random], int]


def top_token_dropped(logprobs: Sequence[float], temperature: float, rng: random.Random) -> int:
    """The most likely token is lost before the draw, as by a top-k that is off by one."""
    best = max(range(len(logprobs)), key=logprobs.__getitem__)
    rest = [one if token != best else -1e9 for token, one in enumerate(logprobs)]
    return HONEST(rest, temperature, rng)


def temperature_twice(logprobs: Sequence[float], temperature: float, rng: random.Random) -> int:
    """Logits that come scaled are scaled again. At temperatures 0 and 1 nothing shows."""
    return HONEST(logprobs, temperature * temperature, rng)


FAULTS: dict[str, Draw] = {"top-token-dropped": top_token_dropped, "temperature-twice": temperature_twice}


def break_sampling(fault: str) -> None:
    """Build it badly. Raises SystemExit for a fault that there is not."""
    if fault not in FAULTS:
        raise SystemExit(f"SAMPLING_FAULT: {fault!r} is none of {', '.join(FAULTS)}")
    sampling.draw = FAULTS[fault]  # type: ignore[assignment]


if __name__ == "__main__":
    import server

    break_sampling(os.environ.get("SAMPLING_FAULT", ""))
    server.main()
