"""What a gateway sends is taken on, or is counted as answered without that: the gateway's own count is compared."""

from quality_contract import ROUTE_HEADER
from samplerd.program import Executables

from tests.unit.samplerd.servers import Server, serving

BY_GATEWAY = {ROUTE_HEADER: "beef;1"}


async def account(server: Server) -> tuple[float, float]:
    return (
        await server.number("sampler_requests_started_total"),
        await server.number("sampler_requests_not_started_total"),
    )


async def test_whatever_is_asked_it_is_in_one_of_the_two(executables: Executables) -> None:
    async with serving(executables, behind_gateway=True) as server:
        await server.complete(max_tokens=1, headers=BY_GATEWAY)
        assert await account(server) == (1, 0)
        await server.complete(max_tokens=0, headers=BY_GATEWAY)
        await server.complete(model="other", headers=BY_GATEWAY)
        for path in ("/v1/models", "/nothing", "/v1/completions", "/healthz", "/readyz"):
            await server.client.get(path, headers=BY_GATEWAY)
        await server.client.post("/v1/feedback", json={}, headers=BY_GATEWAY)
        assert await account(server) == (1, 8)


async def test_what_came_by_no_gateway_is_in_neither_but_for_prompts(executables: Executables) -> None:
    """The kubelet's questions, and those of whoever calls a Service."""
    async with serving(executables, behind_gateway=True) as server:
        for path in ("/healthz", "/readyz", "/v1/models", "/nothing"):
            await server.client.get(path)
        assert await account(server) == (0, 0)


async def test_what_is_taken_on_is_counted_once_also_as_a_stream(executables: Executables) -> None:
    async with serving(executables, behind_gateway=True) as server:
        await server.complete(max_tokens=3, stream=True, n=2, headers=BY_GATEWAY)
        await server.settled()
        assert await account(server) == (1, 0)
