"""`down` leaves nothing behind wherever `up` was killed or interrupted. Takes half an hour, and the one cluster."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from local.cluster import Cluster
from tests.support.interrupting import UP, left_of, stop_after, traces

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
