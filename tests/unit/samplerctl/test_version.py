"""``--version`` of both command lines."""

from __future__ import annotations

from importlib import metadata
from typing import Any, NoReturn

import pytest
from samplerctl.app import app
from samplerd.cli import make_app
from typer.testing import CliRunner

COMMANDS = [pytest.param(app, "samplerctl", id="samplerctl"), pytest.param(make_app(), "samplerd", id="samplerd")]


@pytest.mark.parametrize(("command", "name"), COMMANDS)
def test_the_version_is_the_packages(command: Any, name: str) -> None:
    answer = CliRunner().invoke(command, ["--version"])
    assert (answer.exit_code, answer.output) == (0, f"{name} {metadata.version('sampler-rollouts')}\n")


@pytest.mark.parametrize(("command", "name"), COMMANDS)
def test_where_nothing_is_installed_it_says_so(command: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> NoReturn:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "version", missing)
    answer = CliRunner().invoke(command, ["--version"])
    assert (answer.exit_code, answer.output.startswith(f"{name} unknown (not installed")) == (0, True)
