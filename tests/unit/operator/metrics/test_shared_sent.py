"""What gateways count is read for all rollouts of a source together: each gets what it would have read by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import Evidence
from sampler_rollouts.domain.evidence.samples import Question, Series
from sampler_rollouts.domain.evidence.unaccounted import NO_SAMPLES
from sampler_rollouts.metrics import gateway, shared
from sampler_rollouts.metrics.config import GatewayRequests
from sampler_rollouts.metrics.envelope import SourceProblem
from sampler_rollouts.metrics.gateway import Counted, Wanted
from sampler_rollouts.metrics.prometheus import PrometheusSource

from tests.unit.operator.evidence.build import at
from tests.unit.operator.metrics.store import Shop, Store, config, use
from tests.unit.operator.metrics.test_gateway import ASKED, METRIC, sent, told

NAMES = [f"r{number}" for number in range(5)]
LOST = 2
"""Requests that the second pod of each loses from scrape to scrape, times the rollout's number."""


@pytest.fixture
def shop() -> Iterator[Shop]:
    """Two pods a rollout, each at an address of its own."""
    stores = {
        name: Store(told("c1") + told("c2"), addresses={"c1": f"10.0.{number}.1:9100", "c2": f"10.0.{number}.2:9100"})
        for number, name in enumerate(NAMES)
    }
    counters = [
        one
        for number in range(len(NAMES))
        for one in (sent(f"10.0.{number}.1:8000"), sent(f"10.0.{number}.2:8000", 20 + LOST * number))
    ]
    found = Shop(stores, gateways=Store((), gateways=counters))
    with pytest.MonkeyPatch.context() as monkeypatch:
        use(monkeypatch, found)
        yield found


def asked(name: str) -> Question:
    return replace(ASKED, rollout=name)


def source(**changes: Any) -> PrometheusSource:
    return PrometheusSource(config(gateway_requests=GatewayRequests(metric=METRIC), **changes))


def look(found: PrometheusSource, shop: Shop, name: str, scrape: float) -> Evidence:
    shop.show(at(scrape).timestamp())
    return evaluate(asked(name), found.fetch(asked(name), at(scrape)), at(scrape))


def begun(shop: Shop) -> PrometheusSource:
    """Everybody has been looked at twice."""
    found = source()
    for scrape in (20.0, 21.0):
        for name in NAMES:
            look(found, shop, name, scrape)
    shop.queries.clear()
    shop.gateways.asked_of_gateways = 0
    return found


def test_one_round_of_looks_asks_gateways_once(shop: Shop) -> None:
    found = begun(shop)
    seen = [look(found, shop, name, 22.0).accounts["pool"].lost for name in NAMES]
    assert shop.gateways.asked_of_gateways == 1
    assert len(shop.queries) == 2, "candidates' pods, and stables'"
    assert seen == [20 * LOST * number for number in range(len(NAMES))]


def test_what_gateways_do_not_know_is_asked_for_once_for_all(shop: Shop) -> None:
    shop.gateways.gateways = shop.gateways.gateways[2:]  # nothing has been sent to r0's pods
    found = begun(shop)
    for name in NAMES:
        assert look(found, shop, name, 22.0) == look(source(), shop, name, 22.0)
    assert shop.gateways.asked_of_gateways == 1 + len(NAMES), "once for all, and each of those beside for himself"


def test_each_rollout_gets_what_it_would_have_read_by_itself(shop: Shop) -> None:
    found, random, moments = begun(shop), np.random.default_rng(1), []
    for step in range(40):
        name, scrape = NAMES[random.integers(len(NAMES))], 22 + 0.13 * step
        moments.append(scrape)
        seen = look(found, shop, name, scrape).accounts
        # An answer for all serves for half a scrape, and is as old as the look that it was read for.
        assert seen in [look(source(), shop, name, moment).accounts for moment in moments[-5:]], step


