"""Long commands show how far they are, on a terminal and nowhere else; and middle values are those in the middle."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from samplerctl.app import app
from samplerctl.progress import Tell, progress
from samplerctl.selftest import _counted
from samplerctl.simulate import Ending
from samplerctl.simulation_shown import _quantiles
from typer.testing import CliRunner

from tests.unit.samplerctl.test_replay import GOOD, ask, written
from tests.unit.samplerctl.test_simulate import rollout


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_how_many_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr("samplerctl.progress.EVERY", 0.0)
    with progress("looks", 30) as tell:
        tell(10)
        tell(5)
    assert "looks" in shown.getvalue()
    assert "15/30" in shown.getvalue()


def test_a_file_sees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    with progress("looks", 30) as tell:
        tell(30)
    assert shown.getvalue() == ""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What each command told of, and how much was left at its end."""
    left: dict[str, int] = {}

    @contextmanager
    def watched(what: str, total: int) -> Iterator[Tell]:
        left[what] = total

        def tell(more: int) -> None:
            left[what] -= more

        yield tell

    monkeypatch.setattr("samplerctl.app.progress", watched)
    monkeypatch.setattr("samplerctl.act_app.progress", watched)
    return left


def test_replay_and_power_tell_of_all_that_they_do(tmp_path: Path, told: dict[str, int]) -> None:
    assert ask(tmp_path, written(tmp_path, GOOD))[0] == 0
    words = ["power", "--baseline", "1%", "--regression", "30%", "--max-rate", "10%", "--share", "50%", "--runs", "20"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert told.pop("honest rollouts that passed") <= 10  # it ends once most have
    assert told == {"looks": 0, "rollouts that failed": 0}


@pytest.mark.long
def test_simulate_and_the_self_test_tell_of_each_rollout(tmp_path: Path, told: dict[str, int]) -> None:
    file = str(rollout(tmp_path))
    CliRunner().invoke(app, ["simulate", "-f", file, "--incident", "I2", "--rps", "20", "--runs", "3"])
    assert told.pop("rollouts") == 0
    CliRunner().invoke(app, ["selftest", "-f", file, "--rps", "20", "--runs", "2"])
    assert told.pop("rollouts") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rps", "inf"], "--rps: inf is not above 0"),
        (["--rps", "0"], "--rps: 0 is not above 0"),
        (["--rps", "1", "--ready-after", "inf"], "--ready-after: inf is not 0, or more,"),
        (["--rps", "1", "--tokens", "inf"], "--tokens: inf is not above 0"),
    ],
)
def test_numbers_that_no_rollout_has_are_refused(tmp_path: Path, words: list[str], said: str) -> None:
    answer = CliRunner().invoke(app, ["simulate", "-f", str(rollout(tmp_path)), "--incident", "honest", *words])
    assert (answer.exit_code, said in " ".join(answer.output.split())) == (2, True), answer.output
    if words[0] == "--rps" and len(words) == 2:
        answer = CliRunner().invoke(app, ["selftest", "-f", str(rollout(tmp_path)), *words])
        assert (answer.exit_code, said in " ".join(answer.output.split())) == (2, True), answer.output


def test_the_median_of_two_lies_between_them() -> None:
    endings = [Ending("rolled back", 60.0 * size, 10 * size, 100, 10, "CheckFailed") for size in (1, 2)]
    assert _quantiles(endings, "rolled back", "exposed") == {"median": 15, "p95": 20}
    counted = _counted(endings, honest=False)
    assert (counted["seconds"], counted["requests"]) == (90.0, 15)
