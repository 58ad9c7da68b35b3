"""Long programs end with us: nothing that a build has started goes on after a Ctrl-C or a polite signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from local import streams
from local.errors import LocalError
from local.process import start_ticks
from tests.support.waiting import wait_for

# As `python -m local.demo` does it; the build is a shell with a child of its own, as make and go are.
_RUNS_A_BUILD = """
import signal, sys, time
from local import streams
signal.signal(signal.SIGTERM, signal.default_int_handler)
streams.PATIENCE = float(sys.argv[1])
try:
    if sys.argv[3] == "main":
        streams.run_slow("a build", ["sh", "-c", sys.argv[2]])
    with streams.Workers(2) as pool:
        pool.submit(streams.run_slow, "a build", ["sh", "-c", sys.argv[2]])
        for _ in range(600):
            time.sleep(0.1)  # naps: a signal that comes just before a sleep begins does not end it
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("thread", ["main", "worker"])
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("patience", "trap"), [("30", ""), ("0.3", "trap '' TERM INT; ")], ids=["polite", "stubborn"])
def test_a_build_and_its_children_end_with_us(
    sign: signal.Signals, patience: str, trap: str, thread: str, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    build = f"{trap}sleep 300 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait"
    line = [sys.executable, "-c", _RUNS_A_BUILD, patience, build, thread]
    with subprocess.Popen(line, stderr=subprocess.DEVNULL) as ours:
        try:
            wait_for("the build's child", pids.exists, timeout=60, every=0.05)
            started = [int(pid) for pid in pids.read_text().split()]
            ours.send_signal(sign)
            assert ours.wait(25) == 130
            left = [pid for pid in started if start_ticks(pid) is not None]
        finally:
            ours.kill()
            for pid in [int(pid) for pid in pids.read_text().split()] if pids.exists() else []:
                if start_ticks(pid) is not None:
                    os.kill(pid, signal.SIGKILL)
    assert left == []


def test_a_thread_that_the_pool_has_not_noted_yet_hears_of_the_end_too(tmp_path: Path) -> None:
    """Ctrl-C may come after a thread has begun and before its pool knows that."""
    begun, ended = tmp_path / "begun", threading.Event()

    def build() -> None:
        with pytest.raises(LocalError, match="given up"):
            streams.run_slow("a build", ["sh", "-c", f"touch {begun}; exec sleep 60"])
        ended.set()

    def interrupted() -> None:
        with streams.Workers(1):
            threading.Thread(target=build, daemon=True).start()
            wait_for("the build", begun.exists, timeout=30, every=0.05)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ended.wait(30)
    with streams.Workers(1) as pool:
        pool.submit(streams.run_slow, "the next build", ["true"]).result(timeout=30)
