"""What a user may choose, with the defaults."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TREE: Final = Path(__file__).parents[2]
MODELS: Final = {"smollm2": "smollm2-135m", "synthetic": "synthetic"}
"""Name on the command line: name that the sampler knows."""


@dataclass(frozen=True)
class Options:
    """The command line."""

    keep: bool = False
    report: Path = TREE / "out" / "report.html"
    model: str = "smollm2"
    workers: int = 8

    @property
    def out(self) -> Path:
        """The folder for everything that the run leaves."""
        return self.report.parent

    @property
    def served_model(self) -> str:
        """The model's name in requests."""
        return MODELS[self.model]


def read(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Read a command line of the parser's own options and those of everything that is told here."""
    parser.add_argument("--keep", action="store_true", help="leave the cluster up and say what to try")
    parser.add_argument("--model", choices=sorted(MODELS), default=Options.model, help="what the samplers run")
    parser.add_argument("--workers", type=int, default=Options.workers, help="requests in flight (%(default)s)")
    given = parser.parse_args(argv)
    if given.workers < 1:
        parser.error(f"--workers: at least 1 is needed, not {given.workers}")
    return given
