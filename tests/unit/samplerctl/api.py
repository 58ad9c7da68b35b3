"""An API server on loopback that shows one SamplerRollout, and a kubeconfig for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import yaml

PATH = "/apis/samplerrollouts.io/v1alpha1/namespaces/demo/samplerrollouts/chat"


@contextmanager
def api_server(folder: Path, bodies: list[dict[str, Any]]) -> Iterator[Path]:
    """Answers with the next of the bodies, the last again and again; yields the kubeconfig's path."""
    left = list(bodies)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = left.pop(0) if len(left) > 1 else left[0]
            code = 200 if self.path == PATH else 404
            if self.path.endswith("/forbidden"):
                code, body = 403, {"message": "samplerrollouts is forbidden: ask your administrator"}
            payload = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield _kubeconfig(folder, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


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
