"""Runs the cases within a time budget and makes the report."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from importlib import metadata

import jax

from samplerd.jax_setup import flags_hash, this_processor
from samplerd.preflight.plan import cases
from samplerd.preflight.report import Report, Subject
from samplerd.preflight.results import KIND_CRASHED, Case, Failure, Outcome, Result, worst_first
from samplerd.preflight.samplers import Samplers
from samplerd.preflight.served import Served
from samplerd.preflight.suite import TokenSuite
from samplerd.program import Executables, ProgramFor
from samplerd.settings import Settings

log = logging.getLogger(__name__)

Clock = Callable[[], float]
Told = Callable[[str], None]

LEAST_SHRINKING = 10.0
"""Seconds in which a smaller failing shape is looked for, unless half the budget is more."""
TOLD_EVERY = 10.0
"""Seconds between two words of how far it is."""


@dataclass
class Sweep:
    """Runs cases in order: those that are required whatever the budget, others while they fit into it."""

    budget: float
    clock: Clock = time.monotonic
    least_shrinking: float = LEAST_SHRINKING
    told: Told = log.info
    """What is done with each word of how far it is."""
    outcomes: list[Outcome] = field(default_factory=list, init=False)
    failures: list[Failure] = field(default_factory=list, init=False)
    not_run: list[str] = field(default_factory=list, init=False)

    def run(self, planned: Iterable[Case]) -> None:
        """Run what fits. The worst ones are then shrunk, in time of its own: a failed pod serves nobody."""
        began = said = self.clock()
        longest = 0.0
        failed: dict[str, Case] = {}
        plan = list(planned)
        for case in plan:
            # Once one case did not fit none after it runs: what runs is a prefix of the plan.
            spent = self.clock() - began
            if not case.required and (self.not_run or spent + longest > self.budget):
                self.not_run.append(case.name)
                continue
            outcome = self._run(case, failed)
            longest = longest if case.required else max(longest, outcome.seconds)
            if self.clock() - said >= TOLD_EVERY:
                said = self.clock()
                done = f"{len(self.outcomes)} of at most {len(plan)} cases in {said - began:.0f} s"
                self.told(f"preflight: {done} (budget {self.budget:g} s), {len(failed)} failed; last: {case.name}")
        self.failures = worst_first(self.failures)
        self._shrink(failed)

    def _run(self, case: Case, failed: dict[str, Case]) -> Outcome:
        began = self.clock()
        result = _guarded(case)
        failure = result.failure
        outcome = Outcome(
            case.name,
            case.group,
            case.required,
            result.rows,
            failure.wrong if failure else 0,
            round(self.clock() - began, 2),
            result.note,
        )
        self.outcomes.append(outcome)
        if result.note:
            log.warning("%s: %s", case.name, result.note)
        if failure is not None:
            log.error("%s", failure.sentence)
            self.failures.append(failure)
            failed[case.name] = case
        return outcome

    def _shrink(self, failed: dict[str, Case]) -> None:
        """The worst failure of each kind, as far as time goes: the first one always has some."""
        began, limit = self.clock(), max(self.least_shrinking, self.budget / 2)
        done: set[str] = set()
        for place, failure in enumerate(self.failures):
            shrink = failed[failure.case].shrink
            if shrink is None or failure.kind in done or failure.kind == KIND_CRASHED:
                continue
            if done and self.clock() - began >= limit:
                return
            done.add(failure.kind)
            try:
                smallest = shrink(failure, lambda: self.clock() - began < limit)
            except Exception:
                log.exception("no smaller failing shape was found")
                continue
            self.failures[place] = replace(failure, smallest=smallest)


def _guarded(case: Case) -> Result:
    """A case that raises has failed; the others still run."""
    try:
        return case.run()
    except Exception as error:
        log.exception("%s", case.name)
        problem = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        return Result(0, Failure(case.name, KIND_CRASHED, 1, 0, {"problem": problem}))


def preflight(
    executables: Executables,
    program_for: ProgramFor,
    settings: Settings,
    budget: float,
    *,
    long: bool = False,
    least_shrinking: float = LEAST_SHRINKING,
    told: Told = log.info,
) -> Report:
    """Examine a server's program, by the plan or by the long one; ``told`` now and then how far it is.

    Nothing else may use the executables or compile meanwhile.
    """
    began = time.monotonic()
    samplers = Samplers(executables.model, program_for)
    served = Served(executables, samplers, settings.precision)
    suite = TokenSuite(samplers)
    sweep = Sweep(budget, least_shrinking=least_shrinking, told=told)
    sweep.run(cases(served, suite, samplers, long=long))
    return Report(
        subject=subject_of(executables, settings),
        budget_seconds=budget,
        seconds=round(time.monotonic() - began, 2),
        outcomes=tuple(sweep.outcomes),
        not_run=tuple(sweep.not_run),
        failures=tuple(sweep.failures),
        digest=suite.digest,
        prompts=tuple(served.scores),
    )


def subject_of(executables: Executables, settings: Settings) -> Subject:
    """What a preflight of this server examines."""
    device = jax.devices()[0]
    return Subject(
        revision=settings.revision,
        model=executables.model.name,
        vocabulary=executables.model.vocabulary,
        context=executables.model.context,
        precision=settings.precision,
        batch_sizes=tuple(executables.batch_sizes),
        chunk_sizes=tuple(executables.chunk_sizes),
        vocab_shards=settings.vocab_shards,
        platform=device.platform,
        # One kind of CPU may be right where another is wrong, and all of them are called "cpu".
        device=this_processor() or device.device_kind if device.platform == "cpu" else device.device_kind,
        devices=len(jax.devices()),
        jax=jax.__version__,
        jaxlib=metadata.version("jaxlib"),
        flags_hash=flags_hash(),
    )
