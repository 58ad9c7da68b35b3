"""Stopping `up` half way, and what a cluster leaves on the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from local import footprint, network
from local.cluster import Cluster
from local.down import KEPT, leftovers
from tests.support.waiting import wait_for

Traces = tuple[list[str], bool]
UP = (sys.executable, "-m", "local.cluster", "up")


def stop_at(argv: Sequence[str], component: Path, sign: signal.Signals, *, later: float = 0.0) -> None:
    """Run, and signal it ``later`` seconds after it has started the component of that pid file.

    SIGINT goes to the whole group, as a terminal sends it; SIGKILL to the one process, as the kernel does for memory.
    """
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, start_new_session=True) as program:
        try:
            wait_for(f"the start of {component.name}", component.exists, timeout=120, every=0.02)
            time.sleep(later)
        finally:
            _send(program, sign)
        _, said = program.communicate(timeout=60)
    # A moment after the last component's start it may be done before the signal comes.
    assert program.returncode in _codes(sign) | ({0} if later else set()), said


def _send(program: subprocess.Popen[str], sign: signal.Signals) -> None:
    if sign is signal.SIGINT:
        os.killpg(program.pid, sign)
    else:
        program.send_signal(sign)


def _codes(sign: signal.Signals) -> set[int]:
    """What a program ends with that was stopped so, and had not ended."""
    return {-sign, 130} if sign is signal.SIGINT else {-sign}


def left_of(cluster: Cluster) -> list[str]:
    """What `down` itself calls left over, rules and interfaces that may be another's included, and files not kept."""
    run = cluster.settings.run
    files = [str(path) for path in run.iterdir() if path.name not in KEPT] if run.exists() else []
    return leftovers(cluster.settings, touched=True) + files


def traces(cluster: Cluster) -> Traces:
    """Folders of the system that a cluster writes to, and whether the kernel's network settings are still changed."""
    return footprint.present(), network.was_touched(cluster.settings)
