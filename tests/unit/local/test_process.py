"""Daemons and their pid files: above all, that nothing but our own process is ever ended."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from local.process import Daemon, Record, read_record, rss_mib, start_ticks, stop

_BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is not ours to end."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def _daemon(tmp_path: Path, *argv: str) -> Daemon:
    return Daemon(name="d", argv=argv, pid_file=tmp_path / "pids" / "d", log=tmp_path / "log" / "d.log")


def _true_record(pid: int) -> Record:
    ticks = start_ticks(pid)
    assert ticks is not None
    return Record(pid, ticks, _BOOT, "")


def test_a_daemon_starts_is_found_again_and_ends(tmp_path: Path) -> None:
    daemon = _daemon(tmp_path, "sleep", "60")
    started = daemon.start()
    assert daemon.record() == started
    assert rss_mib(started.pid) > 0
    stop([daemon.pid_file])
    assert not daemon.pid_file.exists()
    assert start_ticks(started.pid) is None


def test_a_daemon_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    daemon = _daemon(tmp_path, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    started = daemon.start()
    while "ready" not in daemon.log_tail():
        pass
    stop([daemon.pid_file], timeout=0.3)
    assert start_ticks(started.pid) is None


def test_a_reused_pid_is_never_ended(tmp_path: Path, bystander: subprocess.Popen[bytes]) -> None:
    record = _true_record(bystander.pid)
    file = tmp_path / "pid"
    for stale in (replace(record, start_ticks=record.start_ticks - 1), replace(record, boot="another-boot")):
        file.write_text(json.dumps(asdict(stale)))
        assert read_record(file) is None
        stop([file], timeout=0.1)
        assert not file.exists()
    assert bystander.poll() is None


@pytest.mark.parametrize("content", ["", "{", "{}", "12", '{"pid": 1}', "[]"])
def test_a_torn_pid_file_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "pid"
    file.write_text(content)
    assert read_record(file) is None
    stop([file], timeout=0.1)
    assert not file.exists()


def test_an_exit_status_that_nobody_fetched_is_not_a_process() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert start_ticks(child.pid) is None
    child.wait()


def test_the_end_of_the_log_is_shown(tmp_path: Path) -> None:
    daemon = _daemon(tmp_path, "true")
    assert daemon.log_tail() == "(no log)"
    daemon.log.parent.mkdir()
    daemon.log.write_text("\n".join(f"line {n}" for n in range(100)))
    assert daemon.log_tail(2) == "line 98\nline 99"


def test_another_configuration_is_another_command(tmp_path: Path) -> None:
    daemon = _daemon(tmp_path, "true")
    variants = [daemon, replace(daemon, fingerprint="x"), replace(daemon, env={"A": "b"}), replace(daemon, argv=["no"])]
    assert len({d.command for d in variants}) == 4


def test_a_daemon_knows_nothing_of_the_users_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.invalid")
    daemon = _daemon(tmp_path, "sh", "-c", "env; echo done")
    daemon.start()
    while "done" not in daemon.log_tail():
        pass
    assert "proxy" not in daemon.log_tail(100)
    stop([daemon.pid_file])
