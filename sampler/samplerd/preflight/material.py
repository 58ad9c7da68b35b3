"""What the sampler is asked in the sweep: logits of every nature, parameters at every edge; always the same."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from samplerd import oracle
from samplerd.audit import changes_of
from samplerd.edit_list import NO_WISHES, EditList, Wishes
from samplerd.edits import Edits
from samplerd.rows import Rows, seed_words

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Asked:
    """What one row is asked."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = 0
    position: int = 0
    wishes: Wishes = NO_WISHES
    """Edits."""
    seen: tuple[int, ...] = ()
    """The tokens that penalties depend on: the first half counts as prompt, the other as output."""
    logprobs: bool = False
    """Wants log-probabilities."""

    def request(self) -> oracle.Request:
        """The oracle's form."""
        return oracle.Request(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            seed=self.seed,
            position=self.position,
            changes=changes_of(self.wishes, *self._halves()),
        )

    def write_edits(self, edits: Edits, row: int, vocabulary: int) -> None:
        """Fill one row of a batch without edits, if any is asked for."""
        if not self.wishes.any:
            return
        prompt, output = self._halves()
        made = EditList(self.wishes, prompt, capacity=edits.ids.shape[1], vocabulary=vocabulary)
        for token in output:
            made.push(token)
        made.write(edits, row)

    def _halves(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        half = -(-len(self.seen) // 2)
        return self.seen[:half], self.seen[half:]


PARAMETERS = (
    Asked(temperature=0.0),
    Asked(temperature=0.7, top_k=50, top_p=0.95),
    Asked(),
    Asked(temperature=1.0, top_p=0.99),
    Asked(temperature=0.7, top_k=1),
    Asked(temperature=0.7, top_p=0.9, min_p=0.02),
    Asked(temperature=1.5, top_p=0.999),
    Asked(temperature=1.0, top_k=64),
    Asked(temperature=1.0, top_k=65, top_p=0.9),
    Asked(temperature=1.0, top_k=1024),
    Asked(temperature=1.0, top_k=1500, top_p=0.99),
    Asked(temperature=2.0, top_p=1e-8),
    Asked(temperature=1.0, top_p=0.0),
    Asked(temperature=1e-4, top_k=-1, top_p=0.99),
    Asked(min_p=0.02),
    Asked(temperature=1.3, min_p=1e-6, top_k=33, top_p=0.99),
    Asked(min_p=1.0),
    Asked(temperature=0.1, top_p=0.5),
    Asked(temperature=1.0, top_k=2, top_p=0.5),
)
"""Off values and edges of each, the sizes of the candidate lists, and what users ask for."""

ALL_PARAMETERS = tuple(
    Asked(temperature, top_k, top_p, min_p)
    for temperature, top_k, top_p, min_p in itertools.product(
        (0.0, 1e-4, 0.7, 1.0, 1.5),
        (-1, 0, 1, 2, 33, 50, 63, 64, 65, 1023, 1024, 1025, 1499, 1500, 2**31 - 1),
        (0.0, 1e-8, 1e-3, 0.5, 0.9, 0.95, 0.99, 0.999, 1 - 2.0**-24, 1.0),
        (0.0, 1e-40, 1e-6, 0.02, 1.0),
    )
)
"""Every value at which a parameter changes its meaning, with every other, for the long plan."""

_EVERY = 3
"""Every so many rows are edited, and every so many want log-probabilities."""
_SEEN = 16
"""Different tokens, at most, that a row of the sweep has seen; each three times."""

NATURES = ("normal", "ties", "zipf", "flat", "masked", "peaked", "negative", "zeros", "invalid")
"""What breaks a sampler depends on the nature of its logits."""


def asked_of(number: int) -> Asked:
    """The parameters of the sweep's row `number`: each combination in turn, a seed and a position of its own."""
    return _with_seed(PARAMETERS[number % len(PARAMETERS)], number)


def any_of(number: int) -> Asked:
    """Likewise, of all combinations."""
    return _with_seed(ALL_PARAMETERS[number % len(ALL_PARAMETERS)], number)


def _with_seed(asked: Asked, number: int) -> Asked:
    mixed = (number * 0x9E3779B97F4A7C15 + 0x1234567) % 2**64
    return replace(asked, seed=mixed, position=(mixed >> 33) % 2**20)


def with_extras(asked: Asked, number: int, vocabulary: int, seen: tuple[int, ...] | None = None) -> Asked:
    """The row `number` with edits, with log-probabilities or with neither, in turn; `seen` is made up if it is None."""
    if number % _EVERY == 1:
        kinds = _all_wishes(vocabulary)
        read = _seen(number, vocabulary) if seen is None else seen
        return replace(asked, wishes=kinds[number // _EVERY % len(kinds)], seen=read)
    return replace(asked, logprobs=number % _EVERY == 2)


def _seen(number: int, vocabulary: int) -> tuple[int, ...]:
    tokens: list[int] = np.random.default_rng([number, vocabulary]).integers(vocabulary, size=_SEEN).tolist()
    return tuple(tokens * 3)  # more than once in the output, too


@cache
def _all_wishes(vocabulary: int) -> tuple[Wishes, ...]:
    biased = {0: 5.0, vocabulary // 2: -100.0, vocabulary - 1: 4.0}
    first = min(5, vocabulary - 1)
    return (
        Wishes(repetition_penalty=1.3, presence_penalty=0.5, frequency_penalty=0.25),
        Wishes(logit_bias=tuple(biased.items())),
        Wishes(allowed_ids=tuple(range(first, vocabulary, -(-vocabulary // 100))), repetition_penalty=0.8),
    )


def nature_of(number: int) -> str:
    """The nature of the logits of the sweep's row `number`."""
    return NATURES[number // len(PARAMETERS) % len(NATURES)]


def logits_of(number: int, vocabulary: int) -> Floats:
    """The logits of the sweep's row `number`, float32 [V]."""
    generator = np.random.default_rng([number, vocabulary])
    normal = generator.standard_normal(vocabulary, np.float32)
    nature = nature_of(number)
    if nature == "zipf":
        ranks = 1 + generator.permutation(vocabulary).astype(np.float32)
        zipf: Floats = -np.float32(1.2) * np.log(ranks)
        return zipf
    if nature == "peaked":
        normal[int(generator.integers(vocabulary))] = 25.0
        return normal
    if nature == "invalid":
        if number % 3 == 2:
            return np.full_like(normal, -np.inf)
        normal[int(generator.integers(vocabulary))] = (np.nan, np.inf)[number % 3]
        return normal
    return _SHAPED[nature](normal)


def _some_masked(normal: Floats) -> Floats:
    masked = np.where(normal > 0.5, normal, np.float32(-np.inf))
    masked[len(normal) // 3] = 0.25  # all of them masked are an invalid row
    return masked


_SHAPED: dict[str, Callable[[Floats], Floats]] = {
    "normal": lambda normal: normal * np.float32(3),
    "ties": lambda normal: (np.round(normal * 2) / 2).astype(np.float32),
    "flat": lambda normal: normal * np.float32(0.05),
    "masked": _some_masked,
    "negative": lambda normal: normal - np.float32(1000),
    "zeros": lambda normal: np.where(normal > 0, np.float32(0), np.float32(-0.0)),
}


def rows_of(asked: Sequence[Asked], edits: Edits | None = None, *, vocabulary: int = 0) -> Rows:
    """The sampler's form.

    `edits`: a batch without any, to be filled, with its vocabulary; None: for a program without edits and
    log-probabilities.
    """
    rows = Rows(
        temperature=np.array([each.temperature for each in asked], np.float32),
        top_k=np.array([each.top_k for each in asked], np.int32),
        top_p=np.array([each.top_p for each in asked], np.float32),
        min_p=np.array([each.min_p for each in asked], np.float32),
        seed=np.array([seed_words(each.seed) for each in asked], np.uint32),
        position=np.array([each.position for each in asked], np.int32),
    )
    if edits is None:
        return rows
    for row, each in enumerate(asked):
        each.write_edits(edits, row, vocabulary)
    return rows._replace(edits=edits, logprobs=np.array([each.logprobs for each in asked], np.bool_))
