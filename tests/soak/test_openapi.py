"""A server process of its own under thousands of requests made from its description, with every value at its bounds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cluster.scraped import HOST, free_ports
from tests.support.fuzzing import fuzz

EXAMPLES = os.environ.get("API_EXAMPLES", "500")
"""For each way to ask."""
START = 300.0
"""Seconds in which the server compiles its programs."""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[str]:
    """The address of `samplerd serve` with the synthetic model, once it is ready; it must end well."""
    http, metrics = free_ports(2)
    ports = ("--http-port", str(http), "--metrics-port", str(metrics))
    line = [sys.executable, "-m", "samplerd", "serve", "--model", "synthetic", "--context", "128", *ports]
    address = f"http://{HOST}:{http}"
    with (
        (tmp_path / "samplerd.log").open("w") as log,
        subprocess.Popen([*line, "--host", HOST], stderr=log) as own,
    ):
        try:
            until_ready(address, own)
            yield address
        finally:
            own.terminate()
        assert own.wait(60) == 0
    assert "failed with" not in (tmp_path / "samplerd.log").read_text()


def until_ready(address: str, own: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + START
    with httpx.Client(trust_env=False) as client:
        while own.poll() is None and time.monotonic() < ends:
            try:
                if client.get(f"{address}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
    raise AssertionError("samplerd did not become ready")


@pytest.mark.timeout(3600)
def test_every_answer_is_as_described(api: str, tmp_path: Path) -> None:
    sent, wrong = fuzz(api, tmp_path, "--phases", "coverage,fuzzing", "--max-examples", EXAMPLES)
    print(f"{sent} requests")  # noqa: T201  (`make soak` shows it)
    assert not wrong, wrong
    assert sent > int(EXAMPLES)
