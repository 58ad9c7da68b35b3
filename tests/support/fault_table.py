"""What catches which seeded fault, measured on the synthetic model: the server's counters, preflight and lint.

`make fault-table` writes the table of docs/seeded-builds.md; tests/unit/seeded holds it. Every token is audited. No
sockets: the engine's turns are taken here, so that each run sees the same batches and the same seeds.
"""

import math
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import jax
import quality_contract as names
from samplerd import synthetic
from samplerd.accounting import Accounting, Outcome
from samplerd.audit import Audit
from samplerd.engine import Engine
from samplerd.generation import Ask, Event, Failed, Finished, Generation, Piece
from samplerd.jax_setup import configure_jax
from samplerd.lint.report import run_lint
from samplerd.metrics import Metrics
from samplerd.model import Model
from samplerd.program import Executables, ProgramFor, production_program
from samplerd.routes import Caller
from seeded_builds.faults import FAULTS
from seeded_builds.show import PROMPTS

from tests.support.before_traffic import examined, lint_cell, preflight_cell

PAGE = Path(__file__).parents[2] / "docs" / "seeded-builds.md"
BEGIN, END = "<!-- made by `make fault-table` -->", "<!-- end of what was made -->"
BATCH_SIZES = (1, 4)
"""Of the traffic."""
SERVED = (1, 2, 4)
"""What `samplerd` compiles unless told otherwise: what preflight and lint look at."""
REQUESTS, TOKENS = 120, 12
LARGEST_BIAS = 0.05
"""Nats a token: the calibration check's usual margin."""
_SIGMAS = 5.0
_CONFIRMED = 2
"""Wrong tokens, or bad requests, that are no accident any more."""
_MOST_QUEUED = 1 << 12
_SHRINKING = 600.0
"""Seconds for the smallest failing shape: enough for all that are tried, so that the table depends on no clock."""

KINDS_OF_REQUEST: tuple[dict[str, float], ...] = (
    {"temperature": 0.7},
    {"temperature": 0.0},
    {"temperature": 1.0, "top_p": 0.95},
    {"temperature": 0.7, "top_k": 50},
)


@dataclass
class Counted:
    """What the counters said at the end."""

    audited: int = 0
    mismatches: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    calibrated: int = 0
    surprisal: float = 0.0
    entropy: float = 0.0
    variance: float = 0.0
    checked: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)

    @property
    def bias(self) -> float:
        """Nats a token."""
        return (self.surprisal - self.entropy) / max(1, self.calibrated)

    @property
    def sigmas(self) -> float:
        """The bias in standard errors."""
        return (self.surprisal - self.entropy) / math.sqrt(self.variance) if self.variance else 0.0

    @property
    def wrong(self) -> float:
        """The share of audited tokens that are wrong."""
        return self.mismatches.total() / max(1, self.audited)

    @property
    def audit_sees(self) -> bool:
        return self.mismatches.total() >= _CONFIRMED

    @property
    def calibration_sees(self) -> bool:
        return abs(self.bias) > LARGEST_BIAS and abs(self.sigmas) > _SIGMAS

    @property
    def checks_that_see(self) -> list[str]:
        return sorted(check for check, bad in self.bad.items() if bad >= _CONFIRMED)


def read(metrics: Metrics) -> Counted:
    """Sum the counters over their labels."""
    counted = Counted()
    sums: Counter[str] = Counter()
    for sample in (sample for family in metrics.registry.collect() for sample in family.samples):
        sums[sample.name] += sample.value  # type: ignore[assignment]
        if not sample.value:
            continue
        if sample.name == names.AUDIT_MISMATCH:
            counted.mismatches[sample.labels[names.LABEL_KIND]] += int(sample.value)
        elif sample.name in (names.CHECKED, names.BAD):
            into = counted.bad if sample.name == names.BAD else counted.checked
            into[sample.labels[names.LABEL_CHECK]] += int(sample.value)
    counted.audited, counted.dropped = int(sums[names.AUDIT_TOKENS]), int(sums[names.AUDIT_DROPPED])
    counted.calibrated, counted.surprisal = int(sums[names.AUDIT_CALIBRATED]), sums[names.AUDIT_SURPRISAL]
    counted.entropy, counted.variance = sums[names.AUDIT_ENTROPY], sums[names.AUDIT_VARIANCE]
    return counted


