"""The mean of bounded scores, such as of an evaluation's runs: tests by betting (Waudby-Smith and Ramdas 2024).

For scores x in [0, 1] whose mean, given what was before, is at most m, every bet with a fixed share f of the capital on
"more than m",

    K = prod_i (1 + f (x_i / m - 1)),    0 <= f < 1,

is a non-negative supermartingale that starts at 1, and so is the mean over a grid of f. Against "at least m" the same
holds of 1 - x and 1 - m. Nothing is assumed of how scores are spread; they may depend on those before them.
"""

from __future__ import annotations

import numpy as np

from sampler_rollouts.domain.evidence.grid import FloatArray, IntArray, log_mixture

SHARES: FloatArray = np.geomspace(0.003, 0.95, 24)
"""Shares of the capital that are bet: small ones for small differences among many scores."""
_LOG_WEIGHTS: FloatArray = np.full(SHARES.shape, -np.log(SHARES.size))


def log_capital_above(scores: FloatArray, mean: float) -> FloatArray:
    """ln of the evidence against "the mean is at most ``mean``" after each score. Scores (n,) to (n,)."""
    gains = np.log1p(SHARES[:, None] * (scores / mean - 1.0))
    return log_mixture(np.cumsum(gains, axis=1), _LOG_WEIGHTS)


def log_capital_below(scores: FloatArray, mean: float) -> FloatArray:
    """ln of the evidence against "the mean is at least ``mean``" after each score. Scores (n,) to (n,)."""
    return log_capital_above(1.0 - scores, 1.0 - mean)


def log_e_drop(candidate: FloatArray, stable: FloatArray, max_drop: float) -> tuple[float, float]:
    """ln of the evidence that the candidate's scores dropped by more than ``max_drop``, and that they did not.

    Scores in [0, 1] are compared run by run, in order, as far as both have any; ``max_drop`` in (0, 1). The difference
    d becomes (1 + d) / 2, whose mean is (1 - max_drop) / 2 at the margin. Both are 0 without a pair.
    """
    pairs = min(candidate.size, stable.size)
    if pairs == 0:
        return 0.0, 0.0
    scores = (1.0 + candidate[:pairs] - stable[:pairs]) / 2.0
    margin = (1.0 - max_drop) / 2.0
    return float(log_capital_below(scores, margin)[-1]), float(log_capital_above(scores, margin)[-1])


def scores_of_runs(values: FloatArray, runs: IntArray) -> FloatArray:
    """One score for each run: a gauge that is scraped again is no second observation.

    ``values`` and ``runs`` have shape (scrapes,), in order of time. A score counts where the counter of runs has risen
    since the last scrape, by however many; one that is no number in [0, 1] counts as none.
    """
    if runs.size == 0:
        return np.zeros(0)
    risen = np.diff(runs, prepend=0) > 0
    with np.errstate(invalid="ignore"):
        usable = (values >= 0) & (values <= 1)
    return np.asarray(values[risen & usable], dtype=np.float64)
