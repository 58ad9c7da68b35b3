"""The operator's own port: whoever holds connections open keeps neither it nor the kubelet's probe waiting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from sampler_rollouts.handlers import one_request, probes
from sampler_rollouts.handlers.loop import ReconcileLoop
from sampler_rollouts.handlers.one_request import OneRequestServer

SLOW = 0.3
HEAD = b"GET /metrics HTTP/1.1\r\nhost: x\r\n"
REQUEST = HEAD + b"\r\n"
LONG = 16 << 20
"""Bytes: far more than the buffers of both sides hold."""
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def served(*, seconds: float = SLOW, most: int = 64, body: bytes = b"x") -> AsyncIterator[int]:
    """The port of a server that answers with the body."""

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(body=body)

    server = OneRequestServer(answer)
    server.seconds, server.most = seconds, most
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def opened(port: int, said: bytes = b"") -> Ends:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    return reader, writer


async def ended(writer: asyncio.StreamWriter) -> None:
    """Close our side, whatever became of the other."""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other side ends the connection, however it does."""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            return await reader.read()
    return b""


@pytest.mark.parametrize("said", [b"", HEAD, HEAD + b"x-long: "], ids=["nothing", "a line", "half a header"])
async def test_a_head_without_end_is_let_go(said: bytes) -> None:
    async with served() as port:
        reader, writer = await opened(port, said)
        assert await rest(reader) == b""
        await ended(writer)


async def test_a_head_that_drips_is_let_go() -> None:
    async with served() as port, asyncio.timeout(10):
        reader, writer = await opened(port, HEAD)
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(SLOW / 10)
        await ended(writer)


async def test_a_body_without_end_is_not_waited_for() -> None:
    async with served(seconds=60) as port:
        reader, writer = await opened(port, HEAD + b"content-length: 9\r\n\r\n")
        assert (await rest(reader)).startswith(b"HTTP/1.1 200")
        await ended(writer)


async def test_who_reads_nothing_of_an_answer_is_let_go() -> None:
    async with served(body=bytes(LONG)) as port:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, REQUEST)
            await asyncio.sleep(2 * SLOW)
            got = 0
            with contextlib.suppress(ConnectionError):
                while some := await asyncio.wait_for(loop.sock_recv(client, 1 << 16), 10):
                    got += len(some)
        assert got < LONG


async def test_an_answer_ends_its_connection() -> None:
    async with served(seconds=60) as port:
        reader, writer = await opened(port, REQUEST)
        answer = await rest(reader)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer.lower()
        await ended(writer)


async def test_of_too_many_the_oldest_go_and_the_newest_is_answered() -> None:
    async with served(seconds=60, most=8) as port:
        held = [await opened(port, HEAD) for _ in range(20)]
        reader, writer = await opened(port, REQUEST)
        assert (await rest(reader)).startswith(b"HTTP/1.1 200")
        await ended(writer)
        gone = [await rest(reader) for reader, _ in held[:12]]
        assert gone == [b""] * 12
        assert not any(reader.at_eof() for reader, _ in held[13:]), "no more go than have to"
        for _, writer in held:
            await ended(writer)


async def test_a_scrape_that_is_answered_outlives_connections_that_ask_for_nothing() -> None:
    async with served(seconds=60, most=8, body=b"x" * LONG) as port:
        reader, writer = await opened(port, REQUEST)
        first = await reader.readexactly(15)
        held = [await opened(port, HEAD) for _ in range(40)]
        answer = first + await rest(reader)
        assert len(answer) > LONG
        await ended(writer)
        for _, other in held:
            await ended(other)


async def test_of_too_many_that_ask_the_oldest_go() -> None:
    async with served(seconds=60, most=4, body=b"x" * LONG) as port:
        asking = [await opened(port, REQUEST) for _ in range(6)]
        answers = [await rest(reader) for reader, _ in reversed(asking)]
        assert [len(one) > LONG for one in answers] == [True] * 4 + [False] * 2
        for _, writer in asking:
            await ended(writer)


async def test_a_head_without_bounds_is_refused() -> None:
    async with served(seconds=60) as port:
        reader, writer = await opened(port, HEAD + b"x: y\r\n" * (one_request.HEAD_FIELDS + 1) + b"\r\n")
        assert b" 400 " in (await rest(reader)).splitlines()[0]
        await ended(writer)


async def test_the_operators_port_is_such_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """With half-sent heads beyond its bound, the kubelet's probe is answered; and each of them goes in the end."""

    async def never(_: object) -> None: ...

    runner = await probes.serve(ReconcileLoop(never, never), lambda: b"", 0, "127.0.0.1")  # type: ignore[arg-type]
    port = runner.addresses[0][1]
    held = [await opened(port, HEAD) for _ in range(2 * one_request.MOST)]
    reader, writer = await opened(port, REQUEST.replace(b"metrics", b"healthz"))
    assert (await rest(reader)).startswith(b"HTTP/1.1 200")
    monkeypatch.setattr(OneRequestServer, "seconds", SLOW)
    held += [await opened(port, HEAD) for _ in range(one_request.MOST)]
    assert {await rest(reader) for reader, _ in held} == {b""}
    await ended(writer)
    for _, one in held:
        await ended(one)
    await runner.cleanup()
