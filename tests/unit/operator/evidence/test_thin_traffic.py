"""Where in most windows only one arm has a request, windows are joined until both have: nothing is lost or won."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sampler_rollouts.domain.evidence.cells import Cells, together
from sampler_rollouts.domain.evidence.comparison import Assurance, Compared, Stream, compare
from sampler_rollouts.domain.evidence.intervals import Increments
from sampler_rollouts.domain.evidence.samples import CheckPlan

WINDOW = 2_000
START = 1_700_000_000_000
Counts = npt.NDArray[np.int64]


def pod(checked: Counts, bad: Counts | None = None) -> Increments:
    """A pod that is scraped in every window."""
    ended = START + WINDOW * np.arange(1, len(checked) + 1, dtype=np.int64)
    none = np.zeros_like(checked)
    last = int(ended[-1])
    return Increments(
        checked, none if bad is None else bad, ended - WINDOW, ended, newest=last + WINDOW, last_seen=last + WINDOW
    )


def arms(candidate: list[int], stable: list[int], *more: list[int]) -> Cells:
    pods = [pod(np.array(one, dtype=np.int64)) for one in (candidate, *more)]
    return together(pods, [pod(np.array(stable, dtype=np.int64))], WINDOW)


def by_cell(found: Cells) -> list[tuple[int, int]]:
    """Checked requests of both arms in each cell."""
    return [
        (int(found.checked[mine & ~found.stable].sum()), int(found.checked[mine & found.stable].sum()))
        for cell in np.unique(found.cell)
        if (mine := found.cell == cell).any()
    ]


def test_windows_are_joined_until_both_arms_have_a_request() -> None:
    assert by_cell(arms([1, 0, 0, 1, 0, 2, 1], [0, 0, 3, 1, 1, 0, 1])) == [(1, 3), (1, 1), (2, 1), (1, 1)]


def test_what_is_not_complete_yet_waits() -> None:
    assert by_cell(arms([1, 1, 1], [1, 0, 0])) == [(1, 1)]


def test_nothing_is_joined_over_a_change_of_the_split() -> None:
    """The second pod answers its first request in the fourth window: from then on the candidate gets more."""
    assert by_cell(arms([1, 0, 0, 0, 1], [1, 5, 5, 5, 1], [0, 0, 0, 1, 1])) == [(1, 1), (2, 1)]


THIN = st.lists(st.integers(0, 2), min_size=30, max_size=30)


@given(THIN, THIN)
def test_each_cell_has_requests_of_both_arms_in_the_order_of_time(candidate: list[int], stable: list[int]) -> None:
    found = arms(candidate, stable)
    assert all(mine and others for mine, others in by_cell(found))
    assert (np.diff(found.ends) > 0).all()
    assert found.ends.size == np.unique(found.cell).size


def flow(rng: np.random.Generator, windows: int, rate: float, share: float) -> tuple[Counts, Counts]:
    """Requests of both arms in each window: each falls to an arm by itself."""
    requests = rng.poisson(rate, windows)
    candidate = rng.binomial(requests, share)
    return candidate.astype(np.int64), (requests - candidate).astype(np.int64)


ASSURANCE = Assurance(alpha=0.05, tests=1, pass_confidence=0.95, design_effect=1.0)
PLAN = CheckPlan(name="unexpected-script", max_rate=0.03)


def judged(candidate: Increments, stable: Increments) -> Compared:
    return compare([Stream(PLAN, (candidate,), (stable,))], ASSURANCE, WINDOW)[0]


@pytest.mark.parametrize(("rate", "share"), [(0.3, 0.5), (0.05, 0.5), (0.5, 0.05)])
def test_a_bad_build_fails_however_thin_the_traffic(rate: float, share: float) -> None:
    """Four in ten answers are bad: a few dozen of them are enough, whatever time they take."""
    rng = np.random.default_rng(1)
    failed = 0
    for _ in range(20):
        mine, others = flow(rng, math.ceil(60 / (rate * share)), rate, share)
        failed += judged(pod(mine, rng.binomial(mine, 0.4)), pod(others)).failed
    assert failed == 20


@pytest.mark.parametrize("share", [0.5, 0.05])
def test_an_honest_build_in_bursts_that_both_arms_share_does_not_fail(share: float) -> None:
    """In a third of all minutes every answer of both arms is bad; requests fall to an arm by chance."""
    rng = np.random.default_rng(2)
    streams = []
    for _ in range(400):
        windows = 1500
        mine, others = flow(rng, windows, 0.4, share)
        out = np.repeat(rng.random(windows // 30) < 1 / 3, 30)
        streams.append(Stream(PLAN, (pod(mine, mine * out),), (pod(others, others * out),)))
    found = compare(streams, ASSURANCE, WINDOW)
    assert sum(one.failed for one in found) <= 20, "at most alpha of them"
    assert all(one.stable_bad for one in found), "else nothing was shared"
