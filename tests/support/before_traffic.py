"""What sees a seeded fault before any traffic: preflight and lint, and their words in the fault table."""

from samplerd.lint.exports import PLATFORMS
from samplerd.lint.report import Found, LintReport
from samplerd.model import Model
from samplerd.preflight.report import Report
from samplerd.preflight.results import SEVERITY, Smallest
from samplerd.preflight.sweep import preflight
from samplerd.program import Executables, ProgramFor
from samplerd.settings import Settings

MUST_RUN = 1e-9
"""A budget, in seconds, in which only what must run does: so what is seen depends on no clock."""


def examined(model: Model, program_for: ProgramFor, batch_sizes: tuple[int, ...], *, shrinking: float = 0.0) -> Report:
    """A build's preflight, without the sweep; a smaller failing shape is looked for in `shrinking` seconds."""
    executables = Executables(model, program_for(model), batch_sizes, chunk_sizes=(64,))
    settings = Settings(model="synthetic", batch_sizes=batch_sizes)
    return preflight(executables, program_for, settings, MUST_RUN, least_shrinking=shrinking)


def kinds(report: Report) -> list[str]:
    """What a preflight calls a build's failures, the worst first."""
    return sorted({failure.kind for failure in report.failures}, key=SEVERITY.index)


def smallest_batch(report: Report) -> int | None:
    """The smallest of the served batch sizes at which the step itself is wrong."""
    wrong = {outcome.case for outcome in report.outcomes if outcome.wrong}
    sizes = report.subject.batch_sizes
    return min(
        (size for size in sizes if f"{report.subject.model}, serving step at batch {size}" in wrong), default=None
    )


def preflight_cell(report: Report) -> str:
    """The table's words for a preflight."""
    if report.passed:
        return "no"
    smallest = next((failure.smallest for failure in report.failures if failure.smallest), None)
    named = ", ".join(f"`{kind}`" for kind in kinds(report))
    return named if smallest is None else f"{named}; smallest: {_shape(smallest)}"


def _shape(smallest: Smallest) -> str:
    top_k = "" if smallest.top_k is None else f", k {smallest.top_k}"
    return f"batch {smallest.batch}, vocabulary {smallest.vocabulary}{top_k}"


def lint_cell(report: LintReport) -> str:
    """The table's words for a lint: each rule that is broken, and where if not everywhere."""
    rules = dict.fromkeys(found.finding.rule for found in report.found)
    cells = (f"`{rule}`" + _where([found for found in report.found if found.finding.rule == rule]) for rule in rules)
    return "; ".join(cells) or "no"


def _where(found: list[Found]) -> str:
    """The platforms if not all of them, and whether only the programs behind a narrow head break the rule."""
    broken = {platform for each in found for platform in each.platforms}
    platforms = [platform for platform in PLATFORMS if platform in broken]
    named = "" if len(platforms) == len(PLATFORMS) else f" ({', '.join(platforms)})"
    return named + (" behind a narrow head" if all(" head, " in each.program for each in found) else "")
