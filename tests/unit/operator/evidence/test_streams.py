"""The two-arm core: valid under every allowed null, the same however it is handed over, deaf to a single burst."""

from __future__ import annotations

import itertools
import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_rollouts.domain.evidence import judge, ratio
from sampler_rollouts.domain.evidence.grid import MARGIN, OFFSETS, RATIO_OFFSETS, WEIGHTS
from sampler_rollouts.domain.evidence.streams import Margins, PodIntervals, State, part

from tests.support.examples import examples
from tests.unit.operator.evidence.streams_of import Row, folded, margins, rows, side_by_side, terms, totals

LONG = int(os.environ.get("LONG", "0"))
ASKED = {"max_rate": 0.05, "max_ratio": 2.0, "ignore_below": 0.01}


def evidence(asked: Margins, state: State, leave_one_out: bool = False, effect: float = 1.0) -> judge.Evidence:
    return judge.evidence(asked, state, terms(asked.paired.size, effect=effect), leave_one_out=leave_one_out)


def test_the_ratio_by_hand() -> None:
    """Three bad of ten against one of ninety, at most twice stable's rate: w = 0.1, the grid 2 exp(x)."""
    asked = margins(max_ratio=2.0)
    state = folded(asked, rows((0, False, 10, 3), (0, True, 90, 1)))

    def likelihood(r: float) -> float:
        return r**3 / (1 + (r - 1) * 0.1) ** 4

    by_hand = sum(w * likelihood(2 * math.exp(x)) / likelihood(2.0) for x, w in zip(OFFSETS, WEIGHTS, strict=True))
    assert float(evidence(asked, state).combined[0]) == pytest.approx(math.log(by_hand), rel=1e-12)
    assert float(state.logs[0, MARGIN]) == pytest.approx(math.log(likelihood(2.0)), rel=1e-12)
    below = sum(w * likelihood(2 * math.exp(-x)) / likelihood(2.0) for x, w in zip(OFFSETS, WEIGHTS, strict=True))
    assert float(ratio.log_e_below_margin(state.logs[0])) == pytest.approx(math.log(below), rel=1e-12)


def test_the_two_parts_by_hand() -> None:
    """The mean of E(rate) and min(E(ratio), E(ignored)), the first only where it is worse than stable."""
    state = folded(margins(**ASKED), rows((0, False, 40, 9), (0, True, 360, 4)))
    parts = {
        name: float(
            evidence(margins(**asked), folded(margins(**asked), rows((0, False, 40, 9), (0, True, 360, 4)))).combined[0]
        )
        for name, asked in {
            "rate": {"max_rate": 0.05, "paired": False},
            "ignored": {"max_rate": 0.01, "paired": False},
            "ratio": {"max_ratio": 2.0},
        }.items()
    }
    found = evidence(margins(**ASKED), state)
    assert float(found.above_one[0]) > math.log(20)
    wanted = np.logaddexp(parts["rate"], min(parts["ratio"], parts["ignored"])) - math.log(2)
    assert float(found.combined[0]) == pytest.approx(float(wanted), rel=1e-12)


@pytest.mark.parametrize("margin", [1.0, 2.0, 50.0])
@pytest.mark.parametrize(("candidate", "stable"), [(3, 4), (1, 9), (6, 1)])
@pytest.mark.parametrize("rate", [0.001, 0.05, 0.4, 1.0])
def test_every_ratio_is_a_supermartingale(margin: float, candidate: int, stable: int, rate: float) -> None:
    """Exhaustively for one interval, at the largest allowed rate and below: no alternative gains on average."""
    for share in (0.0, 0.3, 1.0):
        bad_rate = min(1.0, margin * rate * share)
        mean = np.zeros(RATIO_OFFSETS.size)
        for c, s in itertools.product(range(candidate + 1), range(stable + 1)):
            chance = _binomial(candidate, c, bad_rate) * _binomial(stable, s, rate)
            counts = (np.array([float(x)]) for x in (candidate, c, stable, s))
            logs = ratio.contributions(margin, *counts)[0]
            mean += chance * np.exp(logs - logs[MARGIN])
        assert (mean[MARGIN + 1 :] <= 1 + 1e-12).all()
    if margin * rate <= 1:  # and downwards, where the candidate is at least that bad
        mean = np.zeros(RATIO_OFFSETS.size)
        for c, s in itertools.product(range(candidate + 1), range(stable + 1)):
            chance = _binomial(candidate, c, margin * rate) * _binomial(stable, s, rate)
            counts = (np.array([float(x)]) for x in (candidate, c, stable, s))
            logs = ratio.contributions(margin, *counts)[0]
            mean += chance * np.exp(logs - logs[MARGIN])
        assert (mean[:MARGIN] <= 1 + 1e-12).all()


