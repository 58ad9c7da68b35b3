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
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from quality_contract import LARGEST_SURPRISAL_NATS

from sampler_rollouts.domain.evidence.grid import FloatArray, log_mixture

_TILTS_B: FloatArray = np.geomspace(1e-4, 1.2, 32)
TILTS: FloatArray = _TILTS_B / LARGEST_SURPRISAL_NATS
"""The grid of t. Up to 1.256 / b, psi(t) b <= t holds."""
_PSI: FloatArray = (np.expm1(_TILTS_B) - _TILTS_B) / LARGEST_SURPRISAL_NATS**2
_LOG_WEIGHTS: FloatArray = np.full(TILTS.shape, -math.log(TILTS.size))


@dataclass(frozen=True, slots=True)
class Draws:
    """Sums over audited draws, in nats and squared nats: the three counters, and how many draws they are of."""

    count: float
    surprisal: float
    entropy: float
    variance: float


def log_e_biased(draws: Draws, margin: float) -> float:
    """ln of the evidence that the bias exceeds ``margin`` nats a draw in either direction: the mean of both tests."""
    excess = draws.surprisal - draws.entropy
    sides = [_log_e(sign * excess - draws.count * margin, _allowance(draws, margin)) for sign in (1.0, -1.0)]
    return float(np.logaddexp(sides[0], sides[1])) - math.log(2)


def log_e_unbiased(draws: Draws, margin: float) -> float:
    """ln of the evidence that the bias is below ``margin`` in both directions: the smaller of both tests."""
    excess = draws.surprisal - draws.entropy
    return min(_log_e(draws.count * margin - sign * excess, _allowance(draws, margin)) for sign in (1.0, -1.0))


def _allowance(draws: Draws, margin: float) -> float:
    return draws.variance + draws.count * LARGEST_SURPRISAL_NATS * margin


def _log_e(excess: float, variance: float) -> float:
    return float(log_mixture(TILTS * excess - _PSI * variance, _LOG_WEIGHTS))
