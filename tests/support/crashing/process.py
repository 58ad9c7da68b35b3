"""The operator's process, started again as often as it is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

Obj = dict[str, Any]
RESYNC = 5.0
"""Seconds in which each rollout is looked at, also after a start: a minute would be most of a story."""


class Process:
    """``python3 -m sampler_rollouts`` before an API server that is called at ``url``."""

    def __init__(self, folder: Path, source: str, scrape: float) -> None:
        self._folder = folder
        self._log = folder / "operator.log"
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0
        self.kills = 0
        config = f"metricsSources: {{default: {{url: '{source}', scrapeInterval: {scrape:g}}}}}\n"
        (folder / "operator.yaml").write_text(config)

    def connect(self, url: str) -> None:
        """Where its API server is."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": url}}],
            "users": [{"name": "operator", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "operator"}}],
            "current-context": "proxy",
        }
        (self._folder / "operator.kubeconfig").write_text(json.dumps(config))

    def start(self) -> None:
        """A process that remembers nothing of an earlier one."""
        options = ["--config", str(self._folder / "operator.yaml"), "--probe-port", "0", "--log-level", "debug"]
        options += ["--resync", f"{RESYNC:g}"]
        environ = {**os.environ, "KUBECONFIG": str(self._folder / "operator.kubeconfig")}
        command = [sys.executable, "-m", "sampler_rollouts", *options]
        with self._log.open("ab") as log:
            self._began = log.tell()
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environ)

    def kill(self) -> None:
        """SIGKILL, and another one takes its place."""
        with self._lock:
            self.stop()
            self.kills += 1
            self.start()

    def stop(self) -> None:
        """SIGKILL; it is gone when this returns."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def lines(self, since: int = 0) -> list[Obj]:
        """What all of them have logged, or from a place in the log on."""
        with self._log.open("rb") as log:
            log.seek(since)
            every = log.read().decode(errors="replace").splitlines()
        return [json.loads(line) for line in every if line.startswith("{") and line.endswith("}")]

    def looks(self, rollout: str) -> int:
        """How often the present one has looked at a rollout, and could do what it wanted."""
        wanted = {"message": "reconciled", "rollout": rollout, "result": "success"}.items()
        return sum(wanted <= line.items() for line in self.lines(self._began))

    def unforeseen(self) -> list[Obj]:
        """Errors, whatever became of them; also that it has ended by itself."""
        ended = None if self._process is None else self._process.poll()
        said = [line for line in self.lines() if line.get("level") in ("error", "critical")]
        return said if ended is None else [*said, {"ended": ended}]
