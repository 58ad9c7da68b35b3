"""Compares a preflight with an earlier one: another build's, or another pool's."""

from quality_contract.preflight import TOLERANCE_NATS

from samplerd.preflight.prompts import Scored
from samplerd.preflight.report import Report
from samplerd.preflight.results import KIND_BASELINE, Failure, Tally, Wrong

NAME = "baseline"


def differences(report: Report, baseline: Report) -> list[Failure]:
    """What sets a report apart from its baseline: tokens of the fixed suite, log-probabilities of the prompts."""
    failures = []
    if report.digest != baseline.digest:
        example = {"digest": report.digest, "baseline": baseline.digest}
        failures.append(Failure(f"{NAME}, token suite", KIND_BASELINE, 1, 1, example))
    result = _prompts(report, baseline).result()
    return [*failures, result.failure] if result.failure else failures


def _prompts(report: Report, baseline: Report) -> Tally:
    """The tolerance is that of the coarser of two precisions."""
    tolerance = max(TOLERANCE_NATS[each.subject.precision] for each in (report, baseline))
    tally = Tally(f"{NAME}, log-probabilities of the prompts")
    known = {scored.prompt: scored for scored in baseline.prompts}
    for mine in report.prompts:
        _compare(tally, mine, known.get(mine.prompt), tolerance)
    if not report.prompts or len(known) != len(report.prompts):
        tally.add(Wrong(KIND_BASELINE, {"prompts": len(report.prompts), "baseline": len(known)}))
    return tally


def _compare(tally: Tally, mine: Scored, other: Scored | None, tolerance: float) -> None:
    if other is None or mine.tokens != other.tokens or len(mine.logprobs) != len(other.logprobs):
        problem = "read as other tokens: another model?"
        tally.add(Wrong(KIND_BASELINE, {"prompt": mine.prompt, "problem": problem}))
        return
    for place, (one, two) in enumerate(zip(mine.logprobs, other.logprobs, strict=True)):
        example = {"prompt": mine.prompt, "token": place + 1, "logprob": one, "baseline": two}
        agrees = abs(one - two) <= tolerance  # a NaN does not
        tally.add(None if agrees else Wrong(KIND_BASELINE, example))
