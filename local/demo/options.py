"""What a user may choose, with the defaults."""

from __future__ import annotations

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
