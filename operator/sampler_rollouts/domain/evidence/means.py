"""Bounded means: whether a candidate's scores are lower than stable's, on average, by more than a margin.

Time is cut into windows, each closed as soon as both arms have had a score in it: by when scores come, never by what
they are. In a window z = (1 + the candidate's mean - stable's mean) / 2 lies between 0 and 1. As long as the
candidate's scores are lower by at most d on average, whatever else changes with time, E(z | past) >= m = (1 - d) / 2,
so that

    product of (1 + t (m - z)),   0 < t < 1 / (1 - m),

is a supermartingale, and so is its mean over a grid of t: a bet on lower scores, at several stakes. The test of "lower
by at least d" is the other way round. (Waudby-Smith and Ramdas 2024; Ville 1939.)

Nothing is assumed of how scores are spread, but that they lie between 0 and 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from sampler_rollouts.domain.evidence.grid import FloatArray, IntArray, log_mixture

STAKES: Final[FloatArray] = np.geomspace(0.02, 0.98, 24)
"""Parts of the largest stake that a test may have."""
LOG_WEIGHTS: Final[FloatArray] = np.full(STAKES.shape, -math.log(STAKES.size))
_BISECTIONS: Final = 40
POINT: Final = 2**20
"""Scores are read in whole parts, of which so many are the best one: sums are exact, in whatever portions they come."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one arm: ``times`` (n,) in Unix milliseconds, ``parts`` (n,) from 0 to ``POINT``."""

    times: IntArray
    parts: IntArray

    @property
    def mean(self) -> float:
        """From 0 to 1; NaN without any."""
        return float(self.parts.sum()) / POINT / self.parts.size if self.parts.size else math.nan


def differences(candidate: Scores, stable: Scores) -> FloatArray:
    """The candidate's mean less stable's in each window, shape (windows,), from -1 to 1."""
    times = np.concatenate([candidate.times, stable.times])
    order = np.argsort(times, kind="stable")
    whose = (order >= candidate.times.size).astype(np.int64)
    parts = np.concatenate([candidate.parts, stable.parts])[order]
    ends = np.append(np.flatnonzero(np.diff(times[order])), times.size - 1) if times.size else np.zeros(0, np.int64)
    counts, sums, found, start = [0, 0], [0, 0], [], 0
    for end in ends.tolist():
        for place in range(start, end + 1):
            arm = int(whose[place])
            counts[arm], sums[arm] = counts[arm] + 1, sums[arm] + int(parts[place])
        start = end + 1
        if all(counts):
            found.append(sums[0] / counts[0] / POINT - sums[1] / counts[1] / POINT)
            counts, sums = [0, 0], [0, 0]
    return np.array(found, dtype=np.float64)


def log_e_lower(found: FloatArray, margin: float, *, leave_one_out: bool) -> float:
    """ln of the evidence that the candidate is lower by more than ``margin``. ``found`` as of ``differences``.

    With ``leave_one_out`` without the single window that supports it most, at each stake (R15).
    """
    null = (1.0 - margin) / 2
    logs = _logs(null - _scaled(found), 1.0 / (1.0 - null))
    whole = logs.sum(axis=1)
    if leave_one_out and found.size:
        whole = whole - np.maximum(logs.max(axis=1), 0.0)
    return float(log_mixture(whole, LOG_WEIGHTS))


def log_e_close(found: FloatArray, margin: float) -> float:
    """ln of the evidence that the candidate is lower by less than ``margin``; it rises with the margin."""
    null = (1.0 - margin) / 2
    if null <= 0.0:
        return math.inf
    return float(log_mixture(_logs(_scaled(found) - null, 1.0 / null).sum(axis=1), LOG_WEIGHTS))


def drop_bound(found: FloatArray, confidence: float) -> float:
    """A bound of how much lower the candidate is, too low at any look with a chance of at most 1 - ``confidence``."""
    wanted = -math.log(1.0 - confidence)
    low, high = -1.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if log_e_close(found, middle) >= wanted:
            high = middle
        else:
            low = middle
    return high


def _scaled(found: FloatArray) -> FloatArray:
    return (1.0 + found) / 2


def _logs(gain: FloatArray, largest: float) -> FloatArray:
    """ln of what each window multiplies the stakes by, shape (stakes, windows)."""
    return np.asarray(np.log1p(STAKES[:, None] * largest * gain))
