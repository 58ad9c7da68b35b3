"""Options, logs and probes of the process."""

from __future__ import annotations

import asyncio
import json
import logging
import sys

import aiohttp
import pytest
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.handlers import probes
from sampler_rollouts.handlers.logs import JsonFormatter, TextFormatter
from sampler_rollouts.handlers.loop import ReconcileLoop
from sampler_rollouts.handlers.options import Options, parse
from sampler_rollouts.reconcile.reconciler import Result


def test_defaults() -> None:
    assert parse([], {}) == Options()


def test_a_flag_wins_over_its_variable() -> None:
    environ = {
        "SAMPLER_ROLLOUTS_NAMESPACES": "a, b",
        "SAMPLER_ROLLOUTS_LOG_LEVEL": "debug",
        "SAMPLER_ROLLOUTS_CONFIG": "/etc/c.yaml",
        "SAMPLER_ROLLOUTS_PROBE_PORT": "9",
    }

    assert parse([], environ).namespaces == ("a", "b")
    chosen = parse(["--namespace", "c", "--namespace", "d,c", "--log-level", "ERROR"], environ)
    assert (chosen.namespaces, chosen.log_level) == (("c", "d"), "error")
    assert (chosen.config, chosen.probe_port) == ("/etc/c.yaml", 9)


@pytest.mark.parametrize(
    "wrong",
    [["--resync", "0"], ["--threads", "0"], ["--probe-port", "70000"], ["--log-format", "xml"], ["--nonsense"]],
)
def test_a_wrong_option_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(wrong, {})
    assert wrong[0] in capsys.readouterr().err


@pytest.mark.parametrize("name", ["RESYNC", "LOG_LEVEL"])
def test_a_wrong_variable_is_refused(name: str) -> None:
    with pytest.raises(SystemExit):
        parse([], {f"SAMPLER_ROLLOUTS_{name}": "nonsense"})


def record(**extra: object) -> logging.LogRecord:
    try:
        raise ValueError("inside")
    except ValueError:
        made = logging.LogRecord("x.y", logging.WARNING, "f", 1, "said %s\nand more", ("this",), sys.exc_info())
    vars(made).update(extra)
    return made


def test_a_json_line_is_one_line() -> None:
    line = JsonFormatter().format(record(rollout="n/chat", retry_in=2))

    assert "\n" not in line
    said = json.loads(line)
    assert said["message"] == "said this\nand more"
    assert (said["level"], said["rollout"], said["retry_in"]) == ("warning", "n/chat", 2)
    assert "ValueError: inside" in said["error"]


def test_an_objects_body_never_reaches_a_line() -> None:
    """kopf attaches references and settings to its records."""
    said = json.loads(JsonFormatter().format(record(k8s_ref={"a": 1}, settings="everything", k8s_skip=True)))

    assert set(said) == {"time", "level", "logger", "message", "error"}


def test_text_for_people() -> None:
    assert "WARNING y: said this" in TextFormatter().format(record(rollout="n/chat"))
    assert "rollout=n/chat" in TextFormatter().format(record(rollout="n/chat"))


async def test_probes_over_http() -> None:
    async def reconcile(key: RolloutKey) -> Result:
        return Result()

    async def list_keys() -> list[RolloutKey]:
        return []

    now = 0.0
    loop = ReconcileLoop(reconcile, list_keys, clock=lambda: now)
    runner = await probes.serve(loop, lambda: b"", 0, "127.0.0.1")
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def status(path: str) -> int:
            async with session.get(path) as answer:
                return answer.status

        assert [await status("/healthz"), await status("/readyz")] == [200, 503]
        now = 1000.0
        assert await status("/healthz") == 503
    await runner.cleanup()
    await asyncio.sleep(0)
