"""`down` leaves nothing of a whole `up` nor of one that was stopped half way; the next `up` is quick and whole.

The last of this folder: what the others had in the cluster is gone by now. `make soak` stops `up` at every component.
"""

from __future__ import annotations

import signal
import time

import pytest

from local.cluster import Cluster
from tests.support.interrupting import UP, Traces, left_of, stop_at, traces

# Warm it takes about ten seconds on two quiet cores.
LONGEST_UP = 40.0
# Each when that component has just been started, once as the kernel does it for memory and once as a person does.
STOPS = ((signal.SIGKILL, "etcd"), (signal.SIGINT, "kubelet"))


def test_up_after_down_and_after_half_an_up(cluster: Cluster, bare: Traces | None) -> None:
    if bare is None:
        pytest.skip("the cluster lived before this run, which must not destroy it: `make cluster-down` first")
    cluster.down()
    assert (left_of(cluster), traces(cluster)) == ([], bare), "left by a whole `up`"
    for sign, component in STOPS:
        stop_at(UP, cluster.settings.pids / component, sign)
        assert cluster.lives()
        cluster.down()
        assert (left_of(cluster), traces(cluster)) == ([], bare), f"left by {sign.name} at the start of {component}"
    began = time.monotonic()
    cluster.up()
    assert time.monotonic() - began < LONGEST_UP
    assert all(part.healthy for part in cluster.components())