def test_a_store_that_is_behind_with_gateways_loses_nothing(shop: Shop) -> None:
    found = begun(shop)
    for step in range(40):
        shop.gateways.gateway_delay = 5.0 * (step % 7 < 3)
        look(found, shop, NAMES[step % 3], 22 + 0.4 * step)
    shop.gateways.gateway_delay = 0.0
    for name in NAMES:
        assert look(found, shop, name, 50.0) == look(source(), shop, name, 50.0)


def test_what_one_is_behind_with_is_read_with_all_others(shop: Shop) -> None:
    whole = shop.gateways.gateways
    labels, times, values = whole[2]
    shop.gateways.gateways = [*whole[:2], (labels, times[:5], values[:5]), *whole[3:]]
    found = begun(shop)
    shop.gateways.gateways = whole
    for name in NAMES:
        assert look(found, shop, name, 22.0) == look(source(), shop, name, 22.0)
    assert shop.gateways.asked_of_gateways == 1 + len(NAMES), "once for all, and each of those beside for himself"


def test_an_answer_for_all_holds_what_was_asked_of_it_and_nothing_else_is_taken_from_it() -> None:
    every = {address: [Counted(address, b"", Series("", "", "", "", {}, [], []))] for address in ("a", "b", "c")}
    answer = shared._Sent(100, every)
    assert answer.of(Wanted(frozenset("ab"), 100)) in ([*every["a"], *every["b"]], [*every["b"], *every["a"]])
    assert answer.of(Wanted(frozenset("ad"), 100)) is None
    assert answer.of(Wanted(frozenset("a"), 99)) is None


def test_who_alone_is_behind_a_gateway_asks_for_itself(shop: Shop) -> None:
    found = source()
    for scrape in (20.0, 21.0, 22.0):
        shop.gateways.asked_of_gateways = 0
        for name in NAMES:
            shop.show(at(scrape).timestamp())
            found.fetch(replace(asked(name), routed=name == "r1"), at(scrape))
        assert shop.gateways.asked_of_gateways == 1
    shop.gateways.gateway_problem = SourceProblem("QueryFailed", "no")
    look(found, shop, "r1", 23.0)
    assert shop.gateways.asked_of_gateways == 2, "not twice at one look"


def test_a_pod_that_is_new_is_read_by_itself_first(shop: Shop) -> None:
    found = begun(shop)
    shop.stores["r1"] = Store(
        [*shop.stores["r1"].series, *told("c3", first=21)],
        addresses={**shop.stores["r1"].addresses, "c3": "10.0.1.3:9100"},
    )
    shop.gateways.gateways = [*shop.gateways.gateways, sent("10.0.1.3:8000", 30)]
    more = replace(asked("r1"), arms=(replace(ASKED.arms[0], births={**ASKED.arms[0].births, "c3": at(20.9)}),))
    for scrape in (22.0, 23.0, 24.0, 40.0):
        for name in NAMES:
            if name != "r1":
                look(found, shop, name, scrape)
        shop.show(at(scrape).timestamp())
        seen = evaluate(more, found.fetch(more, at(scrape)), at(scrape))
        assert seen.accounts == evaluate(more, source().fetch(more, at(scrape)), at(scrape)).accounts


@pytest.mark.parametrize(
    "trouble", [SourceProblem("AnswerTooLarge", "no"), SourceProblem("SourceTimeout", "no"), {"values": 7}]
)
def test_what_cannot_be_read_for_all_each_reads_for_himself(shop: Shop, trouble: SourceProblem | object) -> None:
    found, whole = begun(shop), shop.gateways.ranges

    def ranges(selector: str, start: int, end: int) -> list[object]:
        if selector.count("|") < len(NAMES):
            return whole(selector, start, end)
        if isinstance(trouble, SourceProblem):
            raise trouble
        return [*whole(selector, start, end), trouble]

    shop.gateways.ranges = ranges  # type: ignore[method-assign]
    for scrape in (22.0, 23.0):
        shop.gateways.asked_of_gateways = 0
        for name in NAMES:
            assert look(found, shop, name, scrape) == look(source(), shop, name, scrape)


