"""What a user is told when something cannot work."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from local import machine, network, packages, tools
from local.cluster import run_command
from local.errors import LocalError
from local.progress import wait_for
from local.settings import Settings
from local.shell import run, tail, works
from local.streams import run_slow


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return Settings(cache=tmp_path / "cache", run=tmp_path / "run")


def test_an_error_is_one_line_with_its_remedy() -> None:
    assert LocalError("no root", "use sudo").text() == "no root: use sudo"
    assert LocalError("it died", "look", "last words\n").text() == "it died: look\nlast words"


def test_a_command_prints_the_error_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise LocalError("no root", "use sudo")

    assert run_command(fail) == 1
    assert capsys.readouterr().err == "error: no root: use sudo\n"


def test_an_interrupt_says_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> int:
        raise KeyboardInterrupt

    assert run_command(interrupt) == 130
    assert "make cluster-down" in capsys.readouterr().err


def test_not_linux(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(LocalError, match="needs Linux, this is darwin"):
        machine.check_machine(here, [])


def test_not_root(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LocalError, match="needs root"):
        machine.check_machine(here, [])


def test_a_taken_port_names_who_has_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=rf"port {port} on 127.0.0.1, wanted by etcd, is taken by pid \d+ \("):
            network.check_ports([("etcd", "127.0.0.1", port)])
    network.check_ports([("etcd", "127.0.0.1", port)])


def test_an_address_that_is_not_there_yet_is_no_conflict() -> None:
    network.check_ports([("kube-apiserver", "203.0.113.1", 6443)])


def test_no_package_manager(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(LocalError, match=r"apt-get is not here.*nftables"):
        packages.ensure_installed(here, ["nft"])


@pytest.mark.parametrize(("version", "fine"), [("go1.19.8", False), ("go1.21.0", True), ("go1.26.8", True)])
def test_an_old_compiler_is_refused(monkeypatch: pytest.MonkeyPatch, version: str, fine: bool) -> None:
    monkeypatch.setattr(tools, "run", lambda *_, **__: f"{version}\n")
    if fine:
        tools._need_go()
    else:
        with pytest.raises(LocalError, match=r"too old here \(go1\.19\.8\): install Go 1\.21"):
            tools._need_go()


def test_a_compiler_that_is_told_to_stay_local_fetches_what_a_module_asks_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setenv("GOTOOLCHAIN", "local")
    monkeypatch.setenv("GOPROXY", "https://proxy.example.com")
    monkeypatch.setattr(tools, "run_slow", lambda *_, **keywords: calls.append(keywords))
    tools._compile("pause", ["."], tmp_path)
    (call,) = calls
    assert call["env"]["GOTOOLCHAIN"] == "auto"
    assert call["env"]["GOPROXY"] == "https://proxy.example.com"
    for word in ("GOPROXY", "GOTOOLCHAIN", "GOSUMDB"):
        assert word in call["remedy"]


def test_a_missing_program_is_named() -> None:
    with pytest.raises(LocalError, match="'no-such-program' is not installed"):
        run(["no-such-program"])
    assert not works(["no-such-program"])


def test_a_failure_carries_the_programs_last_words() -> None:
    with pytest.raises(LocalError) as failure:
        run(["sh", "-c", "echo one; echo two >&2; exit 3"])
    assert "exit code 3" in failure.value.problem
    assert failure.value.detail == "two"


def test_a_program_that_hangs_is_given_up() -> None:
    with pytest.raises(LocalError, match="did not end within 0 s"):
        run(["sleep", "5"], timeout=0.1)


def test_a_program_never_reads_the_terminal() -> None:
    assert run(["cat"]) == ""
    assert run(["cat"], stdin="given") == "given"


def test_a_slow_program_that_fails_carries_its_last_words() -> None:
    run_slow("counting", ["true"])
    with pytest.raises(LocalError) as failure:
        run_slow("counting", ["sh", "-c", "seq 100; exit 2"], remedy="count again")
    assert failure.value.text().startswith("counting failed with exit code 2: count again\n")
    assert failure.value.detail.splitlines()[-1] == "100"


def test_waiting_ends_with_a_message() -> None:
    assert wait_for("luck", lambda: "found", timeout=1) == "found"
    with pytest.raises(LocalError, match="luck: not so after"):
        wait_for("luck", lambda: None, timeout=0.05, every=0.01)


def test_the_tail_of_a_long_text() -> None:
    assert tail("a\nb\nc\n", 2) == "b\nc"
    assert len(tail("x" * 5000)) == 300
