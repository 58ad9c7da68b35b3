"""`down` leaves nothing behind wherever `up` was killed or interrupted. Takes the one cluster, and minutes."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from local.cluster import Cluster
from local.components import ALL
from tests.support.interrupting import UP, left_of, stop_at, traces

# Seconds after the start of each component: at once, and when the next step is under way.
MOMENTS = (0.0, 0.7)


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
    for component in ALL:
        for later in MOMENTS:
            stop_at(UP, down.settings.pids / component, sign, later=later)
            down.down()
            place = f"left by {sign.name} {later} s after the start of {component}"
            assert (left_of(down), traces(down)) == ([], before), place
    # What went before has not harmed the next one.
    down.up()
    assert all(part.healthy for part in down.components())
    down.down()
    assert (left_of(down), traces(down)) == ([], before), "left by a whole `up`"
