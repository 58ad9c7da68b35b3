"""Reading on is reading all: at every look, whatever was read before, the evidence is that of one full read (R3)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import Evidence
from sampler_rollouts.domain.evidence.samples import Question, SampleSet, Series
from sampler_rollouts.metrics import histories as all_histories
from sampler_rollouts.metrics import history, overlap, windows
from sampler_rollouts.metrics.prometheus import PrometheusSource

from tests.support.examples import examples
from tests.unit.operator.evidence.build import AUDIT, ERRORS, LATENCY, SCRAPE, at, audit, pair, question
from tests.unit.operator.evidence.histories import ASKED, SCRAPES, born_by, histories, history_of
from tests.unit.operator.metrics.store import Store, config, use


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows, folds and silences so short that a history of a few scrapes has many of each."""
    monkeypatch.setattr(windows, "BYTES_A_SAMPLE", 20_000)
    monkeypatch.setattr(windows, "SHORTEST_SCRAPES", 2)
    monkeypatch.setattr(history, "FOLD_SCRAPES", 2)


def look(source: PrometheusSource, store: Store, scrape: float, asked: Question = ASKED) -> Evidence:
    """One look at this scrape's time."""
    store.clock = at(scrape).timestamp()
    now, asked = at(scrape), born_by(asked, scrape)
    return evaluate(asked, source.fetch(asked, now), now)


SCRAPED = st.floats(0.6, SCRAPES).map(lambda x: round(x, 3))
HAPPENS = st.sampled_from(["", "", "", "restart", "failure"])
LOOKS = st.lists(st.tuples(SCRAPED, HAPPENS), min_size=1, max_size=10, unique_by=lambda look: look[0]).map(sorted)
"""When, and what happens just before. Drawn before anything is read: what is read decides nothing of it."""
DELAYS = st.lists(st.floats(0, overlap.OVERLAP_SCRAPES * SCRAPE), max_size=50)


@pytest.mark.long
@pytest.mark.usefixtures("small")
@given(histories(), LOOKS, DELAYS)
@example(history_of(337589, 0.02), [(1.0, ""), (19.0, "")], [])
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_looks_read_what_one_full_read_would(
    found: list[Series], looks: list[tuple[float, str]], delays: list[float]
) -> None:
    """With late samples, pods that appear, restarts of the operator, and queries that fail between the looks."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        store = Store(found, delays)
        use(monkeypatch, store)
        source = PrometheusSource(config())
        for scrape, event in looks:
            if event == "restart":
                source = PrometheusSource(config())
            store.fails = 1 if event == "failure" else 0
            seen = look(source, store, scrape)
            store.fails = 0
            if seen.available:
                assert seen == look(PrometheusSource(config()), store, scrape)


@pytest.mark.long
@pytest.mark.usefixtures("small")
@given(histories(), st.integers(3, 9), st.integers(1, 12))
@settings(max_examples=examples(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_store_that_falls_behind_and_catches_up_loses_nothing(found: list[Series], stuck: int, length: int) -> None:
    """Longer than the overlap: a queue of remote writes."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        frontier = Store(found)
        use(monkeypatch, frontier)
        source = PrometheusSource(config())
        for scrape in range(1, SCRAPES):
            behind = stuck if stuck <= scrape < stuck + length else scrape
            frontier.series = [one for one in (_up_to(one, behind) for one in found) if len(one.times)]
            assert look(source, frontier, scrape) == look(PrometheusSource(config()), frontier, scrape)


def _up_to(one: Series, scrape: float) -> Series:
    count = sum(time <= at(scrape).timestamp() for time in one.times)
    return replace(one, times=one.times[:count], values=one.values[:count])


COUNTS = list(range(7, 2007, 5))


def steady(pod: str = "c1", first: int = 1, length: int = 400) -> list[Series]:
    zeros = [0] * length
    return pair(COUNTS[:length], zeros, pod=pod, first=first) + audit(COUNTS[:length], zeros, pod=pod, first=first)


ONE = question(ERRORS, AUDIT, births=["c1"])


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    one = Store(steady())
    use(monkeypatch, one)
    return one


def test_a_look_asks_for_what_has_come_since_the_last_one(store: Store) -> None:
    source = PrometheusSource(config())
    look(source, store, 390, ONE)
    store.answered.clear()
    assert look(source, store, 391, ONE).looks["pool", "errors"].checked == 1957
    assert sum(store.answered) <= 4 * (overlap.OVERLAP_SCRAPES + 3)


def test_two_questions_of_a_rollout_are_each_read_on(store: Store) -> None:
    """Of what is tried in one pool, and of what serves in another."""
    store.series = [*steady(), *(replace(one, pool="beside") for one in steady("c2"))]
    arm = replace(ONE.arms[0], pool="beside", births={"c2": at(-100)})
    beside = replace(ONE, arms=(arm,), since=at(-5), beside=True)
    source = PrometheusSource(config())
    for asked in (ONE, beside):
        look(source, store, 390, asked)
    store.answered.clear()
    for scrape in (391, 392):
        for asked in (ONE, beside):
            assert look(source, store, scrape, asked) == _whole(store, scrape, asked)
    assert sum(store.answered) < 390, "less than one counter as a whole"


def test_what_is_kept_does_not_grow_with_time(store: Store) -> None:
    source = PrometheusSource(config())
    kept = []
    for scrape in range(100, 400, 10):
        store.clock = at(scrape).timestamp()
        kept.append(sum(len(one.times) for one in source.fetch(ONE, at(scrape)).series))
    assert max(kept) <= 4 * (history.FOLD_SCRAPES + overlap.OVERLAP_SCRAPES + 13)


