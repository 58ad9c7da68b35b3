"""Draws follow the distribution into its far tail: G-tests over ten million draws each.

python -m tests.proofs.draws                     # minutes
python -m tests.proofs.draws --draws 200000      # a sample

The distribution is worked out in float64 from the logits and the oracle's kept set. Tokens that are expected less than
ten times share a cell. Seeds and positions are fixed, so a run says the same each time. Exit code 1: a test fails.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from jax.scipy.special import gammaincc
from samplerd import oracle, sampling
from samplerd.jax_setup import configure_jax
from samplerd.rows import Rows
from samplerd.tables import table

Floats64 = npt.NDArray[np.float64]
LEAST_PROBABILITY = 1e-5
"""Of a G this large or larger: each of few tests, each always with the same draws."""
_LEAST_EXPECTED = 10.0
_MOST_ELEMENTS = 1 << 20


@dataclass(frozen=True)
class Case:
    """One distribution and one way to seed its draws."""

    name: str
    logits: npt.NDArray[np.float32]  # [V]
    seeding: str
    """`random` seeds and positions; one seed at `positions` that count up; `seeds` that count up at one position."""
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    size: int = sampling.CANDIDATES
    fraction: float = 1.0
    """Of the draws of a run: long rows cost more."""

    def shares(self) -> Floats64:
        """The probability of each token, [V]."""
        request = oracle.Request(self.temperature, self.top_k, self.top_p, 0, 0, self.min_p)
        kept = oracle.expect(self.logits, request).kept
        shares = np.zeros(self.logits.size)
        shares[kept] = np.exp((self.logits[kept].astype(np.float64) - self.logits.max()) / self.temperature)
        return shares / shares.sum()


def _falling(size: int, lowest: float) -> npt.NDArray[np.float32]:
    """From 0 to `lowest` nats, in an order of ids that is not that of the logits."""
    return np.random.default_rng(3).permutation(np.linspace(0, lowest, size)).astype(np.float32)


def _far_tail(size: int, below: float) -> npt.NDArray[np.float32]:
    """One token has nearly everything, all others lie equally far below it."""
    return np.where(np.arange(size) == 7, 0.0, -below).astype(np.float32)


CASES = (
    Case("to 16 nats, candidates", _falling(64, -16.0), "random"),
    Case("to 16 nats, whole vocabulary", _falling(64, -16.0), "positions", size=1),
    Case("T 0.7, k 40, p 0.999", _falling(64, -10.0), "positions", temperature=0.7, top_k=40, top_p=0.999),
    Case("T 1.5, min-p 0.001", _falling(64, -16.0), "seeds", temperature=1.5, min_p=0.001),
    Case("1023 tokens 15 nats below", _far_tail(1024, 15.0), "random", fraction=0.2),
    Case("4095 tokens 17 nats below", _far_tail(4096, 17.0), "seeds", fraction=0.05),
)


def asked(case: Case, start: int, rows: int, generator: np.random.Generator) -> Rows:
    """The parameters of draws `start` to `start + rows`."""
    numbers = np.arange(start, start + rows, dtype=np.int64)
    seed, position = np.tile(np.array([[20250825, 7]], np.uint32), (rows, 1)), np.full(rows, 11, np.int32)
    if case.seeding == "random":
        seed = generator.integers(0, 2**32, (rows, 2), np.uint32)
        position = generator.integers(0, 2**20, rows).astype(np.int32)
    elif case.seeding == "positions":
        position = numbers.astype(np.int32)
    else:
        seed[:, 0] = numbers.astype(np.uint32)

    def full(value: float, dtype: Any) -> npt.NDArray[Any]:
        return np.full(rows, value, dtype)

    return Rows(
        temperature=full(case.temperature, np.float32),
        top_k=full(case.top_k, np.int32),
        top_p=full(case.top_p, np.float32),
        min_p=full(case.min_p, np.float32),
        seed=seed,
        position=position,
    )


def drawn(case: Case, draws: int, sample: Any = sampling.sample) -> npt.NDArray[np.int64]:
    """How often each token came, [V], in at least `draws` draws."""
    rows = _MOST_ELEMENTS // case.logits.size
    logits = jax.numpy.asarray(np.tile(case.logits, (rows, 1)))
    run = jax.jit(partial(sample, size=case.size))
    generator = np.random.default_rng(5)
    counts = np.zeros(case.logits.size, np.int64)
    for start in range(0, draws, rows):
        token = np.asarray(run(logits, asked(case, start, rows, generator)).token)
        counts += np.bincount(token, minlength=counts.size)
    return counts


@dataclass(frozen=True)
class Tested:
    """One G-test."""

    draws: int
    cells: int
    statistic: float
    probability: float
    rare: int
    """Draws of tokens that have less than one part in ten thousand each."""
    rare_expected: float

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the distribution."""
        return self.probability >= LEAST_PROBABILITY


def tested(counts: npt.NDArray[np.int64], shares: Floats64) -> Tested:
    """G = 2 sum O ln(O / E), chi-squared with cells - 1 degrees of freedom. A token that cannot come fails at once."""
    total = int(counts.sum())
    rare = (shares > 0) & (shares < 1e-4)
    seen, expected = _cells(counts, shares * total)
    there = seen > 0
    with np.errstate(divide="ignore"):
        statistic = float(2 * np.sum(seen[there] * np.log(seen[there] / expected[there])))
    impossible = bool(counts[shares == 0].sum())
    freedom = max(1, len(seen) - 1)
    probability = 0.0 if impossible else float(gammaincc(freedom / 2, max(0.0, statistic) / 2))
    return Tested(total, len(seen), statistic, probability, int(counts[rare].sum()), float(shares[rare].sum() * total))


def _cells(counts: npt.NDArray[np.int64], expected: Floats64) -> tuple[Floats64, Floats64]:
    """Tokens by falling expectation; those at the end that are expected too seldom are put together."""
    order = np.argsort(-expected, kind="stable")
    sums = np.cumsum(expected[order][::-1])[::-1]  # what this token and all behind it are expected
    starts = [0]
    for place in range(1, order.size):
        if expected[order[starts[-1] : place]].sum() >= _LEAST_EXPECTED and sums[place] >= _LEAST_EXPECTED:
            starts.append(place)
    return np.add.reduceat(counts[order].astype(np.float64), starts), np.add.reduceat(expected[order], starts)


def main() -> int:
    """Run the tests; print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=10_000_000)
    options = parser.parse_args()
    configure_jax()
    lines, failed = [], 0
    for case in CASES:
        began = time.monotonic()
        found = tested(drawn(case, int(options.draws * case.fraction)), case.shares())
        failed += not found.passed
        rare = f"{found.rare} of {found.rare_expected:.1f} expected"
        numbers = (str(found.draws), str(found.cells), f"{found.statistic:.1f}", f"{found.probability:.4f}", rare)
        lines.append((case.name, case.seeding, *numbers, f"{time.monotonic() - began:.1f}"))
        sys.stderr.write(f"{'  '.join(lines[-1])}\n")
    head = ("DISTRIBUTION", "SEEDS", "DRAWS", "CELLS", "G", "PROBABILITY", "RARE TOKENS", "SECONDS")
    print("\n".join([*table(head, lines), f"{failed} of {len(CASES)} tests failed"]))  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
