"""All rollouts of a source are read together: a few queries, and to each rollout what it would have read by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import Evidence
from sampler_rollouts.domain.evidence.samples import CheckPlan, Question, Series
from sampler_rollouts.metrics import shared
from sampler_rollouts.metrics.envelope import Identity, SourceProblem
from sampler_rollouts.metrics.prometheus import PrometheusSource
from sampler_rollouts.metrics.selectors import Selector, covers, of_pods, of_stable, united

from tests.unit.operator.evidence.build import AUDIT, ERRORS, LATENCY, at, audit, histogram, pair, question
from tests.unit.operator.metrics.store import Shop, Store, config, use

COUNTS = list(range(3, 1203, 3))
NAMES = [f"r{number}" for number in range(12)]


def counters(number: int) -> list[Series]:
    """A candidate's and a stable's pod, in every rollout other counts."""
    values = [count * (number + 1) for count in COUNTS]
    bad = [value // 40 for value in values]
    found = pair(values, bad) + histogram(values, values) + audit(values, [0] * len(values))
    stable = {"pod": "s1", "revision": "old"}
    return found + pair(values, bad, **stable) + histogram(values, values, **stable) + audit(values, bad, **stable)


@pytest.fixture
def shop() -> Iterator[Shop]:
    one = Shop({name: Store(counters(number)) for number, name in enumerate(NAMES)})
    with pytest.MonkeyPatch.context() as monkeypatch:
        use(monkeypatch, one)
        yield one


def asked(name: str) -> Question:
    checks = (ERRORS, replace(LATENCY, max_ratio=1.5), AUDIT) if name != "r0" else (ERRORS,)
    return replace(question(*checks, births=["c1"], compared=True), rollout=name)


def look(source: PrometheusSource, shop: Shop, name: str, scrape: float) -> Evidence:
    shop.show(at(scrape).timestamp())
    return evaluate(asked(name), source.fetch(asked(name), at(scrape)), at(scrape))


def begun(shop: Shop) -> PrometheusSource:
    """Everybody has read what was there."""
    source = PrometheusSource(config())
    for scrape in (300.0, 301.0):
        for name in NAMES:
            look(source, shop, name, scrape)
    shop.queries.clear()
    return source


def test_one_round_of_looks_is_two_queries(shop: Shop) -> None:
    source = begun(shop)
    for name in NAMES:
        look(source, shop, name, 302)
    assert len(shop.queries) == 2, shop.queries


def test_both_questions_of_a_rollout_are_read_together_with_those_of_others(shop: Shop) -> None:
    source = begun(shop)
    second = replace(asked("r1"), beside=True)
    for scrape in (302.0, 303.0, 304.0):
        shop.show(at(scrape).timestamp())
        for name in NAMES:
            look(source, shop, name, scrape)
        found = source.fetch(second, at(scrape))
        assert evaluate(second, found, at(scrape)) == look(PrometheusSource(config()), shop, "r1", scrape)
        if scrape == 303.0:
            shop.queries.clear()
    assert len([query for query in shop.queries if "r1" in query and "r2" in query]) >= 2, shop.queries


@pytest.mark.long
def test_each_rollout_gets_what_it_would_have_read_by_itself(shop: Shop) -> None:
    source = begun(shop)
    for scrape in (302.0, 303.0, 310.0, 350.0):
        for name in NAMES:
            alone = PrometheusSource(config())
            assert look(source, shop, name, scrape) == look(alone, shop, name, scrape), name
    assert look(source, shop, "r3", 351).looks["pool", "errors"].checked == 4 * 3 * 351


def test_nothing_is_seen_twice_or_lost_between_looks_at_odd_moments(shop: Shop) -> None:
    """One look's answer serves another a moment later: what that one does not see yet it sees at its next look."""
    source = begun(shop)
    for step in range(40):
        scrape = 302 + step * 0.13
        name = NAMES[step % 3]
        now = look(source, shop, name, scrape)
        assert now.looks["pool", "errors"].checked in {
            3 * (NAMES.index(name) + 1) * (int(scrape) - back) for back in (0, 1)
        }
    last = look(source, shop, "r1", 320).looks["pool", "errors"]
    assert last == look(PrometheusSource(config()), shop, "r1", 320).looks["pool", "errors"]


