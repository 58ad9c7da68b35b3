"""The test of a release that serves without stable beside it: a change for the worse at an unknown time (R22).

An e-process asks "was it always worse?", and a long good past weighs against it. The e-Shiryaev-Roberts procedure sums
over all intervals j in which a change may have begun (Shin, Ramdas, Rinaldo 2022): for each alternative q

    R_t = sum over j <= t of w_j LR_j(q) ... LR_t(q),    R = sum over q of w(q) R_t(q),

with the likelihood ratios of ``eprocess`` over fixed intervals in which requests were checked. While the rate is at
most the limit R_t - (w_1 + ... + w_t) is a supermartingale, so that P(R ever >= A) <= (sum of all w) / A. With T
intervals in the bake time w_j is 1 up to T and (T/j)^2 after it, which is less than 2 T in all: the clock of the bake
may stand while data come, and what comes later still counts. With A = tests * 2 T / alpha a bake errs with a chance of
at most alpha / tests, however long it lasts and however often one looks, also in mid-interval.

All of it is worked out anew from the pod-intervals at each look: a restarted operator finds the very same (R3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sampler_rollouts.domain.evidence.eprocess import log_ratios
from sampler_rollouts.domain.evidence.grid import LOG_WEIGHTS, POINTS, FloatArray, IntArray, log_mixture
from sampler_rollouts.domain.evidence.intervals import Increments

INTERVAL_SECONDS = 60
"""The intervals are fixed, so that the number of looks does not change what is tested."""


def intervals_in(seconds: float) -> int:
    """T: the intervals of a bake time; at least one."""
    return max(1, math.ceil(seconds / INTERVAL_SECONDS))


def log_threshold(tests: int, planned: int, alpha: float) -> float:
    """ln of the value at which it alarms: ``tests`` checks times pools, over a bake of ``planned`` intervals."""
    return math.log(max(tests, 1) * 2 * planned / alpha)


def log_e(
    pods: Sequence[Increments], limit: float, since: int, planned: int, design_effect: float = 1.0
) -> tuple[float, float]:
    """ln R of all pod-intervals, and with the single one left out that supports it most, or less (R15).

    ``since`` in Unix milliseconds is where the intervals begin. -inf without a checked request.
    """
    ended, checked, bad = (np.concatenate([np.zeros(0, np.int64), *parts]) for parts in _columns(pods))
    if ended.size == 0:
        return -math.inf, -math.inf
    _, place = np.unique((ended - since) // (1000 * INTERVAL_SECONDS), return_inverse=True)
    gains, most = _gains(place, checked, bad, limit)
    whole, least = _sums(gains / design_effect, most / design_effect, planned)
    return float(log_mixture(whole, LOG_WEIGHTS)), float(log_mixture(least, LOG_WEIGHTS))


def _columns(pods: Sequence[Increments]) -> list[list[IntArray]]:
    return [[one.ended for one in pods], [one.checked for one in pods], [one.bad for one in pods]]


def _gains(place: IntArray, checked: IntArray, bad: IntArray, limit: float) -> tuple[FloatArray, FloatArray]:
    """ln LR of each interval, and the most, at least 0, that one pod-interval adds to it. Two of (grid, intervals)."""
    size = int(place.max()) + 1
    total, events = np.zeros((2, size), dtype=np.int64)  # whole numbers: however they are put together, the very same
    np.add.at(total, place, checked)
    np.add.at(events, place, bad)
    most = np.zeros((size, POINTS))
    hit = bad > 0  # what has none adds nothing
    np.maximum.at(most, place[hit], log_ratios(checked[hit], bad[hit], limit).T)
    return log_ratios(total, events, limit), most.T


def _sums(gains: FloatArray, most: FloatArray, planned: int) -> tuple[FloatArray, FloatArray]:
    """ln R_t at each alternative, and its least with any one pod-interval left out. Two of shape (grid,).

    A pod-interval of interval i is in the terms of all j <= i and in no other.
    """
    number = np.arange(1, gains.shape[1] + 1)
    run = np.cumsum(gains, axis=1)
    begun = np.minimum(0.0, 2 * np.log(planned / number)) - run + gains  # ln w_j less what was before j
    if not most.any():  # mostly: nothing that is left out makes it less
        whole = run[:, -1] + log_mixture(begun.T, np.zeros(number.size))
        return whole, whole
    up_to = np.logaddexp.accumulate(begun, axis=1)
    after = np.full_like(up_to, -np.inf)
    after[:, :-1] = np.logaddexp.accumulate(begun[:, :0:-1], axis=1)[:, ::-1]
    left_out = np.logaddexp(up_to - most, after)
    return run[:, -1] + up_to[:, -1], run[:, -1] + left_out.min(axis=1)