def test_a_series_that_cannot_be_read_is_told_to_each(shop: Shop) -> None:
    found, whole = begun(shop), shop.gateways.ranges
    shop.gateways.ranges = lambda *asked: [*whole(*asked), {"values": 7}]  # type: ignore[method-assign]
    for name in NAMES:
        assert look(found, shop, name, 22.0).accounts["pool"].unknown == "InvalidAnswer"


def test_a_source_without_the_counter_says_so_for_each(shop: Shop) -> None:
    found = begun(shop)
    shop.gateways.gateway_problem = SourceProblem("QueryFailed", "no")
    for name in NAMES:
        assert look(found, shop, name, 22.0).accounts["pool"].unknown == "QueryFailed"
    shop.gateways.gateway_problem, shop.gateways.gateways = None, ()
    for name in NAMES:
        assert look(found, shop, name, 60.0).accounts["pool"].unknown == NO_SAMPLES
        assert look(found, shop, name, 60.0).looks["pool", "errors"].checked == 2 * 20 * 60, "the pods' own are judged"


def test_what_was_read_before_the_trouble_is_used(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "PODS_A_QUERY", 4)
    found, whole = begun(shop), shop.gateways.ranges

    def ranges(selector: str, start: int, end: int) -> list[object]:
        if "10[.]0[.]3[.]" in selector and "10[.]0[.]2[.]" in selector:
            raise SourceProblem("AnswerTooLarge", "no")
        return whole(selector, start, end)

    shop.gateways.ranges = ranges  # type: ignore[method-assign]
    for name in NAMES:
        assert look(found, shop, name, 22.0) == look(source(), shop, name, 22.0)
    own = len(NAMES)
    assert shop.gateways.asked_of_gateways == 1 + own + 3, "the first two rollouts need not ask for themselves"


def test_who_has_much_to_catch_up_with_does_so_by_himself(shop: Shop) -> None:
    found = begun(shop)
    shop.gateways.gateway_problem = SourceProblem("QueryFailed", "no")
    for scrape in range(22, 100, 6):
        for name in NAMES:
            look(found, shop, name, scrape)
    shop.gateways.gateway_problem = None
    spans, whole = [], shop.gateways.ranges

    def ranges(selector: str, start: int, end: int) -> list[object]:
        if "10[.]0[.]1[.]" in selector and "10[.]0[.]2[.]" in selector:
            spans.append((end - start) / 2000)
        return whole(selector, start, end)

    found._shared._sent_apart.until = 0.0
    shop.gateways.ranges = ranges  # type: ignore[method-assign]
    for scrape in (100.0, 101.0, 102.0, 103.0):
        for name in NAMES:
            assert look(found, shop, name, scrape) == look(source(), shop, name, scrape)
    assert 0 < max(spans) <= shared.LONGEST_SCRAPES


def test_it_is_tried_for_all_again_after_a_while(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    found = begun(shop)
    shop.gateways.gateway_problem = SourceProblem("QueryFailed", "no")
    look(found, shop, "r1", 22.0)
    shop.gateways.gateway_problem = None
    shop.gateways.asked_of_gateways = 0
    for name in NAMES:
        look(found, shop, name, 24.0)
    assert shop.gateways.asked_of_gateways == len(NAMES)
    assert found._shared._sent_apart.until - time.monotonic() > shared.APART_SECONDS - 5
    found._shared._sent_apart.until = 0.0
    shop.gateways.asked_of_gateways = 0
    for name in NAMES:
        look(found, shop, name, 26.0)
    assert shop.gateways.asked_of_gateways == 1
    found._shared._sent_apart.begin()
    assert found._shared._sent_apart.until - time.monotonic() <= shared.APART_SECONDS, "not twice as long"