def _binomial(n: int, k: int, p: float) -> float:
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


@pytest.mark.parametrize("stable_rate", [0.0, 0.002, 0.02, 0.2, 0.9])
def test_the_combination_is_valid_for_every_allowed_rate(stable_rate: float) -> None:
    """Two intervals of different weight, all outcomes: the mean of E is at most 1 for a rate of tau and below."""
    sizes = ((2, 3), (3, 1))
    outcomes = np.array(list(itertools.product(*(range(n + 1) for pair in sizes for n in pair))))
    tau = min(ASKED["max_rate"], max(ASKED["max_ratio"] * stable_rate, ASKED["ignore_below"]))
    asked = margins(len(outcomes), **ASKED)
    portions = []
    for cell, (n, m) in enumerate(sizes):
        bad, stable_bad = outcomes[:, 2 * cell], outcomes[:, 2 * cell + 1]
        portions.append(side_by_side(cell, [np.full(bad.size, n), bad, np.full(bad.size, m), stable_bad]))
    found = evidence(asked, folded(asked, *portions)).combined
    flat = [n for pair in sizes for n in pair]
    for share in (0.0, 0.5, 1.0):
        rates = [tau * share, stable_rate] * 2
        chances = np.ones(len(outcomes))
        for place, (n, p) in enumerate(zip(flat, rates, strict=True)):
            chances *= [_binomial(n, int(k), p) for k in outcomes[:, place]]
        assert float((chances * np.exp(found)).sum()) <= 1 + 1e-9


