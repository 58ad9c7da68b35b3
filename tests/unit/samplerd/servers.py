"""A whole server process in this one: real sockets, the synthetic model, programs compiled once."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
from prometheus_client.parser import text_string_to_metric_families
from samplerd.engine import Engine
from samplerd.program import Executables, Step
from samplerd.rows import Rows
from samplerd.server import Process
from samplerd.settings import Settings

Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Paced:
    """Executables that can be held, slowed and broken."""

    def __init__(self, executables: Executables, *, step_time: float = 0.0) -> None:
        self._executables = executables
        self._step_time = step_time
        self.model = executables.model
        self.batch_sizes = executables.batch_sizes
        self.chunk_sizes = executables.chunk_sizes
        self.go = threading.Event()
        self.go.set()
        self.spoil: Callable[[Step], Step] = lambda step: step
        self.steps = 0

    def prefill(self, tokens: npt.NDArray[np.int32], start: int, slot: int) -> None:
        self._executables.prefill(tokens, start, slot)

    def step(self, tokens: npt.NDArray[np.int32], rows: Rows) -> Step:
        self.go.wait(30)
        time.sleep(self._step_time)
        self.steps += 1
        return self.spoil(self._executables.step(tokens, rows))

    def copy_slot(self, source: int, target: int) -> None:
        self._executables.copy_slot(source, target)

    def forget(self, slot: int) -> None:
        self._executables.forget(slot)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110  (it is asked over HTTP)
            await asyncio.sleep(0.01)


async def until_ready(client: httpx.AsyncClient) -> None:
    """Wait until the server of this client is ready."""

    async def ready() -> bool:
        return (await client.get("/readyz")).status_code == 200

    await until(ready)


class Server:
    """A running server and a client of it."""

    def __init__(self, process: Process, executables: Paced, run: asyncio.Task[int]) -> None:
        self.process = process
        self.executables = executables
        self.run = run
        api, metrics = process.ports
        self.api = f"http://127.0.0.1:{api}"
        self.metrics_url = f"http://127.0.0.1:{metrics}/metrics"
        self.client = httpx.AsyncClient(base_url=self.api, timeout=20)

    @property
    def engine(self) -> Engine:
        """The engine of the ready server."""
        engine = self.process._service.engine
        assert engine is not None
        return engine

    async def complete(self, prompt: str = "the river", **parameters: Any) -> httpx.Response:
        """`POST /v1/completions`."""
        headers = parameters.pop("headers", None)
        return await self.client.post("/v1/completions", json={"prompt": prompt, **parameters}, headers=headers)

    async def scrape(self) -> Numbers:
        """All samples."""
        text = (await self.client.get(self.metrics_url)).text
        families = text_string_to_metric_families(text)
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}

    async def number(self, name: str, **labels: str) -> float:
        """One sample."""
        return (await self.scrape())[name, frozenset(labels.items())]

    async def reaches(self, count: float, name: str, **labels: str) -> None:
        """Wait until a sample is at least this large."""

        async def large() -> bool:
            return await self.number(name, **labels) >= count

        await until(large)

    async def ended(self) -> int:
        """Wait for the end and read the metrics meanwhile, as Prometheus does; gives the exit code."""
        while not self.run.done():
            with contextlib.suppress(httpx.TransportError):
                await self.client.get(self.metrics_url)
            await asyncio.sleep(0.02)
        return await self.run

    async def settled(self) -> None:
        """Wait until the engine holds no request."""

        async def idle() -> bool:
            return await self.number("sampler_requests_running") + await self.number("sampler_requests_waiting") == 0

        await until(idle)


async def checked(server: Server, check: str = "errors", route_hash: str = "none") -> tuple[float, float]:
    """Checked and bad requests of a running server."""
    numbers = await server.scrape()
    labels = frozenset({("check", check), ("route_hash", route_hash)})
    return (
        numbers["sampler_quality_checked_total", labels],
        numbers["sampler_quality_bad_total", labels],
    )


@contextlib.asynccontextmanager
async def serving(
    executables: Executables, *, step_time: float = 0.0, queue_size: int = 4, **settings: Any
) -> AsyncIterator[Server]:
    """A ready server; it is drained and must end with 0 unless the test ended it."""
    paced = Paced(executables, step_time=step_time)
    values = {
        "host": "127.0.0.1",
        "http_port": 0,
        "metrics_port": 0,
        "drain_delay": 0.0,
        "drain_timeout": 4.0,
        "audit_share": 1.0,
        "revision": "r1",
        **settings,
    }
    process = Process(Settings(**values), lambda: Engine(paced, queue_size=queue_size))  # type: ignore[arg-type]
    server = Server(process, paced, asyncio.create_task(process.run()))
    async with server.client:
        await until_ready(server.client)
        yield server
        if not server.run.done():
            process.stop()
            assert await server.ended() == 0
