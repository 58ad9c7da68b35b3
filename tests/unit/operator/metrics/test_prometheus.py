"""The adapter against a server that misbehaves: every answer is a SampleSet, in bounded time, without secrets."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_contract import AUDIT_MISMATCH, AUDIT_TOKENS, BAD, CHECKED
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.samples import CheckPlan
from sampler_rollouts.metrics.config import MetricsSource, parse_sources
from sampler_rollouts.metrics.envelope import SourceProblem
from sampler_rollouts.metrics.prometheus import PrometheusSource, Sources
from sampler_rollouts.metrics.selectors import PODS_A_QUERY, of_pods, of_stable

from tests.unit.operator.evidence.build import AUDIT, ERRORS, LATENCY, START, at, question
from tests.unit.operator.metrics.misbehaving import GENEROUS, Handler, fetch, matrix, says, serving

PLACE = {
    "namespace": "team",
    "rollout": "chat",
    "pool": "pool",
    "pod": "c1",
    "revision": "new",
    "instance": "10.0.0.1:9090",
}
LABELS = {**PLACE, "__name__": CHECKED, "check": "errors", "route_hash": "none"}
SECRET = "s3cret-t0ken"


def test_raw_samples_arrive_as_they_are() -> None:
    start = START.timestamp()
    values = [(start + 2.125, "0"), (start + 4.125, "7"), (start + 6.125, "NaN"), (start + 8.125, "+Inf")]
    got, asked = fetch(says(matrix((LABELS, values))))
    assert got.unavailable == ""
    one = got.series[0]
    assert (one.metric, one.pod, one.pool, one.revision) == (CHECKED, "c1", "pool", "new")
    assert one.labels == {"check": "errors", "route_hash": "none"}
    assert list(one.times) == [time for time, _ in values]
    assert list(one.values[:2]) == [0.0, 7.0]
    assert math.isnan(one.values[2])
    assert one.values[3] == math.inf
    assert (got.asked_at, got.scrape_interval) == (at(10), 2.0)
    assert len(asked) == 2


def test_the_candidate_s_pods_by_name_and_stable_s_pairs_by_revision_at_one_time() -> None:
    queries: list[dict[str, str]] = []

    def behaviour(handler: Handler) -> None:
        queries.append(handler.query)
        handler.answer_json(matrix())

    fetch(behaviour, question(ERRORS, AUDIT))
    place = 'namespace="team",rollout="chat"'
    candidate = f'__name__=~"{CHECKED}|{BAD}|{AUDIT_TOKENS}|{AUDIT_MISMATCH}",{place},revision=~"new",pod=~"c1|c2"'
    stable = f'__name__=~"{CHECKED}|{BAD}",{place},revision=~"old",check=~"errors"'
    anything = f'__name__=~"{CHECKED}",{place}'  # asked when there is nothing else: labels may be missing
    ranges = [f"{{{candidate}}}[26001ms]", f"{{{stable}}}[26001ms]"]  # 20 s since the start and three scrapes
    assert [one["query"] for one in queries] == [*ranges, f"{{{anything}}}[16001ms]"]
    assert {float(one["time"]) for one in queries} == {at(10).timestamp()}
    assert all(0 < float(one["timeout"]) <= GENEROUS for one in queries)


def test_histograms_come_in_the_same_answer_by_the_bounds_that_are_asked_for() -> None:
    """And nothing else of them: a histogram has dozens of series, a check reads two."""
    asked = question(ERRORS, LATENCY, CheckPlan("time-per-output-token", 0.01, slower_than=0.05))
    duration, per_token = "sampler_request_duration_seconds", "sampler_time_per_output_token_seconds"
    metrics = f"{CHECKED}|{BAD}|{duration}_count|{duration}_bucket|{per_token}_count|{per_token}_bucket"
    bounds = 'checked=~"|true",le=~"|0[.]05|2[.]5"'
    place = 'namespace="team",rollout="chat"'
    candidate = f'{{__name__=~"{metrics}",{place},revision=~"new",pod=~"c1|c2",{bounds}}}'
    assert list(map(str, of_pods(asked, asked.arms[0].births))) == [candidate]
    stable = f'{{__name__=~"{metrics}",{place},revision=~"old",check=~"|errors",{bounds}}}'
    assert list(map(str, of_stable(asked))) == [stable]
    (whole,) = map(str, of_stable(question(CheckPlan("latency", 0.01, slower_than=60.0))))
    assert 'le=~"|60|60[.]0"' in whole


def without_samples(instead: object) -> dict[str, Any]:
    """An answer that has something else in the place of a series' samples."""
    answer = matrix((LABELS, [(1.0, "1")]))
    answer["data"]["result"][0]["values"] = instead
    return answer


