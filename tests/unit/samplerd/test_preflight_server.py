"""A server with a preflight: what readiness, `GET /preflight` and the log say before, after, and when it failed."""

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from samplerd.engine import Engine
from samplerd.preflight import gate as gates
from samplerd.preflight import report as reports
from samplerd.preflight.gate import Gate
from samplerd.preflight.report import Report
from samplerd.preflight.results import Failure, Smallest
from samplerd.preflight.sweep import subject_of
from samplerd.program import Executables, production_program
from samplerd.server import Process
from samplerd.settings import Settings

from tests.unit.samplerd.servers import serving, until, until_ready

FAILURE = Failure("the step", "best-dropped", 3, 8, {"row": 1}, Smallest(2, 17, 1))


def settings(**values: Any) -> Settings:
    standard = {"host": "127.0.0.1", "http_port": 0, "metrics_port": 0, "drain_delay": 0.0, "revision": "r1"}
    return Settings.model_validate({**standard, "preflight_budget": 5, **values})


def report(executables: Executables, given: Settings, *failures: Failure) -> Report:
    subject = subject_of(executables, given)
    return Report(subject, 5.0, 1.0, (), ("rest",), failures, "sha256:00", ())


@contextlib.asynccontextmanager
async def started(given: Settings, executables: Executables) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A server that examines the shared programs; a client of its API, and the address of `GET /preflight`."""
    gate = Gate(given)

    def build() -> Engine:
        gate.examine(executables, production_program)
        return Engine(executables, queue_size=4)

    process = Process(given, build, gate)
    running = asyncio.create_task(process.run())
    api, metrics = process.ports
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{api}") as client:
        yield client, f"http://127.0.0.1:{metrics}/preflight"
        process.stop()
        assert await running == 0


@pytest.mark.long
async def test_not_ready_and_no_result_while_it_runs_then_both(
    executables: Executables, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, given = threading.Event(), settings()

    def slow(*_: object) -> Report:
        assert go.wait(20)
        return report(executables, given)

    monkeypatch.setattr(gates, "preflight", slow)
    async with started(given, executables) as (client, preflight):
        first, ready = await client.get(preflight), await client.get("/readyz")
        assert (first.status_code, first.json(), ready.status_code) == (503, {"state": "running"}, 503)
        go.set()
        await until_ready(client)
        answer = await client.get(preflight)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["verdict"] == "passed"
        assert answer.json()["subject"]["revision"] == "r1"
        assert answer.json()["not_run"] == ["rest"]


async def test_a_failed_preflight_keeps_the_server_from_readiness_and_says_why(
    executables: Executables, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given = settings()
    monkeypatch.setattr(gates, "preflight", lambda *_: report(executables, given, FAILURE))
    async with started(given, executables) as (client, preflight):

        async def held() -> bool:
            return "best-dropped" in (await client.get("/readyz")).text

        await until(held)
        ready, healthy = await client.get("/readyz"), await client.get("/healthz")
        assert ready.status_code == 503
        assert "batch 2, vocabulary 17, top_k 1" in ready.text
        assert healthy.status_code == 200, "a restart would find the same"
        assert (await client.get(preflight)).json()["verdict"] == "failed"
        refused = await client.post("/v1/completions", json={"prompt": "x"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "preflight_failed")
        metrics = (await client.get(preflight.replace("preflight", "metrics"))).text
        assert 'sampler_requests_total{code="503"} 1.0' not in metrics, "nothing is counted before readiness"
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert any("not ready, and will not be: preflight failed: the step: best-dropped" in message for message in errors)


async def test_without_a_budget_there_is_none(executables: Executables) -> None:
    async with serving(executables) as server:
        answer = await server.client.get(server.metrics_url.replace("metrics", "preflight"))
        assert (answer.status_code, answer.json()["state"]) == (404, "off")


def examined(given: Settings, executables: Executables, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """A gate whose own preflight would fail."""
    monkeypatch.setattr(gates, "preflight", lambda *_: report(executables, given, FAILURE))
    gate = Gate(given)
    gate.examine(executables, production_program)
    return gate


def test_an_earlier_result_for_this_very_program_spares_the_pod_its_own(
    executables: Executables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = settings(preflight_result=tmp_path / "result.json")
    found = report(executables, given)
    (tmp_path / "result.json").write_text(found.as_json())
    gate = examined(given, executables, monkeypatch)
    assert gate.open
    assert gate.report == found


@pytest.mark.parametrize(
    "changed",
    [
        {"revision": "r2"},
        {"batch_sizes": (1,)},
        {"device": "another"},
        {"jax": "0"},
        {"model": "x"},
        {"flags_hash": ""},
        {"vocab_shards": 8},
        {"chunk_sizes": (7,)},
    ],
    ids=str,
)
def test_a_result_of_anything_else_is_not_taken(
    executables: Executables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    given = settings(preflight_result=tmp_path / "result.json")
    found = report(executables, given)
    (tmp_path / "result.json").write_text(replace(found, subject=replace(found.subject, **changed)).as_json())
    assert examined(given, executables, monkeypatch).reason is not None


def test_a_result_that_does_not_say_over_how_many_devices_is_read_and_not_taken(
    executables: Executables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an earlier samplerd wrote it."""
    given = settings(preflight_result=tmp_path / "result.json")
    written = json.loads(report(executables, given).as_json())
    del written["subject"]["vocab_shards"], written["subject"]["chunk_sizes"]
    (tmp_path / "result.json").write_text(json.dumps(written))
    assert reports.read(tmp_path / "result.json").passed
    assert examined(given, executables, monkeypatch).reason is not None


@pytest.mark.parametrize("kind", ["failed", "nobody's revision", "no report", "no file"])
def test_what_cannot_vouch_for_this_pod_is_not_taken(
    executables: Executables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    file = tmp_path / "result.json"
    given = settings(preflight_result=file, **({"revision": "dev"} if kind == "nobody's revision" else {}))
    failures = (FAILURE,) if kind == "failed" else ()
    if kind != "no file":
        file.write_text("{}" if kind == "no report" else report(executables, given, *failures).as_json())
    gate = examined(given, executables, monkeypatch)
    assert gate.report is not None
    assert gate.report.failures == (FAILURE,), "it ran its own"


@pytest.mark.compiles
async def test_the_real_sweep_lets_the_honest_server_become_ready_and_answer(executables: Executables) -> None:
    async with started(settings(preflight_budget=1e-9), executables) as (client, preflight):
        await until_ready(client)
        answer = await client.post("/v1/completions", json={"prompt": "the river", "max_tokens": 4, "seed": 1})
        assert answer.status_code == 200
        assert (await client.get(preflight)).json()["verdict"] == "passed"
    async with serving(executables) as server:  # the same programs, and another server's tokens
        again = await server.complete(max_tokens=4, seed=1)
        assert again.json()["choices"] == answer.json()["choices"]
