"""Wrong flags of ``samplerd``: each is named as it is typed, with what would be right, before anything is loaded."""

from typing import Any

import pytest
from pydantic import ValidationError
from samplerd import cli
from samplerd.settings import Settings
from typer.testing import CliRunner


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "serve --prefill-sizes 100000",
            "--prefill-sizes: the smallest chunk, 100000, is longer than --context 512: "
            "give one of 512 at most, or a longer context",
        ),
        ("serve --prefill-sizes ,1", "--prefill-sizes: Input should be a valid integer"),
        ("serve --audit-share abc%", "--audit-share: 'abc%' is no share: say 0.01, or 1%"),
        ("serve --context-classes a=x", "--context-classes: 'a=x' is not of the form standard=200000"),
        ("serve --context-classes a=1", "--context-class: --context-class and --context-classes go together"),
        ("serve --context-class a", "--context-classes: --context-class and --context-classes go together"),
        ("serve --context-class b --context-classes a=1", "--context-class: 'b' is not among --context-classes (a)"),
        (
            "serve --compile-only",
            "--compile-only: what is compiled would be lost: give its folder too, --compile",
        ),
        ("serve --http-port 9090", "--metrics-port: must differ from --http-port (both are 9090)"),
        ("serve --model synthetic --model-path x", "--model-path: is for --model smollm2-135m"),
        ("lint --model synthetic --model-path x", "--model-path: is for --model smollm2-135m"),
        ("lint --batch-sizes 1,x", "--batch-sizes: Input should be a valid integer"),
        ("preflight --preflight-budget -1", "--preflight-budget: seconds, more than 0; only serve takes 0"),
        ("preflight --preflight-budget 0", "--preflight-budget: seconds, more than 0; only serve takes 0"),
        ("preflight --preflight-budget nan", "--preflight-budget: seconds, more than 0; only serve takes 0"),
        ("probe --target a/b", "--target: 'a/b' is no target: host, host:port or"),
        (
            "probe --judge --target 127.0.0.1:18432",
            "--target: with --judge each says whose pods they are, as pool/revision=127.0.0.1:18432",
        ),
    ],
)
def test_a_wrong_flag_is_named_with_the_remedy(line: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_or_production", lambda _: pytest.fail("JAX was loaded"))
    done = CliRunner().invoke(cli.make_app(), line.split())
    assert done.exit_code == 2, done.output
    assert done.output.startswith(said)
    assert "Value error" not in done.output
    assert len(done.output.splitlines()) == 1
    assert len(done.output) < 200


def test_a_context_below_the_default_chunk_is_read_in_chunks_of_its_own_length() -> None:
    assert Settings(context=16).context == 16
    with pytest.raises(ValidationError, match="longer than --context 16"):
        Settings(context=16, prefill_sizes=(32,))


def test_sizes_count_once_and_in_order() -> None:
    settings = Settings(batch_sizes=(4, 1, 4), prefill_sizes=(64, 16, 64))
    assert (settings.batch_sizes, settings.prefill_sizes) == ((1, 4), (16, 64))


@pytest.mark.parametrize(
    "given",
    [
        {"http_port": 0, "metrics_port": 0},
        {"compile_only": True, "compile_cache": "cache"},
        {"model": "smollm2-135m", "model_path": "x"},
    ],
    ids=str,
)
def test_what_takes_effect_is_not_refused(given: dict[str, Any]) -> None:
    assert Settings(**given)


def test_the_default_budget_is_in_the_help() -> None:
    done = CliRunner().invoke(cli.make_app(), ["preflight", "--help"], env={"COLUMNS": "200"})
    assert "20, with --long 7200" in done.output