@pytest.mark.long
@pytest.mark.parametrize(
    ("rate", "stable_rate", "asked", "seldom"),
    [
        (0.02, 0.01, {"max_ratio": 2.0}, 0.005),
        (0.02, 0.01, {"max_rate": 0.02, "max_ratio": 2.0, "ignore_below": 0.02}, 0.0005),
        (0.01, 0.0005, ASKED, 0.005),
        (0.3, 0.3, {"max_rate": 0.3, "max_ratio": 1.0}, 0.0),
    ],
)
def test_false_alarms_under_continuous_looking(
    rate: float, stable_rate: float, asked: dict[str, float], seldom: float
) -> None:
    """Streams exactly at the margin, the weight rising from 2 % to 50 %, a look after every cell, at alpha 5 %."""
    random = np.random.default_rng(20261125)
    streams, cells = (20_000, 1_000) if LONG else (2_000, 200)
    every = margins(streams, **asked)
    state, failed = folded(every), np.zeros(streams, dtype=np.bool_)
    for cell in range(cells):
        n, m = ((2, 98), (10, 90), (50, 50))[3 * cell // cells]
        counts = [
            np.full(streams, n),
            random.binomial(n, rate, streams),
            np.full(streams, m),
            random.binomial(m, stable_rate, streams),
        ]
        state = _fold(every, state, side_by_side(cell, counts))
        failed |= evidence(every, state).combined >= math.log(20)
    assert seldom <= failed.mean() <= 0.05  # a test that never fires proves nothing


def _fold(asked: Margins, state: State, portion: object) -> State:
    from sampler_rollouts.domain.evidence.streams import fold

    fold(asked, state, portion)  # type: ignore[arg-type]
    return state


count = st.integers(0, 40).flatmap(lambda checked: st.tuples(st.just(checked), st.integers(0, min(checked, 6))))
table = st.lists(st.tuples(st.integers(0, 5), st.booleans(), count), max_size=14).map(
    lambda found: sorted((cell, stable, *pair) for cell, stable, pair in found)
)


@given(table, st.integers(1, 5))
@settings(deadline=None)
def test_one_fold_live_and_recomputed(found: list[Row], cut: int) -> None:
    """The same bits, cell by cell or all at once."""
    asked = margins(**ASKED)
    at_once = folded(asked, rows(*found))
    parts = [rows(*(row for row in found if low <= row[0] < low + cut)) for low in range(0, 6, cut)]
    piecemeal = folded(asked, *parts)
    for name in State.__dataclass_fields__:
        assert np.array_equal(getattr(at_once, name), getattr(piecemeal, name)), name


def test_many_cells_are_folded_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    found = [(cell, stable, 20, int(random.binomial(20, 0.1))) for cell in range(50) for stable in (False, True, True)]
    asked = margins(**ASKED)
    whole = folded(asked, rows(*found))
    for most in (1, 7, 150, 151):
        monkeypatch.setattr("sampler_rollouts.domain.evidence.streams.MOST_ROWS", most)
        again = folded(asked, rows(*found))
        assert all(np.array_equal(getattr(whole, name), getattr(again, name)) for name in State.__dataclass_fields__)


@pytest.mark.parametrize("most", [1, 40, 4096])
def test_streams_of_different_margins_side_by_side(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bits as each stream alone, however many rows are worked on at once."""
    monkeypatch.setattr("sampler_rollouts.domain.evidence.streams.MOST_ROWS", most)
    random = np.random.default_rng(4)
    asked = Margins(
        np.array([0.05, 0.01, math.nan, 0.05]),
        np.array([1.0, 2.0, 9.5, math.nan]),
        np.array([0.0, 0.005, 0.02, 0.0]),
        np.array([True, True, True, False]),
    )
    found = [rows(*_pods(random, cells=12), stream=stream) for stream in range(4)]
    together = folded(
        asked, PodIntervals(*(np.concatenate(column) for column in zip(*map(_columns, found), strict=True)))
    )
    for stream, own in enumerate(found):
        alone = folded(part(asked, np.array([stream])), _as_first(own))
        for name in State.__dataclass_fields__:
            assert np.array_equal(getattr(alone, name)[0], getattr(together, name)[stream]), (stream, name)
    assert together.most_above_one[0, MARGIN + 1 :].any()
    assert not together.most_above_one[0, : MARGIN + 1].any(), "nothing is asked of ratios up to 1"


def _pods(random: np.random.Generator, cells: int) -> list[Row]:
    return [
        (cell, stable, checked, int(random.binomial(checked, 0.1)))
        for cell in range(cells)
        for stable in (False, False, True, True)
        for checked in (int(random.integers(0, 30)),)
    ]


def _columns(found: PodIntervals) -> tuple[np.ndarray, ...]:
    return found.stream, found.cell, found.stable, found.checked, found.bad


def _as_first(found: PodIntervals) -> PodIntervals:
    return PodIntervals(np.zeros_like(found.stream), found.cell, found.stable, found.checked, found.bad)


@given(table)
@settings(deadline=None)
def test_streams_do_not_touch_each_other(found: list[Row]) -> None:
    alone = folded(margins(**ASKED), rows(*found))
    busy = folded(margins(3, **ASKED), rows(*found, stream=1), rows((9, False, 30, 30), (9, True, 30, 0), stream=2))
    for name in State.__dataclass_fields__:
        assert np.array_equal(getattr(alone, name)[0], getattr(busy, name)[1]), name
    assert not busy.logs[0].any()


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 10), st.integers(0, 10), st.integers(2, 5))
@settings(deadline=None)
def test_splitting_an_interval_changes_nothing(n: int, m: int, c: int, s: int, parts: int) -> None:
    """Cut into intervals of the same weight, however the bad requests fall into them."""
    asked = margins(**ASKED)
    whole = folded(asked, rows((0, False, n * parts, min(c, n)), (0, True, m * parts, min(s, m))))
    split = [(cell, stable, n if not stable else m, bad if cell == 0 else 0) for cell in range(parts)
             for stable, bad in ((False, min(c, n)), (True, min(s, m)))]  # fmt: skip
    again = folded(asked, rows(*split))
    assert np.allclose(whole.logs, again.logs, rtol=1e-12, atol=1e-12)
    assert float(evidence(asked, whole).combined[0]) == pytest.approx(float(evidence(asked, again).combined[0]))


@given(table, st.sampled_from([1.0, 3.0]))
@settings(deadline=None, max_examples=examples(200))
def test_leaving_one_out_is_never_too_hopeful(found: list[Row], effect: float) -> None:
    """At most what any single pod-interval's absence would give, by folding without it."""
    asked = margins(**ASKED)
    least = evidence(asked, folded(asked, rows(*found)), leave_one_out=True, effect=effect)
    for place in range(len(found)):
        without = [row for i, row in enumerate(found) if i != place]
        exact = evidence(asked, folded(asked, rows(*without)), effect=effect)
        same_cell = [row for row in without if row[0] == found[place][0] and row[1] == found[place][1] and row[2] > 0]
        if same_cell or found[place][2] == 0:  # a cell that loses an arm is compared with nothing: that is another test
            assert float(least.combined[0]) <= float(exact.combined[0]) + 1e-9
            assert float(least.above_one[0]) <= float(exact.above_one[0]) + 1e-9


@given(st.lists(st.tuples(st.booleans(), count), min_size=3, max_size=8), st.sampled_from([1.0, 2.0, 30.0]))
@settings(deadline=None, max_examples=examples(200))
def test_what_a_pod_interval_adds_at_most_is_that_of_one_of_them(
    found: list[tuple[bool, tuple[int, int]]], margin: float
) -> None:
    """Within one cell, of which few pods are looked at: the most of all pods, by folding without each."""
    cell = [(0, stable, *pair) for stable, pair in sorted(found) if pair[0] > 0]
    asked = margins(max_ratio=margin)
    whole = folded(asked, rows(*cell))
    most = np.zeros(RATIO_OFFSETS.size)
    for place, (_, stable, _, bad) in enumerate(cell):
        if stable or bad > 0:
            most = np.maximum(most, whole.logs[0] - folded(asked, rows(*cell[:place], *cell[place + 1 :])).logs[0])
    above = slice(ratio.first_above_one(margin), None)
    assert whole.most_above_one[0, above] == pytest.approx(most[above], abs=1e-12)


def test_a_limit_that_stable_is_above_says_nothing_of_the_candidate() -> None:
    """Worse by a second look, above the limit by far, and so is stable: shared, until it is beyond doubt."""
    asked = margins(max_rate=0.001)
    found = [(cell, stable, 90 if stable else 10, 2 if stable else 1) for cell in range(12) for stable in (False, True)]
    state = folded(asked, rows(*found))
    sure = terms(threshold=math.log(4000))
    seen = judge.evidence(asked, state, sure, leave_one_out=False)
    assert math.log(20) < float(seen.above_one[0]) < math.log(4000) < float(seen.unproven[0])
    verdict = judge.findings(asked, state, sure, totals(state))
    assert (verdict.failed[0], verdict.shared[0]) == (False, True)
    state = folded(asked, rows(*found, *((12 + cell, stable, *counts) for cell in range(12)
                                         for stable, counts in ((False, (10, 4)), (True, (90, 3))))))  # fmt: skip
    assert judge.findings(asked, state, sure, totals(state)).failed[0]


@pytest.mark.parametrize(
    ("candidate", "stable", "bad", "cells", "failed"),
    [(10, 100, 1, 4, True), (50, 50, 1, 8, False), (50, 50, 1, 12, True), (90, 10, 7, 12, False)],
)
def test_stable_with_few_requests_may_just_have_been_spared(
    candidate: int, stable: int, bad: int, cells: int, failed: bool
) -> None:
    """Bursts that strike both seldom hit stable there: 20 is no proof that it is the better one."""
    asked = margins(max_rate=0.001)
    state = folded(asked, rows(*((cell, *arm) for cell in range(cells)
                                 for arm in ((False, candidate, bad), (True, stable, 0)))))  # fmt: skip
    sure = terms(threshold=math.log(4000))
    seen = judge.evidence(asked, state, sure, leave_one_out=False)
    assert math.log(20) <= float(seen.above_one[0]) < math.log(8000) < float(seen.unproven[0])
    found = judge.findings(asked, state, sure, totals(state))
    assert (bool(found.failed[0]), bool(found.unconfirmed[0])) == (failed, not failed)


def test_good_answers_after_an_outage_turn_nothing_into_a_failure() -> None:
    """They dilute what stable showed in it, and with it the doubt in what the candidate did."""
    asked = margins(max_rate=0.005)
    out = [(cell, stable, 50, 3 if stable else 7) for cell in range(15) for stable in (False, True)]
    after = [(cell, stable, 50, 0) for cell in range(15, 165) for stable in (False, True)]
    sure = terms(threshold=math.log(7000))
    for found in (out, [*out, *after]):
        state = folded(asked, rows(*found))
        seen = judge.evidence(asked, state, sure, leave_one_out=True)
        assert math.log(20) < float(seen.above_one[0]) < math.log(14_000) < float(seen.unproven[0])
        assert not judge.findings(asked, state, sure, totals(state)).failed[0]
    assert not judge.findings(asked, state, sure, totals(state)).shared[0], "stable is well again"


def test_leaving_out_what_stable_did_well_can_show_it_above_its_limit() -> None:
    """A long clean interval of stable is all that speaks for its limit: without it the proof would not be enough."""
    asked = margins(max_rate=0.01)
    clean = [(0, True, 100_000, 0), (0, False, 10, 0)]
    found = [(cell, stable, 10, 4 if stable else 8) for cell in range(1, 7) for stable in (False, False, True, True)]
    state, without = (folded(asked, rows(*some)) for some in ((*clean, *found), found))
    sure = terms(threshold=math.log(1e9))
    assert math.log(20) < float(judge.evidence(asked, without, sure, leave_one_out=False).above_one[0]) < math.log(1e9)
    assert float(judge.evidence(asked, without, sure, leave_one_out=False).combined[0]) < 0
    assert float(judge.evidence(asked, state, sure, leave_one_out=True).combined[0]) < 0
    assert float(judge.evidence(asked, state, sure, leave_one_out=False).combined[0]) > 0


def test_leaving_one_out_costs_little_more_than_one() -> None:
    asked = margins(**ASKED)
    found = [(cell, stable, 5, 1 if not stable else 0) for cell in range(8) for stable in (False, False, True, True)]
    least = evidence(asked, folded(asked, rows(*found)), leave_one_out=True)
    exact = evidence(asked, folded(asked, rows(*found[1:])))
    assert float(exact.combined[0]) - 0.02 <= float(least.combined[0]) <= float(exact.combined[0])


@given(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), st.lists(st.integers(0, 500), max_size=12))
@settings(deadline=None)
def test_one_burst_decides_nothing(burst: tuple[int, int], clean: list[int]) -> None:
    checked, bad = max(burst), min(burst)
    calm = [(cell, stable, many, 0) for cell, many in enumerate(clean, start=1) for stable in (False, True)]
    found = rows((0, False, checked, bad), (0, True, 1000, 0), *calm)
    for given_margins in (ASKED, {"max_rate": 0.01}, {"max_ratio": 1.0}):
        asked = margins(**given_margins)
        assert float(evidence(asked, folded(asked, found), leave_one_out=True).combined[0]) <= 1e-9


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
@settings(deadline=None)
def test_finite_at_a_billion_events(one: int, two: int, three: int, four: int) -> None:
    asked = margins(max_rate=1e-6, max_ratio=9999.0, ignore_below=1e-7)
    state = folded(asked, rows((0, False, max(one, two), min(one, two)), (0, True, max(three, four), min(three, four))))
    for leave_one_out in (False, True):
        found = evidence(asked, state, leave_one_out)
        assert math.isfinite(float(found.unproven[0]))
        assert math.isfinite(float(found.above_one[0]))
    assert judge.passed(asked, state, terms(), totals(state)).shape == (1,)


def test_what_both_do_is_nobodys_fault() -> None:
    """A dependency is out for both: the limit is passed by far, and nothing fails (R12)."""
    asked = margins(max_rate=0.01, max_ratio=2.0)
    found = [(cell, stable, 20, 15) for cell in range(20) for stable in (False, False, True, True)]
    verdict = judge.findings(asked, (state := folded(asked, rows(*found))), terms(), totals(state))
    assert (verdict.failed[0], verdict.shared[0], verdict.passed[0]) == (False, True, False)
    worse = [(cell, stable, 20, 5 if stable else 19) for cell in range(20) for stable in (False, False, True, True)]
    state = folded(asked, rows(*worse))
    assert judge.findings(asked, state, terms(), totals(state)).failed[0]


def test_what_stable_had_no_chance_to_show_is_neither_shared_nor_a_failure_yet() -> None:
    """At a weight of 90% a bad build is soon above the limit, and of stable there is little to compare it with."""
    asked = margins(max_rate=0.03)

    def verdict(cells: int, stable_bad: int) -> tuple[bool, bool, bool]:
        found = [row for cell in range(cells) for row in ((cell, False, 9, 3), (cell, True, 1, stable_bad))]
        state = folded(asked, rows(*found))
        told = judge.findings(asked, state, terms(), totals(state))
        assert not told.passed[0]
        return bool(told.failed[0]), bool(told.shared[0]), bool(told.unconfirmed[0])

    assert verdict(1, 0) == (False, False, False), "one pod-interval decides nothing"
    assert [verdict(cells, 0) for cells in (4, 40)] == [(False, False, True), (True, False, False)]
    assert [verdict(cells, 1) for cells in (4, 40)] == [(False, True, False)] * 2


@given(table)
@settings(deadline=None)
def test_a_stream_is_one_thing_at_a_time(found: list[Row]) -> None:
    asked = margins(**ASKED)
    state = folded(asked, rows(*found))
    told = judge.findings(asked, state, terms(), totals(state))
    assert sum(bool(one[0]) for one in (told.failed, told.shared, told.unconfirmed, told.burst)) <= 1
    if told.shared[0]:
        assert state.stable_bad[0] > asked.max_rate[0] * state.stable_checked[0], "stable is above the limit too"


def test_the_relative_arm_counts_however_bad_stable_is() -> None:
    asked = margins(max_rate=0.01, max_ratio=2.0)
    found = [(cell, stable, 50, 6 if stable else 30) for cell in range(40) for stable in (False, False, True, True)]
    state = folded(asked, rows(*found))
    assert judge.findings(asked, state, terms(), totals(state)).failed[0]


def test_without_stable_in_an_interval_nothing_is_counted() -> None:
    asked = margins(**ASKED)
    state = folded(asked, rows((0, False, 50, 50), (1, False, 50, 50), (1, True, 0, 0)))
    assert int(state.checked[0]) == 0
    unpaired = margins(**ASKED, paired=False)
    assert int(folded(unpaired, rows((0, False, 50, 50))).bad[0]) == 50


def test_ratios_near_the_margin_are_in_the_bounds() -> None:
    """400 of 10,000 against 100 of 10,000: four times, and the bounds close in on it."""
    asked = margins(max_ratio=2.0)
    found = [(cell, stable, 100, 1 if stable else 4) for cell in range(100) for stable in (False, True)]
    low, high = ratio.bounds(2.0, folded(asked, rows(*found)).logs[0], math.log(100))
    assert 2.0 <= low < 4.0 < high < 8.0
    assert ratio.bounds(2.0, np.zeros(RATIO_OFFSETS.size), math.log(100)) == (0.0, math.inf)


@pytest.mark.parametrize("true_ratio", [0.3, 1.0, 2.0, 6.0])
def test_bounds_of_the_ratio_hold_at_all_looks(true_ratio: float) -> None:
    random = np.random.default_rng(8)
    wrong = 0
    for _ in range(60):
        asked, state = margins(max_ratio=2.0), folded(margins(max_ratio=2.0))
        for cell in range(20):
            pair = rows(
                (cell, False, 60, int(random.binomial(60, 0.03 * true_ratio))),
                (cell, True, 240, int(random.binomial(240, 0.03))),
            )
            _fold(asked, state, pair)
            low, high = ratio.bounds(2.0, state.logs[0], math.log(20))
            if not low <= true_ratio <= high:
                wrong += 1
                break
    assert wrong <= 6  # 10 % in all


def test_passed_is_affirmative() -> None:
    """Below ignore_below, or below the ratio, and always below max_rate."""
    clean = [(cell, stable, 100, 0) for cell in range(40) for stable in (False, True)]

    def says(found: list[Row], **asked: float) -> bool:
        every = margins(**asked)
        state = folded(every, rows(*found))
        return bool(judge.passed(every, state, terms(), totals(state))[0])

    assert says(clean, **ASKED)
    assert says(clean, max_rate=0.01)
    assert not says(clean[:20], max_rate=0.0005)
    assert not says(clean, max_ratio=2.0), "two arms without a bad request say nothing of a ratio"
    noisy = [(cell, stable, 100, 5 if stable else 2) for cell in range(200) for stable in (False, True)]
    assert says(noisy, max_ratio=2.0)
    assert not says(noisy, max_ratio=2.0, max_rate=0.01)
    assert not says([], **ASKED)


def test_doubtful_requests_are_bad_for_passed() -> None:
    asked = margins(max_ratio=2.0)
    state = folded(
        asked, rows(*((cell, stable, 100, 5 if stable else 2) for cell in range(40) for stable in (False, True)))
    )
    sure = judge.Totals(state.checked, state.bad, np.array([0]))
    assert judge.passed(asked, state, terms(), sure)[0]
    assert not judge.passed(asked, state, terms(), judge.Totals(state.checked, state.bad, np.array([400])))[0]


def test_a_design_effect_is_a_root() -> None:
    """Three times the bad requests in the same traffic, to the power of a third."""
    asked = margins(max_ratio=2.0)
    thrice, once = (folded(asked, rows((0, False, 40, 3 * x), (0, True, 360, x))) for x in (3, 1))
    assert float(evidence(asked, thrice, effect=3.0).combined[0]) == pytest.approx(
        float(evidence(asked, once).combined[0]), rel=1e-12
    )
    assert float(evidence(asked, thrice, effect=1e6).combined[0]) == pytest.approx(0, abs=1e-3)
