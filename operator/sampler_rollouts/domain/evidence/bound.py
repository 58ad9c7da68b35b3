"""The upper confidence bound of a rate that holds at all looks at once: what ``Passed`` rests on (R12).

For a hypothetical rate p the mixture over smaller rates q = f p,

    E(p) = sum_f w(f) f^k ((1 - f p) / (1 - p))^(n - k),

is a non-negative supermartingale that starts at 1 for every true rate >= p. The rates with E(p) < 1/a are the
confidence sequence at level 1 - a (Robbins' inversion of the mixture likelihood ratio); its upper end is the bound.
E rises in p, so there is one crossing and bisection finds it.

About half the weight lies on f = 0. Without bad requests 105 clean ones bring the bound under 3 % at 95 % confidence;
no method can do with fewer than ln(1/a) / -ln(1 - p) = 99.
"""

from __future__ import annotations

import math

import numpy as np

from sampler_rollouts.domain.evidence.eprocess import FloatArray

ZERO_WEIGHT = 0.55
"""Weight of "never bad". More passes a clean build sooner and one with a few bad requests later."""
FRACTIONS: FloatArray = np.concatenate([np.geomspace(0.01, 0.9, 16), [0.95, 0.98, 0.99, 0.995]])
"""The other smaller rates, as fractions of the one tested. The last four narrow the bound at very many requests."""
WEIGHTS: FloatArray = np.concatenate([np.full(16, 0.434 / 16), np.full(4, 0.004)])

_BISECTIONS = 80
_LARGEST_LOG_ODDS = 36.0
"""Rates from 2e-16 to one less the same: as near to 0 and 1 as doubles can be told from them."""


def log_evidence_below(rate: float, checked: float, bad: float) -> float:
    """ln E(rate): the evidence that the true rate is below ``rate`` in (0, 1). Counts may be fractional."""
    good = checked - bad
    log_rest = math.log1p(-rate)
    log_terms = bad * np.log(FRACTIONS) + good * (np.log1p(-FRACTIONS * rate) - log_rest) + np.log(WEIGHTS)
    if bad == 0:
        log_terms = np.append(log_terms, math.log(ZERO_WEIGHT) - good * log_rest)
    top = float(log_terms.max())
    return top + math.log(float(np.exp(log_terms - top).sum()))


def upper_bound(checked: int, bad: int, confidence: float, design_effect: float = 1.0) -> float:
    """Upper bound of the rate that is too low, at any of all looks, with a chance of at most 1 - ``confidence``.

    1.0 without data. ``design_effect`` divides both counts, as in the test.
    """
    total, events = checked / design_effect, bad / design_effect
    wanted = -math.log(1.0 - confidence)
    low, high = -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS
    if checked <= 0 or log_evidence_below(_rate(high), total, events) < wanted:
        return 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        if log_evidence_below(_rate(middle), total, events) >= wanted:
            high = middle
        else:
            low = middle
    return _rate(high)


def _rate(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds))
