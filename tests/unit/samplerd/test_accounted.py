"""Every request of a user is taken on, or is counted as answered without that: a gateway's count is compared."""

from samplerd.program import Executables

from tests.unit.samplerd.servers import Server, serving


async def account(server: Server) -> tuple[float, float]:
    return (
        await server.number("sampler_requests_started_total"),
        await server.number("sampler_requests_not_started_total"),
    )


async def test_whatever_is_asked_it_is_in_one_of_the_two(executables: Executables) -> None:
    async with serving(executables) as server:
        await server.complete(max_tokens=1)
        assert await account(server) == (1, 0)
        await server.complete(max_tokens=0)
        await server.complete(model="other")
        for path in ("/v1/models", "/nothing", "/v1/completions"):
            await server.client.get(path)
        await server.client.post("/v1/feedback", json={})
        assert await account(server) == (1, 6)


async def test_the_kubelet_is_no_user(executables: Executables) -> None:
    async with serving(executables) as server:
        for path in ("/healthz", "/readyz"):
            assert (await server.client.get(path)).status_code == 200
        assert await account(server) == (0, 0)


async def test_what_is_taken_on_is_counted_once_also_as_a_stream(executables: Executables) -> None:
    async with serving(executables) as server:
        await server.complete(max_tokens=3, stream=True, n=2)
        await server.settled()
        assert await account(server) == (1, 0)
