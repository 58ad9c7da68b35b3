"""The second server (`examples/own-server`) as a process of its own on loopback, as a pod would run it."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "examples/own-server"


@dataclass(frozen=True)
class Running:
    """Its two ports, and its process."""

    http: int
    metrics: int
    process: subprocess.Popen[str]


@contextlib.contextmanager
def running(fault: str = "", leaving: int = 0) -> Iterator[Running]:
    """The server, or the build with a fault, until the block ends."""
    env = {"PATH": os.environ["PATH"], "HOST": "127.0.0.1", "HTTP_PORT": "0", "METRICS_PORT": "0"}
    env |= {
        "SAMPLER_DRAIN_TIMEOUT": "300",
        "LEAVING_SECONDS": str(leaving),
        "SAMPLER_REVISION": "aaaaaaaaaa",
        "SAMPLING_FAULT": fault,
    }
    line = [sys.executable, FOLDER / ("broken.py" if fault else "server.py")]
    with subprocess.Popen(line, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            ports = {}
            for _ in range(2):
                said = process.stderr.readline()
                found = re.fullmatch(r"(HTTP_PORT|METRICS_PORT) (\d+)\n", said)
                assert found, said + process.stderr.read()
                ports[found[1]] = int(found[2])
            yield Running(ports["HTTP_PORT"], ports["METRICS_PORT"], process)
        finally:
            process.kill()
