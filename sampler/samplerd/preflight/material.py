"""What the sampler is asked in the sweep: logits of every nature, parameters at every edge; always the same."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from samplerd import oracle
from samplerd.rows import Rows, seed_words

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Asked:
    """Parameters of one row."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = 0
    position: int = 0

    def request(self) -> oracle.Request:
        """The oracle's form."""
        return oracle.Request(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            seed=self.seed,
            position=self.position,
        )


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
        (0.0, 1e-6, 0.02, 1.0),
    )
)
"""Every value at which a parameter changes its meaning, with every other, for the long plan."""

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


def logits_of(number: int, vocabulary: int) -> Floats:
    """The logits of the sweep's row `number`, float32 [V]."""
    generator = np.random.default_rng([number, vocabulary])
    normal = generator.standard_normal(vocabulary, np.float32)
    nature = NATURES[number // len(PARAMETERS) % len(NATURES)]
    if nature == "zipf":
        ranks = 1 + generator.permutation(vocabulary).astype(np.float32)
        zipf: Floats = -np.float32(1.2) * np.log(ranks)
        return zipf
    if nature == "peaked":
        normal[int(generator.integers(vocabulary))] = 25.0
        return normal
    if nature == "invalid":
        normal[int(generator.integers(vocabulary))] = (np.nan, np.inf)[number % 2]
        return normal
    return _SHAPED[nature](normal)


def _some_masked(normal: Floats) -> Floats:
    masked = np.where(normal > 0.5, normal, np.float32(-np.inf))
    masked[len(normal) // 3] = 0.25  # never all of them
    return masked


_SHAPED: dict[str, Callable[[Floats], Floats]] = {
    "normal": lambda normal: normal * np.float32(3),
    "ties": lambda normal: (np.round(normal * 2) / 2).astype(np.float32),
    "flat": lambda normal: normal * np.float32(0.05),
    "masked": _some_masked,
    "negative": lambda normal: normal - np.float32(1000),
    "zeros": lambda normal: np.where(normal > 0, np.float32(0), np.float32(-0.0)),
}


def rows_of(asked: Sequence[Asked]) -> Rows:
    """The sampler's form: a batch without edits and log-probabilities."""
    return Rows(
        temperature=np.array([each.temperature for each in asked], np.float32),
        top_k=np.array([each.top_k for each in asked], np.int32),
        top_p=np.array([each.top_p for each in asked], np.float32),
        min_p=np.array([each.min_p for each in asked], np.float32),
        seed=np.array([seed_words(each.seed) for each in asked], np.uint32),
        position=np.array([each.position for each in asked], np.int32),
    )
