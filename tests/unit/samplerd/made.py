"""What several tests of the sampler make up."""

import numpy as np
import numpy.typing as npt
from samplerd import oracle
from samplerd.rows import Rows


def rows(
    count: int,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    seed: int = 1,
    position: int = 5,
) -> Rows:
    """Rows that ask for the same, each with a seed of its own."""
    seeds = np.array([[(seed + row) & 0xFFFFFFFF, 77 + row] for row in range(count)], np.uint32)
    return Rows(
        temperature=np.full(count, temperature, np.float32),
        top_k=np.full(count, top_k, np.int32),
        top_p=np.full(count, top_p, np.float32),
        min_p=np.full(count, min_p, np.float32),
        seed=seeds,
        position=np.full(count, position, np.int32),
    )


def request(made: Rows, row: int) -> oracle.Request:
    """The oracle's form of one row."""
    low, high = (int(word) for word in made.seed[row])
    return oracle.Request(
        temperature=float(made.temperature[row]),
        top_k=int(made.top_k[row]),
        top_p=float(made.top_p[row]),
        seed=low + (high << 32),
        position=int(made.position[row]),
        min_p=float(made.min_p[row]),
    )


def logits(rng: np.random.Generator, count: int, vocabulary: int, kind: str) -> npt.NDArray[np.float32]:
    """Rows of one of several natures: what breaks a sampler depends on the shape of its logits."""
    normal = rng.standard_normal((count, vocabulary)).astype(np.float32)
    ranks = np.argsort(np.argsort(normal, axis=1), axis=1).astype(np.float32)
    made = {
        "normal": normal * 3,
        "flat": normal * 0.05,
        "peaked": normal + 20 * (normal == normal.max(axis=1, keepdims=True)),
        "zipf": -np.float32(1.2) * np.log(ranks + 1),
        "ties": np.round(normal * 2) / 2,
        "all equal": np.zeros_like(normal),
        "negative": normal - 1000,
        "masked": np.where(normal > 0.5, normal, -np.inf),
        "huge": normal * 1e30,
        "signed zeros": np.where(normal > 1, normal, np.where(normal > 0, 0.0, -0.0)),
        "ascending": np.sort(normal, axis=1),
    }
    rows_made = made[kind].astype(np.float32)
    rows_made[:, vocabulary // 3] = np.maximum(rows_made[:, vocabulary // 3], -1e30)  # never all masked
    return rows_made


KINDS = (
    "normal",
    "flat",
    "peaked",
    "zipf",
    "ties",
    "all equal",
    "negative",
    "masked",
    "huge",
    "signed zeros",
    "ascending",
)
