"""Runs the lint and says what it found: a table for people, JSON for machines."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from samplerd.lint.exports import PLATFORMS, exported, subjects
from samplerd.lint.rules import RULES, Finding, findings
from samplerd.model import Model
from samplerd.program import ProgramFor
from samplerd.tables import table

UNEXPORTABLE = "export"
"""The rule that a program which cannot be exported breaks: nobody can say what stands in it."""

_NAMED = 2
"""Programs of one finding that are named in the table; of more it says how many, and the first."""


@dataclass(frozen=True)
class Found:
    """A finding, and where it was found."""

    program: str
    platforms: tuple[str, ...]
    finding: Finding


@dataclass(frozen=True)
class LintReport:
    """The outcome."""

    programs: tuple[str, ...]
    platforms: tuple[str, ...]
    operations: int
    found: tuple[Found, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.found

    def as_json(self) -> str:
        """The report for machines."""
        return json.dumps({"passed": self.passed, "rules": [*RULES, UNEXPORTABLE], **asdict(self)}, indent=2)

    def as_text(self) -> str:
        """The report for people."""
        lines = [
            f"{len(self.programs)} programs ({'; '.join(self.programs)}) for {', '.join(self.platforms)}: "
            f"{self.operations} operations in {self.seconds:.1f} s",
        ]
        places = self._by_finding()
        if places:
            lines += table(
                ("RULE", "PROGRAMS", "PLATFORMS", "WHERE", "WHAT"),
                [
                    (
                        finding.rule,
                        self._named([each.program for each in found]),
                        ",".join(dict.fromkeys(platform for each in found for platform in each.platforms)),
                        finding.place or "-",
                        f"{finding.operation} {finding.problem}",
                    )
                    for finding, found in places.items()
                ],
            )
        lines.append("passed" if self.passed else self._failed(len(places)))
        return "\n".join(lines)

    def _by_finding(self) -> dict[Finding, list[Found]]:
        """Where each was found: one place of the source is in many programs."""
        places: dict[Finding, list[Found]] = {}
        for each in self.found:
            places.setdefault(each.finding, []).append(each)
        return places

    def _named(self, programs: list[str]) -> str:
        if len(programs) <= _NAMED:
            return "; ".join(programs)
        if len(programs) == len(self.programs):
            return f"all {len(programs)}"
        return f"{len(programs)} of {len(self.programs)}, first {programs[0]}"

    def _failed(self, places: int) -> str:
        programs = len({each.program for each in self.found})
        said = f"{places} {'finding' if places == 1 else 'findings'} in {programs} of {len(self.programs)} programs"
        return f"failed: {said}" + (
            f" ({len(self.found)} in --json: each program's)" if len(self.found) > places else ""
        )


def run_lint(model: Model, program_for: ProgramFor, batch_sizes: Sequence[int], vocab_shards: int = 1) -> LintReport:
    """Look through the serving step in every form and for every platform. Needs none of the platforms.

    `vocab_shards`: also with the vocabulary over that many devices, if it is more than one; needs none of these either.
    """
    began = time.monotonic()
    names: list[str] = []
    operations = 0
    where: dict[tuple[str, Finding], list[str]] = {}
    for subject in subjects(model, program_for, batch_sizes, vocab_shards):
        names.append(subject.name)
        for platform in PLATFORMS:
            try:
                program = exported(subject, platform)
            except Exception as error:  # JAX raises many kinds
                refused = Finding(UNEXPORTABLE, "jax.export", "", f"refused: {_first_line(error)}")
                where.setdefault((subject.name, refused), []).append(platform)
                continue
            operations += len(program.operations)
            for finding in findings(program, subject.scope):
                platforms = where.setdefault((subject.name, finding), [])
                if platform not in platforms:
                    platforms.append(platform)
    found = tuple(Found(name, tuple(platforms), finding) for (name, finding), platforms in where.items())
    return LintReport(tuple(names), PLATFORMS, operations, found, round(time.monotonic() - began, 1))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
