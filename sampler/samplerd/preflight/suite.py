"""The fixed token suite: what any right sampler draws, on any platform, from the same logits; and its digest.

Logits come from integers, so that they are the same bits everywhere, and no draw is so close that a logarithm's last
bit could turn it: pools whose digests differ have samplers that differ.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from samplerd import oracle
from samplerd.audit import drawn_in
from samplerd.preflight.conformance import judged, smallest
from samplerd.preflight.material import Floats, asked_of, rows_of
from samplerd.preflight.results import Case, Result, Shape, Tally
from samplerd.preflight.samplers import Samplers

SHAPE = Shape(batch=32, vocabulary=1003, width=1003)
ROWS = 128
_SALT = 20250825


@dataclass
class TokenSuite:
    """Draws the suite once and keeps the digest."""

    samplers: Samplers
    digest: str | None = field(default=None, init=False)

    def case(self) -> Case:
        """The suite as a case of the sweep: it is compared with the oracle too."""
        return Case(
            name=f"token suite, {SHAPE.label}",
            group="tokens",
            run=self._run,
            required=True,
            shrink=lambda _failure, in_time: smallest(self.samplers, SHAPE, in_time),
        )

    def _run(self) -> Result:
        sample = self.samplers.alone(SHAPE)
        tally, tokens = Tally(f"token suite, {SHAPE.label}"), []
        for start in range(0, ROWS, SHAPE.batch):
            numbers = range(start, start + SHAPE.batch)
            asked, logits = [asked_of(number) for number in numbers], logits_of(numbers)
            sampled = sample(logits, rows_of(asked))
            for row, each in enumerate(asked):
                tokens.append(drawn_in(sampled, row))
                tally.add(judged(logits[row], each, sampled, row))
        self.digest = digest_of(tokens)
        return tally.result()


def digest_of(tokens: Iterable[oracle.Drawn]) -> str:
    """SHA-256 over the canonical form: a JSON list of [valid, token, best, kept, threshold] without spaces.

    The threshold is C's hexadecimal form of the number, which is exact.
    """
    rows = [[each.valid, each.token, each.best, each.kept, each.threshold.hex()] for each in tokens]
    return "sha256:" + hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


def expected_digest() -> tuple[str, float]:
    """The digest by the oracle, and the smallest lead of any winner over the token behind it, in nats."""
    tokens, lead = [], float("inf")
    logits = logits_of(range(ROWS))
    for number in range(ROWS):
        expected = oracle.expect(logits[number], asked_of(number).request())
        tokens.append(
            oracle.Drawn(expected.valid, expected.best, expected.token, expected.kept.size, expected.threshold)
        )
        if expected.kept.size > 1:
            last, first = np.sort(expected.scores)[-2:]
            lead = min(lead, float(first) - float(last))
    return digest_of(tokens), lead


def logits_of(numbers: Iterable[int]) -> Floats:
    """The suite's logits, float32 [rows, V]: even, tied, long-tailed and masked ones in turn. Exact operations only."""
    return np.stack([_row(number, _words(number)) for number in numbers])


def _row(number: int, words: npt.NDArray[np.uint64]) -> Floats:
    unit = (words >> np.uint64(40)).astype(np.float64) * 2.0**-24  # 24 bits: exact, also in float32
    made = (
        unit * 16 - 8,
        np.round(unit * 16) / 2 - 4,
        unit * unit * unit * 24,
        np.where(words % np.uint64(5) == 0, -np.inf, unit * 12),
    )[number % 4]
    return made.astype(np.float32)


def _words(number: int) -> npt.NDArray[np.uint64]:
    """64 random bits for each token: splitmix64 of a counter."""
    counter = np.arange(SHAPE.vocabulary, dtype=np.uint64) + np.uint64((_SALT + number) << 32)
    word = (counter + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
