"""What can go wrong at the API server, in the operator's own words: no caller sees the client library's exceptions."""

from __future__ import annotations

import json
from typing import Any


class ClusterError(Exception):
    """A call to the API server failed. ``reason`` is CamelCase, for logs and conditions."""

    reason = "ApiError"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotFoundError(ClusterError):
    """The object, or its kind, does not exist."""

    reason = "NotFound"


class ConflictError(ClusterError):
    """The object changed since it was read: read it again and decide anew."""

    reason = "Conflict"


class DeniedError(ClusterError):
    """Credentials or RBAC do not allow the call."""

    reason = "Denied"


class RefusedError(ClusterError):
    """The API server does not accept the object (schema, admission, quota): repeating it unchanged is no use."""

    reason = "Refused"


class UnavailableError(ClusterError):
    """The API server did not answer in time, or asked to come back later."""

    reason = "Unavailable"


class ServerError(ClusterError):
    """The API server answered, but broke down on this very call (a webhook that is down): others may go well."""

    reason = "ServerError"


class NotOursError(ClusterError):
    """An object with the name of a wanted child exists and belongs to somebody else."""

    reason = "NotOurs"


class CutOffError(Exception):
    """The reconcile was cut off: nobody waits for its result, and it may make no further call."""


_BY_STATUS: dict[int, type[ClusterError]] = {
    400: RefusedError,
    401: DeniedError,
    403: DeniedError,
    404: NotFoundError,
    405: RefusedError,
    409: ConflictError,
    410: ConflictError,
    413: RefusedError,
    415: RefusedError,
    422: RefusedError,
    429: UnavailableError,
    500: ServerError,
}


def from_response(status: int, body: bytes, retry_after: str | None, call: str) -> ClusterError:
    """The error for an answer outside 2xx. ``call`` names the request without its body."""
    kind = _BY_STATUS.get(status, UnavailableError if status >= 500 else ClusterError)
    return kind(f"{call}: {status} {_message(body)}", retry_after=_seconds(retry_after))


def _message(body: bytes) -> str:
    """The API server's own message; anything else (a proxy's page) is cut short."""
    try:
        status: Any = json.loads(body)
        return str(status["message"])[:1000]
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace").strip()


def _seconds(retry_after: str | None) -> float | None:
    try:
        return None if retry_after is None else max(0.0, float(retry_after))
    except ValueError:
        return None
