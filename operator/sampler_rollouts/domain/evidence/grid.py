"""The one grid of alternatives, and sums of exponentials that cannot overflow.

Every test here is a weighted mean of likelihood ratios over alternatives (Robbins 1970). An alternative lies a factor
exp(x) beyond the margin: of the rate ratio in the test against stable, of the odds in the test against a limit. The
offsets x are even in ln x, from 3 % to 1e4: close together where a small worsening needs many requests anyway, far
apart where two bad requests decide. The same offsets with their signs turned give the bounds.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

POINTS = 32
"""Between 24 and 48 points the requests to detection differ by less than 2 %."""
OFFSETS: FloatArray = np.geomspace(0.03, math.log(1e4), POINTS)
"""ln of the factor of each alternative, rising. Shape (POINTS,)."""
_TYPICAL, _SPREAD = 2.2, 0.6
"""Most weight lies on worsenings of 3 to 60 times, which few requests can show,"""
_FLOOR, _NEAR, _FAR = 0.35, 0.49, 0.175
"""some on all others, more on those of less than 35 %, less on those of more than 400 times, which show anyway."""


def _weights() -> FloatArray:
    others = np.where(OFFSETS < 0.3, _NEAR, np.where(OFFSETS > 6, _FAR, _FLOOR))
    shape = np.exp(-0.5 * (np.log(OFFSETS / _TYPICAL) / _SPREAD) ** 2) + others
    return np.asarray(shape / shape.sum(), dtype=np.float64)


WEIGHTS: FloatArray = _weights()
"""Weight of each alternative; they sum to 1, so that every mixture starts at 1. Shape (POINTS,)."""
RATIO_OFFSETS: FloatArray = np.concatenate([-OFFSETS[::-1], [0.0], OFFSETS])
"""ln of rate ratio over margin, rising, the margin itself in the middle. Shape (2 POINTS + 1,)."""
MARGIN = POINTS
"""Where the margin lies in ``RATIO_OFFSETS``."""


LOG_WEIGHTS: FloatArray = np.log(WEIGHTS)
_LEAST = -np.finfo(np.float64).max
"""So that a mixture of nothing, all -inf, is -inf and not NaN."""


def log_mixture(logs: FloatArray, log_weights: FloatArray) -> FloatArray:
    """ln of sum(exp(logs + log_weights)) over the first axis, without overflow. Shape (n, ...) to (...).

    ``log_weights`` has shape (n,), or (n, ...) where it differs from stream to stream; it may be -inf. The first axis,
    because sums across rows are fast and each column's result does not depend on how many columns there are.
    """
    weighted = logs + (log_weights if log_weights.ndim == logs.ndim else column(log_weights, logs.ndim))
    if weighted.ndim > 1 and weighted[0].size == 1:  # NumPy adds up a lone column in another order than one of many
        return log_mixture(np.repeat(weighted, 2, axis=-1), np.zeros(len(weighted)))[..., :1]
    top = np.maximum(weighted.max(axis=0), _LEAST)
    weighted -= top
    np.exp(weighted, out=weighted)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(weighted.sum(axis=0)) + top, dtype=np.float64)


def column(values: FloatArray, dimensions: int) -> FloatArray:
    """(grid,) as (grid, 1, ...), of that many dimensions in all."""
    return values.reshape(-1, *(1,) * (dimensions - 1))
