"""A server process of its own under thousands of requests made from its description, with every value at its bounds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.health import answers
from tests.cluster.scraped import HOST, free_ports
from tests.support.fuzzing import fuzz
from tests.support.waiting import wait_for

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
            wait_for("samplerd to be ready", lambda: is_ready(address, own), timeout=START, every=0.2)
            yield address
        finally:
            own.terminate()
        assert own.wait(60) == 0
    assert "failed with" not in (tmp_path / "samplerd.log").read_text()


def is_ready(address: str, own: subprocess.Popen[bytes]) -> bool:
    assert own.poll() is None, "samplerd did not become ready"
    return answers(f"{address}/readyz")


@pytest.mark.timeout(3600)
def test_every_answer_is_as_described(api: str, tmp_path: Path) -> None:
    sent, wrong = fuzz(api, tmp_path, "--phases", "coverage,fuzzing", "--max-examples", EXAMPLES)
    print(f"{sent} requests")  # noqa: T201  (`make soak` shows it)
    assert not wrong, wrong
    assert sent > int(EXAMPLES)
