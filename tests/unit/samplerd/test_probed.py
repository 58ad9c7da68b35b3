"""Synthetic probes at a server: answered on the port of the metrics, and never counted as users'."""

import asyncio
from typing import Any

import httpx
import pytest
from samplerd.program import Executables

from tests.unit.samplerd.servers import Numbers, Server, checked, serving, until

ROUTE = "probe"


async def probe(server: Server, **parameters: Any) -> httpx.Response:
    """`POST /v1/completions` on the port of the metrics."""
    url = server.metrics_url.removesuffix("/metrics") + "/v1/completions"
    headers = parameters.pop("headers", None)
    return await server.client.post(url, json={"prompt": "the river", **parameters}, headers=headers)


def total(numbers: Numbers, name: str, **labels: str) -> float:
    return sum(value for (one, found), value in numbers.items() if one == name and labels.items() <= set(found))


async def test_a_probe_is_checked_under_a_route_hash_of_its_own(executables: Executables) -> None:
    async with serving(executables) as server:
        answer = await probe(server, max_tokens=4)
        assert answer.json()["system_fingerprint"] == "r1-probe"
        assert await checked(server, route_hash=ROUTE) == (1, 0)
        assert await checked(server, "unexpected-script", ROUTE) == (1, 0)
        assert await server.number("sampler_probe_requests_total", code="200") == 1


async def test_a_probe_is_none_of_users_requests(executables: Executables) -> None:
    async with serving(executables) as server:
        await probe(server, max_tokens=4)
        await probe(server, max_tokens=0)
        numbers = await server.scrape()
        assert await checked(server) == (0, 0)
        assert total(numbers, "sampler_requests_started_total") == 0
        assert total(numbers, "sampler_requests_total") == 0
        assert total(numbers, "sampler_request_duration_seconds_count", checked="true") == 0
        assert total(numbers, "sampler_request_duration_seconds_count", checked="probe") == 1
        assert await server.number("sampler_probe_requests_total", code="400") == 1


async def test_each_probe_is_a_session_of_its_own_whatever_it_says(executables: Executables) -> None:
    async with serving(executables, behind_gateway=True) as server:
        headers = {"x-sampler-route": "abcd;1", "x-session-id": "one"}
        for _ in range(2):
            await probe(server, max_tokens=1, headers=headers)
        assert await checked(server, route_hash=ROUTE) == (2, 0)
        await server.complete(max_tokens=1, headers=headers)
        assert await checked(server, route_hash="abcd") == (1, 0)


async def test_nobody_on_the_users_port_can_pass_for_a_prober(executables: Executables) -> None:
    async with serving(executables, behind_gateway=True) as server:
        for route in ("probe;1", "probe"):
            answer = await server.complete(max_tokens=1, headers={"x-sampler-route": route})
            assert answer.json()["system_fingerprint"] == "r1-none"
        assert await checked(server, route_hash=ROUTE) == (0, 0)
        assert await checked(server) == (2, 0)


async def test_users_come_first(executables: Executables) -> None:
    async with serving(executables) as server:
        server.executables.go.clear()
        users = [asyncio.create_task(server.complete(max_tokens=1)) for _ in range(5)]
        await server.reaches(1, "sampler_requests_waiting")
        assert (await probe(server)).status_code == 429
        server.executables.go.set()
        assert [answer.status_code for answer in await asyncio.gather(*users)] == [200] * 5
        assert await checked(server, route_hash=ROUTE) == (0, 0)
        assert await server.number("sampler_probe_requests_total", code="429") == 1


async def test_a_dead_engine_is_bad_for_probes_alone(executables: Executables) -> None:
    async with serving(executables) as server:
        server.engine.failed.set()
        assert (await probe(server)).status_code == 503
        server.engine.failed.clear()
        assert await checked(server, route_hash=ROUTE) == (1, 1)
        assert await checked(server) == (0, 0)


async def test_probes_can_be_turned_off(executables: Executables) -> None:
    async with serving(executables, probes=False) as server:
        assert (await probe(server)).status_code == 404
        assert await checked(server, route_hash=ROUTE) == (0, 0)


@pytest.mark.long
async def test_a_drain_lets_a_probe_finish_and_takes_on_no_other(executables: Executables) -> None:
    async with serving(executables, step_time=0.12, drain_timeout=8.0) as server:
        under_way = asyncio.create_task(probe(server, max_tokens=16, temperature=0))
        await server.reaches(1, "sampler_requests_running")
        server.process.stop()

        async def turned_away() -> bool:
            return (await probe(server)).status_code == 429

        await until(turned_away)
        answer = await under_way
        assert answer.json()["usage"]["completion_tokens"] == 16, "long after the API itself has closed"
        assert await checked(server, route_hash=ROUTE) == (1, 0)
        assert await server.ended() == 0