def test_who_waited_while_another_was_read_for_is_served_by_that_answer(shop: Shop) -> None:
    """Many looks begin together, and who has the source first is chance: what is read a moment later holds all that an
    earlier look wants, and more, which that one is not to see."""
    source = begun(shop)
    shop.show(at(303.2).timestamp())
    moments = {name: at(303.06 - 0.012 * place) for place, name in enumerate(NAMES)}
    found = {name: source.fetch(asked(name), now) for name, now in moments.items()}
    assert len(shop.queries) == 2, shop.queries
    for name, now in moments.items():
        alone = PrometheusSource(config()).fetch(asked(name), now)
        assert evaluate(asked(name), found[name], now) == evaluate(asked(name), alone, now), name
    seen = {evaluate(asked(name), found[name], now).looks["pool", "errors"].checked for name, now in moments.items()}
    assert len(seen) > 2, "some look before the scrape, some after it"
    for name in NAMES:
        assert look(source, shop, name, 304) == look(PrometheusSource(config()), shop, name, 304), "nothing is lost"


class Moments:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_who_is_looked_at_seldom_is_read_for_when_it_is_due(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most rollouts serve, and come once a minute: an answer for all of them each few seconds would be read in vain."""
    moments = Moments()
    monkeypatch.setattr(shared, "time", moments)
    source = begun(shop)

    def read(names: list[str], seconds: float, scrape: float) -> set[str]:
        """Look at them after so many seconds; the rollouts that were asked for."""
        moments.now += seconds
        shop.show(at(scrape).timestamp())
        shop.queries.clear()
        for name in names:
            assert not source.fetch(asked(name), at(scrape)).unavailable
        return {name for query in shop.queries for name in NAMES if re.search(rf"\b{name}\b", query)}

    for minute in range(3):
        read(NAMES, 60, 302 + minute)
    often = NAMES[10:]
    assert read(often, 6, 306) == set(often)
    assert read(often, 6, 307) == set(often)
    assert len(shop.queries) == 2
    assert read(NAMES, 48, 310) == set(NAMES)
    assert len(shop.queries) == 2
    assert look(source, shop, "r3", 311).looks["pool", "errors"].checked == 4 * 3 * 311


def test_one_answer_is_for_some_so_that_nobody_waits_long_for_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "MOST_TOGETHER", 5)
    source = begun(shop)
    for name in NAMES:
        assert look(source, shop, name, 302).looks["pool", "errors"].checked == 3 * (NAMES.index(name) + 1) * 302
    asked_for = [frozenset(re.findall(r"\br\d+\b", query)) for query in shop.queries]
    assert len(asked_for) == 2 * 3
    assert sorted(map(len, set(asked_for))) == [2, 5, 5]
    assert frozenset().union(*asked_for) == set(NAMES)


def test_fewer_are_read_together_where_all_are_too_large_an_answer(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = Moments()
    monkeypatch.setattr(shared, "time", moments)
    source, answered = begun(shop), Shop.raw

    def raw(self: Shop, selector: str, start: int, end: int) -> dict[Identity, Series]:
        if len(set(re.findall(r"\br\d+\b", selector))) > 4:
            self.queries.append(selector)
            raise SourceProblem("AnswerTooLarge", "too large")
        return answered(self, selector, start, end)

    monkeypatch.setattr(Shop, "raw", raw)

    def together(scrape: float) -> list[int]:
        shop.queries.clear()
        for name in NAMES:
            moments.now += 0.1
            assert look(source, shop, name, scrape).available
        return [len(set(re.findall(r"\br\d+\b", query))) for query in shop.queries]

    first = together(302)
    assert (first[0], first[3], max(first[4:])) == (12, 6, 3), "twelve, half of them, and then a quarter"
    moments.now += 3
    assert max(together(304)) == 3
    moments.now += shared.LONGEST_APART
    together(306)  # nobody has been looked at for so long: the first round is each by himself
    assert 12 in together(308), "it is tried again after an hour"


def test_whose_pace_is_not_known_is_read_for_a_few_seconds(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a restart all have been looked at once, and most of them come back after a minute."""
    moments = Moments()
    monkeypatch.setattr(shared, "time", moments)
    source = begun(shop)
    for later in (20, 3, 3):
        moments.now += later
        shop.queries.clear()
        look(source, shop, "r1", 302)
        assert all('rollout="r1"' in one for one in shop.queries)


def test_a_rollout_alone_asks_for_itself(shop: Shop) -> None:
    source = PrometheusSource(config())
    for scrape in (300.0, 301.0, 302.0):
        look(source, shop, "r1", scrape)
    assert all('rollout="r1"' in one for one in shop.queries)


def test_who_is_not_looked_at_any_more_is_not_read_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    source = begun(shop)
    monkeypatch.setattr(source._shared, "_active", -1.0)
    look(source, shop, "r1", 302)
    assert all('rollout="r1"' in one for one in shop.queries)


@pytest.mark.parametrize("reason", ["InvalidAnswer", "PartialAnswer", "QueryFailed"])
def test_nobody_suffers_for_another_s_series(shop: Shop, reason: str) -> None:
    source = begun(shop)
    shop.fails["r5"] = reason
    for name in NAMES:
        assert look(source, shop, name, 302).available
    assert sum('rollout="r' in one for one in shop.queries) == 2 * len(NAMES)


def test_a_source_that_is_gone_is_gone_for_all(shop: Shop) -> None:
    source = begun(shop)
    shop.fails["r5"] = "SourceUnreachable"
    assert look(source, shop, "r1", 302).reason == "SourceUnreachable"
    assert len(shop.queries) == 1
    shop.fails.clear()
    assert look(source, shop, "r1", 303).available


def test_what_is_too_slow_for_all_is_tried_one_by_one_at_the_next_look(shop: Shop) -> None:
    source = begun(shop)
    shop.fails["r5"] = "SourceTimeout"
    assert look(source, shop, "r1", 302).reason == "SourceTimeout"
    assert look(source, shop, "r1", 303).available


def test_who_comes_back_is_read_from_where_it_was_left(shop: Shop) -> None:
    """What was read for others meanwhile begins too late for it."""
    source = PrometheusSource(config(), folding=False)
    names = [*NAMES[:3], "r9"]
    for name in names:
        look(source, shop, name, 300)
    for scrape in range(301, 330):
        for name in names[:3]:
            look(source, shop, name, scrape)
    back = source.fetch(asked("r9"), at(329))
    whole = PrometheusSource(config(), folding=False).fetch(asked("r9"), at(329))
    times = [{(one.metric, one.pod): list(one.times) for one in found.series} for found in (back, whole)]
    assert times[0] == times[1]


def test_after_each_useless_answer_for_all_it_is_tried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    moments, apart = Moments(), shared.Apart()
    monkeypatch.setattr(shared, "time", moments)
    assert apart.until <= moments.now
    waits = []
    for _ in range(8):
        apart.begin()
        waits.append(apart.until - moments.now)
        moments.now = apart.until
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    apart.end()
    apart.begin()
    assert apart.until == moments.now + 60


def test_a_useless_answer_for_all_is_not_asked_for_at_the_next_look(shop: Shop) -> None:
    source = begun(shop)
    shop.fails["r5"] = "InvalidAnswer"
    look(source, shop, "r1", 302)
    shop.queries.clear()
    look(source, shop, "r1", 303)
    assert shop.queries
    assert not any(re.search(r'rollout=~"r\d+\|', query) for query in shop.queries)


def test_a_long_history_is_read_by_itself(shop: Shop) -> None:
    source = begun(shop)
    look(source, shop, "r1", 300 + shared.LONGEST_SCRAPES + 20)
    assert all('rollout="r1"' in one for one in shop.queries)


def test_many_rollouts_need_a_few_queries_that_fit_into_an_address(shop: Shop) -> None:
    selectors = [
        one
        for number in range(300)
        for name in [replace(asked("r1"), rollout=f"rollout-{number}", namespace=f"team-{number % 7}")]
        for one in (*of_pods(name, ["c1"]), *of_stable(name))
    ]
    found = shared._grouped(selectors)
    assert len(found) <= 8
    assert max(len(str(one)) for one in found) <= shared.LONGEST_QUERY
    assert all(any(covers(wide, one) for wide in found) for one in selectors)


def test_a_united_selector_matches_all_and_covers_only_what_it_matches() -> None:
    plain, slow = asked("r0"), asked("r1")
    mine = [next(of_pods(one, ["c1"])) for one in (plain, slow)]
    wide = united(mine)
    assert 'rollout=~"r0|r1"' in str(wide)
    assert 'le=~"|2[.]5"' in str(wide)
    assert "pod" not in str(wide)
    assert [covers(wide, one) for one in mine] == [True, True]
    other = question(CheckPlan("latency", 0.01, slower_than=5.0), births=["c1"])
    for strange in (other, replace(slow, rollout="r2"), replace(slow, namespace="else")):
        assert not covers(wide, next(of_pods(strange, ["c1"])))
    assert not covers(wide, next(of_stable(slow)))


def test_a_selector_matches_what_the_store_would_answer_with() -> None:
    one: Selector = next(of_stable(asked("r1")))
    labels = {"__name__": "sampler_quality_bad_total", "namespace": "team", "rollout": "r1", "revision": "old"}
    assert one.matches({**labels, "check": "errors"})
    assert not one.matches({**labels, "check": "feedback"})
    assert not one.matches({**labels, "check": "errors", "revision": "new"})
    assert not one.matches({**labels, "check": "errors", "rollout": "r2"})
    assert not one.matches({**labels, "__name__": "sampler_audit_tokens_total"})
