"""Heads of requests: bounded in time and size; what comes in time is served, on the same connection too.

And answers: whoever takes nothing of them for too long is let go.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from samplerd.connections import HEAD_BYTES, BoundedHeads
from samplerd.server import _Server

SLOW = 0.3
LONG, PIECE = 16 << 20, 1 << 16
"""Bytes: far more than the buffers of both sides hold."""
REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers 204 when it has been asked."""
    if scope["path"] == "/slow":
        await asyncio.sleep(3 * SLOW)
    if scope["path"] == "/long":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(LONG // PIECE):
            await send({"type": "http.response.body", "body": bytes(PIECE), "more_body": True})
    else:
        await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHeads, "head_seconds", SLOW)


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    server = _Server(app, "127.0.0.1", 0)
    serving = server.begin()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await serving


async def answered(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        return await reader.readuntil(b"\r\n\r\n")


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What came until the other side closed."""
    async with asyncio.timeout(10):
        return await reader.read()


async def test_a_head_that_drips_is_let_go() -> None:
    async with connected() as (reader, writer):
        began = asyncio.get_running_loop().time()
        with contextlib.suppress(ConnectionError):
            for byte in REQUEST * 3:
                writer.write(bytes([byte]) if byte not in b"\r\n" else b"x")
                await asyncio.sleep(0.05)
                if reader.at_eof():
                    break
        assert await closed(reader) == b""
        assert asyncio.get_running_loop().time() - began < 10 * SLOW


async def test_who_says_nothing_is_let_go() -> None:
    async with connected() as (reader, _):
        assert await closed(reader) == b""


async def test_a_second_request_on_the_connection_may_not_drip_either() -> None:
    async with connected() as (reader, writer):
        writer.write(REQUEST)
        assert (await answered(reader)).startswith(b"HTTP/1.1 204")
        writer.write(b"GET /")
        assert await closed(reader) == b""


async def test_an_answer_may_take_longer_than_a_head() -> None:
    async with connected() as (reader, writer):
        writer.write(REQUEST.replace(b"/ ", b"/slow "))
        assert (await answered(reader)).startswith(b"HTTP/1.1 204")


async def test_a_head_in_pieces_is_served_in_time() -> None:
    async with connected() as (reader, writer):
        for piece in (REQUEST[:7], REQUEST[7:20], REQUEST[20:]):
            writer.write(piece)
            await asyncio.sleep(SLOW / 10)
        assert (await answered(reader)).startswith(b"HTTP/1.1 204")


@pytest.mark.parametrize(("beyond", "is_refused"), [(-1024, False), (1024, True)])
async def test_a_head_is_refused_beyond_the_limit_and_not_below(
    beyond: int, is_refused: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Close to it on both sides: without ours there is h11's own, half as large."""
    caplog.set_level(logging.CRITICAL)
    begin = b"GET / HTTP/1.1\r\nhost: x\r\nx-long: "
    async with connected() as (reader, writer):
        writer.write(begin + b"a" * (HEAD_BYTES + beyond - len(begin)))
        await writer.drain()
        await asyncio.sleep(SLOW / 3)  # it has been read, and found to have no end
        if not is_refused:
            writer.write(b"\r\n\r\n")
        assert (await answered(reader)).startswith(b"HTTP/1.1 400" if is_refused else b"HTTP/1.1 204")


@contextlib.asynccontextmanager
async def asked_for_much(write_timeout: float) -> AsyncIterator[tuple[_Server, socket.socket]]:
    """A server that sends a long answer, and the socket of a client that has not read any of it."""
    server = _Server(app, "127.0.0.1", 0, write_timeout=write_timeout)
    serving = server.begin()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", server.port))
        await loop.sock_sendall(client, REQUEST.replace(b"/ ", b"/long "))
        try:
            yield server, client
        finally:
            client.close()
            server.should_exit = True
            await serving


async def connections(server: _Server, count: int) -> None:
    """Wait until the server has so many."""
    while len(server.server_state.connections) != count:  # noqa: ASYNC110  (uvicorn tells nobody)
        await asyncio.sleep(SLOW / 10)


async def everything(client: socket.socket) -> int:
    """How many bytes come until the other side closes, or has sent a whole answer."""
    got = 0
    while some := await asyncio.get_running_loop().sock_recv(client, PIECE):
        got += len(some)
        if some.endswith(b"0\r\n\r\n"):
            break
    return got


async def test_who_takes_nothing_of_an_answer_is_let_go() -> None:
    async with asked_for_much(SLOW) as (server, client), asyncio.timeout(20):
        await connections(server, 1)
        await connections(server, 0)
        with pytest.raises(ConnectionError):
            await everything(client)


async def test_who_takes_an_answer_now_and_then_gets_all_of_it() -> None:
    loop = asyncio.get_running_loop()
    async with asked_for_much(20 * SLOW) as (_, client), asyncio.timeout(60):
        got = 0
        for _ in range(4):
            await asyncio.sleep(SLOW)
            got += len(await loop.sock_recv(client, PIECE))
        assert got + await everything(client) > LONG
