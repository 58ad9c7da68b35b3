"""``samplerctl power``: which limits are in force, and which one to raise where an honest build cannot pass."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from samplerctl.app import app
from samplerctl.output import _wider
from samplerctl.power import Question, _cell
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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--share", "100%"), "--share: '100%' is no such share: write one above 0 and below 1, both excluded"),
        (("--baseline", "1e-300"), "--baseline: '1e-300' is too small to be shown by any traffic"),
        (("--regression", "1,5%"), "--regression: '1,5%' is not a share: write it such as 0.8% or 0.008"),
        (("--regression", "abc"), "--regression: 'abc' is not a share: write it such as 0.8% or 0.008"),
        (("--ignore-below", "100%"), "--ignore-below: '100%' is no such share: write one 0, or above it and below 1"),
        (("--alpha", "50%"), "--alpha: '50%' is too large: write a share below 50%"),
        (("--rps", "inf"), "--rps: inf is not above 0 and at most 1,000,000: write a number such as 10"),
        (("--rps", "nan"), "--rps: nan is not above 0"),
        (("--rps", "0"), "--rps: 0 is not above 0"),
        (("--design-effect", "0.5"), "--design-effect: '0.5' is below 1: write 1 or more"),
        (("--max-ratio", "x"), "--max-ratio: 'x' is not a number: write it such as 2"),
        (("--max-ratio", "1e300"), "--max-ratio: '1e300' is too large"),
        (
            ("--regression", "1.001%"),
            "--regression: 1.001% is too near to what the margins allow, 1%: no test finds it",
        ),
        (("--seed", "-1"), "Input should be greater than or equal to 0"),
    ],
)
def test_what_is_no_question_is_refused_with_the_remedy(words: tuple[str, ...], said: str) -> None:
    answer = ask(*words)
    assert (answer.exit_code, said in " ".join(answer.output.split())) == (2, True), answer.output


def test_a_design_effect_multiplies_the_requests() -> None:
    limits = ("--max-rate", "10%", "--honest", "0.001%", "--runs", "200")
    one, six = found(*limits), found(*limits, "--design-effect", "6")
    for name, least, most in (("sprt_bound", 5.5, 6.5), ("median", 3.0, 7.0), ("passed_median", 5.5, 6.5)):
        assert least < six[name] / one[name] < most, name


def test_a_tiny_share_has_no_more_pods_of_stable_than_can_be_counted() -> None:
    """0.01% would be 9,999 of them in each of the runs."""
    asked = Question(0.01, 0.5, 0.0001, 0.001, 0.1, math.nan, 0.0, 1, 0.95, 0.01, 20, 1)
    rows = _cell(asked, 0.5, 10, 0, 20, np.random.default_rng(1))
    assert rows.stable.sum() == 50 * 20
    assert rows.checked[rows.stable].sum() == pytest.approx(20 * 10 * 9999, rel=0.001)


def test_the_time_of_95_of_100_is_told() -> None:
    told = found("--max-rate", "10%", "--rps", "2")
    assert (told["seconds"], told["p95_seconds"]) == (told["median"], told["p95"])  # half of two a second
