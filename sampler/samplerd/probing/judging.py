"""What is wrong with one answer, by the answer alone: its script, its code, and how likely its tokens were to come.

**Calibration.** An answer's log-probabilities say how each token was to be drawn. Only a few of the likeliest tokens
are listed, so each draw is looked at *given that it fell among these*: their shares are known exactly, whatever the
rest is, as p^(1/T) over their sum at temperature T. Against that stand a few alternatives: tokens drawn too evenly, not
evenly enough, or hardly ever the best one. The ratio of likelihoods is multiplied over tokens and over answers, and
begins anew at 1 where it has fallen below (CUSUM). When its mean over the alternatives reaches ``LEAST_RATIO`` the
answer is bad, and all begin anew. Of a right sampler's answers that is at most one in ``LEAST_RATIO`` on average, in
the long run: the ratio is bounded by the Shiryaev-Roberts sum, which less the number of answers is a martingale.

Some servers list the drawn token in the place of the last of the likeliest. So only those count that are likelier than
the last one listed: which they are does not depend on the draw.
"""

import ast
import json
import math
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

LEAST_RATIO: Final = 1000.0
"""From here on an answer is bad, with those before it."""
TILTS: Final = (0.0, 0.5, 0.75, 4 / 3, 2.0)
"""Alternatives p^k over their sum: a temperature that is too high, or too low, by the factor 1/k."""
LEAKED: Final = 0.05
"""One more alternative: the best token comes only so often as it should."""
TOP: Final = 10
"""Listed tokens that are asked for."""

_FENCE: Final = re.compile(r"^```[ \t]*([A-Za-z]+)[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


class Draw(NamedTuple):
    """One token: its log-probability, and those of the tokens that were listed."""

    logprob: float
    listed: tuple[float, ...]


class Detector:
    """Answers of one sampler, one after the other."""

    def __init__(self) -> None:
        self._logs = np.zeros(len(TILTS) + 1)

    def is_unlikely(self, draws: Sequence[Draw], scale: float) -> bool | None:
        """Whether with this answer tokens have come as they hardly can; None for one of which no token tells anything.

        ``scale``: by what log-probabilities are multiplied before a draw.
        """
        found = [logs for draw in draws if (logs := _log_ratios(draw, scale)) is not None]
        if not found:
            return None
        self._logs = np.maximum(self._logs, 0.0) + np.sum(found, axis=0)
        most = float(self._logs.max())
        bad = most + math.log(float(np.exp(self._logs - most).mean())) >= math.log(LEAST_RATIO)
        if bad:
            self._logs[:] = 0.0
        return bad


def _log_ratios(draw: Draw, scale: float) -> np.ndarray | None:
    """Of each alternative against what was to be, shape (alternatives,); None for a token beyond the likeliest."""
    listed = np.sort(np.asarray(draw.listed, dtype=np.float64))[::-1]
    likeliest = listed[listed > listed.min(initial=math.inf)]
    places = np.flatnonzero(likeliest == draw.logprob)
    if places.size == 0 or likeliest.size < 2 or not np.isfinite(likeliest).all():
        return None
    logs = _normalised(scale * likeliest)
    at = int(places[0])
    tilted = [_normalised(tilt * logs)[at] - logs[at] for tilt in TILTS]
    best = math.exp(logs[0])
    if best >= 1.0 or logs[0] == logs[1]:
        return np.array([*tilted, 0.0])
    dropped = math.log(LEAKED) if at == 0 else math.log1p(-LEAKED * best) - math.log1p(-best)
    return np.array([*tilted, dropped])


def _normalised(logs: np.ndarray) -> np.ndarray:
    most = logs.max()
    return np.asarray(logs - most - math.log(float(np.exp(logs - most).sum())))


def has_broken_code(text: str) -> bool | None:
    """Whether a closed fence of Python or JSON does not parse; None for a text without one."""
    found = [(language.lower(), code) for language, code in _FENCE.findall(text)]
    verdicts = [_parses(language, code) for language, code in found if language in {"python", "py", "json"}]
    return not all(verdicts) if verdicts else None


def _parses(language: str, code: str) -> bool:
    try:
        if language == "json":
            json.loads(code)
        else:
            ast.parse(code)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False
    return True
