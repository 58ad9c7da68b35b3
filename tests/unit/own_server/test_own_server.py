"""The second server, and the prober that judges it: real processes and real sockets, on loopback."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import signal
from typing import Any

import quality_contract as names
from samplerd.probing.prober import Prober
from samplerd.probing.settings import Owner, ProbeSettings
from samplerd.probing.verdicts import Verdicts

from tests.support.own_server import Running, running
from tests.support.waiting import wait_for

ENOUGH = 15
GOOD, OTHER = Owner("cpu-a", "aaaaaaaaaa"), Owner("cpu-a", "bbbbbbbbbb")


def ask(port: int, path: str, body: Any) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", path, json.dumps(body))
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read())
    connection.close()
    return found


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def metric(port: int, line: str) -> float:
    found = re.search(rf"^{re.escape(line)} (\S+)$", get(port, "/metrics")[1], re.MULTILINE)
    assert found, line
    return float(found[1])


async def judged(candidate: Running, stable: Running) -> Verdicts:
    """What a prober has found once it has judged enough, however long this machine takes for that."""
    targets = [
        f"{owner.pool}/{owner.revision}=127.0.0.1:{server.metrics}"
        for owner, server in ((OTHER, candidate), (GOOD, stable))
    ]
    prober = Prober(ProbeSettings(target=tuple(targets), judge=True, rate=100, drain_timeout=5))
    asking = asyncio.create_task(prober.run())

    def enough() -> bool:
        checks = (names.CHECK_PROBE_CALIBRATION, names.CHECK_PROBE_EQUALITY)
        return all(prober.verdicts.of(owner, check)[0] > ENOUGH for owner in (GOOD, OTHER) for check in checks)

    async with asyncio.timeout(200):
        while not enough():
            assert not asking.done(), "the prober went"
            await asyncio.sleep(0.1)
    prober.stop()
    await asking
    return prober.verdicts


def test_answers_in_both_forms_and_counts_as_vllm_does() -> None:
    with running() as server:
        body = {"prompt": "The river", "temperature": 0, "max_tokens": 4, "logprobs": 3}
        status, first = ask(server.http, "/v1/completions", body)
        assert (status, first["choices"][0]["finish_reason"]) == (200, "length")
        assert len(first["choices"][0]["logprobs"]["top_logprobs"][0]) == 3
        chat = {"messages": [{"role": "user", "content": "The river"}], "temperature": 0, "max_tokens": 4}
        status, second = ask(server.metrics, "/v1/chat/completions", chat)
        assert (status, second["choices"][0]["message"]["content"]) == (200, first["choices"][0]["text"])
        assert second["system_fingerprint"] == "aaaaaaaaaa-none"
        assert ask(server.http, "/v1/completions", {"prompt": 3})[0] == 400
        labels = 'model_name="page-of-prose",engine="0"'
        assert metric(server.metrics, f'vllm:request_success_total{{{labels},finished_reason="length"}}') == 2
        assert metric(server.metrics, f'vllm:request_success_total{{{labels},finished_reason="error"}}') == 0
        assert metric(server.metrics, f"vllm:generation_tokens_total{{{labels}}}") == 8
        assert metric(server.metrics, f'vllm:e2e_request_latency_seconds_bucket{{{labels},le="0.5"}}') == 2
        assert metric(server.metrics, f"vllm:time_to_first_token_seconds_count{{{labels}}}") == 2
        assert "sampler_" not in get(server.metrics, "/metrics")[1]


def test_after_sigterm_it_is_not_ready_and_still_answers() -> None:
    with running(leaving=300) as server:
        assert get(server.http, "/readyz")[0] == get(server.http, "/healthz")[0] == 200
        server.process.send_signal(signal.SIGTERM)
        wait_for("not ready", lambda: get(server.http, "/readyz")[0] == 503, timeout=60)
        assert ask(server.http, "/v1/completions", {"prompt": "The", "max_tokens": 1})[0] == 200


def test_then_it_goes() -> None:
    with running() as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0


async def test_prober_finds_nothing_in_two_good_servers() -> None:
    with running() as candidate, running() as stable:
        found = await judged(candidate, stable)
    for owner in (OTHER, GOOD):
        for check in (names.CHECK_PROBE_ERRORS, names.CHECK_PROBE_SCRIPT, names.CHECK_PROBE_EQUALITY):
            checked, bad = found.of(owner, check)
            assert checked > ENOUGH, (check, checked)
            assert bad == 0, (check, checked, bad)
        checked, bad = found.of(owner, names.CHECK_PROBE_CALIBRATION)
        assert checked > ENOUGH
        assert bad <= 1, "one in a thousand of right answers is bad"


async def test_prober_finds_a_build_that_never_draws_the_best_token() -> None:
    with running("top-token-dropped") as candidate, running() as stable:
        found = await judged(candidate, stable)
    for check in (names.CHECK_PROBE_CALIBRATION, names.CHECK_PROBE_EQUALITY):
        checked, bad = found.of(OTHER, check)
        assert bad > 0.5 * checked, (check, checked, bad)
        assert found.of(GOOD, check)[1] <= 1, check
    assert found.of(OTHER, names.CHECK_PROBE_ERRORS)[1] == 0, "answers come, and come in time"