def test_a_long_history_is_read_in_short_answers(store: Store) -> None:
    store.most_samples = 200
    source = PrometheusSource(config())
    assert look(source, store, 400, ONE) == _whole(store, 400)
    assert 8 <= len(store.answered) < 60
    store.most_samples = 4 * windows.SHORTEST_SCRAPES // 2
    assert look(PrometheusSource(config()), store, 400, ONE).reason == "AnswerTooLarge"


def _whole(store: Store, scrape: float, asked: Question = ONE) -> Evidence:
    given = SampleSet(tuple(_up_to(one, scrape) for one in store.series), scrape_interval=SCRAPE)
    return evaluate(asked, given, at(scrape))


def test_a_read_that_is_cut_off_goes_on_at_the_next_look(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "BYTES_A_SAMPLE", 10_000)
    source = PrometheusSource(config())
    raw, left = store.raw, [2]

    def twice(*asked: object) -> object:
        store.fails = 0 if left[0] else 1
        left[0] -= 1
        return raw(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "raw", twice)
    cut = look(source, store, 400, ONE)
    assert (cut.reason, "the rest follows" in cut.message) == ("ReadingHistory", True)
    left[0] = 1000
    assert look(source, store, 400, ONE) == _whole(store, 400)


def test_a_copy_of_a_counter_that_comes_up_later_is_not_counted_twice(store: Store) -> None:
    source = PrometheusSource(config())
    look(source, store, 200, ONE)
    copy = [replace(one, times=one.times[198:], values=one.values[198:]) for one in steady()]
    store.series = [*steady(length=205), *copy]
    for scrape in (203, 210, 211):
        assert look(source, store, scrape, ONE) == _whole(store, scrape)


def test_a_pod_that_joins_late_is_read_from_the_start(store: Store) -> None:
    source = PrometheusSource(config())
    store.series = [*steady(), *steady("c2", first=50, length=300)]
    look(source, store, 200, ONE)
    both = question(ERRORS, AUDIT, births={**ONE.arms[0].births, "c2": at(-100)})
    assert look(source, store, 201, both) == _whole(store, 201, both)


@pytest.mark.parametrize("change", ["start", "checks", "bound", "birth", "revision", "clock"])
def test_another_question_is_read_anew(store: Store, change: str) -> None:
    source = PrometheusSource(config())
    look(source, store, 300, ONE)
    arm = ONE.arms[0]
    other, scrape = ONE, 301
    if change == "start":
        other = replace(ONE, since=at(20))
    elif change == "checks":
        other = question(AUDIT, births=["c1"])
    elif change == "bound":
        other = question(ERRORS, replace(LATENCY, slower_than=5.0), births=["c1"])
    elif change == "birth":
        other = question(ERRORS, AUDIT, births={"c1": at(-50)})
    elif change == "revision":
        other = replace(ONE, arms=(replace(arm, revision="old"),))
    else:
        scrape = 150
    assert look(source, store, scrape, other) == _whole(store, scrape, other)


def test_what_was_folded_by_minutes_serves_no_comparison(store: Store) -> None:
    """A release that serves alone is tested by minutes; one that is compared with another, by scrapes."""
    source, compared = PrometheusSource(config()), question(ERRORS, births=["c1"], compared=True)
    alone = replace(compared, arms=(replace(compared.arms[0], compared=False),), bake_intervals=5)
    bad = [count // 150 for count in COUNTS]
    often = [count // 40 for count in COUNTS]  # so that other scrapes of stable's are put together
    store.series = [*pair(COUNTS, bad), *pair(COUNTS, often, pod="s1", revision="old")]
    assert look(source, store, 250, compared) == _whole(store, 250, compared)
    store.answered.clear()
    assert look(source, store, 251, alone) == _whole(store, 251, alone)
    assert sum(store.answered) <= 6 * (overlap.OVERLAP_SCRAPES + 3)  # the other way round it serves
    look(source, store, 300, alone)
    assert look(source, store, 301, compared) == _whole(store, 301, compared)


def test_series_that_came_apart_share_their_samples_again(store: Store) -> None:
    """A store takes in the series of a scrape one after the other: at a look some lack what others have already."""
    source, different = PrometheusSource(config()), []
    for scrape in range(100, 200):
        store.clock = at(scrape).timestamp()
        found = source.fetch(ONE, at(scrape)).series
        different.append(len({id(samples) for one in found for samples in (one.times, one.values)}))
    assert (max(different), min(different)) == (2 * len(store.series), 3)


def test_every_sample_can_be_kept_to_look_back(store: Store) -> None:
    store.clock = at(400).timestamp()
    given = PrometheusSource(config(), folding=False).fetch(ONE, at(400))
    assert [list(one.times) for one in given.series] == [list(one.times) for one in store.series]
    assert evaluate(ONE, given, at(200)) == _whole(store, 200)


def test_a_rollout_s_history_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_SAMPLES", 100)
    store.series = [*steady(), *steady()]  # copies cannot be folded
    source = PrometheusSource(config())
    look(source, store, 200, ONE)
    assert look(source, store, 201, ONE).reason == "HistoryTooLarge"


def test_what_nobody_asks_for_is_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    source = PrometheusSource(config())
    look(source, store, 300, ONE)
    monkeypatch.setattr(all_histories, "UNUSED_SECONDS", -1.0)
    store.answered.clear()
    look(source, store, 301, ONE)
    assert sum(store.answered) > 1000


def test_a_bug_of_ours_costs_one_look(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    source = PrometheusSource(config())
    look(source, store, 300, ONE)
    with monkeypatch.context() as broken:
        broken.setattr(history, "fold", lambda *_: 1 / 0)
        assert look(source, store, 301, ONE).reason == "SourceError"
    assert look(source, store, 302, ONE) == _whole(store, 302)
