"""Requests that take too long: answers past the limit, bodies that never end."""

import asyncio

import pytest
from samplerd import bodies
from samplerd.program import Executables

from tests.unit.samplerd.servers import checked, serving


@pytest.mark.long
async def test_the_time_limit_ends_streams_and_those_that_wait(executables: Executables) -> None:
    async with serving(executables, step_time=0.05, request_timeout=1.0) as server:
        body = {"prompt": "x", "max_tokens": 100, "stream": True, "seed": 1}
        streamed = await server.client.post("/v1/completions", json=body)
        assert streamed.status_code == 200
        assert '"code":"timeout"' in streamed.text
        assert "[DONE]" not in streamed.text
        assert await checked(server) == (1, 1)
        assert await checked(server, "unexpected-script") == (1, 0)
        server.executables.go.clear()
        answers = await asyncio.gather(*(server.complete(max_tokens=3) for _ in range(6)))  # two of them wait
        server.executables.go.set()
        assert {answer.status_code for answer in answers} == {504}
        assert await checked(server) == (7, 7)
        assert await server.number("sampler_requests_total", code="504") == 7
        await server.settled()


async def test_a_body_that_never_ends_is_refused_and_not_checked(
    executables: Executables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.2)
    async with serving(executables) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.process.ports[0])
        writer.write(b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        async with asyncio.timeout(5):
            answer = await reader.read()  # to the end: the connection is closed
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408")
        assert b'"error"' in answer
        assert await checked(server) == (0, 0)
        assert await server.number("sampler_requests_total", code="408") == 1


async def test_the_time_limit_is_bad_and_slow(executables: Executables) -> None:
    async with serving(executables, step_time=0.05, request_timeout=0.3) as server:
        answer = await server.complete(max_tokens=100, seed=1)
        assert answer.status_code == 504
        assert await checked(server) == (1, 1)
        label = frozenset({("checked", "true")})
        numbers = await server.scrape()
        for name in ("request_duration", "time_to_first_token", "time_per_output_token"):
            assert numbers[f"sampler_{name}_seconds_sum", label] == pytest.approx(0.3)
        await server.settled()
