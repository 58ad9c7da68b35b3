"""What a shell offers of both command lines, asked as shells and kubectl ask."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer
import yaml
from samplerctl import completing
from samplerctl.__main__ import complete_for_kubectl
from samplerctl.app import app
from samplerctl.incidents import INCIDENTS
from samplerctl.simulate import TRAFFIC
from samplerd.cli import make_app

from tests.unit.samplerctl.api import answering, no_object
from tests.unit.samplerctl.test_checking import BODY

ROLLOUTS = "/apis/samplerrollouts.io/v1alpha1{}/samplerrollouts"
HASHES = ("0f3c2a91be", "51d2c0aa97", "77aa77aa77")
STATUS = {
    "stable": {"hash": HASHES[0]},
    "candidate": {"hash": HASHES[1]},
    "failed": [{"hash": HASHES[2]}],
    "history": [{"release": HASHES[0]}],
}
HOSTILE = "$(touch /tmp/hit)"
PROGRAMS = {"samplerctl": app, "samplerd": make_app()}
BIN = Path(sys.executable).parent
KUBECTL = shutil.which("kubectl")
Offered = Callable[..., list[str]]


def named(*names: str, namespace: str = "demo") -> list[dict[str, Any]]:
    return [{"metadata": {"name": name, "namespace": namespace}, "status": STATUS} for name in names]


def answer(verb: str, path: str, sent: Any) -> tuple[int, Any]:
    """Two SamplerRollouts in one namespace, one in another, and a name that no API server takes."""
    here, there = named("chat", "code", HOSTILE), named("batch", namespace="team")
    lists = {"": here + there, "/namespaces/demo": here, "/namespaces/team": there}
    for place, bodies in lists.items():
        if path == ROLLOUTS.format(place):
            return 200, {"items": bodies}
    return (200, here[0]) if path == f"{ROLLOUTS.format('/namespaces/demo')}/chat" else (404, no_object(path))


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with answering(tmp_path, answer) as kubeconfig:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        yield kubeconfig


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Offered:
    """The words that are offered for the last one of a line, as bash asks; nothing else may be said."""
    monkeypatch.setattr(completing, "PATIENCE", 60)

    def ask(line: str, shell: str = "bash", name: str = "samplerctl") -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv(f"_{name.upper()}_COMPLETE", f"complete_{shell}")
        monkeypatch.setenv("COMP_WORDS", "\n".join([name, *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", f"{name} {line}")
        monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
        with pytest.raises(SystemExit) as ended:
            PROGRAMS[name](prog_name=name)
        told = capfd.readouterr()
        assert (ended.value.code or 0, told.err) == (0, "")
        return told.out.split("\n")[:-1] if told.out.strip() else []

    return ask


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("expl", ["explain"]),
        ("status ", ["chat", "code"]),
        ("status co", ["code"]),
        ("status -n team ", ["batch"]),
        ("status --namespace nowhere ", []),
        ("watch chat --until-done -n ", ["demo", "team"]),
        ("abort chat --release ", sorted(HASHES)),
        ("abort chat --release 5", [HASHES[1]]),
        ("report chat --release ", sorted(HASHES)),
        ("abort --release ", []),
        ("history --context ", ["here"]),
        ("simulate --incident ", list(INCIDENTS)),
        ("simulate --incident I3", ["I3a", "I3b"]),
        ("simulate --traffic sticky --traffic ", list(TRAFFIC)),
        ("selftest --traffic b", ["bursty"]),
    ],
)
def test_names_are_offered_where_a_command_takes_one(
    line: str, words: list[str], cluster: Path, offered: Offered
) -> None:
    assert offered(line) == words


def test_the_kubeconfig_and_context_of_the_line_are_asked(
    cluster: Path, offered: Offered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    assert offered("status ") == []
    assert offered(f"status --kubeconfig {cluster} ") == ["chat", "code"]
    assert offered(f"status --kubeconfig {cluster} --context other ") == []


def parameters() -> Iterator[tuple[str, Any, Any, Any]]:
    """What it is, of which type, the parameter, and a context of its command, of every command of both programs."""
    for program, made in PROGRAMS.items():
        group: Any = typer.main.get_command(made)
        for name, command in group.commands.items():
            hints = get_type_hints(inspect.unwrap(command.callback))
            context = command.make_context(name, [], resilient_parsing=True)
            yield from ((f"{program} {name} {one.name}", hints.get(one.name), one, context) for one in command.params)


def test_every_command_that_takes_a_rollout_offers_those_of_the_cluster(cluster: Path) -> None:
    asked = [found for found in parameters() if found[0].endswith(" name")]
    assert len(asked) > 10
    for what, _, one, context in asked:
        assert [item.value for item in one.shell_complete(context, "")] == ["chat", "code"], what


def test_files_are_left_to_the_shell() -> None:
    """The word so far is no answer: bash would take it for a whole one, and add a space."""
    paths = [found for found in parameters() if found[1] is Path or Path in get_args(found[1])]
    assert len(paths) > 10
    for what, _, one, context in paths:
        assert one.shell_complete(context, "ro") == [], what


def test_checks_of_the_file_are_offered_with_their_usual_rate(tmp_path: Path, offered: Offered) -> None:
    body = {**BODY, "spec": {**BODY["spec"]}}
    body["spec"]["quality"] = {
        "designEffect": "6",
        "checks": [{"name": "errors", "maxRate": "3%"}, {"name": "unexpected-script", "maxRate": "0.5%"}],
    }
    file = tmp_path / "rollout.yaml"
    file.write_text(yaml.safe_dump(body))
    shown = ["errors=0.3%", "replay-audit=0%", "unexpected-script=0.05%"]
    assert offered(f"simulate -f {file} --usual ") == shown
    assert offered(f"simulate -f {file} --usual err") == shown[:1]
    assert offered(f"simulate -f {tmp_path / 'none.yaml'} --usual ") == []
    assert offered("simulate -f - --usual ") == []


def test_zsh_and_fish_are_told_what_a_word_means(cluster: Path, offered: Offered) -> None:
    words = INCIDENTS["I1"].words
    assert f"I1\t{words}" in offered("simulate --incident ", "fish")
    assert f'"I1":"{words}"' in "\n".join(offered("simulate --incident ", "zsh"))
    assert offered("status ", "fish") == ["chat", "code"]
    assert offered("status ", "zsh") == ['_arguments \'*: :(("chat"', '"code"))\'']


@pytest.mark.parametrize(
    "said",
    [
        (403, {"message": "forbidden"}),
        (500, {}),
        (200, []),
        (200, {"items": None}),
        (200, {"items": [{"metadata": {"name": None}, "status": 3}]}),
    ],
)
def test_without_right_or_sense_nothing_is_offered_and_nothing_said(
    said: tuple[int, Any], tmp_path: Path, offered: Offered
) -> None:
    with answering(tmp_path, lambda *_: said) as kubeconfig:
        for line in ("status --kubeconfig {} ", "abort chat --kubeconfig {} --release "):
            assert set(offered(line.format(kubeconfig))) <= {"None"}
    assert offered(f"status --kubeconfig {kubeconfig} ") == []  # now it is gone


def test_nobody_waits_for_a_server_that_does_not_answer(
    tmp_path: Path, offered: Offered, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def wait(*_: object) -> tuple[int, Any]:
        over.wait(60)
        return 200, {"items": named("late")}

    monkeypatch.setattr(completing, "PATIENCE", 0.2)  # after the fixture
    with answering(tmp_path, wait) as kubeconfig:
        began = time.monotonic()
        assert offered(f"status --kubeconfig {kubeconfig} ") == []
        assert time.monotonic() - began < 10
        over.set()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["explain", "co"], ["code", ":4"]),
        (["simulate", "--incident", "I2"], [f"I2\t{INCIDENTS['I2'].words}", ":4"]),
        (["validate", ""], [":0"]),
        (["status", "it's"], [":0"]),
    ],
)
def test_kubectl_hears_words_and_a_directive(
    words: list[str],
    told: list[str],
    cluster: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("_KUBECTL_SAMPLER_COMPLETE", "_TYPER_COMPLETE_FISH_ACTION", "_TYPER_COMPLETE_ARGS"):
        monkeypatch.setenv(name, "")  # so that it is as before afterwards
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-sampler", *words])
    complete_for_kubectl()
    assert capsys.readouterr().out.splitlines() == told


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on the path")
def test_kubectl_itself_finds_it(cluster: Path) -> None:
    done = shell(f'{KUBECTL} __complete sampler status ""', cluster.parent)
    assert done.stdout.splitlines() == ["chat", "code", ":4"], done.stderr


DRIVEN = """
source "$HOME/.bashrc"
complete -p samplerctl
for last in pro co; do
  COMP_WORDS=(samplerctl "${before[@]}" $last); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); before=(status)
  _samplerctl_completion samplerctl
  echo "$last: ${COMPREPLY[*]}"
