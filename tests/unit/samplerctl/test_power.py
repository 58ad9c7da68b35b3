"""``samplerctl power``: which limits are in force, and which one to raise where an honest build cannot pass."""

from __future__ import annotations

import json
from typing import Any

import pytest
from samplerctl.app import app
from samplerctl.output import _wider
from samplerctl.power import Question
from typer.testing import CliRunner


def ask(*words: str, regression: str = "50%") -> Any:
    fixed = ("--baseline", "1%", "--regression", regression, "--share", "50%", "--runs", "20")
    return CliRunner().invoke(app, ["power", *fixed, *words])


def found(*words: str) -> Any:
    answer = ask(*words, "--json")
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.output)


def test_a_max_rate_alone_is_no_ratio_as_in_the_resource() -> None:
    alone = found("--max-rate", "10%")
    assert alone["passed_median"] == pytest.approx(45, abs=20)  # three over the limit, and more
    assert alone["sprt_bound"] > found("--max-rate", "10%", "--max-ratio", "1")["sprt_bound"]


def test_without_both_the_baseline_and_a_ratio_of_one_are_the_limits() -> None:
    assert found() == found("--max-rate", "1%", "--max-ratio", "1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "never passes at these margins: raise --max-rate and --max-ratio (or --ignore-below)."),
        (("--max-rate", "10%", "--max-ratio", "1"), "never passes at these margins: raise --max-ratio (or"),
        (("--max-rate", "1%"), "never passes at these margins: raise --max-rate."),
    ],
)
def test_the_remedy_names_the_limit_that_leaves_no_room(words: tuple[str, ...], said: str) -> None:
    answer = ask(*words)
    assert (answer.exit_code, said in " ".join(answer.output.split())) == (0, True), answer.output


@pytest.mark.parametrize(("max_rate", "raised"), [(0.04, "--max-ratio (or --ignore-below)"), (0.015, "--max-rate")])
def test_where_there_is_room_but_too_little_the_nearest_limit_is_named(max_rate: float, raised: str) -> None:
    asked = Question(0.01, 0.5, 0.5, 0.001, max_rate, 2.0, 0.0, 1, 0.95, 0.0149, 20, 1)
    assert not asked.too_tight
    said = _wider(asked)
    assert "(1.49%) seldom passes" in said
    assert said.endswith(f"raise {raised}.")


def test_where_it_passes_no_remedy_is_given() -> None:
    assert "raise" not in ask("--max-rate", "10%").output


def test_below_what_no_ratio_matters_needs_a_ratio() -> None:
    answer = ask("--max-rate", "10%", "--ignore-below", "2%")
    assert (answer.exit_code, "--ignore-below: softens --max-ratio" in answer.output) == (2, True)


def test_a_regression_that_a_max_rate_alone_allows_is_refused() -> None:
    answer = ask("--max-rate", "10%", regression="5%")
    assert (answer.exit_code, "allowed by the margins (up to 10%)" in answer.output) == (2, True)
