"""Calibration: whether drawn tokens are as surprising as the logits say they should be on average (docs/metrics.md).

A drawn token's surprisal is -ln of its probability; its mean over the distribution is the entropy, whatever the text.
So the sum of their differences over many draws is a martingale, and each draw's variance says how far it may wander.
"""

from dataclasses import dataclass

import numpy as np
from quality_contract import LARGEST_SURPRISAL_NATS

from samplerd.oracle import Expected


@dataclass(frozen=True)
class Surprise:
    """One draw: its clipped surprisal (nats), and what that is on average (nats) and in variance (nats squared)."""

    surprisal: float
    entropy: float
    variance: float


def surprise(expected: Expected, token: int) -> Surprise | None:
    """The surprise of a token that was drawn from a valid row; None if it is not in the kept set.

    The distribution is the one that Gumbel-max draws from: e^-z over the kept set, here in float64.
    """
    place = np.flatnonzero(expected.kept == token)
    if place.size == 0:
        return None
    below = expected.below.astype(np.float64)
    weights = np.exp(-below)
    total = weights.sum()
    nats = np.minimum(below + np.log(total), LARGEST_SURPRISAL_NATS)
    probabilities = weights / total
    entropy = float(probabilities @ nats)
    return Surprise(float(nats[place[0]]), entropy, float(probabilities @ (nats - entropy) ** 2))
