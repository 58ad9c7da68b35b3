"""What a pod may do to whoever asks it, and does not get away with."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest
from sampler_rollouts.pods.fetch import Answer, NoAnswerError, fetch, pod_address

from tests.unit.operator.metrics.misbehaving import Behaviour, Handler, serving

SOON = 0.5
GENEROUS = 20.0
MOST = 4096


def ask(behaviour: Behaviour, seconds: float = GENEROUS) -> Answer:
    with serving(behaviour) as server:
        return fetch("127.0.0.1", server.server_port, "/preflight", seconds=seconds, most=MOST)


def refused(behaviour: Behaviour, words: str, seconds: float = GENEROUS) -> None:
    with pytest.raises(NoAnswerError, match=words):
        ask(behaviour, seconds)


def test_an_answer_comes_as_it_is() -> None:
    assert ask(lambda handler: handler.answer(b"{}")) == Answer(200, b"{}")
    assert ask(lambda handler: handler.answer(b"busy", 503)) == Answer(503, b"busy")
    assert len(ask(lambda handler: handler.answer(b"x" * MOST)).body) == MOST


def test_a_redirect_is_not_followed() -> None:
    seen = []

    def elsewhere(handler: Handler) -> None:
        seen.append(handler.path)
        handler.answer(b"", 302, Location="/other")

    assert ask(elsewhere).status == 302
    assert seen == ["/preflight"]


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * MOST)


def test_an_endless_body_is_cut() -> None:
    refused(endless, "larger than 4 KiB")


def test_a_length_that_is_a_lie_reserves_nothing() -> None:
    def lies(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 50))
        handler.end_headers()
        handler.wfile.write(b"x" * (MOST + 10))

    refused(lies, "larger than 4 KiB")


def dripping(write: Callable[[Handler], None]) -> Behaviour:
    def drips(handler: Handler) -> None:
        write(handler)
        while not handler.server.stopping.wait(0.02):
            handler.wfile.write(b"x")

    return drips


def body(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()


def headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Long: ")


@pytest.mark.parametrize("begin", [body, headers, lambda _: None], ids=["body", "headers", "status line"])
def test_a_server_that_drips_is_cut_off_at_the_deadline(begin: Callable[[Handler], None]) -> None:
    began = time.monotonic()
    refused(dripping(begin), "did not answer in time", seconds=SOON)
    assert time.monotonic() - began < 10 * SOON


def test_a_server_that_says_nothing() -> None:
    refused(lambda handler: handler.server.stopping.wait(20), "did not answer in time", seconds=SOON)


def test_what_is_not_http() -> None:
    refused(lambda handler: handler.wfile.write(b"\x00\x01\x02 nothing of the kind\r\n\r\n"), "not HTTP")


def test_more_headers_than_anybody_needs() -> None:
    def many(handler: Handler) -> None:
        handler.send_response(200)
        for number in range(1000):
            handler.send_header(f"X-{number}", "y")
        handler.end_headers()

    refused(many, "not HTTP|did not answer")


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NoAnswerError, match="no connection"):
            fetch("127.0.0.1", taken.getsockname()[1], "/preflight", seconds=GENEROUS, most=MOST)


@pytest.mark.parametrize("text", ["10.1.2.3", "192.168.0.9", "fd00::17"])
def test_addresses_of_pods(text: str) -> None:
    assert pod_address(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "::1",
        "169.254.169.254",
        "fe80::1",
        "224.0.0.1",
        "0.0.0.0",
        "",
        "metadata.internal",
        "10.0.0.1/x",
        "::ffff:127.0.0.1",
    ],
)
def test_addresses_that_are_none_of_a_pod(text: str) -> None:
    with pytest.raises(NoAnswerError):
        pod_address(text)
