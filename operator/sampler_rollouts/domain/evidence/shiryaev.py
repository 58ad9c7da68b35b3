"""The test of a release that serves without stable beside it: a change for the worse at an unknown time (R22).

An e-process asks "was it always worse?", and a long good past weighs against it. The e-Shiryaev-Roberts procedure sums
over all times at which a change may have come (Shin, Ramdas, Rinaldo 2022): for each alternative q

    R_t = (1 + R_{t-1}) LR_t(q),    R = sum_q w(q) R_t(q),

with the likelihood ratios of ``eprocess`` over fixed intervals. While the rate is at most the limit, R_t - t is a
supermartingale, so that over T intervals P(R ever >= A) <= T / A: with A = tests * T / alpha the whole bake time errs
with a chance of at most alpha / tests, however often one looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sampler_rollouts.domain.evidence.eprocess import log_ratios
from sampler_rollouts.domain.evidence.grid import LOG_WEIGHTS, POINTS, FloatArray, IntArray, log_mixture

INTERVAL_SECONDS = 60
"""The intervals are fixed, so that the number of looks does not change what is tested."""


@dataclass(frozen=True, slots=True)
class Course:
    """ln R_t(q) of many streams, of shape (grid, streams); ``least`` with any single pod-interval left out (R15).

    Nothing is seen yet where both are -inf.
    """

    logs: FloatArray
    least: FloatArray

    @property
    def log_e(self) -> FloatArray:
        """ln R with the pod-interval left out that supports it most, or less. Shape (streams,)."""
        return log_mixture(self.least, LOG_WEIGHTS)


def begin(streams: int) -> Course:
    """Before the first interval."""
    return Course(*(np.full((POINTS, streams), -np.inf) for _ in range(2)))


def advance(course: Course, limit: FloatArray, stream: IntArray, checked: IntArray, bad: IntArray) -> Course:
    """One interval further. ``limit`` has shape (streams,); the others (rows,), one row for each pod of a stream.

    A stream without rows has an interval without requests. Leaving one pod-interval out takes it out of every sum that
    holds it: of what was least before, or of all that is now.
    """
    streams = limit.size
    total, events = (np.bincount(stream, weights=counts, minlength=streams) for counts in (checked, bad))
    gain = log_ratios(total, events, limit)
    most = np.zeros((POINTS, streams))
    np.maximum.at(most.T, stream, log_ratios(checked, bad, limit[stream]).T)
    grown = np.logaddexp(0.0, course.logs) + gain
    return Course(grown, np.minimum(np.logaddexp(0.0, course.least) + gain, grown - most))


def log_threshold(tests: int, seconds: float, alpha: float) -> float:
    """ln of the value at which it alarms: ``tests`` checks times pools, over a bake time of so many seconds."""
    return math.log(max(tests, 1) * max(1, math.ceil(seconds / INTERVAL_SECONDS)) / alpha)
