"""What sees a seeded fault before any traffic: preflight and lint, by the faulty build's own command line."""

import json
from typing import Any

import pytest
from samplerd.cli import make_app
from samplerd.lint import exports
from samplerd.lint import report as lint
from samplerd.model import Model
from samplerd.preflight import conformance, sweep
from samplerd.preflight.report import Report
from samplerd.preflight.suite import expected_digest
from samplerd.preflight.sweep import preflight
from samplerd.program import Executables, ProgramFor, production_program
from samplerd.settings import Settings
from seeded_builds.faults import FAULTS
from typer.testing import CliRunner

MUST_RUN = 1e-9
"""A budget in which only what must run does."""


def examined(model: Model, program_for: ProgramFor) -> Report:
    executables = Executables(model, program_for(model), batch_sizes=(1, 2), chunk_sizes=(64,))
    return preflight(executables, program_for, Settings(model="synthetic"), MUST_RUN)


def test_the_boost_is_seen_in_the_logits_of_the_step_and_nowhere_else(model: Model) -> None:
    report = examined(model, FAULTS["rare-token-boost"])
    (failure,) = report.failures
    assert (failure.case, failure.kind) == ("synthetic, logits, operation by operation", "logits-differ")
    assert failure.example["token"] in {model.vocabulary - 1, model.vocabulary - 2}, "a lead byte of Thai"
    honest = examined(model, production_program)
    assert honest.passed
    assert honest.digest == report.digest, "the sampler itself is right"


def test_the_approximation_is_seen_with_the_smallest_batch_that_has_it(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "LEAST_SHRINKING", 1000.0)  # however busy the machine is
    monkeypatch.setattr(conformance, "VOCABULARIES", (17,))
    report = examined(model, FAULTS["approximate-top-k"])
    assert {failure.kind for failure in report.failures} == {"best-dropped"}
    assert {failure.case for failure in report.failures} == {
        "synthetic, serving step at batch 2",
        "token suite, float32 32 x 1003",
    }
    smallest = report.failures[0].smallest
    assert smallest is not None
    assert (smallest.batch, smallest.vocabulary) == (2, 17), "one row is right"
    assert report.digest != expected_digest()[0]


@pytest.fixture
def one_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """The serving step alone, for one platform: exporting is what costs."""
    monkeypatch.setattr(lint, "PLATFORMS", ("tpu",))
    monkeypatch.setattr(exports, "HEAD_TYPES", ())


@pytest.mark.usefixtures("one_platform")
def test_the_approximation_is_linted_for_the_tpu(model: Model) -> None:
    assert lint.run_lint(model, production_program, (2,)).passed
    report = lint.run_lint(model, FAULTS["approximate-top-k"], (1, 2))
    (found,) = report.found
    assert (found.finding.rule, found.program, found.platforms) == ("approx-top-k", "synthetic, batch 2", ("tpu",))


def run(*arguments: str) -> tuple[int, Any]:
    """The faulty build's own command line."""
    command = [*arguments, "--model", "synthetic", "--batch-sizes", "2", "--json"]
    ended = CliRunner().invoke(make_app(FAULTS["approximate-top-k"]), command)
    return ended.exit_code, json.loads(ended.stdout)


@pytest.mark.usefixtures("one_platform")
def test_the_builds_own_command_line_says_so() -> None:
    code, said = run("lint")
    assert (code, said["passed"]) == (1, False)
    code, said = run("preflight", "--preflight-budget", str(MUST_RUN))
    assert (code, said["verdict"]) == (1, "failed")
    assert "best-dropped" in said["reason"]
