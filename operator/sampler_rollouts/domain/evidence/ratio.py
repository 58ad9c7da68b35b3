"""The test against stable: an e-process for H0 "the candidate's rate is at most ``margin`` times stable's".

In one interval the candidate has c bad of n checked requests, stable s bad of m, and N = c + s. With the candidate's
share w = n / (n + m) of the exposure, every rate ratio r has the log likelihood (but for a constant)

    l(r) = c ln r - N ln(1 + (r - 1) w),

the binomial of "which arm did the bad request fall into". Intervals add up, each with the share measured in it, so
that a weight may change and both arms may get worse together, and the likelihood ratio of r1 > r0 is

    LR = exp(l(r1) - l(r0)) = a^c b^s,   b = (1 + (r0 - 1) w) / (1 + (r1 - 1) w) < 1,   a = b r1 / r0 > 1.

It is a supermartingale whenever requests fail independently, given what was before and how many there were, and the
candidate's mean rate p in the interval is at most r0 times stable's mean rate q: the mean of LR is a product of factors
1 + p_j (a - 1) and 1 + q_j (b - 1), so at most exp(n p (a - 1) + m q (b - 1)) <= exp(q (n r0 (a - 1) + m (b - 1))) =
exp(0). Nothing is assumed of how large the rates are, nor that they stay the same. The same holds for r1 < r0 against
"at least r0 times", which gives the bounds. (Conditional form for Poisson counts: Lindon and Malek 2022.)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sampler_rollouts.domain.evidence.grid import (
    LOG_WEIGHTS,
    MARGIN,
    RATIO_OFFSETS,
    BoolArray,
    FloatArray,
    IntArray,
    column,
    log_mixture,
)

_FACTORS: FloatArray = np.exp(RATIO_OFFSETS)
_OWN: FloatArray = np.concatenate([np.full(MARGIN + 1, -np.inf), LOG_WEIGHTS])


def contributions(
    margin: float,
    checked: FloatArray,
    bad: FloatArray,
    stable_checked: FloatArray,
    stable_bad: FloatArray,
    *,
    first: int = 0,
) -> FloatArray:
    """l(r) of single intervals at the grid r = margin * exp(RATIO_OFFSETS), where l(1) = 0. Shapes (n,) to (n, grid).

    0 where an arm has no checked request: there is nothing to compare. ``first`` leaves out as many of the smallest
    ratios.
    """
    both = (checked > 0) & (stable_checked > 0)
    share = np.where(both, checked / np.maximum(checked + stable_checked, 1.0), 0.0)
    more = margin * _FACTORS[first:] - 1.0
    logs = share[:, None] * more
    np.log1p(logs, out=logs)
    logs *= -(bad + stable_bad)[:, None]
    hit = np.flatnonzero(both & (bad > 0))  # few: most bad requests of most intervals are stable's
    logs[hit] += bad[hit, None] * np.log1p(more)
    return np.asarray(logs, dtype=np.float64)


def first_above_one(margin: npt.ArrayLike) -> IntArray:
    """The place on the grid of the smallest ratio above 1, for each margin: what ``log_e_above_one`` needs."""
    return np.asarray(np.searchsorted(RATIO_OFFSETS, 1e-9 - np.log(margin), side="right"))


def log_e_below_margin(logs: FloatArray) -> FloatArray:
    """ln of the e-value against "ratio >= margin": what ``Passed`` rests on. Shape (grid, ...) to (...)."""
    return log_mixture(logs[MARGIN - 1 :: -1] - logs[MARGIN], LOG_WEIGHTS)


def log_e_above_one(margin: FloatArray, logs: FloatArray) -> FloatArray:
    """ln of the e-value against "ratio <= 1", where l is 0. Shapes (n,) and (grid, n) to (n,).

    For a margin of 1 it is the test above; for another, the even mean over the grid's ratios above 1.
    """
    different, which = np.unique(margin, return_inverse=True)
    firsts = first_above_one(different)
    first = int(firsts.min()) if firsts.size else 0  # below it no weight lies
    above = np.arange(first, RATIO_OFFSETS.size)[:, None] >= firsts
    with np.errstate(divide="ignore"):
        weights = np.log(above / np.maximum(above.sum(axis=0), 1))
    weights[:, different == 1.0] = column(_OWN[first:], 2)
    return log_mixture(logs[first:], weights[:, which] if different.size > 1 else weights)


def _even_over(others: BoolArray) -> FloatArray:
    """Logs of weights that are the same for all other ratios of each one that is tested. Shape (other, tested)."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(others / np.maximum(others.sum(axis=0), 1)), dtype=np.float64)


_OTHER, _TESTED = np.indices((RATIO_OFFSETS.size, RATIO_OFFSETS.size))
_SMALLER, _LARGER = _even_over(_OTHER < _TESTED), _even_over(_OTHER > _TESTED)


def bounds(margin: float, logs: FloatArray, log_wanted: float) -> tuple[float, float]:
    """Confidence bounds of the rate ratio, each wrong with a chance of at most exp(-log_wanted) over all looks.

    Both lie on the grid, rounded outwards: the bound is the next ratio that the data do not rule out. (0, inf) without
    evidence. ``logs`` is l on the grid, shape (grid,).
    """
    places = RATIO_OFFSETS.size
    differences = logs[:, None] - logs[None, :]  # of each other ratio, for each ratio that is tested
    too_high = log_mixture(differences, _SMALLER) >= log_wanted
    too_low = log_mixture(differences, _LARGER) >= log_wanted
    ruled_out_above = int(np.argmin(too_high[::-1])) if not too_high.all() else places
    ruled_out_below = int(np.argmin(too_low)) if not too_low.all() else places
    upper = margin * float(_FACTORS[places - ruled_out_above]) if ruled_out_above else np.inf
    lower = margin * float(_FACTORS[ruled_out_below - 1]) if ruled_out_below else 0.0
    return lower, upper
