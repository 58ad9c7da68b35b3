"""A language model that is small enough to read: which word follows which in a page of prose, smoothed.

``P(next | last)`` is ``(count(last, next) + SMOOTHING * P(next)) / (count(last) + SMOOTHING)``. It is a stand-in for a
model of yours: what matters here is that its probabilities are known.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

SMOOTHING = 1.0
STOP = "."
_WORD = re.compile(r"[A-Za-z]+|[.]")


class Model:
    """Words, and the logarithm of the probability of each after each other one."""

    def __init__(self, text: str) -> None:
        words = _WORD.findall(text)
        self.words = sorted(set(words))
        self._number = {word: number for number, word in enumerate(self.words)}
        total = Counter(words)
        after: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for last, following in pairwise(words):
            after[last][following] += 1
        self._rows = [self._row(after[last], total, len(words)) for last in self.words]

    def _row(self, after: Counter[str], total: Counter[str], size: int) -> list[float]:
        seen = after.total() + SMOOTHING
        return [math.log((after[word] + SMOOTHING * total[word] / size) / seen) for word in self.words]

    def tokens(self, prompt: str) -> list[int]:
        """The numbers of the prompt's words; those that the model does not know count as the end of a sentence."""
        return [self._number.get(word, self._number[STOP]) for word in _WORD.findall(prompt)]

    def logprobs(self, tokens: Sequence[int]) -> list[float]:
        """The log-probability of each word after these, in nats. They sum to 1 as probabilities."""
        return self._rows[tokens[-1] if tokens else self._number[STOP]]

    def text(self, token: int) -> str:
        """A word as it stands in an answer."""
        word = self.words[token]
        return word if word == STOP else f" {word}"


def load() -> Model:
    """The model of the page beside this file."""
    return Model((Path(__file__).parent / "corpus.txt").read_text(encoding="utf-8"))
