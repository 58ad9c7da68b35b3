"""The operator's memory: read tolerantly, written exactly."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sampler_rollouts.domain.loose import Clock
from sampler_rollouts.domain.status import Stage, Status

from tests.unit.operator.domain.world import START, established


def test_what_is_dumped_is_loaded_again() -> None:
    status = established().status
    assert Status.load(status.dump()) == status


@pytest.mark.parametrize("raw", [None, {}, {"stage": "Unheard"}, {"stable": 3}, {"newer": {"field": 1}}])
def test_nothing_that_can_be_stored_raises(raw: dict[str, Any] | None) -> None:
    assert Status.load(raw) == Status()


def test_a_member_that_cannot_be_read_does_not_take_the_others_with_it() -> None:
    raw = established().raw_status | {"pools": "gone", "history": [1]}
    status = Status.load(raw)
    assert status.stable is not None
    assert status.stage is Stage.SERVING
    assert (status.pools, status.history) == ([], [])


def test_times_are_utc_in_whole_seconds() -> None:
    raw = established().raw_status
    assert raw["stable"]["since"].endswith("Z")
    assert "." not in raw["stable"]["since"]


def test_a_clock_counts_only_while_it_runs() -> None:
    clock = Clock(since=START)
    clock.run(False, START + timedelta(seconds=10))
    clock.run(False, START + timedelta(seconds=500))
    assert clock.elapsed(START + timedelta(seconds=1000)) == 10
    clock.run(True, START + timedelta(seconds=1000))
    assert clock.elapsed(START + timedelta(seconds=1005)) == 15


def test_a_running_clock_needs_no_writing() -> None:
    clock = Clock(since=START)
    clock.run(True, START + timedelta(seconds=10))
    assert clock == Clock(since=START)


def test_time_that_jumps_back_counts_as_none() -> None:
    clock = Clock(since=START)
    assert clock.elapsed(START - timedelta(hours=1)) == 0
    clock.run(False, START)
    clock.run(True, START - timedelta(hours=1))
    assert clock.elapsed(START - timedelta(hours=1)) == 0


def test_a_clock_that_was_started_in_the_future_runs_from_now() -> None:
    """The machine's time was ahead and has been set right: nothing is to wait for that time to come."""
    clock = Clock(since=START + timedelta(hours=1))
    clock.run(True, START)
    assert clock.elapsed(START + timedelta(seconds=5)) == 5


def test_a_clock_that_was_stopped_in_the_future_keeps_what_it_ran() -> None:
    later = START + timedelta(hours=1)
    clock = Clock(since=later - timedelta(seconds=20), stopped_at=later)
    clock.run(False, START)
    assert clock.elapsed(START) == 20
    clock.run(True, START)
    assert clock.elapsed(START + timedelta(seconds=5)) == 25
