"""The right of one reconcile to talk to the API server.

A thread cannot be stopped. A reconcile that is cut off leaves one behind that hangs in a call; when that ends, the
thread must find that it may not go on, or it would write beside the next reconcile of the same object.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from sampler_rollouts.cluster.errors import CutOffError
from sampler_rollouts.cluster.transport import Api
from sampler_rollouts.domain.outcome import Manifest


class Permit:
    """Holds until it is revoked, from any thread, for good."""

    def __init__(self) -> None:
        self._revoked = threading.Event()

    def revoke(self) -> None:
        """No further call: also none of a reconcile that has ended."""
        self._revoked.set()

    def check(self, call: str) -> None:
        """Raise CutOffError if it was revoked."""
        if self._revoked.is_set():
            raise CutOffError(f"{call}: not made, the reconcile was cut off")


class PermittedApi:
    """A connection that asks the permit before each call: no caller can forget to."""

    def __init__(self, api: Api, permit: Permit) -> None:
        self._api = api
        self._permit = permit

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Manifest:
        """One request, or CutOffError."""
        self._permit.check(f"{method} {path}")
        return self._api.request(method, path, query=query, body=body, content_type=content_type)