@pytest.mark.parametrize("written", ["1", "1.0", "1e+00"])
def test_a_bound_is_one_however_it_is_written(written: str) -> None:
    bucket = {**PLACE, "__name__": "sampler_request_duration_seconds_bucket", "checked": "true", "le": written}
    got, _ = fetch(says(matrix((bucket, [(START.timestamp() + 2.0, "1")]))))
    assert got.series[0].labels == {"checked": "true", "le": "1.0"}


def test_many_pods_are_asked_for_in_parts() -> None:
    asked = question(births=[f"c.{number:03}" for number in range(2 * PODS_A_QUERY + 1)])
    parts = list(map(str, of_pods(asked, asked.arms[0].births)))
    assert [part.count("c[.]") for part in parts] == [PODS_A_QUERY, PODS_A_QUERY, 1]
    assert len({part for part in parts if '"c[.]100"' in part}) == 1
    longest = question(births=[f"{number:03}" + "x" * 60 for number in range(PODS_A_QUERY)])
    assert max(len(str(one)) for one in of_pods(longest, longest.arms[0].births)) < 4096


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from('ab.-"\\{}[]|*\n'))))
@settings(deadline=None)
def test_no_name_escapes_from_the_selector(name: str) -> None:
    for asked in (replace(question(), rollout=name), replace(question(), namespace=name), question(births=[name])):
        text = ""
        with contextlib.suppress(SourceProblem):
            text = str(next(of_pods(asked, asked.arms[0].births)))
        assert not text or not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-.")
        assert not text or f'"{name}"' in text or f'"{name.replace(".", "[.]")}"' in text


@pytest.mark.parametrize("where", ["namespace", "pod", "revision", "stable"])
def test_an_injected_name_is_never_sent(where: str) -> None:
    evil = 'a"} or up{x="'
    arm = question().arms[0]
    questions = {
        "namespace": replace(question(), namespace=evil),
        "pod": question(births=[evil]),
        "revision": question(arms=(replace(arm, revision=evil),)),
        "stable": question(arms=(replace(arm, stable_revision=evil),)),
    }
    got, asked = fetch(says(matrix()), questions[where])
    assert got.unavailable == "InvalidQuestion"
    assert asked == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (matrix((LABELS, [(1.0, "1")]), warnings=["store 10.0.0.7 is down"]), "PartialAnswer"),
        (matrix((LABELS, [(1.0, "1")]), infos=["PromQL info"]), "PartialAnswer"),
        ({"status": "success", "data": {"resultType": "vector", "result": []}}, "InvalidAnswer"),
        ({"status": "success", "data": None}, "InvalidAnswer"),
        ({"status": "fine"}, "InvalidAnswer"),
        ([], "InvalidAnswer"),
        ({"status": "error", "errorType": "timeout", "error": SECRET}, "QueryFailed"),
        (matrix((LABELS, [(1.0, "one")])), "InvalidAnswer"),
        (matrix((LABELS, [(1.0, 1)])), "InvalidAnswer"),  # type: ignore[list-item]
        (matrix(({**LABELS, "kind": 1}, [(1.0, "1")])), "InvalidAnswer"),  # type: ignore[dict-item]
        (without_samples(None), "InvalidAnswer"),
        (without_samples(0), "InvalidAnswer"),
        (without_samples(""), "InvalidAnswer"),
        (matrix((LABELS, [(1.0,)])), "InvalidAnswer"),  # type: ignore[list-item]
        (matrix(({**LABELS, "check": 7}, [(1.0, "1")])), "InvalidAnswer"),  # type: ignore[dict-item]
        ({"status": "success", "data": {"resultType": "matrix", "result": [7]}}, "InvalidAnswer"),
        ({"status": "success", "data": {"resultType": "matrix", "result": [{"metric": LABELS}]}}, "InvalidAnswer"),
        (
            {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": LABELS, "histograms": []}]}},
            "InvalidAnswer",
        ),
        (matrix((LABELS, [(1.0, "1")]), (LABELS, [(1.0, "1")])), "InvalidAnswer"),
        (matrix(({"check": "errors"}, [(1.0, "1")])), "LabelsMissing"),
    ],
)
def test_incomplete_and_malformed_answers_are_no_data(content: Any, reason: str) -> None:
    got, _ = fetch(says(content))
    assert (got.unavailable, got.series) == (reason, ())
    assert got.message
    assert SECRET not in got.message


