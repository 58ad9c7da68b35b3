"""Start, readiness, drain, death."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import NoReturn

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from samplerd.cli import make_app
from samplerd.engine import Engine
from samplerd.program import Executables
from samplerd.rows import Rows
from samplerd.server import Process
from samplerd.settings import Settings
from typer.testing import CliRunner

from local.health import answers
from tests.support.waiting import wait_for
from tests.unit.samplerd.servers import serving, until, until_ready

LOOPBACK = {"host": "127.0.0.1", "http_port": 0, "metrics_port": 0, "drain_timeout": 2.0}


async def test_before_it_is_ready_nothing_is_served_or_counted(executables: Executables) -> None:
    built = asyncio.Event()
    loop = asyncio.get_running_loop()

    def build() -> Engine:
        asyncio.run_coroutine_threadsafe(built.wait(), loop).result()
        return Engine(executables, queue_size=1)

    process = Process(Settings.model_validate({**LOOPBACK, "drain_delay": 0}), build)
    running = asyncio.create_task(process.run())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{process.ports[0]}") as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        refused = await client.post("/v1/completions", json={"prompt": "x"})
        assert refused.status_code == 503
        assert "retry-after" in refused.headers
        assert (await client.get("/v1/models")).status_code == 503
        metrics = f"http://127.0.0.1:{process.ports[1]}/metrics"
        assert 'sampler_requests_total{code="503"} 0.0' in (await client.get(metrics)).text
        built.set()
        await until_ready(client)
        assert (await client.post("/v1/completions", json={"prompt": "x"})).status_code == 200
    process.stop()
    assert await running == 0


async def test_a_start_that_fails_ends_the_process(executables: Executables) -> None:
    def build() -> NoReturn:
        raise RuntimeError("no model")

    assert await Process(Settings.model_validate(LOOPBACK), build).run() == 1


async def test_drain_serves_what_comes_during_the_delay_and_finishes_it(executables: Executables) -> None:
    async with serving(executables, step_time=0.02, drain_delay=0.5) as server:
        early = asyncio.create_task(server.complete(max_tokens=40, seed=1))
        await server.reaches(1, "sampler_requests_running")
        server.process.stop()
        await asyncio.sleep(0.05)
        assert (await server.client.get("/readyz")).status_code == 503
        assert (await server.client.get("/healthz")).status_code == 200
        late = asyncio.create_task(server.complete(max_tokens=40, seed=2))
        for answer in (await early, await late):
            assert answer.status_code == 200
            assert answer.json()["usage"]["completion_tokens"] == 40
        assert await server.ended() == 0


@pytest.mark.long
async def test_drain_sends_pooled_connections_away(executables: Executables) -> None:
    body = {"prompt": "x", "max_tokens": 1}
    async with serving(executables, drain_delay=1.2) as server, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(httpx.AsyncClient(base_url=server.api)) for _ in range(4)]
        for client in clients:
            answer = await client.post("/v1/completions", json=body)
            assert "connection" not in answer.headers
        server.process.stop()
        await asyncio.sleep(0.05)
        for client in clients * 2:
            for answer in (await client.post("/v1/completions", json=body), await client.get("/readyz")):
                assert answer.status_code in (200, 503)
                assert answer.headers["connection"] == "close"
        assert await server.ended() == 0
        for client in clients:
            with pytest.raises(httpx.ConnectError):
                await client.post("/v1/completions", json=body)


async def test_an_idle_connection_is_closed_by_proxies_and_not_by_the_server(executables: Executables) -> None:
    assert Settings.model_validate(LOOPBACK).idle_timeout > 3600, "Envoy keeps one for an hour"
    async with serving(executables, idle_timeout=1) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.process.ports[0])
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), timeout=3)  # to the end of the connection
        assert answer.startswith(b"HTTP/1.1 200")
        writer.close()


async def test_a_request_on_a_connection_made_just_before_the_end_is_answered(executables: Executables) -> None:
    async with serving(executables) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.process.ports[0])
        await asyncio.sleep(0.05)
        server.process.stop()
        while True:  # until it listens no more
            with contextlib.suppress(httpx.TransportError):
                async with httpx.AsyncClient() as client:
                    await client.get(f"{server.api}/readyz")
                await asyncio.sleep(0.01)
                continue
            break
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        assert await server.ended() == 0


@pytest.mark.long
async def test_drain_cuts_off_what_takes_too_long(executables: Executables) -> None:
    async with serving(executables, drain_timeout=2.0) as server:
        server.executables.go.clear()
        asked = asyncio.create_task(server.complete(max_tokens=5))
        await server.reaches(1, "sampler_requests_started_total")
        began = time.monotonic()
        server.process.stop()
        with contextlib.suppress(httpx.RemoteProtocolError):  # cut off
            assert (await asked).status_code >= 500
        server.executables.go.set()
        assert await server.ended() == 0
        assert time.monotonic() - began < 4


class Broken:
    """Executables that work until they are told not to."""

    def __init__(self, executables: Executables) -> None:
        self._executables = executables
        self.model, self.batch_sizes, self.chunk_sizes = executables.model, executables.batch_sizes, (16,)

    def prefill(self, tokens: npt.NDArray[np.int32], start: int, slot: int) -> None:
        self._executables.prefill(tokens, start, slot)

    def step(self, tokens: npt.NDArray[np.int32], rows: Rows) -> NoReturn:
        raise RuntimeError("out of memory")


async def test_a_dead_engine_fails_its_requests_and_ends_the_process(executables: Executables) -> None:
    process = Process(Settings.model_validate(LOOPBACK), lambda: Engine(Broken(executables), queue_size=4))  # type: ignore[arg-type]
    running = asyncio.create_task(process.run())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{process.ports[0]}") as client:
        await until_ready(client)
        answers = await asyncio.gather(*(client.post("/v1/completions", json={"prompt": "x"}) for _ in range(3)))
        assert {answer.status_code for answer in answers} <= {500, 503}
        await until(partial(refused, client))
        metrics = (await client.get(f"http://127.0.0.1:{process.ports[1]}/metrics")).text
        assert 'sampler_quality_bad_total{check="errors",route_hash="none"} 3.0' in metrics
    assert await running == 1


async def refused(client: httpx.AsyncClient) -> bool:
    try:
        await client.get("/readyz")
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        pass
    return False


async def test_the_last_counts_are_read_after_the_api_has_closed(executables: Executables) -> None:
    async with serving(executables, step_time=0.02) as server:
        asked = asyncio.create_task(server.complete(max_tokens=20, seed=1))
        await server.reaches(1, "sampler_requests_running")
        server.process.stop()
        assert (await asked).status_code == 200
        await until(partial(refused, server.client))
        await asyncio.sleep(0.6)  # the engine has stopped too
        began = time.monotonic()
        assert await server.number("sampler_requests_total", code="200") == 1
        assert await server.run == 0
        assert time.monotonic() - began < 1


@pytest.mark.long
async def test_a_reader_who_never_comes_is_waited_for_briefly(executables: Executables) -> None:
    async with serving(executables, drain_timeout=60) as server:
        began = time.monotonic()
        server.process.stop()
        assert await server.run == 0
        assert time.monotonic() - began < 8


@pytest.mark.compiles
def test_the_command_line_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Compile, start, answer, SIGTERM, exit 0; what was asked and answered is in no log line.

    Its vocabulary is split: only a process of its own has the devices that it was told to emulate.
    """
    port, metrics = free_port(), free_port()
    environment = {
        **os.environ,
        "SAMPLER_MODEL": "synthetic",
        "SAMPLER_BATCH_SIZES": "1",
        "SAMPLER_VOCAB_SHARDS": "2",
        "SAMPLER_HTTP_PORT": str(port),
        "SAMPLER_REVISION": "0123abcdef",
        "SAMPLER_AUDIT_SHARE": "100%",
        "SAMPLER_DRAIN_DELAY": "0",
        "SAMPLER_POOL": "gpu-7",
        "SAMPLER_ROLLOUT": "chat-7",
        "POD_NAME": "pod-7",
    }
    command = [sys.executable, "-m", "samplerd", "serve", "--metrics-port", str(metrics), "--host", "127.0.0.1"]
    command += ["--compile-cache", str(tmp_path)]
    subprocess.run([*command, "--compile-only"], env=environment, check=True)
    compiled = set(tmp_path.rglob("*"))
    assert any("head_and_draw" in program.name for program in compiled)
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        wait_for("samplerd to be ready", lambda: answers(f"http://127.0.0.1:{port}/readyz"), timeout=60, every=0.1)
        answer = httpx.post(f"http://127.0.0.1:{port}/v1/completions", json={"prompt": "canary-7f3a", "max_tokens": 9})
        assert answer.json()["system_fingerprint"] == "0123abcdef-none"
        told = httpx.get(f"http://127.0.0.1:{metrics}/metrics").text
        assert 'check="errors",route_hash="none"} 1.0' in told
        assert 'vocab_shards="2"' in told
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert set(tmp_path.rglob("*")) == compiled, "something was compiled anew"
    assert "ready" in log
    assert "rollout chat-7, pool gpu-7, revision 0123abcdef, pod pod-7" in log.splitlines()[0]
    assert "canary" not in log
    assert answer.json()["choices"][0]["text"].strip() not in log


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def test_wrong_settings_are_named() -> None:
    command = [sys.executable, "-m", "samplerd", "serve", "--context", "4", "--vocab-shards", "0"]
    environment = {**os.environ, "SAMPLER_PRECISION": "float8"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "--context" in ended.stderr
    assert "--vocab-shards" in ended.stderr
    assert "--precision" in ended.stderr


@pytest.mark.parametrize("given", [["--drain-timeout", "4.9"], ["--drain-timeout", "0"], []])
def test_a_drain_that_ends_before_anything_can_is_refused(given: list[str]) -> None:
    done = CliRunner().invoke(make_app(), ["serve", *given], env={} if given else {"SAMPLER_DRAIN_TIMEOUT": "3"})
    assert done.exit_code == 2
    assert done.output.startswith("--drain-timeout: 5 seconds at least")
    assert "give more" in done.output
    assert done.output.endswith(f"(given: {given[1] if given else 3})\n")
