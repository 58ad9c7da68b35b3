"""The connection to the API server: credentials, errors, time limits. A real HTTP server, no Kubernetes."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import kopf
import pytest
from kubernetes import client, config
from kubernetes.config import incluster_config
from sampler_rollouts.cluster import transport
from sampler_rollouts.cluster.errors import (
    ClusterError,
    ConflictError,
    DeniedError,
    NotFoundError,
    RefusedError,
    ServerError,
    UnavailableError,
)
from sampler_rollouts.cluster.transport import KubernetesApi, configuration, listed, snapshot


class Server:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: list[tuple[int, bytes, dict[str, str]]] = []
        self.silent = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.asked.append((self.command, self.path, dict(self.headers), body))
                if server.silent.is_set():
                    server.silent.wait()
                    threading.Event().wait(1.0)
                status, payload, headers = server.answers.pop(0) if server.answers else (200, b"{}", {})
                self.send_response(status)
                for name, value in {"Content-Length": str(len(payload)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(payload)

            do_PATCH = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - the standard library's names

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that gave up is no news
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def kubeconfig(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "kubeconfig"
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {"token": "kubeconfig-token"}}],
    }
    path.write_text(json.dumps(content))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    return path


@pytest.fixture
def api(kubeconfig: Path) -> Iterator[KubernetesApi]:
    api = KubernetesApi()
    yield api
    api.close()


@pytest.fixture
def in_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("pod-token")
    authority.write_text("-----BEGIN CERTIFICATE-----")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority))
    return token


def test_the_kubeconfigs_token_is_sent(server: Server, api: KubernetesApi) -> None:
    api.request("GET", "/version")

    assert server.asked[0][2]["authorization"] == "Bearer kubeconfig-token"


def authorization(loaded: client.Configuration) -> str:
    """What the next request would carry."""
    headers = client.ApiClient(loaded).param_serialize("GET", "/x", auth_settings=["BearerToken"])[2]
    return str(headers["authorization"]).lower()


def test_the_pods_token_is_sent(in_cluster: Path) -> None:
    """Version 36.0.0 of the client sent none."""
    loaded = configuration()

    assert loaded.host == "https://10.96.0.1:443"
    assert authorization(loaded) == "bearer pod-token"


def test_a_rotated_token_is_read_again(in_cluster: Path) -> None:
    loaded = configuration()
    in_cluster.write_text("rotated")
    assert loaded.refresh_api_key_hook is not None
    (loader,) = (cell.cell_contents for cell in loaded.refresh_api_key_hook.__closure__ or ())
    loader.token_expires_at = datetime.min  # noqa: DTZ901 - the client compares naive times

    assert authorization(loaded) == "bearer rotated"


def test_kopf_logs_in_with_the_same_credentials(kubeconfig: Path, server: Server) -> None:
    info = kopf.login_via_client(logger=logging.getLogger(), settings=kopf.OperatorSettings())

    assert info is not None
    assert (info.server, info.scheme, info.token) == (server.url, "Bearer", "kubeconfig-token")


def test_kopf_logs_in_from_a_pod(in_cluster: Path) -> None:
    info = kopf.login_via_client(logger=logging.getLogger(), settings=kopf.OperatorSettings())

    assert info is not None
    assert (info.server, info.token) == ("https://10.96.0.1:443", "pod-token")


def test_without_any_credentials_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))

    with pytest.raises(config.ConfigException):
        configuration()


def test_an_apply_goes_out_as_it_is(server: Server, api: KubernetesApi) -> None:
    body = {"kind": "X", "unknownToTheClient": [1, {"a": None}]}
    query = {"force": "true", "fieldManager": "m"}
    api.request("PATCH", "/x", query=query, body=body, content_type="application/apply-patch+yaml")

    method, path, headers, sent = server.asked[0]
    assert (method, path) == ("PATCH", "/x?force=true&fieldManager=m")
    assert headers["Content-Type"] == "application/apply-patch+yaml"
    assert json.loads(sent) == body


def test_the_client_does_not_look_through_a_body(
    server: Server, api: KubernetesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For models and dates: in a status there are thousands of values, and each write would look at all of them."""
    looked_at: list[Any] = []
    prepare = api._client.sanitize_for_serialization

    def prepared(value: Any) -> Any:
        looked_at.append(value)
        return prepare(value)

    monkeypatch.setattr(api._client, "sanitize_for_serialization", prepared)
    api.request("PUT", "/apis/example.com/v1/things/a/status", body={"status": {"pools": ["needle"]}})
    assert json.loads(server.asked[-1][3]) == {"status": {"pools": ["needle"]}}
    assert "needle" not in looked_at


