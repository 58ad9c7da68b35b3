"""What a case of the sweep is and what it gives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from quality_contract import (
    KIND_BEST_DROPPED,
    KIND_INVALID_ROW,
    KIND_KEPT_SET,
    KIND_OTHER_TOKEN,
    KIND_OUTSIDE_KEPT,
)

KIND_CRASHED = "crashed"
KIND_LOGITS = "logits-differ"
KIND_LOGPROBS = "logprobs-differ"
KIND_CACHE = "cache-differs"
KIND_BASELINE = "baseline-differs"

SEVERITY = (
    KIND_CRASHED,
    KIND_BEST_DROPPED,
    KIND_OUTSIDE_KEPT,
    KIND_INVALID_ROW,
    KIND_OTHER_TOKEN,
    KIND_LOGITS,
    KIND_LOGPROBS,
    KIND_CACHE,
    KIND_BASELINE,
    KIND_KEPT_SET,
)
"""Kinds of failure, worst first. Those of the sampler are the replay audit's (docs/metrics.md)."""


@dataclass(frozen=True)
class Shape:
    """What a sampler is compiled for."""

    batch: int
    vocabulary: int
    """Real tokens."""
    width: int
    """Columns of the logits: the real tokens and padding."""
    dtype: str = "float32"
    head: bool = False
    """Behind a dot product, in one program with it."""
    devices: int = 1
    """Over which the vocabulary is split."""
    edited: bool = False
    """A program with edits and log-probabilities, as the served one is; some of the rows want them."""

    def __post_init__(self) -> None:
        if self.head and self.width != self.vocabulary:
            raise ValueError(f"{self.label}: the logits of a dot have no padding; make width the vocabulary")

    @property
    def label(self) -> str:
        """In words."""
        padded = f" of {self.width}" if self.width != self.vocabulary else ""
        text = f"{self.dtype} {self.batch} x {self.vocabulary}{padded}"
        text += " behind a dot" if self.head else ""
        text += f" over {self.devices} devices" if self.devices > 1 else ""
        return text + (", with edits" if self.edited else "")


@dataclass(frozen=True)
class Smallest:
    """The smallest shape found that fails, and the smallest top-k there (None: it was not seen to fail with one)."""

    batch: int
    vocabulary: int
    top_k: int | None
    cut_off: bool = False
    """Time was up before all smaller ones were tried."""


@dataclass(frozen=True)
class Failure:
    """What went wrong in one case: the worst kind, how often anything did, one example."""

    case: str
    kind: str
    wrong: int
    rows: int
    example: dict[str, Any]
    """Numbers of one failing row: what was asked, what was expected, what came. Never text."""
    smallest: Smallest | None = None

    @property
    def sentence(self) -> str:
        """In one line."""
        small = self.smallest
        text = f"{self.case}: {self.kind} in {self.wrong} of {self.rows} rows"
        if small is not None:
            top_k = "" if small.top_k is None else f", top_k {small.top_k}"
            text += f"; smallest: batch {small.batch}, vocabulary {small.vocabulary}{top_k}"
            text += " (search cut off by time)" if small.cut_off else ""
        return text


@dataclass(frozen=True)
class Result:
    """What running a case gave: how many rows were compared, and the failure if any was wrong."""

    rows: int
    failure: Failure | None = None
    note: str = ""
    """What could not be looked at here; no failure."""


@dataclass(frozen=True)
class Case:
    """One question to the program."""

    name: str
    group: str
    run: Callable[[], Result]
    required: bool = False
    """Runs whatever the budget."""
    shrink: Callable[[Failure, Callable[[], bool]], Smallest | None] | None = None
    """Find a smaller failing shape while the second argument says that there is time."""


@dataclass(frozen=True)
class Outcome:
    """A case that was run."""

    case: str
    group: str
    required: bool
    rows: int
    wrong: int
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Wrong:
    """What is wrong with one row."""

    kind: str
    example: dict[str, Any]


@dataclass
class Tally:
    """Collects the kinds of mismatch of one case."""

    case: str
    rows: int = 0
    wrong: int = 0
    _worst: Wrong | None = field(default=None, init=False)

    def add(self, wrong: Wrong | None) -> None:
        """Count a row, and what is wrong with it."""
        self.rows += 1
        if wrong is None:
            return
        self.wrong += 1
        if self._worst is None or SEVERITY.index(wrong.kind) < SEVERITY.index(self._worst.kind):
            self._worst = wrong

    def result(self) -> Result:
        """The case's result."""
        if self._worst is None:
            return Result(self.rows)
        return Result(self.rows, Failure(self.case, self._worst.kind, self.wrong, self.rows, self._worst.example))


def worst_first(failures: list[Failure]) -> list[Failure]:
    """By kind, then by the share of wrong rows."""
    return sorted(failures, key=lambda failure: (SEVERITY.index(failure.kind), -failure.wrong / max(1, failure.rows)))
