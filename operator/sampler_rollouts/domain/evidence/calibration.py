"""Calibration: a right sampler is, on average, as surprised as the entropy of its own distribution says.

Over audited draws three counters give D = surprisal - entropy, whose mean is 0, and V, the sum of the exact variances
of the draws. Surprisal is clipped at b in all three (the contract's LARGEST_SURPRISAL_NATS). With
psi(t) = (exp(t b) - 1 - t b) / b^2 (Bennett; Freedman 1975), exp(t D - psi(t) V) is a supermartingale for every t > 0,
and so is its mean over a grid of t.

The margin: a sampler is still right if it draws from its distribution with a probability of 1 - e and otherwise from
any other one, that pulls to one side, as long as the bias is at most ``margin`` nats a draw. Such a bias m adds at most
b m to a draw's second moment, so that with n draws

    exp(t (D - n m) - psi(t) (V + n b m))

holds for all of them: the test of "bias at most m". The other direction, "bias at least m", needs psi(t) b <= t.

Nothing is assumed of texts, requests or sessions: given its logits each draw is a new one, so that no design effect
applies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from quality_contract import LARGEST_SURPRISAL_NATS

from sampler_rollouts.domain.evidence.grid import FloatArray, column, log_mixture

_TILTS_B: FloatArray = np.geomspace(1e-4, 1.2, 32)
TILTS: FloatArray = _TILTS_B / LARGEST_SURPRISAL_NATS
"""The grid of t. Up to 1.256 / b, psi(t) b <= t holds."""
PSI: FloatArray = (np.expm1(_TILTS_B) - _TILTS_B) / LARGEST_SURPRISAL_NATS**2
LARGEST_VARIANCE = LARGEST_SURPRISAL_NATS**2 / 4
"""Of a draw, in squared nats: no more is possible between 0 and b."""
_ONE_SIDE: FloatArray = np.full(TILTS.shape, -math.log(TILTS.size))
LOG_WEIGHTS: FloatArray = np.full(2 * TILTS.size, -math.log(2 * TILTS.size))
"""Of ``gains``: both sides count one half."""
_BISECTIONS = 50


@dataclass(frozen=True, slots=True)
class Draws:
    """Sums over audited draws, in nats and squared nats, and how many they are of. All of one shape (...)."""

    count: FloatArray
    surprisal: FloatArray
    entropy: FloatArray
    variance: FloatArray

    @property
    def excess(self) -> FloatArray:
        """D, in nats."""
        return self.surprisal - self.entropy

    def total(self) -> Draws:
        """All of them, of shape ()."""
        return Draws(*(np.asarray(part.sum()) for part in (self.count, self.surprisal, self.entropy, self.variance)))


def gains(draws: Draws, margin: float) -> FloatArray:
    """What draws add to the logarithm of each test of "bias at most ``margin``": too surprising, then too little.

    Shape (...) to (2 tilts, ...). Draws add up.
    """
    tilts, psi = (column(grid, draws.count.ndim + 1) for grid in (TILTS, PSI))
    allowed = psi * (draws.variance + draws.count * LARGEST_SURPRISAL_NATS * margin)
    sides = [tilts * (sign * draws.excess - draws.count * margin) - allowed for sign in (1.0, -1.0)]
    return np.concatenate(sides)


def log_e_biased(draws: Draws, margin: float, *, leave_one_out: bool) -> float:
    """ln of the evidence that the bias exceeds ``margin`` nats a draw in either direction: the mean of both tests.

    ``draws`` has shape (pod-intervals,). With ``leave_one_out`` the pod-interval that supports it most is left out of
    each test, which is no more than leaving any single one out would give (R15).
    """
    whole = gains(draws.total(), margin)
    if leave_one_out and draws.count.size:
        whole = whole - np.maximum(gains(draws, margin).max(axis=1), 0.0)
    return float(log_mixture(whole, LOG_WEIGHTS))


def log_e_unbiased(draws: Draws, margin: float, doubtful: float = 0.0) -> float:
    """ln of the evidence that the bias is below ``margin`` in both directions: the smaller of both tests.

    ``draws`` has shape (...), of which the sum counts. ``doubtful`` further draws count with the worst that they can
    have had.
    """
    all_of = draws.total()
    count = float(all_of.count) + doubtful
    variance = float(all_of.variance) + doubtful * LARGEST_VARIANCE + count * LARGEST_SURPRISAL_NATS * margin
    room = count * margin - abs(float(all_of.excess)) - doubtful * LARGEST_SURPRISAL_NATS
    return float(log_mixture(TILTS * room - PSI * variance, _ONE_SIDE))


def bias(draws: Draws) -> float:
    """Nats a draw: positive where tokens are more surprising than the logits say. NaN without draws."""
    all_of = draws.total()
    return float(all_of.excess / all_of.count) if all_of.count else math.nan


def mean_variance(draws: Draws) -> float:
    """Squared nats a draw; NaN without draws."""
    all_of = draws.total()
    return float(all_of.variance / all_of.count) if all_of.count else math.nan


def bias_bound(draws: Draws, confidence: float, doubtful: float = 0.0) -> float:
    """A bound of the bias' size that is too low, at any of all looks, with a chance of at most 1 - ``confidence``.

    The smallest margin that ``log_e_unbiased`` proves: the evidence rises with the margin. At most what is possible.
    """
    wanted = -math.log(1.0 - confidence)
    low, high = 0.0, LARGEST_SURPRISAL_NATS
    if log_e_unbiased(draws, high, doubtful) < wanted:
        return high
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if log_e_unbiased(draws, middle, doubtful) >= wanted:
            high = middle
        else:
            low = middle
    return high
