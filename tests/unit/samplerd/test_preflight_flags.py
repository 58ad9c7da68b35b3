"""``samplerd preflight``: what is wrong with a flag is told before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from samplerd import cli, commands
from samplerd.preflight import report
from samplerd.settings import Settings
from typer.testing import CliRunner


@pytest.mark.parametrize("there", [False, True], ids=["nothing", "a folder"])
def test_a_baseline_that_is_no_file_is_told_before_the_program_is_made(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path if there else tmp_path / "none.json"
    monkeypatch.setattr(cli, "_or_production", lambda _: pytest.fail("JAX was loaded"))
    done = CliRunner().invoke(cli.make_app(), ["preflight", "--preflight-baseline", str(path)])
    assert (done.exit_code, f"--preflight-baseline: there is no file {path}" in done.output) == (2, True), done.output


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), report.ReportError("x: no report")])
def test_a_baseline_that_cannot_be_read_names_its_flag_before_the_model_is_loaded(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Path) -> None:
        raise error

    monkeypatch.setattr(report, "read", fail)
    monkeypatch.setattr(commands, "configure_jax", lambda *_, **__: pytest.fail("JAX was set up"))
    assert commands.run_preflight(Settings(), lambda _: pytest.fail("made"), baseline=Path("x"), as_json=False) == 2
    assert capsys.readouterr().err == f"--preflight-baseline: {error}\n"