class Traffic:
    """Requests of all kinds into one engine, counted as the server counts them."""

    def __init__(self, executables: Executables, *, seed: int) -> None:
        self._model = executables.model
        self.metrics = Metrics()
        self._audit = Audit(self.metrics, share=1.0, capacity=_MOST_QUEUED)
        self._accounting = Accounting(self.metrics, session_capacity=10, time_limit=600.0)
        self._engine = Engine(executables, queue_size=0)
        self._engine._observers = [self._audit]
        self._slots = executables.batch_sizes[-1]
        self._random = random.Random(seed)
        self._open = 0

    def serve(self, requests: int, tokens: int) -> None:
        """Keep every slot busy until `requests` have been asked, then until all have ended."""
        asked = 0
        while asked < requests or self._open:
            while asked < requests and self._open < self._slots:
                self._ask(asked, tokens)
                asked += 1
            self._engine._turn()
            while self._audit._queue.qsize() > _MOST_QUEUED // 2:  # nothing is to go unaudited
                time.sleep(0.001)

    def _ask(self, number: int, tokens: int) -> None:
        prompt = PROMPTS[number % len(PROMPTS)]
        record = self._accounting.begin(Caller(), prompt=prompt, prompt_tokens=0)
        pieces: list[str] = []

        def hear(event: Event) -> None:
            if isinstance(event, Piece):
                pieces.append(event.text)
                return
            assert isinstance(event, Finished | Failed)
            outcome = Outcome.FAILED if isinstance(event, Failed) else Outcome.COMPLETED
            record.end(outcome, [generation], ["".join(pieces)] if pieces else [])
            self._open -= 1

        kind = KINDS_OF_REQUEST[number // len(PROMPTS) % len(KINDS_OF_REQUEST)]
        ask = Ask(
            prompt=tuple(self._model.tokenizer.encode_chat([("user", prompt)])),
            max_tokens=tokens,
            seed=self._random.getrandbits(64),
            seed_drawn=True,
            temperature=kind["temperature"],
            top_k=int(kind.get("top_k", 0)),
            top_p=kind.get("top_p", 1.0),
        )
        generation = Generation(ask, self._model.tokenizer, hear)
        self._open += 1
        self._engine.submit(generation)

    @property
    def tokens(self) -> int:
        """Tokens drawn so far."""
        return int(self.metrics.registry.get_sample_value(names.TOKENS) or 0)

    def counted(self) -> Counted:
        """The counters, once the audit is through."""
        self._audit.stop(timeout=300)
        return read(self.metrics)


def measure(model: Model, program_for: ProgramFor, batch_size: int, requests: int = REQUESTS) -> Counted:
    """The counters of one build after a fixed traffic at one batch size."""
    executables = Executables(model, program_for(model), batch_sizes=(batch_size,), chunk_sizes=(64,))
    traffic = Traffic(executables, seed=batch_size)
    traffic.serve(requests, TOKENS)
    return traffic.counted()


def _audit_cell(counted: Counted) -> str:
    if not counted.audit_sees:
        return "no"
    kinds = ", ".join(f"`{kind}`" for kind, _ in counted.mismatches.most_common())
    return f"{counted.wrong:.0%}: {kinds}"


def _calibration_cell(by_size: dict[int, Counted]) -> str:
    seen = {size: counted for size, counted in by_size.items() if counted.calibration_sees}
    return "; ".join(f"{counted.bias:+.2f} nats{_at(size)}" for size, counted in seen.items()) or "no"


def _checks_cell(by_size: dict[int, Counted]) -> str:
    seen = {size: counted.checks_that_see for size, counted in by_size.items() if counted.checks_that_see}
    if len(seen) == len(by_size) and len({tuple(checks) for checks in seen.values()}) == 1:
        return ", ".join(f"`{check}`" for check in next(iter(seen.values())))
    cells = (", ".join(f"`{check}`" for check in checks) + _at(size) for size, checks in seen.items())
    return "; ".join(cells) or "no"


def _at(size: int) -> str:
    return f" (batch of {size})"


def row(model: Model, name: str, program_for: ProgramFor) -> str:
    """One line of the table."""
    by_size = {size: measure(model, program_for, size) for size in BATCH_SIZES}
    cells = [
        f"`{name}`",
        *(_audit_cell(by_size[size]) for size in BATCH_SIZES),
        _calibration_cell(by_size),
        _checks_cell(by_size),
        preflight_cell(examined(model, program_for, SERVED, shrinking=_SHRINKING)),
        lint_cell(run_lint(model, program_for, SERVED)),
    ]
    return f"| {' | '.join(cells)} |"


def table(model: Model) -> list[str]:
    """The whole table, the honest build first."""
    heads = [
        "build",
        *(f"audit, batch of {size}" for size in BATCH_SIZES),
        "calibration",
        "checks",
        "preflight",
        "lint",
    ]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for name, program_for in {"production": production_program, **FAULTS}.items():
        lines.append(row(model, name, program_for))
        jax.clear_caches()  # a search for the smallest shape compiles dozens of programs
        sys.stderr.write(f"{lines[-1]}\n")
    return lines


def main() -> None:
    """Write the table into the page."""
    configure_jax()
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    lines = "\n".join(table(synthetic.load(128)))
    PAGE.write_text(f"{before}{BEGIN}\n{lines}\n{END}{after}")


if __name__ == "__main__":
    main()