@pytest.mark.parametrize(
    ("status", "reason", "tries"),
    [
        *((status, "SourceError", 2) for status in (408, 429, 500, 502, 503, 504)),
        *((status, "SourceError", 1) for status in (400, 404, 422)),
        *((status, "SourceForbids", 1) for status in (401, 403)),
    ],
)
def test_errors_are_retried_once_if_they_may_pass(status: int, reason: str, tries: int) -> None:
    answer = says({"status": "error", "errorType": "bad_data", "error": f"near {SECRET}"}, status)
    got, asked = fetch(answer)
    assert (got.unavailable, len(asked)) == (reason, tries)
    assert str(status) in got.message
    assert SECRET not in got.message


def test_the_api_s_own_kind_of_error_is_told_and_nothing_else() -> None:
    assert "(execution)" in fetch(says({"status": "error", "errorType": "execution"}, 422))[0].message
    assert "(unknown error)" in fetch(says({"status": "error", "errorType": SECRET}, 422))[0].message


def test_a_passing_error_is_survived() -> None:
    answers = iter([(503, {}), (200, matrix()), (200, matrix()), (200, matrix())])

    def behaviour(handler: Handler) -> None:
        status, content = next(answers)
        handler.answer_json(content, status)

    assert fetch(behaviour)[0].unavailable == ""


def test_the_retry_budget_is_for_the_whole_fetch() -> None:
    answers = iter([(503, {}), (200, matrix()), (503, {}), (200, matrix())])

    def behaviour(handler: Handler) -> None:
        status, content = next(answers)
        handler.answer_json(content, status)

    got, asked = fetch(behaviour)
    assert (got.unavailable, len(asked)) == ("SourceError", 3)


def test_redirects_are_not_followed() -> None:
    def elsewhere(handler: Handler) -> None:
        handler.answer(b"", 302, Location=f"{handler.server.server_address}/other")

    got, asked = fetch(elsewhere)
    assert (got.unavailable, len(asked)) == ("SourceRedirects", 1)


