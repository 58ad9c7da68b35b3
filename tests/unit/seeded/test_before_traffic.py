"""What sees a seeded fault before any traffic: preflight and lint, by the faulty build's own command line."""

import json
import re
from typing import Any

import pytest
from samplerd.cli import make_app
from samplerd.lint import exports
from samplerd.lint import report as lint
from samplerd.lint.report import LintReport
from samplerd.model import Model
from samplerd.preflight import conformance
from samplerd.preflight.report import Report
from samplerd.preflight.results import Smallest
from samplerd.preflight.suite import expected_digest
from samplerd.program import production_program
from seeded_builds.faults import FAULTS
from typer.testing import CliRunner

from tests.support.before_traffic import MUST_RUN, examined, kinds, lint_cell, preflight_cell, smallest_batch
from tests.support.fault_table import BEGIN, END, PAGE
from tests.unit.seeded.faults_by_share import shared

# By fault: what preflight calls its failures, the worst first; the smallest batch whose step is wrong; rules it breaks.
CAUGHT: dict[str, tuple[list[str], int | None, set[str]]] = {
    "production": ([], None, set()),
    "rare-token-boost": (["logits-differ"], None, {"unguarded-conversion"}),
    "approximate-top-k": (["best-dropped"], 2, {"approx-top-k"}),
    "excess-precision": (["best-dropped", "logits-differ"], 2, {"unguarded-conversion"}),
    "reused-noise": (["other-token"], 1, set()),
    "shared-noise": (["other-token"], 2, set()),
    "padded-vocabulary": (["outside-kept"], 1, set()),
    "shard-offset": (["best-dropped"], 1, set()),
    "ignored-temperature": (["outside-kept"], 1, set()),
}
_examined: dict[str, Report] = {}


def report_of(model: Model, name: str) -> Report:
    if name not in _examined:
        _examined[name] = examined(model, FAULTS.get(name, production_program), (1, 2))
    return _examined[name]


@pytest.mark.compiles
@pytest.mark.parametrize("name", shared(CAUGHT))
def test_what_preflight_sees(model: Model, name: str) -> None:
    report, (expected, smallest, _) = report_of(model, name), CAUGHT[name]
    assert kinds(report) == expected
    assert smallest_batch(report) == smallest
    assert report.passed == (not expected)


@pytest.mark.compiles
@pytest.mark.parametrize("name", shared(CAUGHT))
def test_what_lint_sees(model: Model, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint, "PLATFORMS", ("tpu",))
    report = lint.run_lint(model, FAULTS.get(name, production_program), (2,))
    assert {found.finding.rule for found in report.found} == CAUGHT[name][2]


def test_every_fault_is_seen_before_traffic() -> None:
    assert set(CAUGHT) == {"production", *FAULTS}
    assert all(expected or rules for name, (expected, _, rules) in CAUGHT.items() if name in FAULTS)


def test_the_page_says_the_same() -> None:
    """The page is measured at batches of 1, 2 and 4: a further kind may show there, and every kind named here does."""
    lines = PAGE.read_text().split(BEGIN)[1].split(END)[0].strip().splitlines()[2:]
    cells = {cells[1].strip().strip("`"): cells[-3:-1] for cells in (line.split("|") for line in lines)}
    assert set(cells) == set(CAUGHT)
    for name, (preflight, linted) in cells.items():
        expected, smallest, rules = CAUGHT[name]
        assert set(re.findall("`(.*?)`", preflight)) >= set(expected)
        assert set(re.findall("`(.*?)`", linted)) == rules
        assert (preflight.strip() == "no", linted.strip() == "no") == (not expected, not rules)
        assert smallest is None or f"smallest: batch {smallest}," in preflight


def test_the_cells_say_what_was_found_and_where() -> None:
    def found(rule: str, program: str, *platforms: str) -> lint.Found:
        return lint.Found(program, platforms, lint.Finding(rule, "op", "place", "problem"))

    def said(*each: lint.Found) -> str:
        return lint_cell(LintReport(("p",), exports.PLATFORMS, 1, each, 0.1))

    assert said() == "no"
    assert said(found("a", "m, batch 2", "tpu"), found("a", "m, batch 4", "cuda", "cpu")) == "`a`"
    assert said(found("a", "float16 head, batch 2", "cpu", "tpu"), found("b", "m, batch 2", *exports.PLATFORMS)) == (
        "`a` (tpu, cpu) behind a narrow head; `b`"
    )


@pytest.mark.compiles
def test_the_boost_is_seen_in_the_logits_of_the_step_and_nowhere_else(model: Model) -> None:
    report = report_of(model, "rare-token-boost")
    (failure,) = report.failures
    assert failure.case == "synthetic, logits, operation by operation"
    assert failure.example["token"] in {model.vocabulary - 1, model.vocabulary - 2}, "a lead byte of Thai"
    assert report.digest == report_of(model, "production").digest, "the sampler itself is right"


@pytest.mark.slow
@pytest.mark.compiles
def test_the_approximation_is_seen_with_the_smallest_batch_that_has_it(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conformance, "VOCABULARIES", (17,))
    monkeypatch.setattr(conformance, "_COUNTS", (8,))
    report = examined(model, FAULTS["approximate-top-k"], (1, 2), shrinking=1000.0)
    assert {failure.case for failure in report.failures} == {
        "synthetic, serving step at batch 2",
        "token suite, float32 32 x 1003",
    }
    assert report.failures[0].smallest == Smallest(2, 17, 8), "one row is right"
    assert preflight_cell(report) == "`best-dropped`; smallest: batch 2, vocabulary 17, k 8"
    assert report.digest != expected_digest()[0]


@pytest.mark.slow
@pytest.mark.compiles
def test_what_is_wrong_before_the_sampler_is_shrunk_too(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "VOCABULARIES", ())
    monkeypatch.setattr(conformance, "_COUNTS", ())
    report = examined(model, FAULTS["excess-precision"], (2,), shrinking=1000.0)
    assert report.failures[0].smallest == Smallest(2, model.vocabulary, None), "one row is right"


@pytest.fixture
def one_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """The serving step alone, for one platform: exporting is what costs."""
    monkeypatch.setattr(lint, "PLATFORMS", ("tpu",))
    monkeypatch.setattr(exports, "HEAD_TYPES", ())


@pytest.mark.compiles
@pytest.mark.usefixtures("one_platform")
def test_the_approximation_is_linted_for_the_tpu(model: Model) -> None:
    report = lint.run_lint(model, FAULTS["approximate-top-k"], (1, 2))
    (found,) = report.found
    assert (found.finding.rule, found.program, found.platforms) == ("approx-top-k", "synthetic, batch 2", ("tpu",))


def run(*arguments: str) -> tuple[int, Any]:
    """The faulty build's own command line."""
    command = [*arguments, "--model", "synthetic", "--batch-sizes", "2", "--json"]
    ended = CliRunner().invoke(make_app(FAULTS["approximate-top-k"]), command)
    return ended.exit_code, json.loads(ended.stdout)


@pytest.mark.compiles
@pytest.mark.usefixtures("one_platform")
def test_the_builds_own_command_line_says_so() -> None:
    code, said = run("lint")
    assert (code, said["passed"]) == (1, False)
    code, said = run("preflight", "--preflight-budget", str(MUST_RUN))
    assert (code, said["verdict"]) == (1, "failed")
    assert "best-dropped" in said["reason"]
