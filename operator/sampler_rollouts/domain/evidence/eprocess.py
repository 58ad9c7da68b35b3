"""The test against the absolute limit: an e-process for H0 "the rate of bad requests is at most ``max_rate``".

For n checked and k bad requests and a larger rate q the likelihood ratio is

    ln LR(q) = k ln(q / p0) + (n - k) ln((1 - q) / (1 - p0)),    p0 = max_rate.

For every true rate <= p0 it is a non-negative supermartingale that starts at 1, and so is its mean over a fixed grid
of q (Robbins 1970; Howard, Ramdas, McAuliffe, Sekhon 2021). By Ville's inequality it ever reaches 1/alpha with a chance
of at most alpha, however often one looks: that is the whole licence for continuous looking.

The value depends on the sums alone, so how the samples were cut into intervals changes nothing but what leaving one
interval out means.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

GRID_POINTS = 48
"""Between 16 and 96 points the requests to detection differ by less than 5 %."""
FIRST_ODDS_RATIO = 1.25
"""The smallest worsening worth a grid point; nearer ones are still found, only later."""
LARGEST_RATE = 0.999


def logit(rate: float) -> float:
    """Log odds of a rate in (0, 1)."""
    return math.log(rate) - math.log1p(-rate)


def alternatives(max_rate: float) -> FloatArray:
    """The grid of larger rates: ``GRID_POINTS`` of them, even in log odds. Shape (GRID_POINTS,)."""
    first = logit(max_rate) + math.log(FIRST_ODDS_RATIO)
    last = max(logit(LARGEST_RATE), first + 1.0)
    odds = np.linspace(first, last, GRID_POINTS)
    return np.asarray(1.0 / (1.0 + np.exp(-odds)), dtype=np.float64)


def log_mean_exp(values: FloatArray) -> FloatArray:
    """ln of the mean of exp over the last axis, without overflow. Shape (..., n) to (...)."""
    top = values.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(values - top).mean(axis=-1)) + top[..., 0], dtype=np.float64)


def log_e_value(checked: npt.ArrayLike, bad: npt.ArrayLike, max_rate: float, design_effect: float = 1.0) -> FloatArray:
    """ln of the e-value against ``rate <= max_rate``. ``checked`` and ``bad`` have one shape, which is the result's.

    ``design_effect`` divides both counts, which is the same as LR^(1/design_effect) at every grid point: a declared
    factor for clustered traffic. It is a correction of scale, not a theorem (docs/evidence.md).
    Finite for counts up to 2^53.
    """
    total = np.asarray(checked, dtype=np.float64)[..., None] / design_effect
    events = np.asarray(bad, dtype=np.float64)[..., None] / design_effect
    larger = alternatives(max_rate)
    per_bad = np.log(larger) - math.log(max_rate)
    per_good = np.log1p(-larger) - math.log1p(-max_rate)
    return log_mean_exp(events * per_bad + (total - events) * per_good)


def log_e_without_any_one(
    checked: IntArray, bad: IntArray, max_rate: float, design_effect: float = 1.0
) -> tuple[float, float]:
    """ln e-value of all pod-intervals, and the smallest when any single one (or none) is left out (R15).

    ``checked`` and ``bad`` have shape (intervals,). Without intervals both are 0; with one, the second is at most 0, so
    one burst on one pod decides nothing. Only distinct (checked, bad) pairs are computed.

    The second never exceeds the first, so it inherits its false-alarm bound.
    """
    if checked.size == 0:
        return 0.0, 0.0
    distinct = np.unique(np.stack([checked, bad], axis=1), axis=0)
    left_out = np.vstack([np.zeros((1, 2), dtype=np.int64), distinct])
    logs = log_e_value(checked.sum() - left_out[:, 0], bad.sum() - left_out[:, 1], max_rate, design_effect)
    return float(logs[0]), float(logs.min())
