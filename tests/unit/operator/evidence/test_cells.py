"""Which pod-intervals are compared with each other: those of one stretch of time, once it is complete."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_rollouts.domain.evidence.cells import SILENT, Cells, alone, together
from sampler_rollouts.domain.evidence.intervals import Increments

from tests.support.examples import examples

WINDOW = 15_000
START = 1_700_000_000_000


def pod(scrapes: list[int], phase: int = 0, gains: list[int] | None = None, birth: bool = False) -> Increments:
    """Ten requests at each of these scrapes but the first, which is the base line unless the pod counts from zero."""
    times = np.array([START + phase + WINDOW * scrape for scrape in scrapes], dtype=np.int64)
    started = np.concatenate([times[:1], times[:-1]]) if birth else times[:-1]
    ended = times if birth else times[1:]
    checked = np.array(gains if gains is not None else [10] * ended.size, dtype=np.int64)
    return Increments(checked, np.zeros_like(checked), started, ended, newest=int(times[-1]), last_seen=int(times[-1]))


def by_cell(found: Cells) -> dict[int, tuple[int, int]]:
    """Checked requests of both arms in each cell."""
    return {
        int(cell): tuple(
            int(found.checked[(found.cell == cell) & (found.stable == arm)].sum()) for arm in (False, True)
        )  # type: ignore[misc]
        for cell in np.unique(found.cell)
    }


def test_scrapes_of_one_interval_are_one_cell() -> None:
    found = together([pod([0, 1, 2, 3]), pod([0, 1, 2, 3], 700)], [pod([0, 1, 2, 3], -900)], WINDOW)
    assert list(by_cell(found).values()) == [(20, 10)] * 3
    assert (found.long_gaps, found.waiting) == (0, 0)


def test_a_missed_scrape_joins_two_cells_of_both_arms() -> None:
    found = together([pod([0, 1, 3, 4]), pod([0, 1, 2, 3, 4])], [pod([0, 1, 2, 3, 4])], WINDOW)
    assert list(by_cell(found).values()) == [(20, 10), (30, 20), (20, 10)]


def test_an_outage_of_the_store_is_one_cell() -> None:
    found = together([pod([0, 1, 41, 42])], [pod([0, 1, 41, 42])], WINDOW)
    assert list(by_cell(found).values()) == [(10, 10)] * 3


def test_a_pod_that_was_silent_for_long_is_compared_with_nothing() -> None:
    others = list(range(12))
    found = together([pod([0, 1, 9, 10, 11]), pod(others)], [pod(others)], WINDOW)
    assert found.long_gaps == 1
    assert list(by_cell(found).values()) == [(20, 10)] + [(10, 10)] * 8 + [(20, 10)] * 2


def test_a_cell_waits_for_a_pod_that_may_still_be_scraped_in_it() -> None:
    found = together([pod([0, 1, 2])], [pod([0, 1])], WINDOW)
    assert list(by_cell(found).values()) == [(10, 10)]
    assert found.waiting == 1
    gone = together([pod(list(range(SILENT + 3)))], [pod([0, 1])], WINDOW)
    assert list(by_cell(gone).values()) == [(10, 10)], "there is nothing that the rest could be compared with"
    assert gone.waiting == 0


def test_a_pod_scraped_early_in_a_window_may_be_scraped_twice() -> None:
    """The window's end is half a scrape after the first pod's phase: this one comes just behind it."""
    found = together([pod([0, 1, 2, 3])], [pod([0, 1, 2], WINDOW // 2 + 100)], WINDOW)
    assert sum(one for one, _ in by_cell(found).values()) < 30
    assert found.waiting > 0


def test_a_pod_from_zero_counts_where_its_first_scrape_is() -> None:
    found = together([pod([1, 2], birth=True)], [pod([0, 1, 2])], WINDOW)
    assert list(by_cell(found).values()) == [(10, 10), (10, 10)]


def test_without_stable_each_pod_interval_is_its_own() -> None:
    found = alone([pod([0, 1, 2]), pod([0, 1, 2], 3)])
    assert found.cell.tolist() == [0, 1, 2, 3]
    assert found.ends.tolist() == sorted(found.ends.tolist())
    assert not found.stable.any()
    assert alone([]).cell.size == 0
    assert together([], [], WINDOW).cell.size == 0


jitters = st.lists(st.integers(-300, 300), min_size=31, max_size=31)
lives = st.lists(
    st.tuples(
        st.booleans(),
        st.integers(2, 30),
        st.integers(300, 14_600),
        st.lists(st.integers(-300, 300), min_size=31, max_size=31),
    ),
    min_size=1,
    max_size=5,
)


@given(lives, st.integers(1, 29))
@settings(deadline=None, max_examples=examples(200))
def test_what_was_compared_stays_as_it_was(pods: list[tuple[bool, int, int, list[int]]], until: int) -> None:
    """Pods scraped with jitter until they end: a later look finds every cell of an earlier one as it was."""

    def look(last: int) -> list[tuple[int, int]]:
        arms: dict[bool, list[Increments]] = {False: [], True: []}
        for stable, life, phase, jitter in pods:
            times = np.array([START + phase + WINDOW * i + jitter[i] for i in range(life + 1)], dtype=np.int64)
            times = times[times <= START + WINDOW * last]
            ten = np.full(times.size - 1, 10, dtype=np.int64)
            arms[stable].append(Increments(ten, ten * 0, times[:-1], times[1:], newest=int(times[-1])))
        return list(by_cell(together(arms[False], arms[True], WINDOW)).values())

    early, late = look(until), look(until + 20)
    assert late[: len(early)] == early


@pytest.mark.parametrize("shift", [0, 1, 7_000, 14_999])
def test_the_phase_of_the_clock_does_not_matter(shift: int) -> None:
    found = together([pod([0, 1, 2, 3], shift)], [pod([0, 1, 2, 3], shift)], WINDOW)
    assert list(by_cell(found).values()) == [(10, 10)] * 3
