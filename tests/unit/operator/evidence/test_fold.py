"""Folding old samples changes no evidence: neither that of now nor that of any later sample (R3)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_contract import AUDIT_TOKENS
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.fold import copies, fold
from sampler_rollouts.domain.evidence.intervals import packed, unpacked
from sampler_rollouts.domain.evidence.reading import Reader, window_of
from sampler_rollouts.domain.evidence.samples import TRAFFIC, Question, SampleSet, Series

from tests.support.examples import examples
from tests.unit.operator.evidence.build import (
    AUDIT,
    ERRORS,
    NAN,
    SCRAPE,
    SCRIPT,
    Values,
    at,
    audit,
    pair,
    question,
    samples,
)
from tests.unit.operator.evidence.histories import ASKED, SCRAPES, between, histories


def milliseconds(scrape: float) -> int:
    return round(at(scrape).timestamp() * 1000)


def up_to(found: list[Series], scrape: float, after: float = -1000) -> list[Series]:
    cut = [between(one, at(after).timestamp(), at(scrape).timestamp()) for one in found]
    return [one for one in cut if len(one.times)]


def appended(old: SampleSet, new: list[Series]) -> SampleSet:
    """The folded samples and what came after."""
    by_name = {(one.metric, one.pod, frozenset(one.labels.items())): one for one in old.series}
    for one in new:
        key = (one.metric, one.pod, frozenset(one.labels.items()))
        before = by_name.get(key)
        times, values = (
            ([*before.times, *one.times], [*before.values, *one.values]) if before else (one.times, one.values)
        )
        by_name[key] = Series(one.metric, one.pod, one.pool, one.revision, one.labels, times, values)
    return SampleSet(tuple(by_name.values()), scrape_interval=SCRAPE, folded=old.folded)


ALONE = replace(ASKED, arms=tuple(replace(arm, compared=False) for arm in ASKED.arms), bake_intervals=3)


@pytest.mark.long
@given(histories(), st.lists(st.integers(1, SCRAPES - 1), min_size=1, max_size=4), st.sampled_from([ASKED, ALONE]))
@settings(max_examples=examples(100), deadline=None)
def test_folded_or_not_the_evidence_is_the_same(found: list[Series], horizons: list[int], asked: Question) -> None:
    done, last = SampleSet(scrape_interval=SCRAPE), -1000
    for horizon in sorted(set(horizons)):
        done = fold(asked, appended(done, up_to(found, horizon, last)), milliseconds(horizon))
        last = horizon
        for now in (horizon, horizon + 5):
            later = appended(done, up_to(found, now, horizon))
            whole = samples(up_to(found, now))
            assert evaluate(asked, later, at(now)) == evaluate(asked, whole, at(now))


def test_a_day_of_a_release_that_serves_alone_is_kept_in_little_room() -> None:
    """Minutes without a bad request are one row each; of one that is compared with stable each scrape is one."""
    random = np.random.default_rng(1)
    checked = [int(one) for one in np.cumsum(random.poisson(300, 5760))]
    bad = [int(one) for one in np.cumsum(random.random(5760) < 0.01)]
    found = pair(checked, bad)
    for asked, rows, most in ((ALONE, 1800, 6_000), (ASKED, 5760, 250_000)):
        done = fold(asked, samples(found), milliseconds(5760)).folded["pool", "new", "c1", "errors"]
        counted = done.increments
        assert (counted.checked.sum(), counted.bad.sum()) == (checked[-1], bad[-1])
        assert (counted.ended.size <= rows, done.size < most) == (True, True)


@given(st.lists(st.integers(-(2**53), 2**53), max_size=50))
def test_what_is_packed_comes_out_as_it_was(counts: list[int]) -> None:
    assert unpacked(packed(np.array(counts, dtype=np.int64))).tolist() == counts


def test_an_ordinary_history_leaves_one_sample_of_each_counter() -> None:
    values = list(range(0, 100, 5))
    found = pair(values, [0] * 20) + pair(values, [0] * 20, pod="s1", revision="old") + audit(values, [0] * 20)
    asked = question(ERRORS, AUDIT, births=["c1"])
    done = fold(asked, samples(found), milliseconds(20))
    assert {len(one.times) for one in done.series} == {1}
    assert {place[2:] for place in done.folded} == {
        ("c1", "errors"),
        ("c1", "replay-audit"),
        ("c1", TRAFFIC),
        ("s1", "errors"),
        ("s1", TRAFFIC),
    }
    assert done.folded["pool", "new", "c1", "errors"].increments.checked.tolist() == [5] * 19


def test_only_what_every_counter_has_can_be_folded() -> None:
    def cut(checked: Values, bad: Values) -> int | None:
        done = fold(question(births=["c1"]), samples(pair(checked, bad)), milliseconds(5))
        place = done.folded.get(("pool", "new", "c1", "errors"))
        return None if place is None else round((place.until / 1000 - at(0).timestamp()) / SCRAPE)

    assert cut([1, 2, 3, 4, 5], [0, 0, 0, 0, 0]) == 5
    assert cut([1, 2, 3, 4, 5], [0, 0, 0, None, 0]) == 5
    assert cut([1, 2, 3, 4, 5], [0, 0, 0, 0, None]) == 4
    assert cut([1, 2, NAN, 4, NAN], [0, 0, 0, None, 0]) == 2
    assert cut([1, 2, 3, 4, 5], [NAN] * 5) is None
    assert cut([1, 2, 3, 4, 5], []) is None


def test_copies_of_a_counter_are_found_and_never_folded() -> None:
    found = pair([5, 9, 12], [0, 0, 0])
    assert copies([*found, found[1]]) == {"c1"}
    assert copies(found + pair([5], [0], pod="c2")) == set()
    done = fold(question(), samples([*found, found[1]]), milliseconds(3))
    assert (dict(done.folded), len(done.series[0].times)) == ({}, 3)


def test_short_histories_wait() -> None:
    found = audit([1, 2, 3], [0, 0, 0]) + pair([1, 2, 3], [0, 0, 0])
    assert fold(question(births=["c1"]), samples(found), milliseconds(3), at_least=3).folded == {}
    assert fold(question(births=["c1"]), samples(found), milliseconds(3), at_least=2).folded


def test_the_fold_keeps_arrays_not_lists() -> None:
    done = fold(question(births=["c1"]), samples(audit([1, 2], [0, 0]), pair([1, 2], [0, 0])), milliseconds(2))
    assert all(isinstance(one.times, np.ndarray) for one in done.series)
    assert {one.metric for one in done.series} >= {AUDIT_TOKENS}


def test_counters_that_appear_after_the_fold_start_where_they_would_have_without_it() -> None:
    """The audit is scraped from the start, the checks from the fifth scrape on: what came before is no silence."""
    asked = question(ERRORS, AUDIT, births=["c1"], compared=True)
    found = audit([1] * 8, [0] * 8) + pair([4, 9, 12], [0, 1, 2], first=6)
    found += pair([3 * n for n in range(9)], list(range(9)), pod="s1", revision="old", first=0)
    done = fold(asked, samples(up_to(found, 4)), milliseconds(4))
    assert ("pool", "new", "c1", "errors") in done.folded
    assert evaluate(asked, appended(done, up_to(found, 8, 4)), at(8)) == evaluate(asked, samples(found), at(8))


@pytest.mark.parametrize(("appears", "doubtful"), [(3, 3 + 7), (4, 3 + 7), (5, 3), (8, 3)])
def test_what_appears_after_a_restart_that_only_another_check_shows_hides_nothing(appears: int, doubtful: int) -> None:
    """Folded or not: the fold at the fifth scrape has seen the restart at the fourth, but not what came later."""
    asked = question(ERRORS, SCRIPT, births=["c1"])
    found = pair([40, 50, 60, 10, 20, 30, 40, 50, 60], [0] * 9)
    small = {"check": SCRIPT.name, "pod": "c1"}
    found += pair([1, 1, 1, 3, 5, 6, 6, 6, 6], [0] * 9, **small)
    found += pair([7] * (10 - appears), [0] * (10 - appears), first=appears, route_hash="late", **small)
    done = fold(asked, samples(up_to(found, 5)), milliseconds(5))
    assert ("pool", "new", "c1", SCRIPT.name) in done.folded
    whole = evaluate(asked, samples(found), at(9))
    assert evaluate(asked, appended(done, up_to(found, 9, 5)), at(9)) == whole
    reader = Reader(samples(found), window_of(asked, samples(found), at(9)))
    assert reader.check(asked.arms[0], SCRIPT)["c1"].doubtful == doubtful
