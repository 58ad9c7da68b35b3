"""What gateways count of a rollout's pods, read by address from a store: live, after a restart, and of pods alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from quality_contract import REQUESTS_NOT_STARTED, REQUESTS_STARTED
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import Evidence
from sampler_rollouts.domain.evidence.samples import Question, Series
from sampler_rollouts.domain.evidence.unaccounted import NO_SAMPLES, NOT_ASKED, Account
from sampler_rollouts.metrics import gateway, windows
from sampler_rollouts.metrics.config import GatewayRequests
from sampler_rollouts.metrics.envelope import SourceProblem
from sampler_rollouts.metrics.gateway import address_of
from sampler_rollouts.metrics.prometheus import PrometheusSource

from tests.unit.operator.evidence.build import at, pair, question, series
from tests.unit.operator.metrics.store import Store, config, use

METRIC = "envoy_cluster_endpoint_rq_total"
LABEL = "envoy_endpoint_address"
ASKED = question(births={"c1": at(-0.1), "c2": at(-0.1)}, routed=True)
LENGTH = 200


def told(pod: str, each: int = 20, length: int = LENGTH, first: int = 0) -> list[Series]:
    counts, zeros = [each * place for place in range(length + 1)], [0] * (length + 1)
    begun, others = (
        series(name, values, pod=pod, first=first)
        for name, values in ((REQUESTS_STARTED, counts), (REQUESTS_NOT_STARTED, zeros))
    )
    return [begun, others, *pair(counts, zeros, pod=pod, first=first)]


def sent(address: str, each: int = 20, length: int = LENGTH, **labels: str) -> tuple[dict[str, str], Any, Any]:
    own = {"__name__": METRIC, LABEL: address, "instance": "10.0.9.9:19001", "namespace": "edge", "pod": "envoy-1"}
    times = [at(0.4 + place).timestamp() for place in range(length)]
    return own | labels, times, [each * (place + 1) for place in range(length)]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    """Two pods, of which the second loses a request in eleven, two from scrape to scrape; and what is nobody's.

    The last four have not been missing for long enough.
    """
    found = Store(
        told("c1") + told("c2"),
        addresses={"c1": "10.0.0.1:9100", "c2": "10.0.0.2:9100"},
        gateways=[
            sent("10.0.0.1:8000"),
            sent("10.0.0.2:8000", 22),
            sent("10.0.0.12:8000", 500),
            sent("10.0.0.1:7777", 90),
        ],
    )
    use(monkeypatch, found)
    return found


def source(**changes: Any) -> PrometheusSource:
    return PrometheusSource(config(gateway_requests=GatewayRequests(metric=METRIC), **changes))


def look(found: PrometheusSource, store: Store, scrape: float, asked: Question = ASKED) -> Evidence:
    store.clock = at(scrape).timestamp()
    return evaluate(asked, found.fetch(asked, at(scrape)), at(scrape))


def test_pods_are_found_by_the_address_that_they_are_scraped_at(store: Store) -> None:
    assert look(source(), store, 20).accounts == {"pool": Account(sent=840, lost=36)}


def test_reading_on_is_reading_all(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "SHORTEST_SCRAPES", 2)
    monkeypatch.setattr(windows, "BYTES_A_SAMPLE", 20_000)
    live = source()
    for scrape in (3, 3.5, 9, 40, 41.2, 120, 199):
        seen = look(live, store, scrape)
        assert seen == look(source(), store, scrape)
        assert seen.accounts["pool"].lost == 2 * (int(scrape) - 2)


def test_a_store_that_is_behind_with_gateways_loses_nothing(store: Store) -> None:
    """A gateway that had started anew just then."""
    labels, times, values = store.gateways[1]
    store.gateways = [(labels, times, [*values[:25], *(22 * n for n in range(LENGTH - 25))]), store.gateways[0]]
    live = source()
    for scrape, delay in ((20, 0.0), (30, 22.0), (40, 0.0), (50, 0.0)):
        store.gateway_delay = delay
        assert look(live, store, scrape) == look(source(), store, scrape)


def test_a_store_that_has_been_behind_for_long_loses_nothing(store: Store) -> None:
    """A gateway that had started anew meanwhile."""
    labels, times, values = store.gateways[1]
    store.gateways = [(labels, times, [*values[:25], *(22 * n for n in range(LENGTH - 25))]), store.gateways[0]]
    live = source()
    for scrape, behind in ((20, 0), (40, 20), (60, 40), (90, 70), (110, 0), (120, 0)):
        store.gateway_delay, store.delays = 2.0 * behind, [2.0 * behind]
        assert look(live, store, scrape) == look(source(), store, scrape)


def test_an_address_of_which_nothing_has_come_yet_is_awaited(store: Store) -> None:
    """It had been another pod's: what that one was sent is no loss of this one."""
    labels, times, values = store.gateways[0]
    store.gateways = [(labels, times, [500.0 + value for value in values]), store.gateways[1]]
    early = at(-0.6).timestamp()
    store.gateways[0] = (labels, [early, *times], [500.0, *store.gateways[0][2]])  # type: ignore[index]
    live = source()
    for scrape, behind in ((5, 20), (10, 20), (15, 20), (22, 20), (30, 20), (50, 0)):
        store.gateway_delay = 2.0 * behind
        assert look(live, store, scrape) == look(source(), store, scrape)
    assert look(live, store, 60).accounts["pool"].lost == 2 * 58


