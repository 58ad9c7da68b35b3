"""The test against an absolute limit: an e-process for H0 "the rate of bad requests is at most ``limit``".

For n checked and k bad requests and a larger rate q the likelihood ratio is

    ln LR(q) = k ln(q / p0) + (n - k) ln((1 - q) / (1 - p0)),    p0 = limit.

For every true rate <= p0 it is a non-negative supermartingale that starts at 1, and so is its mean over a fixed grid
of q (Robbins 1970; Howard, Ramdas, McAuliffe, Sekhon 2021). By Ville's inequality it ever reaches 1/alpha with a chance
of at most alpha, however often one looks: that is the whole licence for continuous looking.

The value depends on the sums alone, so how the samples were cut into intervals changes nothing but what leaving one
interval out means.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sampler_rollouts.domain.evidence.grid import LOG_WEIGHTS, OFFSETS, FloatArray, column, log_mixture


def alternatives(limit: npt.ArrayLike) -> FloatArray:
    """The grid of larger rates: the limit's odds times exp(OFFSETS). ``limit`` in (0, 1), (...) to (grid, ...)."""
    p0 = np.asarray(limit, dtype=np.float64)
    odds = np.log(p0) - np.log1p(-p0) + column(OFFSETS, p0.ndim + 1)
    return np.asarray(1.0 / (1.0 + np.exp(-odds)), dtype=np.float64)


def steps(limit: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """What one bad and one good request add to ln LR at each alternative: two of shape (grid, ...), or broadcast to it.

    With f = exp(OFFSETS) - 1 and odds q/(1-q) = p0/(1-p0) (1 + f): ln((1-q)/(1-p0)) = -ln(1 + p0 f), exact also for
    limits near 0. Streams mostly share a few limits, so each is worked out once.
    """
    p0 = np.asarray(limit, dtype=np.float64)
    different, which = np.unique(p0, return_inverse=True)
    per_good = -np.log1p(different * np.expm1(OFFSETS)[:, None])
    per_bad = OFFSETS[:, None] + per_good
    if different.size == 1:
        return column(per_bad, p0.ndim + 1), column(per_good, p0.ndim + 1)
    shape = (OFFSETS.size, *p0.shape)
    return per_bad[:, which.ravel()].reshape(shape), per_good[:, which.ravel()].reshape(shape)


def log_ratios(checked: npt.ArrayLike, bad: npt.ArrayLike, limit: npt.ArrayLike) -> FloatArray:
    """ln LR at each alternative. All of one shape (...) or broadcast to it; the result has shape (grid, ...)."""
    total, events, limits = np.broadcast_arrays(
        np.asarray(checked, dtype=np.float64), np.asarray(bad, dtype=np.float64), limit
    )
    per_bad, per_good = steps(limits)
    return np.asarray(events * per_bad + (total - events) * per_good, dtype=np.float64)


def log_e_value(
    checked: npt.ArrayLike, bad: npt.ArrayLike, limit: npt.ArrayLike, design_effect: npt.ArrayLike = 1.0
) -> FloatArray:
    """ln of the e-value against ``rate <= limit``. All of one shape or broadcast to it, which is the result's.

    ``design_effect`` divides both counts, which is the same as LR^(1/design_effect) at every grid point: a declared
    factor for clustered traffic. It is a correction of scale, not a theorem (docs/evidence.md).
    Finite for counts up to 2^53.
    """
    return log_mixture(log_ratios(checked, bad, limit) / np.asarray(design_effect, dtype=np.float64), LOG_WEIGHTS)
