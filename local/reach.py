"""How this machine reaches a cluster's API server, its Services and its pods."""

from __future__ import annotations

import atexit
import ssl
import subprocess
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import httpx

from local.client import Kubectl, environment
from local.errors import LocalError
from local.progress import wait_for
from local.settings import Settings
from local.shell import Arg

_TIMEOUT = 5.0
_SERVED = "Starting to serve on "


class Reach(Protocol):
    """Addresses are the beginnings of URLs, without a slash at the end."""

    def client(self) -> httpx.Client:
        """Requests to the API server, as the kubeconfig's user; paths begin with ``/api``."""

    def service(self, namespace: str, name: str, port: int = 80) -> str:
        """Where a Service is asked: each connection, or each request, goes to one of its ready pods."""

    def pod(self, pod: Mapping[str, Any], port: int) -> str:
        """Where one pod is asked. Raises KeyError while it has no address."""


class Direct:
    """The local cluster: its node is this machine, so that cluster addresses are reached like any other."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def client(self) -> httpx.Client:
        """With the administrator's certificate."""
        s = self._settings
        trusted = ssl.create_default_context(cafile=str(s.pki / "ca.crt"))
        trusted.load_cert_chain(s.pki / "admin.crt", s.pki / "admin.key")
        return httpx.Client(base_url=s.api_url, verify=trusted, timeout=_TIMEOUT, trust_env=False)

    def service(self, namespace: str, name: str, port: int = 80) -> str:
        """At its cluster address."""
        with self.client() as client:
            answer = client.get(f"/api/v1/namespaces/{namespace}/services/{name}").raise_for_status()
        return f"http://{answer.json()['spec']['clusterIP']}{'' if port == 80 else f':{port}'}"

    def pod(self, pod: Mapping[str, Any], port: int) -> str:
        """At its own address."""
        return f"http://{pod['status']['podIP']}:{port}"


class ThroughApiServer:
    """Any other cluster, whose addresses mean nothing here: the API server passes requests on.

    For each request it takes one of a Service's ready pods at random; a port-forward would stay with one pod. Two
    `kubectl proxy` end with this program: the API by a socket in our private folder, Services and pods, and nothing
    else of the API, on a port of loopback.
    """

    def __init__(self, kubectl: Kubectl, settings: Settings) -> None:
        self._kubectl, self._settings = kubectl, settings

    def client(self) -> httpx.Client:
        """By the socket: whoever may not enter the folder has no part in it."""
        transport = httpx.HTTPTransport(uds=str(self._socket))
        return httpx.Client(base_url="http://localhost", transport=transport, timeout=_TIMEOUT, trust_env=False)

    def service(self, namespace: str, name: str, port: int = 80) -> str:
        """By the API server's proxy."""
        return f"{self._loopback}/api/v1/namespaces/{namespace}/services/http:{name}:{port}/proxy"

    def pod(self, pod: Mapping[str, Any], port: int) -> str:
        """By the API server's proxy."""
        assert pod["status"]["podIP"]
        meta = pod["metadata"]
        return f"{self._loopback}/api/v1/namespaces/{meta['namespace']}/pods/http:{meta['name']}:{port}/proxy"

    @cached_property
    def _socket(self) -> Path:
        path = self._settings.run / "api.sock"
        self._start(f"--unix-socket={path}")
        return path

    @cached_property
    def _loopback(self) -> str:
        said = self._start("--port=0", "--accept-paths=^/api/v1/namespaces/[^/]+/(services|pods)/[^/]+/proxy/")
        return f"http://{said.removeprefix(_SERVED)}"

    def _start(self, *options: Arg) -> str:
        """Start one and return what it says once it serves."""
        words = [str(word) for word in self._kubectl.line("proxy", *options)]
        log = self._settings.run / f"proxy{options[0]}.log".replace("/", "-")
        with log.open("w") as out:
            program = subprocess.Popen(
                words, env=environment(self._settings), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )
        atexit.register(program.kill)

        def said() -> str:
            text = log.read_text()
            if program.poll() is not None:
                raise LocalError("`kubectl proxy` has ended", "the kubeconfig's user must reach the API server", text)
            return text.strip() if text.startswith(_SERVED) else ""

        return wait_for(
            "`kubectl proxy` to serve", said, timeout=20, remedy="the kubeconfig's user must reach the API server"
        )
