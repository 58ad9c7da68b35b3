"""An API server on loopback that shows one SamplerRollout, and a kubeconfig for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.support.loopback import running

PATH = "/apis/samplerrollouts.io/v1alpha1/namespaces/demo/samplerrollouts/chat"
NO_KIND = "404 page not found\n"
"""What an API server answers where it has no definition of what is asked for."""


def no_object(path: str) -> dict[str, Any]:
    """What it answers, with 404, where there is no object of the name that a path ends with."""
    plural, name = path.split("/")[-2:]
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": f'{plural}.samplerrollouts.io "{name}" not found',
        "reason": "NotFound",
        "details": {"name": name, "group": "samplerrollouts.io", "kind": plural},
        "code": 404,
    }


@contextmanager
def api_server(folder: Path, bodies: list[dict[str, Any]]) -> Iterator[Path]:
    """Answers with the next of the bodies, the last again and again; yields the kubeconfig's path."""
    left = list(bodies)

    def answer(verb: str, path: str, sent: Any) -> tuple[int, Any]:
        body = left.pop(0) if len(left) > 1 else left[0]
        if path.endswith("/forbidden"):
            return 403, {"message": "samplerrollouts is forbidden: ask your administrator"}
        return (200, body) if path == PATH else (404, no_object(path))

    with answering(folder, answer) as kubeconfig:
        yield kubeconfig


@contextmanager
def answering(folder: Path, answer: Callable[[str, str, Any], tuple[int, Any]]) -> Iterator[Path]:
    """Answers with code and body (a text as it is) for verb, path and what was sent; yields the kubeconfig's path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(None)

        def do_PATCH(self) -> None:
            assert self.headers["Content-Type"] == "application/merge-patch+json"
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _reply(self, sent: Any) -> None:
            code, body = answer(self.command, self.path, sent)
            payload = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *args: object) -> None:
            pass

    with running(HTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield _kubeconfig(folder, f"http://127.0.0.1:{server.server_port}")


def _kubeconfig(folder: Path, url: str) -> Path:
    path = folder / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {"token": "secret"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me", "namespace": "demo"}}],
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path
