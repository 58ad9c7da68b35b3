"""Keeps fake nodes ready at a real API server, in the place of their kubelets: their status, and its heartbeat."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from sampler_rollouts.cluster.errors import NotFoundError
from sampler_rollouts.cluster.transport import Api

from tests.support.fake_nodes import NODES

_MERGE: Final = "application/merge-patch+json"
_BEAT: Final = 10.0
"""The node lifecycle controller takes a node that is silent for 50 s for unreachable; half a minute is too near."""


class FakeNodes:
    """All nodes of ``NODES``. Whoever waits calls ``beat``: no thread of theirs outlives a test."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._beaten = 0.0

    def create(self) -> None:
        """Create them, ready at once."""
        self.delete()
        for node in NODES:
            self._api.request("POST", "/api/v1/nodes", body=node.body())
        for node in NODES:
            self._status(node.name, capacity=node.allocatable(), allocatable=node.allocatable())
        self._beaten = time.monotonic()

    def beat(self) -> None:
        """Say that they are well, if it is time."""
        if time.monotonic() - self._beaten > _BEAT:
            self._beaten = time.monotonic()
            for node in NODES:
                self._status(node.name)

    def delete(self) -> None:
        """Leave none."""
        for node in NODES:
            with suppress(NotFoundError):
                self._api.request("DELETE", f"/api/v1/nodes/{node.name}")

    def _status(self, name: str, **more: Any) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "Fake",
            "message": "no kubelet: no pod runs here",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        body = {"status": {"conditions": [ready], **more}}
        self._api.request("PATCH", f"/api/v1/nodes/{name}/status", body=body, content_type=_MERGE)
