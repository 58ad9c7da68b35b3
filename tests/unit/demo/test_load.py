"""The load generator against a tiny server."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable

import httpx
import pytest

from local.demo import tally as outcomes
from local.demo.ask import Ask, AskSource
from local.demo.load import LoadGenerator, retry_after
from local.demo.prompts import foreign_letters, load_prompts


def wait_until(true: Callable[[], bool], timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, "not so in time"
        time.sleep(0.01)


def generator(url: str, **options: object) -> LoadGenerator:
    return LoadGenerator(url, model="m", **{"workers": 2, "random_seed": 1, **options})  # type: ignore[arg-type]


def test_counts_answers_by_release_over_one_connection_a_request(serve, good):
    server = serve(lambda n, _: (200, {}, good(fingerprint=f"{'a' if n % 2 else 'b'}-none")))
    with generator(server.url) as load:
        load.phase = "calm"
        wait_until(lambda: load.tally.count() >= 10)
    counts = load.tally.fingerprints()
    assert set(counts) == {"a-none", "b-none"}
    assert sum(counts.values()) == load.tally.count() == server.connections
    assert {r.phase for r in load.tally.records()} <= {"", "calm"}
    assert load.answers.of_revisions({"a"})[0].text == "Blue, mostly."


def test_sends_top_k_in_a_part_of_the_requests_and_a_seed_in_all(serve, good):
    server = serve(lambda n, _: (200, {}, good()))
    with generator(server.url, workers=4) as load:
        wait_until(lambda: load.tally.count() >= 60)
    with_top_k = [b for b in server.seen if "top_k" in b]
    assert 0.2 < len(with_top_k) / len(server.seen) < 0.8
    assert all(b["top_k"] == 40 for b in with_top_k)
    assert all(b["max_tokens"] == 12 and b["temperature"] == 0.7 and b["top_p"] == 0.99 for b in server.seen)
    assert len({b["seed"] for b in server.seen}) == len(server.seen)


def test_waits_and_asks_again_when_told_to_come_back(serve, good):
    server = serve(lambda n, _: (429, {"retry-after": "0.1"}, {}) if n <= 3 else (200, {}, good()))
    with generator(server.url, workers=1) as load:
        wait_until(lambda: load.tally.count() >= 2)
    first = load.tally.records()[0]
    assert (first.outcome, first.throttled) == (outcomes.OK, 3)
    assert first.seconds >= 0.3
    assert server.seen[0] == server.seen[3]


@pytest.mark.parametrize(
    ("answer", "outcome", "said"),
    [
        ((500, {}, {}), outcomes.SERVER_ERROR, "HTTP 500"),
        ((503, {}, {"error": {"code": "starting"}}), outcomes.SERVER_ERROR, "HTTP 503 starting"),
        ((400, {}, {"error": "odd"}), outcomes.REJECTED, "HTTP 400"),
        ((200, {}, {"odd": 1}), outcomes.CUT_OFF, "no answer in the body"),
        (None, outcomes.CUT_OFF, "RemoteProtocolError"),
    ],
)
def test_records_each_kind_of_failure_and_goes_on(serve, good, answer, outcome, said):
    server = serve(lambda n, _: answer if n == 1 else (200, {}, good()))
    with generator(server.url, workers=1) as load:
        load.phase = "change"
        wait_until(lambda: load.tally.count() >= 3)
    assert [r.outcome for r in load.tally.records()[:2]] == [outcome, outcomes.OK]
    assert load.tally.records()[0].detail.startswith(said)
    assert sum(sum(k.values()) for k in outcomes.failures_by_phase(load.tally.records()).values()) == 1


def test_outlives_a_server_that_is_not_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with generator(url, workers=1) as load:
            wait_until(lambda: load.tally.count() >= 2)
    assert {r.outcome for r in load.tally.records()} == {outcomes.UNREACHABLE}


def test_a_slow_answer_is_timed_out(serve, good):
    server = serve(lambda n, _: (time.sleep(0.5), (200, {}, good()))[1])
    with generator(server.url, workers=1, timeout=0.1) as load:
        wait_until(lambda: load.tally.count() >= 1)
    assert load.tally.records()[0].outcome == outcomes.TIMED_OUT


def test_asks_once_for_a_person(serve, good):
    server = serve(lambda n, _: (200, {}, good("Green.", "c-none")) if n == 1 else (503, {}, {}))
    load = generator(server.url)
    answer = load.ask_once(Ask(prompt="Which?", seed=7, top_k=40))
    assert (answer.text, answer.fingerprint) == ("Green.", "c-none")
    assert server.seen[0]["messages"] == [{"role": "user", "content": "Which?"}]
    with pytest.raises(httpx.HTTPStatusError):
        load.ask_once(Ask(prompt="Which?", seed=7))


def test_speaks_the_plain_completions_api_too():
    body = Ask(prompt="Which?", seed=7).body("m", "completions")
    assert body["prompt"] == "Which?"
    assert "messages" not in body
    assert "top_k" not in body


@pytest.mark.parametrize(
    ("header", "seconds"), [(None, 1.0), ("2", 2.0), ("0", 0.1), ("900", 10.0), ("tomorrow", 1.0), ("-3", 0.1)]
)
def test_retry_after(header, seconds):
    assert retry_after(header) == seconds


def test_summary_of_records():
    def record(at: float, seconds: float, outcome: str = outcomes.OK) -> outcomes.Record:
        return outcomes.Record(at=at, seconds=seconds, phase="p", outcome=outcome, fingerprint="a-none", tokens=12)

    records = [record(float(i), 1.0 + i / 10) for i in range(10)] + [record(10, 0.1, outcomes.UNREACHABLE)]
    summary = outcomes.summarize(records)
    assert (summary.requests, summary.answered, summary.failed) == (11, 10, 1)
    assert summary.failures == {outcomes.UNREACHABLE: 1}
    assert (summary.p50, summary.p95, summary.tokens) == (1.5, 1.9, 120)
    assert outcomes.summarize([]).requests == 0


def test_a_tally_gives_rate_and_stretches_of_time():
    tally = outcomes.Tally()
    for second in range(30):
        tally.add(outcomes.Record(at=second, seconds=0.0, phase="", outcome=outcomes.OK, fingerprint="a-none"))
    assert tally.rate(now=29.0, window=10.0) == pytest.approx(1.1)
    assert len(tally.records(since=10, until=20)) == 10


def test_the_same_random_seed_asks_the_same():
    def draw(seed: int) -> list[Ask]:
        source = AskSource(load_prompts(), max_tokens=12, top_k=40, top_k_share=0.5, rng=random.Random(seed))
        return [source.next() for _ in range(20)]

    assert draw(1) == draw(1) != draw(2)


def test_prompts_are_a_hundred_short_questions_of_latin_letters():
    prompts = load_prompts()
    assert len(prompts) == len(set(prompts)) == 100
    assert all(len(p) < 80 and not foreign_letters(p) for p in prompts)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Plain café – “quoted” µ", ""),
        ("the สี sky", "ส"),
        ("天空 is blue", "天空"),
        ("�� 🙂", ""),
        ("Привет", "Привет"),
    ],
)
def test_foreign_letters(text, found):
    assert foreign_letters(text) == found


def test_letters_of_the_prompts_own_script_are_expected():
    assert foreign_letters("Привет", prompt="Скажи") == ""


def test_refuses_nonsense():
    with pytest.raises(ValueError, match="workers"):
        LoadGenerator("http://x", model="m", workers=0)
    with pytest.raises(ValueError, match="prompts"):
        AskSource([], max_tokens=1, top_k=1, top_k_share=0.5, rng=random.Random(0))