def test_fields_that_the_client_does_not_know_arrive(server: Server, api: KubernetesApi) -> None:
    answer = {"kind": "Pod", "spec": {"inventedTomorrow": {"x": 1}}, "status": "not even an object"}
    server.answers = [(200, json.dumps(answer).encode(), {})]

    assert api.request("GET", "/x") == answer


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusedError),
        (401, DeniedError),
        (403, DeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (418, ClusterError),
        (422, RefusedError),
        (429, UnavailableError),
        (500, ServerError),
        (502, UnavailableError),
        (503, UnavailableError),
    ],
)
def test_answers_become_our_own_errors(
    server: Server, api: KubernetesApi, status: int, kind: type[ClusterError]
) -> None:
    server.answers = [(status, json.dumps({"message": "the server's words"}).encode(), {"Retry-After": "7"})]

    with pytest.raises(kind, match="the server's words") as caught:
        api.request("GET", "/x")
    assert type(caught.value) is kind
    assert caught.value.retry_after == 7.0
    assert len(server.asked) == 1


@pytest.mark.parametrize("payload", [b"<html>", b"[]", b""])
def test_an_answer_that_is_no_object_is_no_answer(server: Server, api: KubernetesApi, payload: bytes) -> None:
    server.answers = [(200, payload, {})]

    with pytest.raises(UnavailableError):
        api.request("GET", "/x")


def test_a_redirect_is_not_followed_with_the_token(server: Server, api: KubernetesApi) -> None:
    server.answers = [(302, b"", {"Location": "/elsewhere"})]

    with pytest.raises(ClusterError):
        api.request("GET", "/x")
    assert [path for _, path, _, _ in server.asked] == ["/x"]


def test_silence_ends_in_time_and_a_write_is_not_repeated(
    server: Server, api: KubernetesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "READ_TIMEOUT", 0.2)
    server.silent.set()

    with pytest.raises(UnavailableError):
        api.request("PATCH", "/x", body={"a": 1})
    assert len(server.asked) == 1


def test_a_dead_server_is_unavailable(server: Server, api: KubernetesApi) -> None:
    server.http.shutdown()
    server.http.server_close()

    with pytest.raises(UnavailableError):
        api.request("GET", "/x")


def test_lists_are_read_to_the_end(server: Server, api: KubernetesApi) -> None:
    pages = [{"items": [{"n": 1}], "metadata": {"continue": "more"}}, {"items": [{"n": 2}], "metadata": {}}]
    server.answers = [(200, json.dumps(page).encode(), {}) for page in pages]

    assert [item["n"] for item in listed(api, "/x", {"labelSelector": "a=b"})] == [1, 2]
    assert server.asked[1][1] == "/x?labelSelector=a%3Db&limit=500&continue=more"


def line(kind: str, version: int) -> bytes:
    return json.dumps({"type": kind, "object": {"metadata": {"resourceVersion": str(version)}}}).encode() + b"\n"


def test_a_watch_is_told_line_by_line(server: Server, api: KubernetesApi) -> None:
    server.answers = [(200, line("ADDED", 1) + line("BOOKMARK", 2), {})]
    told = list(api.events("/x", {"watch": "1", "resourceVersion": "0"}, 30))

    versions = [one["object"]["metadata"]["resourceVersion"] for one in told]
    assert ([one["type"] for one in told], versions) == (["ADDED", "BOOKMARK"], ["1", "2"])
    assert server.asked[0][:2] == ("GET", "/x?watch=1&resourceVersion=0")


def test_a_watch_that_is_refused_is_refused_at_once(server: Server, api: KubernetesApi) -> None:
    server.answers = [(410, b'{"message": "too old resource version"}', {})]
    with pytest.raises(ConflictError, match="too old"):
        api.events("/x", {}, 30)


@pytest.mark.parametrize("rest", [b'{"type": "ADD', b"no json\n"])
def test_a_watch_that_breaks_off_says_so(server: Server, api: KubernetesApi, rest: bytes) -> None:
    server.answers = [(200, line("ADDED", 1) + rest, {})]
    told = api.events("/x", {}, 30)
    next(told)
    with pytest.raises(UnavailableError):
        list(told)


def test_a_watch_that_says_nothing_is_given_up(
    server: Server, api: KubernetesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "WATCH_GRACE", 0.1)
    server.silent.set()
    with pytest.raises(UnavailableError):
        list(api.events("/x", {}, 0.1))


def test_a_listing_has_a_version(server: Server, api: KubernetesApi) -> None:
    pages = [{"items": [1], "metadata": {"continue": "c"}}, {"items": [2], "metadata": {"resourceVersion": "7"}}]
    server.answers = [(200, json.dumps(page).encode(), {}) for page in (*pages, {"metadata": {"resourceVersion": "x"}})]

    assert snapshot(api, "/x") == ([1, 2], 7)
    assert snapshot(api, "/x") == ([], 0)