def test_a_counter_that_has_ended_is_not_awaited_for_ever(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.gateways = [(labels, times[:30], values[:30]) for labels, times, values in store.gateways]
    asked: list[int] = []
    monkeypatch.setattr(
        store,
        "ranges",
        lambda selector, start, end: asked.append(end - start) or Store.ranges(store, selector, start, end),
    )
    live = source()
    for scrape in range(20, 199, 2):
        look(live, store, scrape)
    assert max(asked[1:]) <= 2000 * 50
    assert max(asked[-40:]) <= 2000 * 8


def test_a_read_that_is_cut_short_forgets_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One series has ended, so that much is read again; of that only the first part comes."""
    monkeypatch.setattr(windows, "SHORTEST_SCRAPES", 2)
    labels, times, values = store.gateways[0]
    store.gateways = [(labels, times[:30], values[:30]), store.gateways[1]]
    live = source()
    for scrape in (20, 30, 40, 50):
        before = look(live, store, scrape).accounts["pool"].lost
    real, parts = store.ranges, [0]

    def ranges(selector: str, start: int, end: int) -> list[object]:
        if end - start > 2000 * 12:
            raise SourceProblem("AnswerTooLarge", "no")
        parts[0] += 1
        if parts[0] > 1:
            raise SourceProblem("SourceTimeout", "no")
        return real(selector, start, end)

    monkeypatch.setattr(store, "ranges", ranges)
    assert look(live, store, 52).accounts["pool"].lost >= before > 0
    monkeypatch.setattr(store, "ranges", real)
    assert look(live, store, 54) == look(source(), store, 54)


def test_trouble_with_the_gateways_answer_is_over_when_it_is(store: Store) -> None:
    live = source()
    look(live, store, 20)
    store.gateway_problem = SourceProblem("QueryFailed", "no")
    assert look(live, store, 21).accounts["pool"].unknown == "QueryFailed"
    store.gateway_problem = None
    assert look(live, store, 22).accounts["pool"].unknown == ""


def test_a_sample_that_is_no_number_is_none(store: Store) -> None:
    labels, times, values = store.gateways[0]
    store.gateways = [(labels, times, [*values[:9], float("nan"), *values[10:]]), store.gateways[1]]

    assert look(source(), store, 20).accounts == {"pool": Account(sent=840, lost=36)}


def test_a_long_history_is_kept_thinned_out(store: Store) -> None:
    live = source()
    for scrape in range(2, LENGTH, 7):
        look(live, store, scrape)

    kept = live.fetch(ASKED, at(LENGTH)).sent or {}
    assert [len(one.times) < 20 for each in kept.values() for one in each.series] == [True, True]


def test_two_gateways_are_added_and_what_was_scraped_twice_is_not(store: Store) -> None:
    other = {"instance": "10.0.9.8:19001", "pod": "envoy-2"}
    store.gateways = [
        *(sent("10.0.0.1:8000", 12), sent("10.0.0.1:8000", 8, **other)),
        *(sent("10.0.0.2:8000"), sent("10.0.0.2:8000", job="again"), sent("10.0.0.2:8000", prometheus_replica="b")),
    ]
    assert look(source(), store, 20).accounts == {"pool": Account(sent=800)}


def test_a_pod_that_comes_later_is_read_from_its_birth_and_one_that_goes_is_forgotten(store: Store) -> None:
    live, first = source(), question(births={"c1": at(-0.1)}, routed=True)
    assert look(live, store, 20, first).accounts == {"pool": Account(sent=400)}
    assert look(live, store, 30).accounts == {"pool": Account(sent=1260, lost=56)}
    assert look(live, store, 40, first).accounts == {"pool": Account(sent=800)}
    assert set(live.fetch(first, at(40)).sent or {}) == {("pool", "new", "c1")}


def test_two_pods_that_have_an_address_one_after_the_other_share_its_counter(store: Store) -> None:
    """The first one had lost 60 when it died; the gateway counts anew for the second."""
    born = {"c1": at(-0.1), "c2": at(41)}
    asked = question(births=born, serving=frozenset({"c2"}), routed=True)
    store.series = told("c1", length=30) + told("c2", first=43, length=60)
    store.addresses = dict.fromkeys(born, "10.0.0.1:9100")
    labels, times, _ = sent("10.0.0.1:8000", length=103)
    store.gateways = [(labels, times, [*(22 * n for n in range(1, 31)), *[660] * 13, *(20 * n for n in range(60))])]
    live = source()
    for scrape in (10, 29, 40, 44, 60, 80, 100):
        seen = look(live, store, scrape, asked)
        assert seen == look(source(), store, scrape, asked)
    assert seen.accounts == {"pool": Account(sent=660 + 1120, lost=56)}


def test_a_pod_that_moves_to_another_address_is_accounted_for_where_it_is(store: Store) -> None:
    """Its sandbox was made anew: the same name, other counters, another address."""
    asked = question(births={"c1": at(-0.1)}, routed=True)
    store.series = told("c1", length=30) + told("c1", first=43, length=60)
    store.instances = ["10.0.0.1:9100"] * 4 + ["10.0.0.2:9100"] * 4
    one, (labels, times, values) = sent("10.0.0.1:8000", 25, 30), sent("10.0.0.2:8000", length=60)
    store.gateways = [one, (labels, [time + 43 * 2 for time in times], values)]
    live = source()
    for scrape in (10, 29, 40, 44, 60, 80, 100):
        seen = look(live, store, scrape, asked)
        assert seen == look(source(), store, scrape, asked)
    assert seen.accounts == {"pool": Account(sent=1140)}


@pytest.mark.parametrize("trouble", ["slow", "too large", "malformed"])
def test_what_is_wrong_with_the_gateways_answer_keeps_no_fault_from_being_seen(store: Store, trouble: str) -> None:
    store.series = [*told("c1"), *told("c2")]
    store.series[3] = replace(store.series[3], values=[value / 2 for value in store.series[2].values])
    live = source()
    look(live, store, 15)
    if trouble == "malformed":
        store.gateways = [
            *store.gateways,
            ({"__name__": METRIC, LABEL: "10.0.0.2:8000", "job": "x"}, [at(15).timestamp()], ["x"]),
        ]
    else:
        reason = "SourceTimeout" if trouble == "slow" else "AnswerTooLarge"
        store.gateway_problem = SourceProblem(reason, trouble)
    seen = look(live, store, 20)

    assert seen.available
    assert seen.looks["pool", "errors"].verdict == "Failed"
    assert seen.accounts["pool"].lost >= 26
    assert seen.accounts["pool"].unknown


def test_an_answer_that_is_too_large_is_asked_for_in_parts(store: Store) -> None:
    store.most_gateway_samples = 60
    assert look(source(), store, 150).accounts == {"pool": Account(sent=150 * 42, lost=296)}


def test_another_clusters_pods_may_have_the_same_addresses(store: Store) -> None:
    store.gateways = [one for found in store.gateways for one in (found, ({**found[0], "cluster": "b"}, *found[1:]))]
    here = GatewayRequests(metric=METRIC, labels={"cluster": ""})

    assert look(PrometheusSource(config(gateway_requests=here)), store, 20).accounts["pool"].lost == 36


def test_nothing_is_asked_about_pods_that_were_there_before(store: Store) -> None:
    old = question(births={"c1": at(-20)}, routed=True)
    assert look(source(), store, 20, old).accounts == {}
    assert not store.asked_of_gateways


def test_nothing_is_asked_where_there_is_no_gateway(store: Store) -> None:
    direct = replace(ASKED, routed=False)
    plain = PrometheusSource(config())

    assert look(source(), store, 20, direct).accounts == {}
    assert look(plain, store, 20).accounts == {"pool": Account(unknown=NOT_ASKED)}


def test_pods_whose_address_is_hidden_are_not_known(store: Store) -> None:
    store.addresses = {"c1": "c1", "c2": "c2:9100"}
    assert look(source(), store, 20).accounts["pool"].unknown == NO_SAMPLES


@pytest.mark.parametrize(
    ("instance", "address"),
    [
        ("10.0.0.1:9100", "10.0.0.1"),
        ("[fd00:0::1]:9100", "[fd00::1]"),
        ("pod-a:9100", ""),
        ("10.0.0.1", ""),
        ("", ""),
        ("10.0.0.1|.*:9", ""),
    ],
)
def test_only_an_address_is_one(instance: str, address: str) -> None:
    assert address_of(instance) == address


def test_an_address_matches_itself_alone() -> None:
    ((_, found),) = gateway.selectors(GatewayRequests(metric="m", address_label="a"), ["[fd00::1]", "10.0.0.1"])
    assert found == ('{__name__="m",a=~"10[.]0[.]0[.]1:8000|[[]fd00::1[]]:8000"}')


def test_many_addresses_are_asked_for_in_several_queries() -> None:
    assert len(list(gateway.selectors(GatewayRequests(metric="m"), [f"10.0.0.{i}" for i in range(120)]))) == 3
