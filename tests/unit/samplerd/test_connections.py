"""Heads of requests: bounded in time and size; what comes in time is served, on the same connection too."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from samplerd.connections import HEAD_BYTES, BoundedHeads
from samplerd.server import _Server

SLOW = 0.3
REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers 204 when it has been asked."""
    if scope["path"] == "/slow":
        await asyncio.sleep(3 * SLOW)
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


async def test_a_head_without_end_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    async with connected() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nx-long: " + b"a" * (2 * HEAD_BYTES))
        assert (await answered(reader)).startswith(b"HTTP/1.1 400")