done
"""


def test_bash_completes_after_the_documented_command(cluster: Path) -> None:
    """In a home of its own: installed by the shell in which it is typed, loaded by the next one."""
    installed = shell("samplerctl --install-completion; true", cluster.parent)
    assert "bash completion installed" in installed.stdout, installed.stderr
    done = shell(DRIVEN, cluster.parent)
    assert (done.stdout.splitlines(), done.stderr) == (
        ["complete -o default -F _samplerctl_completion samplerctl", "pro: promote", "co: code"],
        "",
    )


def shell(script: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(home), "PATH": f"{BIN}:{os.environ['PATH']}"}
    command = ["bash", "--norc", "-c", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_the_script_is_printed_for_any_shell(
    name: str, shell_name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"_{name.upper()}_COMPLETE", f"source_{shell_name}")
    with pytest.raises(SystemExit) as ended:
        PROGRAMS[name](prog_name=name)
    assert not ended.value.code
    assert f"_{name.upper()}_COMPLETE=complete_{shell_name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pro", ["probe"]),
        ("serve --model ", ["smollm2-135m", "synthetic"]),
        ("lint --model sy", ["synthetic"]),
        ("preflight --precision ", ["float32"]),
        ("probe --logprobs ", ["raw", "processed"]),
        ("serve --log-level w", ["warning"]),
    ],
)
def test_samplerd_offers_what_a_flag_takes(line: str, words: list[str], offered: Offered) -> None:
    assert offered(line, name="samplerd") == words
