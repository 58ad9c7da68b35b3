"""The kept set is the oracle's, on a million random and adversarial rows, and on ten thousand of 131,072 tokens.

python -m tests.proofs.kept_sets                                # minutes
python -m tests.proofs.kept_sets --rows 20000 --long-rows 160   # a sample

The kept set is a beginning of the total order, so its size and its last logit say which tokens are in it; the best
token and the drawn one are compared as well. Exit code 1: a row differs; its parameters are printed.
"""

import argparse
import sys
import time
from dataclasses import dataclass, field
from functools import partial

import jax
import numpy as np
from samplerd import sampling
from samplerd.jax_setup import configure_jax
from samplerd.rows import Rows
from samplerd.tables import table

from tests.proofs import adversary, row_oracle
from tests.proofs.adversary import Batch

LONG_VOCABULARY = 131_072
_MOST_ELEMENTS = 1 << 20
"""Logits of one batch."""
_MOST_ROWS = 4096
_SHOWN = 5


@dataclass(frozen=True)
class Kind:
    """One compiled sampler. A `size` other than production's brings the whole vocabulary's way to small ones."""

    vocabulary: int
    dtype: str = "float32"
    size: int = sampling.CANDIDATES

    @property
    def rows(self) -> int:
        """Of a batch."""
        return max(1, min(_MOST_ROWS, _MOST_ELEMENTS // self.vocabulary))

    @property
    def label(self) -> str:
        """In words."""
        few = "" if self.size == sampling.CANDIDATES else f", candidates {self.size}"
        return f"{self.dtype}, {self.vocabulary} tokens{few}"


SHORT = (
    *(Kind(vocabulary) for vocabulary in (1, 2, 3, 17, 32, 33, 64, 65, 257, 1000, 1024, 1025, 2049, 4096)),
    *(Kind(vocabulary, size=1) for vocabulary in (31, 129)),
    Kind(600, size=16),
    *(Kind(vocabulary, dtype) for dtype in ("bfloat16", "float16") for vocabulary in (97, 1025)),
)
LONG = (Kind(LONG_VOCABULARY), Kind(LONG_VOCABULARY, "bfloat16"))


@dataclass
class Outcome:
    """What was seen of one kind."""

    rows: int = 0
    invalid: int = 0
    exact: int = 0
    """Rows whose top-p stands at a prefix's share of the mass."""
    fallback: int = 0
    """Rows that went over the whole vocabulary."""
    wrong: int = 0
    examples: list[str] = field(default_factory=list)


def prove(kind: Kind, rows: int, seed: int) -> Outcome:
    """Compare at least `rows` rows of one kind."""
    run = jax.jit(partial(sampling.sample, size=kind.size))
    generator = np.random.default_rng([seed, kind.vocabulary, *kind.dtype.encode(), kind.size])
    outcome = Outcome()
    while outcome.rows < rows:
        made = adversary.batch(generator, (kind.rows, kind.vocabulary), kind.dtype)
        compare(made, jax.device_get(run(made.logits.astype(kind.dtype), made.asked)), outcome)
    return outcome


def compare(made: Batch, sampled: sampling.Sampled, outcome: Outcome) -> None:
    """Judge one batch and count it."""
    kept = row_oracle.nucleus(made.ordered, made.limited, np.asarray(made.asked.top_p))
    drawn = row_oracle.Drawn(sampled.valid, sampled.best, sampled.token, sampled.kept, sampled.threshold)
    right = row_oracle.judge(made.ordered, kept, made.asked, drawn)
    outcome.rows += right.size
    outcome.invalid += int((~made.ordered.valid).sum())
    outcome.exact += int(made.exact.sum())
    outcome.fallback += int((~sampled.certified).sum())
    outcome.wrong += int((~right).sum())
    for row in np.flatnonzero(~right)[: _SHOWN - len(outcome.examples)]:
        outcome.examples.append(_example(made.asked, row, int(kept[row]), drawn))


def _example(asked: Rows, row: int, kept: int, drawn: row_oracle.Drawn) -> str:
    parameters = {name: getattr(asked, name)[row].tolist() for name in asked._fields[:6]}
    got = {name: getattr(drawn, name)[row].item() for name in ("valid", "best", "token", "kept", "threshold")}
    return f"{parameters}: {got}; by the oracle {kept} tokens are kept"


def main() -> int:
    """Run the proof; print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of at most 4096 tokens, in all")
    parser.add_argument("--long-rows", type=int, default=10_000, help=f"rows of {LONG_VOCABULARY} tokens, in all")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    configure_jax()
    lines, examples, wrong, began = [], [], 0, time.monotonic()
    for kinds, rows in ((SHORT, options.rows), (LONG, options.long_rows)):
        for kind in kinds if rows else ():
            start = time.monotonic()
            seen = prove(kind, -(-rows // len(kinds)), options.seed)
            counts = (seen.rows, seen.wrong, seen.exact, seen.invalid, seen.fallback)
            lines.append((kind.label, *map(str, counts), f"{time.monotonic() - start:.1f}"))
            sys.stderr.write(f"{'  '.join(lines[-1])}\n")
            examples += seen.examples
            wrong += seen.wrong
            jax.clear_caches()
    head = ("LOGITS", "ROWS", "WRONG", "P AT A PREFIX", "INVALID", "WHOLE VOCABULARY", "SECONDS")
    total = sum(int(line[1]) for line in lines)
    verdict = f"{wrong} of {total} rows differ from the oracle; {time.monotonic() - began:.0f} s"
    print("\n".join([*table(head, lines), *examples[:_SHOWN], verdict]))  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
