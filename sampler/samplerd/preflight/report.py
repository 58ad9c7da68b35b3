"""What a preflight says: JSON for machines, a table for people, one sentence for a probe."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from quality_contract.preflight import FAILED, FORMAT, PASSED

from samplerd.preflight.prompts import Scored
from samplerd.preflight.results import Failure, Outcome
from samplerd.tables import table

_SHOWN = 5
"""Failures that a person is shown; the JSON has all."""


@dataclass(frozen=True)
class Subject:
    """What was examined. A result holds for another pod only if all of this is equal there."""

    revision: str
    model: str
    vocabulary: int
    context: int
    precision: str
    batch_sizes: tuple[int, ...]
    platform: str
    device: str
    devices: int
    jax: str
    jaxlib: str
    flags_hash: str
    vocab_shards: int | None = None
    """Parts of the vocabulary, each on a device. None, and so for the chunks: an earlier samplerd did not say."""
    chunk_sizes: tuple[int, ...] | None = None
    """In which prompts are read."""


@dataclass(frozen=True)
class Report:
    """The outcome of one preflight."""

    subject: Subject
    budget_seconds: float
    seconds: float
    outcomes: tuple[Outcome, ...]
    not_run: tuple[str, ...]
    failures: tuple[Failure, ...]
    """Worst first."""
    digest: str | None
    """Of the fixed token suite; None if it could not be drawn."""
    prompts: tuple[Scored, ...]
    format: int = FORMAT

    @property
    def passed(self) -> bool:
        """Whether all that ran was right. What had to run always did, or is a failure."""
        return not self.failures

    @property
    def sentence(self) -> str:
        """The verdict in one line, with the worst failure."""
        if self.passed:
            return f"preflight passed: {len(self.outcomes)} cases, {len(self.not_run)} not run"
        more = f" (and {len(self.failures) - 1} more)" if len(self.failures) > 1 else ""
        return f"preflight failed: {self.failures[0].sentence}{more}"

    def as_json(self) -> str:
        """The report for machines."""
        said = {"verdict": PASSED if self.passed else FAILED, "reason": self.sentence}
        return json.dumps(_finite({**said, **asdict(self)}), indent=1, allow_nan=False)

    def as_text(self) -> str:
        """The report for people."""
        subject = self.subject
        lines = [
            f"revision {subject.revision}, model {subject.model} at {subject.precision}, batches of "
            f"{', '.join(map(str, subject.batch_sizes))}; {subject.platform} ({subject.device}), jax {subject.jax}",
            *table(("CASE", "ROWS", "WRONG", "SECONDS"), [_line(outcome) for outcome in self.outcomes]),
        ]
        if self.not_run:
            budget = f"the budget of {self.budget_seconds:g} s"
            lines.append(f"not run, as no further case fits into {budget}: {_few(self.not_run)}")
        lines.append(f"token suite: {self.digest or 'not drawn'}")
        for scored in self.prompts:
            lines.append(f"log-probability of prompt {scored.prompt}: {sum(scored.logprobs):.4f} nats")
        for failure in self.failures[:_SHOWN]:
            lines += [failure.sentence, f"  {json.dumps(_finite(failure.example))}"]
        return "\n".join([*lines, f"{self.sentence}; {self.seconds:.1f} s"])


def _finite(value: Any) -> Any:
    """JSON has no word for NaN and infinities: they become texts, which are read back as numbers."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def _line(outcome: Outcome) -> tuple[str, ...]:
    return outcome.case, str(outcome.rows), str(outcome.wrong), f"{outcome.seconds:.1f}"


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{'; '.join(names[:3])}{more}"


class ReportError(ValueError):
    """A file holds no report that can be read."""


_READER: TypeAdapter[Report] = TypeAdapter(Report)


def read(path: Path) -> Report:
    """Read a report's JSON. Raises ReportError, which names the file and what is wrong with it, and OSError."""
    try:
        values = json.loads(path.read_text())
    except (ValueError, RecursionError):
        raise _no_report(path, "it is no JSON") from None
    if not isinstance(values, dict) or "format" not in values:
        raise _no_report(path, "it is JSON of something else: there is no format in it")
    if values["format"] != FORMAT:
        raise ReportError(f"{path}: a preflight report of format {values['format']}; this samplerd reads {FORMAT}")
    try:
        return _READER.validate_python({name: value for name, value in values.items() if name not in _SAID})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _no_report(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _no_report(path: Path, why: str) -> ReportError:
    return ReportError(f"{path}: no preflight report: {why}; make one with samplerd preflight --json")


_SAID = {"verdict", "reason"}