def test_a_token_does_not_travel_to_another_host(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(SECRET)
    with serving(says(matrix())) as other:

        def elsewhere(handler: Handler) -> None:
            handler.answer(b"", 307, Location=f"{other.url}/api/v1/query")

        assert fetch(elsewhere, bearerTokenFile=token)[0].unavailable == "SourceRedirects"
        assert other.asked == []


def test_nobody_listens() -> None:
    with serving(says(matrix())) as server:
        url = server.url
    got = PrometheusSource(MetricsSource(url=url, timeout=GENEROUS)).fetch(question(), at(10))
    assert (got.unavailable, url in got.message) == ("SourceUnreachable", False)


def test_an_unknown_host_is_unreachable() -> None:
    got = PrometheusSource(MetricsSource(url="http://prometheus.invalid:9090", timeout=2)).fetch(question(), at(10))
    assert got.unavailable in {"SourceUnreachable", "SourceTimeout"}
    assert "invalid" not in got.message


def test_the_token_is_read_anew_for_each_fetch(tmp_path: Path) -> None:
    token = tmp_path / "token"
    with serving(says(matrix())) as server:
        source = PrometheusSource(MetricsSource(url=server.url, bearer_token_file=token, timeout=GENEROUS))
        assert source.fetch(question(), at(10)).unavailable == "SourceMisconfigured"
        for text in ("first\n", "second"):
            token.write_text(text)
            assert source.fetch(question(), at(10)).unavailable == ""
        for text in ("", "two words", "line\nbreak", "caf\u00e9"):
            token.write_text(text)
            assert source.fetch(question(), at(10)).unavailable == "SourceMisconfigured"
        assert server.tokens == ["Bearer first"] * 3 + ["Bearer second"] * 3


def test_the_environment_adds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login x password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with serving(says(matrix())) as server:
        got = PrometheusSource(MetricsSource(url=server.url, timeout=GENEROUS)).fetch(question(), at(10))
        assert got.unavailable == ""
        assert set(server.tokens) == {None}


@pytest.mark.parametrize("ca", ["missing", "empty"])
def test_https_is_verified(ca: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    with serving(says(matrix())) as server:
        config = MetricsSource(url=server.url.replace("http", "https"), ca_file=tmp_path / ca, timeout=GENEROUS)
        got = PrometheusSource(config).fetch(question(), at(10))
        assert got.unavailable in {"SourceMisconfigured", "SourceUntrusted"}
        assert server.asked == []


def test_unplaced_series_are_left_out_and_told() -> None:
    unplaced = {name: value for name, value in LABELS.items() if name != "pod"}
    now = [(START.timestamp() + 2.0, "1")]
    got, _ = fetch(says(matrix((LABELS, now), (unplaced, now))))
    assert len(got.series) == 1
    assert "2 series" in got.message  # one in the answer of each arm


def test_sources_by_name() -> None:
    with serving(says(matrix())) as server:
        sources = Sources(parse_sources(f"metricsSources: {{default: {{url: '{server.url}', timeout: 7}}}}"))
        assert sources.fetch(question(), at(10)).unavailable == ""
        assert sources.fetch(question(source="other"), at(10)).unavailable == "UnknownSource"


def test_a_bug_of_ours_is_an_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Callable[..., Any]:
        raise KeyError(SECRET)

    monkeypatch.setattr("sampler_rollouts.metrics.exchange.series_of", broken)
    got, _ = fetch(says(matrix()))
    assert got.unavailable == "SourceError"
    assert SECRET not in got.message


def test_an_unavailable_source_neither_passes_nor_fails() -> None:
    got, _ = fetch(says(matrix((LABELS, [(1.0, "1")]), warnings=["partial"])))
    evidence = evaluate(question(), got, at(10))
    assert (evidence.available, evidence.reason) == (False, "PartialAnswer")
    assert {look.verdict.value for look in evidence.looks.values()} == {"Inconclusive"}
    assert not any(evidence.fresh.values())


NAMED = CheckPlan("refusals", 0.03, metrics=("answers_total", "refusals_total"))


def test_an_admins_metrics_are_asked_for_by_name_and_nothing_else_of_them() -> None:
    asked = question(NAMED, ERRORS, births=("c1",), compared=True)
    (own,) = map(str, of_pods(asked, ["c1"]))
    assert "answers_total|refusals_total" in own
    _, stable = map(str, of_stable(asked))
    assert stable == '{__name__=~"answers_total|refusals_total",namespace="team",rollout="chat",revision=~"old"}'


@pytest.mark.parametrize("name", ['x"} or vector(1)', "a.b", "", "a|.*", "x" * 129])
def test_what_is_no_name_of_a_metric_is_not_asked_for(name: str) -> None:
    asked = question(replace(NAMED, metrics=("answers_total", name)), births=("c1",), compared=True)
    for selectors in (of_pods(asked, ["c1"]), of_stable(asked)):
        with pytest.raises(SourceProblem) as problem:
            list(selectors)
        assert problem.value.reason == "InvalidQuestion"


def test_of_an_admins_histogram_only_its_bound_is_asked_for() -> None:
    slow = CheckPlan("slow", 0.03, metrics=("took_count", "took_bucket"), slower_than=2.5)
    asked = question(slow, NAMED, births=("c1",), compared=True)
    (own,) = of_pods(asked, ["c1"])
    _, stable = of_stable(asked)
    for selector in (own, stable):
        assert 'le=~"|2[.]5"' in str(selector)
        labels = PLACE | {"revision": "old" if selector is stable else "new"}
        wanted = [{"__name__": "took_count"}, {"__name__": "took_bucket", "le": "2.5"}, {"__name__": "answers_total"}]
        assert all(selector.matches(labels | one) for one in wanted)
        assert not selector.matches(labels | {"__name__": "took_bucket", "le": "5"})
