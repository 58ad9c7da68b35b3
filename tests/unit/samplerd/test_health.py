"""What the probes see of an engine that no longer moves."""

import asyncio
import logging

import httpx
import pytest
from samplerd.program import Executables

from tests.unit.samplerd.servers import Server, serving, until


async def codes(server: Server) -> tuple[int, int]:
    """What `/healthz` and `/readyz` say."""
    health, ready = [await server.client.get(path) for path in ("/healthz", "/readyz")]
    return health.status_code, ready.status_code


async def test_a_hung_engine_is_unhealthy_until_it_moves_again(
    executables: Executables, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(executables, turn_timeout=0.3) as server:
        assert await codes(server) == (200, 200)
        server.executables.go.clear()
        asked = asyncio.create_task(server.complete(max_tokens=2))

        async def unhealthy() -> bool:
            return await codes(server) == (503, 503)

        await until(unhealthy)
        answer: httpx.Response = await server.client.get("/healthz")
        assert "0.3 seconds" in answer.text
        assert any(record.levelno == logging.ERROR and "0.3 seconds" in record.message for record in caplog.records)
        server.executables.go.set()
        assert (await asked).status_code == 200
        await server.settled()
        assert await codes(server) == (200, 200)


async def test_an_idle_engine_is_healthy_however_long(executables: Executables) -> None:
    async with serving(executables, turn_timeout=0.05) as server:
        await server.complete(max_tokens=2)
        await asyncio.sleep(0.3)
        assert await codes(server) == (200, 200)


@pytest.mark.long
async def test_many_short_turns_are_no_long_one(executables: Executables) -> None:
    async with serving(executables, step_time=0.05, turn_timeout=1.5) as server:
        asked = asyncio.create_task(server.complete(max_tokens=40, seed=1))
        while not asked.done():
            assert await codes(server) == (200, 200)
            await asyncio.sleep(0.05)
        assert (await asked).json()["usage"]["completion_tokens"] == 40


async def test_a_dead_engine_is_unhealthy(executables: Executables) -> None:
    async with serving(executables) as server:
        server.engine.failed.set()
        assert await codes(server) == (503, 503)
        server.engine.failed.clear()
