"""Plain JSON requests through the official client: its connection, credentials and TLS, none of its models.

The generated models validate strictly, so a newer server's fields would break decoding; dictionaries cannot.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

import urllib3
from kubernetes import client, config

from sampler_rollouts.cluster.errors import DeniedError, UnavailableError, from_response
from sampler_rollouts.domain.outcome import Manifest

PAGE: Final = 500
CONNECT_TIMEOUT: Final = 3.0
READ_TIMEOUT: Final = 10.0
WATCH_GRACE: Final = 5.0
CHUNK: Final = 1 << 16


class Api(Protocol):
    """What the adapter needs of a connection to the API server."""

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Manifest:
        """One request; the decoded answer, or a ClusterError."""
        ...


class WatchingApi(Api, Protocol):
    """A connection that can be told what happens."""

    def events(self, path: str, query: Mapping[str, str], seconds: float) -> Iterator[Manifest]:
        """What is told of a watch that the API server ends after so long. ClusterError now or while it is told."""
        ...


def configuration() -> client.Configuration:
    """In-cluster credentials if there are any, else the kubeconfig: the same order as kopf's login.

    ConfigException means neither was found.
    """
    loaded = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=loaded)
    except config.ConfigException:
        # Read here: the client library looks at the variable once, when it is imported.
        config.load_kube_config(config_file=os.environ.get("KUBECONFIG"), client_configuration=loaded)
    # A write may be repeated by the loop, which looks first, but never blindly by the HTTP layer. Redirects would carry
    # the token elsewhere.
    loaded.retries = urllib3.Retry(
        total=1, connect=1, read=0, redirect=0, status=0, other=0, respect_retry_after_header=False
    )
    loaded.connection_pool_maxsize = 16
    return loaded


class KubernetesApi:
    """A connection to the API server. Safe to share between threads."""

    def __init__(self, loaded: client.Configuration | None = None) -> None:
        self._client = client.ApiClient(loaded or configuration())
        self._client.user_agent = "sampler-rollouts"

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Manifest:
        """One request with a time limit; the decoded answer, or a ClusterError."""
        call = f"{method} {path}"
        with _in_our_words(call):
            response = self._call(method, path, query or {}, body, content_type, READ_TIMEOUT)
            return _decoded(_accepted(response, call), call)

    def events(self, path: str, query: Mapping[str, str], seconds: float) -> Iterator[Manifest]:
        """A watch's events as they come. A connection that says nothing for longer than ``seconds`` is given up."""
        call = f"WATCH {path}"
        with _in_our_words(call):
            response = self._call("GET", path, query, None, "application/json", seconds + WATCH_GRACE)
            if response.status != 200:
                _accepted(response, call)
        return _told(response.response, call)

    def _call(
        self, method: str, path: str, query: Mapping[str, str], body: Any, content_type: str, read_timeout: float
    ) -> Any:
        method, url, headers, _, rest = self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            auth_settings=["BearerToken"],
        )
        # Not through the client's own preparation, which looks at each value of a body for models and dates: ours is
        # plain JSON, and in a status there are thousands.
        return self._client.call_api(method, url, headers, body, rest, _request_timeout=(CONNECT_TIMEOUT, read_timeout))

    def close(self) -> None:
        """Drop the pooled connections."""
        self._client.close()


def snapshot(api: Api, path: str, query: Mapping[str, str] | None = None) -> tuple[list[Manifest], int]:
    """All objects under a path at one moment, and the resource version that it has; 0 if it is no number."""
    items: list[Manifest] = []
    asked = {**(query or {}), "limit": str(PAGE)}
    while True:
        page = api.request("GET", path, query=asked)
        items += page.get("items") or []
        found = page.get("metadata") or {}
        if not found.get("continue"):
            version = str(found.get("resourceVersion", ""))
            return items, int(version) if version.isdecimal() else 0
        asked["continue"] = found["continue"]


def listed(api: Api, path: str, query: Mapping[str, str] | None = None) -> Iterator[Manifest]:
    """All objects under a path, page by page."""
    asked = {**(query or {}), "limit": str(PAGE)}
    while True:
        page = api.request("GET", path, query=asked)
        yield from page.get("items") or []
        token = (page.get("metadata") or {}).get("continue")
        if not token:
            return
        asked["continue"] = token


@contextmanager
def _in_our_words(call: str) -> Iterator[None]:
    try:
        yield
    except client.ApiException as error:  # only for TLS: nothing else is raised before the status is looked at
        raise DeniedError(f"{call}: {error.reason}") from error
    except urllib3.exceptions.HTTPError as error:
        raise UnavailableError(f"{call}: {type(error).__name__}: {error}"[:500]) from error


def _accepted(response: Any, call: str) -> bytes:
    payload: bytes = response.read() or b""
    if not 200 <= response.status < 300:
        raise from_response(response.status, payload, response.getheader("Retry-After"), call)
    return payload


def _told(response: urllib3.BaseHTTPResponse, call: str) -> Iterator[Manifest]:
    """One JSON object a line. A watch that ends in the middle of one has broken off."""
    rest = b""
    try:
        with _in_our_words(call):
            for part in response.stream(CHUNK, decode_content=True):
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    yield _decoded(line, call)
    finally:
        response.close()
    if rest:
        raise UnavailableError(f"{call}: it broke off")


def _decoded(payload: bytes, call: str) -> Manifest:
    try:
        decoded = json.loads(payload)
    except ValueError as error:
        raise UnavailableError(f"{call}: the answer is not JSON") from error
    if not isinstance(decoded, dict):
        raise UnavailableError(f"{call}: the answer is not an object")
    return decoded
