"""Confidence bounds of a rate that hold at all looks at once: what ``Passed`` rests on (R12).

For a hypothetical rate p the mixture over smaller rates q = f p,

    E(p) = sum_f w(f) f^k ((1 - f p) / (1 - p))^(n - k),

is a non-negative supermartingale that starts at 1 for every true rate >= p. The rates with E(p) < 1/a are the
confidence sequence at level 1 - a (Robbins' inversion of the mixture likelihood ratio); its upper end is the bound.
E rises in p, so there is one crossing and bisection finds it. The lower bound is the same with larger rates: the
e-process of ``eprocess``, which falls in p.

About half the weight lies on f = 0. Without bad requests 105 clean ones bring the bound under 3 % at 95 % confidence;
no method can do with fewer than ln(1/a) / -ln(1 - p) = 99.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sampler_rollouts.domain.evidence.eprocess import log_e_value
from sampler_rollouts.domain.evidence.grid import BoolArray, FloatArray, IntArray, column, log_mixture

ZERO_WEIGHT = 0.55
"""Weight of "never bad". More passes a clean build sooner and one with a few bad requests later."""
FRACTIONS: FloatArray = np.concatenate([np.geomspace(0.01, 0.9, 16), [0.95, 0.98, 0.99, 0.995]])
"""The other smaller rates, as fractions of the one tested. The last four narrow the bound at very many requests."""
WEIGHTS: FloatArray = np.concatenate([np.full(16, 0.434 / 16), np.full(4, 0.004), [ZERO_WEIGHT]])
"""Of the fractions and, last, of "never bad"."""
LOG_WEIGHTS: FloatArray = np.log(WEIGHTS)

_SECTIONS, _ROUNDS = 33, 10
"""Rates tried at once, and how often: 72 log odds become 1e-13."""
_LARGEST_LOG_ODDS = 36.0
"""Rates from 2e-16 to one less the same: as near to 0 and 1 as doubles can be told from them."""


def log_evidence_below(rate: npt.ArrayLike, checked: npt.ArrayLike, bad: npt.ArrayLike) -> FloatArray:
    """ln E(rate): the evidence that the true rate is below ``rate`` in (0, 1). Counts may be fractional.

    All of one shape or broadcast to it, which is the result's.
    """
    p, total, events = np.broadcast_arrays(
        np.asarray(rate, dtype=np.float64), np.asarray(checked, dtype=np.float64), np.asarray(bad, dtype=np.float64)
    )
    gains = _gains(p) if p.ndim > 1 else _gains_once(p)
    logs = events * column(np.log(FRACTIONS), p.ndim + 1) + (total - events) * gains
    never = np.where(events == 0, -total * np.log1p(-p), -np.inf)
    return log_mixture(np.concatenate([logs, never[None]]), LOG_WEIGHTS)


def _gains(p: FloatArray) -> FloatArray:
    """What a good request adds to ln E(p) at each fraction. Shape (...) to (fractions, ...)."""
    return np.asarray(np.log1p(-column(FRACTIONS, p.ndim + 1) * p) - np.log1p(-p), dtype=np.float64)


def _gains_once(p: FloatArray) -> FloatArray:
    """The same for streams that mostly share a few rates. Shape (n,) to (fractions, n)."""
    different, which = np.unique(p, return_inverse=True)
    return _gains(different)[:, which]


@lru_cache(maxsize=4096)
def upper_bound(checked: int, bad: int, confidence: float, design_effect: float = 1.0) -> float:
    """Upper bound of the rate that is too low, at any of all looks, with a chance of at most 1 - ``confidence``.

    1.0 without data. ``design_effect`` divides both counts, as in the test. The last ones are remembered: who asks
    for one asks more often than counts change.
    """
    return float(upper_bounds(np.array([checked]), np.array([bad]), confidence, design_effect)[0])


def upper_bounds(checked: IntArray, bad: IntArray, confidence: float, design_effect: float = 1.0) -> FloatArray:
    """The upper bounds of many streams at once. All of shape (streams,)."""
    total, events = checked / design_effect, bad / design_effect
    wanted = -math.log(1.0 - confidence)
    return np.where(
        checked > 0, _crossings(lambda rates: log_evidence_below(rates, total, events) >= wanted, total.size), 1.0
    )


def lower_bound(checked: int, bad: int, confidence: float, design_effect: float = 1.0) -> float:
    """Lower bound of the rate that is too high, at any of all looks, with a chance of at most 1 - ``confidence``.

    0.0 without a bad request.
    """
    wanted = -math.log(1.0 - confidence)
    if bad <= 0:
        return 0.0
    return float(_crossings(lambda rates: log_e_value(checked, bad, rates, design_effect) < wanted, 1)[0])


def _crossings(beyond: Callable[[FloatArray], BoolArray], streams: int) -> FloatArray:
    """The rate from which on ``beyond`` holds in each stream, 1.0 where it never does. Shape (streams,).

    ``beyond`` takes rates of shape (n, streams).
    """
    low, high = (np.full(streams, end) for end in (-_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS))
    every = np.arange(streams)
    never = ~beyond(_rate(high[None]))[0]
    for _ in range(_ROUNDS):
        odds = np.arange(_SECTIONS + 1)[:, None] * ((high - low) / _SECTIONS) + low
        odds[-1] = high
        first = np.argmax(beyond(_rate(odds[1:])), axis=0) + 1
        low, high = odds[first - 1, every], odds[first, every]
    return np.where(never, 1.0, _rate(high))


def _rate(log_odds: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)))
