"""What the sampler's benchmarks ask for, and whether what they get is the oracle's."""

from typing import Any, NamedTuple

import jax
import numpy as np
import numpy.typing as npt
from samplerd import oracle
from samplerd.audit import drawn_in
from samplerd.rows import Rows

VOCABULARY = 131072


class Asked(NamedTuple):
    """The parameters of all rows of a batch. Off: temperature 0, top_k 0, top_p 1."""

    temperature: float
    top_k: int
    top_p: float


K50, GREEDY, P99, OPEN = Asked(0.7, 50, 0.95), Asked(0.0, 0, 1.0), Asked(1.0, 0, 0.99), Asked(1.0, 0, 1.0)
FLAT = Asked(1.0, 0, 0.999)


def rows_of(count: int, asked: Asked) -> Rows:
    return jax.device_put(
        Rows(
            temperature=np.full(count, asked.temperature, np.float32),
            top_k=np.full(count, asked.top_k, np.int32),
            top_p=np.full(count, asked.top_p, np.float32),
            min_p=np.zeros(count, np.float32),
            seed=np.arange(2 * count, dtype=np.uint32).reshape(count, 2),
            position=np.full(count, 7, np.int32),
        )
    )


def wrong_rows(logits: npt.NDArray[np.float32], asked: Asked, rows: Rows, got: Any, most: int) -> int:
    """How many of the first rows are not the oracle's."""
    wrong, seeds = 0, np.asarray(rows.seed)
    for row in range(min(most, len(logits))):
        low, high = (int(word) for word in seeds[row])
        request = oracle.Request(asked.temperature, asked.top_k, float(np.float32(asked.top_p)), low + (high << 32), 7)
        wrong += oracle.judge(oracle.expect(logits[row], request), drawn_in(got, row)) is not None
    return wrong


def megabytes(program: Any) -> float:
    return float(program.memory_analysis().temp_size_in_bytes) / 1e6
