"""A server that is slow, endless or broken on purpose: bounded time, bounded memory, and a reason."""

from __future__ import annotations

import gzip
import threading
import time
from dataclasses import replace

import pytest
from sampler_rollouts.metrics.config import MetricsSource
from sampler_rollouts.metrics.prometheus import PrometheusSource

from tests.support.waiting import wait_for
from tests.unit.operator.evidence.build import AUDIT, ERRORS, at, question
from tests.unit.operator.metrics.misbehaving import Behaviour, Handler, fetch, matrix, serving

pytestmark = pytest.mark.timeout(30)


def _headers_only(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    handler.server.stopping.wait(10)


def _silent(handler: Handler) -> None:
    handler.server.stopping.wait(10)


def _dripping_body(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not handler.server.stopping.wait(0.05):
        handler.wfile.write(b" ")


def _dripping_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not handler.server.stopping.wait(0.05):
        handler.wfile.write(b"x")


def _dripping_chunks(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not handler.server.stopping.wait(0.05):
        handler.wfile.write(b"1\r\n \r\n")


def _dripping_without_length(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while not handler.server.stopping.wait(0.05):
        handler.wfile.write(b" ")


def _kept_alive_then_dripping(handler: Handler) -> None:
    handler.protocol_version = "HTTP/1.1"
    handler.close_connection = False
    if len(handler.server.asked) == 1:
        handler.answer_json(matrix())
    else:
        _dripping_body(handler)


DRIPPING = [_dripping_body, _dripping_headers, _dripping_chunks, _dripping_without_length]


@pytest.mark.parametrize("behaviour", [_silent, _headers_only, *DRIPPING, _kept_alive_then_dripping])
def test_slow_servers_meet_the_deadline(behaviour: Behaviour) -> None:
    started = time.monotonic()
    got, _ = fetch(behaviour, timeout=0.5)
    assert got.unavailable == "SourceTimeout"
    assert time.monotonic() - started < 1.5


@pytest.mark.long
def test_the_deadline_covers_all_queries_together() -> None:
    def slow(handler: Handler) -> None:
        handler.server.stopping.wait(1.2)
        handler.answer_json(matrix())

    # The first answer has time to come on a busy machine; the second's cannot be within the rest.
    started = time.monotonic()
    got, asked = fetch(slow, question(ERRORS, AUDIT), timeout=2)
    assert (got.unavailable, len(asked)) == ("SourceTimeout", 2)
    assert time.monotonic() - started < 4


def test_no_thread_stays_behind() -> None:
    before = threading.active_count()
    fetch(_dripping_body, timeout=0.3)
    wait_for("the threads to end", lambda: threading.active_count() <= before, timeout=10, every=0.05)


def _endless(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not handler.server.stopping.is_set():
        handler.wfile.write(b" " * 65536)


def _packed(handler: Handler) -> None:
    handler.answer(gzip.compress(b" " * (64 << 20)), Content_Encoding="gzip")


@pytest.mark.parametrize("behaviour", [_endless, _packed])
def test_huge_answers_are_cut(behaviour: Behaviour) -> None:
    got, asked = fetch(behaviour, maxResponseMebibytes=1)
    assert (got.unavailable, len(asked)) == ("AnswerTooLarge", 2)  # once more for a shorter time


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"status":"success","data":{"resultType":"matrix","result":[',
        b"<html>",
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_truncated_json_is_no_data(body: bytes) -> None:
    got, asked = fetch(lambda handler: handler.answer(body))
    assert (got.unavailable, len(asked)) == ("InvalidAnswer", 2)


def _short_body(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}")


def _hang_up(handler: Handler) -> None:
    handler.connection.close()


def _not_http(handler: Handler) -> None:
    handler.wfile.write(b"220 mail.example.com ESMTP\r\n")


def _bad_gzip(handler: Handler) -> None:
    handler.answer(b"not gzip", Content_Encoding="gzip")


@pytest.mark.parametrize("behaviour", [_short_body, _hang_up, _not_http, _bad_gzip])
def test_broken_answers_are_no_data(behaviour: Behaviour) -> None:
    got, _ = fetch(behaviour)
    assert got.unavailable in {"SourceUnreachable", "InvalidAnswer"}
    assert got.series == ()


@pytest.mark.long
def test_fetches_of_several_threads_do_not_mix() -> None:
    def slow_for_some(handler: Handler) -> None:
        if "slow" in handler.path:
            handler.server.stopping.wait(10)
        handler.answer_json(matrix())

    # The slow ones need the whole of it; the quick ones have it, however busy the machine.
    with serving(slow_for_some) as server:
        source = PrometheusSource(MetricsSource(url=server.url, timeout=4))
        results: dict[str, str] = {}

        def ask(name: str) -> None:
            results[name] = source.fetch(replace(question(), rollout=name), at(10)).unavailable

        threads = [threading.Thread(target=ask, args=(name,)) for name in ("slow1", "quick1", "slow2", "quick2")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {"slow1": "SourceTimeout", "quick1": "", "slow2": "SourceTimeout", "quick2": ""}
