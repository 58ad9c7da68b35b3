"""One POST: where it goes, what it survives, and what it never does."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sampler_rollouts.notify.post import LONGEST_PAUSE, NotTakenError, post, reach

from tests.support import loopback
from tests.support.waiting import wait_for
from tests.unit.operator.notices.receiver import Answer, Handler, HttpReceiver, receiving, says

pytestmark = pytest.mark.timeout(60)
GENEROUS = 10.0


def send(url: str, seconds: float = GENEROUS, **more: Any) -> None:
    post(urlsplit(url), {"X-Mine": "1"}, b"{}", seconds=seconds, **more)


def refusal(answer: Answer, seconds: float = GENEROUS) -> NotTakenError:
    with receiving(answer) as server, pytest.raises(NotTakenError) as caught:
        send(server.url, seconds)
    assert "127.0.0.1" not in caught.value.why
    return caught.value


@pytest.mark.parametrize("status", [200, 202, 204])
def test_it_is_taken(status: int) -> None:
    with receiving(says(status)) as server:
        send(server.url + "?a=b")
        (got,) = server.got
    assert (got.path, got.body, got.headers["x-mine"]) == ("/rollouts?a=b", b"{}", "1")
    assert got.headers["host"] == f"127.0.0.1:{server.server_port}"


@pytest.mark.parametrize(
    ("status", "hopeless"),
    [
        (500, False),
        (503, False),
        (408, False),
        (425, False),
        (429, False),
        (400, True),
        (403, True),
        (404, True),
        (410, True),
    ],
)
def test_an_answer_that_is_no_success(status: int, hopeless: bool) -> None:
    error = refusal(says(status))
    assert (error.why, error.hopeless) == (f"it answers HTTP {status}", hopeless)


@pytest.mark.parametrize(
    ("asked", "pause"), [("7", 7.0), ("999999", LONGEST_PAUSE), ("-5", 0.0), ("soon", 0.0), ("1e9", 0.0), ("", 0.0)]
)
def test_a_receiver_may_ask_us_to_wait_within_bounds(asked: str, pause: float) -> None:
    assert refusal(says(429, Retry_After=asked)).pause == pause


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with receiving() as other:
        error = refusal(says(status, Location=other.url))
        assert other.got == []
    assert "redirects" in error.why


def _silent(handler: Handler) -> None:
    handler.server.stopping.wait(60)


def _dripping(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not handler.server.stopping.wait(0.05):
        handler.wfile.write(b"x")


def _ending_between_drops(handler: Handler) -> None:
    """Nothing is on its way when the time is up: the answer looks as if it ended there."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not handler.server.stopping.wait(0.35):
        handler.wfile.write(b"x")


def _endless_continue(handler: Handler) -> None:
    while not handler.server.stopping.wait(0.01):
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("answer", [_silent, _dripping, _ending_between_drops, _endless_continue])
def test_a_slow_receiver_meets_the_deadline(answer: Answer) -> None:
    """It would keep us for a minute. What is allowed beyond half a second is for a machine that is busy otherwise."""
    before = threading.active_count()
    with receiving(answer) as server:
        began = time.monotonic()
        with pytest.raises(NotTakenError, match="did not answer in time"):
            send(server.url, seconds=0.5)
        assert time.monotonic() - began < GENEROUS
    wait_for("the threads to end", lambda: threading.active_count() <= before, timeout=10, every=0.05)


def _hangs_up(handler: Handler) -> None:
    handler.connection.close()


def _speaks_something_else(handler: Handler) -> None:
    handler.wfile.write(b"220 mail.example.com ESMTP\r\n")


@pytest.mark.parametrize("answer", [_hangs_up, _speaks_something_else])
def test_a_receiver_that_breaks_off(answer: Answer) -> None:
    error = refusal(answer)
    assert "broke off" in error.why
    assert not error.hopeless


def test_a_body_without_end_is_not_read() -> None:
    def endless(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not handler.server.stopping.is_set():
            handler.wfile.write(b" " * 65536)

    with receiving(endless) as server:
        send(server.url)


def test_nobody_is_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(NotTakenError, match="no connection"):
            send(f"http://127.0.0.1:{port}/")


def resolving(*addresses: str) -> Any:
    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    return resolve


@pytest.mark.parametrize(
    "addresses",
    [
        ["169.254.169.254"], ["fe80::1%eth0"], ["::ffff:169.254.169.254"], ["64:ff9b::a9fe:a9fe"], ["fd00:ec2::254"],
        ["100.100.100.200"], ["168.63.129.16"], ["0.0.0.0"], ["::"], ["224.0.0.1"], ["255.255.255.255"],
        ["127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["10.0.0.1", "169.254.169.254"],
    ],
)  # fmt: skip
def test_a_name_that_means_an_address_of_nobodys_is_not_called(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr(socket, "create_connection", never)
    with pytest.raises(NotTakenError, match="none that may be called") as caught:
        send("http://hooks.example.com/", resolve=resolving(*addresses))
    assert caught.value.hopeless


def test_what_was_looked_at_is_what_is_called() -> None:
    """The name is resolved once: no second answer can send us elsewhere."""
    asked: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    with receiving() as server:
        send(server.url.replace("127.0.0.1", "localhost"), resolve=resolve)
        assert len(server.got) == 1
    assert asked == ["localhost"]


def test_a_name_that_cannot_be_resolved() -> None:
    def nothing(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(-2, "unknown")

    with pytest.raises(NotTakenError, match="cannot be resolved"):
        send("http://hooks.example.com/", resolve=nothing)


def test_the_environment_adds_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with receiving() as proxy, receiving() as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        send(server.url)
        assert proxy.got == []
        assert "authorization" not in server.got[0].headers


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return loopback.certificates(tmp_path_factory.mktemp("tls"))


def secure(server: HttpReceiver, folder: Path) -> str:
    server.secure(folder)
    return server.url.replace("http:", "https:")


@pytest.mark.parametrize("call", [send, lambda url, **more: reach(urlsplit(url), seconds=GENEROUS, **more)])
@pytest.mark.parametrize(
    ("ca", "why"), [("right.pem", ""), ("wrong.pem", "TLS"), (None, "TLS"), ("none.pem", "CA file")]
)
def test_only_the_ca_file_is_trusted(call: Any, ca: str | None, why: str, certificates: Path) -> None:
    with receiving() as server:
        url, file = secure(server, certificates), certificates / ca if ca else None
        if why:
            with pytest.raises(NotTakenError, match=why):
                call(url, ca_file=file)
            assert server.got == []
        else:
            call(url, ca_file=file)
            assert len(server.got) == (call is send)
