"""`down` leaves nothing behind wherever `up` was killed or interrupted. Takes half an hour, and the one cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import pytest

from local import footprint, network
from local.cluster import Cluster
from local.down import KEPT, leftovers

UP = (sys.executable, "-m", "local.cluster", "up")
# Fewer points than this, and `up` says too little for this test to mean anything.
FEWEST_POINTS = 5


@pytest.fixture
def down() -> Iterator[Cluster]:
    """No cluster of anybody; none afterwards either."""
    cluster = Cluster()
    if cluster.lives():
        pytest.fail("a local cluster lives, and this test would destroy it: run `make cluster-down` first")
    cluster.down()
    yield cluster
    cluster.down()


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_down_leaves_nothing_wherever_up_was_stopped(sign: signal.Signals, down: Cluster) -> None:
    before = traces(down)
    assert left_of(down) == []
    line = 0
    # To the last line that a whole `up` says; a moment later every other time, when the next step is under way.
    while stop_after(UP, line + 1, sign, later=line % 2 * 0.7):
        line += 1
        down.down()
        assert (left_of(down), traces(down)) == ([], before), f"left by {sign.name} after line {line} of `up`"
    assert line >= FEWEST_POINTS
    # The last one ended by itself: what went before has not harmed it.
    assert all(part.healthy for part in down.components())
    down.down()
    assert (left_of(down), traces(down)) == ([], before), "left by a whole `up`"


def stop_after(argv: Sequence[str], line: int, sign: signal.Signals, *, later: float) -> bool:
    """Run, and signal it ``later`` seconds after that line of its progress; False if it ended well with fewer lines.

    SIGINT goes to the whole group, as a terminal sends it; SIGKILL to the one process, as the kernel does for memory.
    """
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, start_new_session=True) as program:
        assert program.stderr is not None
        said = [program.stderr.readline() for _ in range(line)]
        if not said[-1]:
            assert program.wait(60) == 0, "".join(said)
            return False
        time.sleep(later)
        if sign is signal.SIGINT:
            os.killpg(program.pid, sign)
        else:
            program.send_signal(sign)
        code = program.wait(60)
    # After its last line it may be done before the signal comes.
    assert code in {0, -sign, 130 if sign is signal.SIGINT else -sign}, "".join(said)
    return True


def left_of(cluster: Cluster) -> list[str]:
    """What `down` itself calls left over, rules and interfaces that may be another's included, and files not kept."""
    run = cluster.settings.run
    files = [str(path) for path in run.iterdir() if path.name not in KEPT] if run.exists() else []
    return leftovers(cluster.settings, touched=True) + files


def traces(cluster: Cluster) -> tuple[list[str], bool]:
    """Folders of the system that a cluster writes to, and whether the kernel's network settings are still changed."""
    return footprint.present(), network.was_touched(cluster.settings)
