"""With what `--help` ends: examples of every command, taken as they stand, and run where they need no cluster."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import samplerctl.examples
import samplerd.examples
import typer
from sampler_rollouts.handlers import options
from samplerctl.app import app
from samplerd import commands
from samplerd.cli import make_app
from samplerd.probing import run as probing
from typer.testing import CliRunner

from tests.unit.samplerctl.test_replay import BAD, written

ROOT = Path(__file__).parents[3]
PROGRAMS = {"samplerctl": app, "samplerd": make_app()}
GROUPS: dict[str, Any] = {name: typer.main.get_command(made) for name, made in PROGRAMS.items()}
COMMANDS = [(program, name) for program, group in GROUPS.items() for name in ("", *group.commands)]
VARIABLE = re.compile(r"[A-Z_]+=\S+")


def words_of(line: str) -> list[str]:
    """Of the program of ours in a line of a shell: without what feeds it, variables before it, and where it writes."""
    part = line.rpartition(" | ")[2].partition(" > ")[0]
    return [word for word in shlex.split(part) if not VARIABLE.fullmatch(word)]


def shown(program: str, command: str) -> list[str]:
    """The examples of a command's help, as a terminal of 80 columns shows it."""
    arguments = [command, "--help"] if command else ["--help"]
    told = CliRunner().invoke(PROGRAMS[program], arguments, env={"COLUMNS": "80", "TERM": "dumb"}).output
    _, _, end = told.partition("Examples:")
    return [line.strip() for line in end.splitlines() if line.strip()]


@pytest.mark.parametrize(("program", "command"), COMMANDS)
def test_help_ends_with_examples_that_the_command_takes(
    program: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(program, command)
    assert 1 <= len(lines) <= 3
    for line in lines:
        name, *arguments = words_of(line)
        assert name == program, f"broken over two lines, or of another program: {line}"
        if not command:
            continue
        assert arguments.pop(0) == command, line
        for variable, _, value in (word.partition("=") for word in shlex.split(line) if VARIABLE.fullmatch(word)):
            assert variable in {one.envvar for one in GROUPS[program].commands[command].params}, line
            monkeypatch.setenv(variable, value)
        GROUPS[program].commands[command].make_context(command, arguments)


def test_no_example_is_of_a_command_that_is_gone() -> None:
    for program, examples in (("samplerctl", samplerctl.examples), ("samplerd", samplerd.examples)):
        assert set(examples.EXAMPLES) == {program, *GROUPS[program].commands}


CHEAP = {"power": ["--runs", "20"], "simulate": ["--runs", "1", "--jobs", "1", "--traffic", "independent"]}
"""What makes a run short. Whoever types an example has more time."""
WITHOUT_CLUSTER = [
    pytest.param(line, id=line, marks=[pytest.mark.slow] if command == "simulate" else [])
    for command in ("power", "replay", "simulate", "validate")
    for line in samplerctl.examples.EXAMPLES[command]
]


@pytest.mark.parametrize("line", WITHOUT_CLUSTER)
def test_an_example_that_needs_no_cluster_runs(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that has the files which the examples name."""
    monkeypatch.chdir(tmp_path)
    rollout = tmp_path / "rollout.yaml"
    shutil.copy(ROOT / "examples" / "simulated-rollout.yaml", rollout)
    written(tmp_path, BAD).rename(tmp_path / "recorded.csv")
    _, command, *arguments = words_of(line)
    given = rollout.read_text() if " | " in line else None
    done = CliRunner().invoke(app, [command, *arguments, *CHEAP.get(command, [])], input=given)
    assert done.exit_code == 0, done.output
    for page in re.findall(r"--plot (\S+)", line):
        assert "<html" in Path(page).read_text()


@pytest.mark.parametrize("line", [line for lines in samplerd.examples.EXAMPLES.values() for line in lines])
def test_settings_of_an_example_are_right(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as the model, which takes its time: what would run it then is left out."""
    reached = []

    def ends(*_: object, **__: object) -> int:
        reached.append(line)
        return 0

    async def serves(*_: object, **__: object) -> int:
        return ends()

    monkeypatch.chdir(tmp_path)
    Path("before.json").write_text("{}")
    monkeypatch.setattr("samplerd.server.run", serves)
    monkeypatch.setattr(commands, "run_preflight", ends)
    monkeypatch.setattr(commands, "run_lint", ends)
    monkeypatch.setattr(probing, "run", ends)
    for variable, _, value in (word.partition("=") for word in shlex.split(line) if VARIABLE.fullmatch(word)):
        monkeypatch.setenv(variable, value)
    _, *arguments = words_of(line)
    if {"--help", "--install-completion"} & set(arguments):
        return
    done = CliRunner().invoke(PROGRAMS["samplerd"], arguments)
    assert (done.exit_code, reached) == (0, [line]), done.output


def test_the_operators_help_ends_with_examples_that_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.parse(["--help"])
    told = capsys.readouterr().out
    for line in options.EXAMPLES:
        assert f"\n  {line}\n" in told
        *python, module = line.split()[:3]
        assert (python, module) == (["python3", "-m"], "sampler_rollouts")
        assert options.parse(line.split()[3:], {}).config == "config.yaml"
    assert told.endswith(f"  {options.EXAMPLES[-1]}\n")


def test_every_option_of_the_operator_has_the_variable_that_help_says() -> None:
    given = {"LOG_LEVEL": "debug", "CONFIG": "there.yaml", "THREADS": "3", "NAMESPACES": "a,b"}
    found = options.parse([], {f"SAMPLER_ROLLOUTS_{name}": value for name, value in given.items()})
    assert {options.variable(name) for name in ("config", "namespace")} == {
        "SAMPLER_ROLLOUTS_CONFIG",
        "SAMPLER_ROLLOUTS_NAMESPACES",
    }
    assert (found.log_level, found.config, found.threads, found.namespaces) == ("debug", "there.yaml", 3, ("a", "b"))
