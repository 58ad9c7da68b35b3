"""``samplerctl replay``: which files are read, and what the table, the JSON and the page say of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from samplerctl.app import app
from typer.testing import CliRunner

from tests.unit.samplerctl.test_checking import BODY, changed

HEADER = "time,check,pool,release,pod,checked_total,bad_total"
START = 1_700_000_000
CHECKS = [{"name": "errors", "maxRate": "3%", "maxRatio": "2", "ignoreBelow": "1%"}]
QUALITY = {"designEffect": "1", "checks": CHECKS}

Row = tuple[object, ...]


def rows(*, bad: Callable[[int], int], scrapes: int = 40, stable: str = "{}", each: int = 100) -> list[Row]:
    """Two candidate pods and one of stable, which has no bad request; ``stable`` writes its counters."""
    found: list[Row] = []
    for scrape in range(scrapes):
        at, checked = START + 15 * scrape, each * (scrape + 1)
        found += [(at, "errors", "gpu", "candidate", pod, checked, bad(scrape)) for pod in ("c1", "c2")]
        found.append((at, "errors", "gpu", "stable", "s1", stable.format(checked), stable.format(0)))
    return found


GOOD = rows(bad=lambda _: 0, each=20)
BAD = rows(bad=lambda scrape: 40 * scrape)


def written(folder: Path, given: list[Row], header: str = HEADER) -> Path:
    path = folder / "file.csv"
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in given)]), encoding="utf-8")
    return path


def ask(folder: Path, file: Path, *words: str, quality: Any = QUALITY) -> tuple[int, str]:
    block = folder / "quality.yaml"
    block.write_text(quality if isinstance(quality, str) else yaml.safe_dump(quality), encoding="utf-8")
    answer = CliRunner().invoke(app, ["replay", str(file), "--quality", str(block), *words])
    assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
    return answer.exit_code, answer.output


@pytest.mark.parametrize(
    ("time", "said"),
    [
        (
            "1700000000000",
            "time 1700000000000 is not in seconds since 1970: it looks like milliseconds, write Unix sec",
        ),
        ("1700000000000000000", "time 1700000000000000000 is not in seconds since 1970: it looks like nano"),
        ("1e300", "time 1e300 is not in seconds since 1970: write Unix seconds or 2026-11-23T12:00:00Z"),
        ("-5", "time -5 is not in seconds since 1970"),
        ("nan", "time nan is not in seconds since 1970"),
        ("1950-01-01", "time 1950-01-01 is not in seconds since 1970"),
        ("noon", "time is 'noon': write Unix seconds"),
    ],
)
def test_a_time_that_is_none_is_refused_with_its_line(tmp_path: Path, time: str, said: str) -> None:
    code, output = ask(tmp_path, written(tmp_path, [(time, *GOOD[0][1:]), *GOOD[1:]]))
    assert (code, f"file.csv, line 2: {said}" in output) == (2, True), output


def test_one_wrong_time_among_right_ones_is_refused(tmp_path: Path) -> None:
    code, output = ask(tmp_path, written(tmp_path, [(5, *GOOD[0][1:]), *GOOD]))
    assert (code, "times go from 5 to 1700000585, more than a year: correct" in output) == (2, True), output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEADER.replace(",", ";").encode(), "line 1: the columns are separated by semicolons: separate them by commas"),
        (HEADER.replace(",", "\t").encode(), "line 1: the columns are separated by tabs"),
        (f"{HEADER}\n".encode("utf-16"), "is not in UTF-8 (invalid start byte, byte 0): save as UTF-8"),
        (b"", "is empty: its first line is time,check"),
        (b"time,check\n1,errors", "the columns pool, release, pod, checked_total, bad_total are missing"),
        (f"{HEADER}\n1,errors,gpu\n".encode(), "line 2: has 3 cells, the first line 7: write one for each column"),
        (f"{HEADER}\n1,errors,gpu,stable,s1,1,5,2\n".encode(), "line 2: has 8 cells, the first line 7: write numbers"),
    ],
)
def test_a_file_of_another_shape_is_told_as_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    code, output = ask(tmp_path, path)
    assert (code, said in output) == (2, True), output


def test_the_table_says_of_which_look_the_numbers_are_and_how_sure_they_are(tmp_path: Path) -> None:
    code, output = ask(tmp_path, written(tmp_path, rows(bad=lambda scrape: 4000 * scrape, each=10_000)))
    assert code == 0, output
    for said in (
        "Numbers are those at the first Failed, where there is one, else those of the last look.",
        "bounds (95% each)",
        "times stable's (99% each)",
        "?: the data do not bound yet how many times stable's rate it may be.",
    ):
        assert said in output
    assert re.search(r"Failed +\d\d,000 +\d?\d,000 ", output), output
    assert "dropped" not in output


def test_what_stable_lost_is_told(tmp_path: Path) -> None:
    file = written(tmp_path, rows(bad=lambda _: 0, stable="NaN"))
    _, output = ask(tmp_path, file)
    assert "gpu, errors: dropped of stable: 80 NotANumber" in output
    assert "gpu, errors: stable has no sample that can be used: nothing was compared with it" in output
    assert "What these names mean: docs/evidence.md#counting" in output
    (one,) = json.loads(ask(tmp_path, file, "--json")[1])["results"]
    assert (one["dropped"], one["stable_dropped"]["NotANumber"], one["stable_unusable"]) == ({}, 80, True)


def test_some_samples_of_stable_are_not_all(tmp_path: Path) -> None:
    early = [row for row in GOOD if row[4] == "s1"][:4]
    given = [(*row[:5], "NaN", "NaN") if row in early else row for row in GOOD]
    (one,) = json.loads(ask(tmp_path, written(tmp_path, given), "--json")[1])["results"]
    assert (one["stable_dropped"]["NotANumber"], one["stable_unusable"]) == (8, False)


def test_a_name_is_shown_as_it_is(tmp_path: Path) -> None:
    given = [(row[0], row[1], "[/b]:smile:", *row[3:]) for row in GOOD]
    code, output = ask(tmp_path, written(tmp_path, given))
    assert (code, "[/b]:smile:, errors: Passed after" in output) == (0, True), output


@pytest.mark.parametrize(("given", "word"), [(GOOD, "Passed"), (BAD, "Failed")])
def test_the_page_marks_the_decision_and_the_limits_that_decide(tmp_path: Path, given: list[Row], word: str) -> None:
    page = tmp_path / "course.html"
    _, output = ask(tmp_path, written(tmp_path, given), "--plot", str(page), "--json")
    (one,) = json.loads(output)["results"]
    drawn = page.read_text(encoding="utf-8")
    assert f"{word} after {one[word.lower()]['checked']:,} requests" in drawn
    for said in ("Failed from 5.3 on", "maxRate 3%", "ignoreBelow 1%", "maxRatio 2", "time in min:s"):
        assert said in drawn
    came_last = (
        "What came last for Passed: the ratio&#x27;s bound below maxRatio 2 or the rate&#x27;s below ignoreBelow 1%"
    )
    assert (came_last in drawn) == (word == "Passed")


def test_the_page_says_where_a_bound_is_cut_off(tmp_path: Path) -> None:
    page = tmp_path / "course.html"
    assert ask(tmp_path, written(tmp_path, GOOD), "--plot", str(page))[0] == 0
    assert "times stable&#x27;s rate it is, cut off above 10" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "given", [QUALITY, {"quality": QUALITY}, changed(spec__quality=QUALITY)], ids=["block", "key", "whole"]
)
def test_the_quality_block_is_read_wherever_it_stands(tmp_path: Path, given: Any) -> None:
    code, output = ask(tmp_path, written(tmp_path, GOOD), "--json", quality=given)
    assert (code, json.loads(output)["results"][0]["verdict"]) == (0, "Passed")


MISTAKES = [
    ({"designEffect": 1}, 'spec.quality.designEffect: write it in quotation marks: "1"'),
    ({"falseRollbakRate": "1%"}, "spec.quality.falseRollbakRate: unknown field: write falseRollbackRate"),
    ({"checks": []}, "spec.quality.checks: is empty: add one, or leave the field out for the default"),
    ({"checks": [{"name": "errors", "maxRate": 0.01}]}, "spec.quality.checks[0].maxRate: write it in quotation marks:"),
    ({"checks": [{"name": "json"}]}, "maxRate or maxRatio is required for a check without a default"),
]


@pytest.mark.parametrize(("wrong", "said"), MISTAKES)
def test_a_mistake_has_the_same_words_in_every_command(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    body = changed(spec__quality={"designEffect": "1", **wrong})
    block = tmp_path / "rollout.yaml"
    block.write_text(yaml.safe_dump(body), encoding="utf-8")
    told = [ask(tmp_path, written(tmp_path, GOOD), quality=given) for given in (body, body["spec"]["quality"])]
    for words in (["validate", str(block)], ["simulate", "-f", str(block), "--incident", "honest", "--rps", "1"]):
        answer = CliRunner().invoke(app, words)
        told.append((answer.exit_code, answer.output))
    for code, output in told:
        assert (code, said in " ".join(output.split())) == (2, True), output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("designEffect: '1'\ndesignEffect: '2'", "designEffect: stands twice in the map of line 1: remove one"),
        ("[]", "holds no quality block: write designEffect and checks"),
        (yaml.safe_dump_all([BODY, BODY]), "holds 2 objects of kind SamplerRollout: give a file with one"),
    ],
)
def test_what_is_no_quality_block_is_told(tmp_path: Path, text: str, said: str) -> None:
    code, output = ask(tmp_path, written(tmp_path, GOOD), quality=text)
    assert (code, said in output) == (2, True), output
