"""A tiny server with the sampler's API, as good or as bad as a test wants it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

# (number of the request, its body) -> status, headers, body; None closes the connection without an answer.
Behaviour = Callable[[int, dict[str, Any]], tuple[int, dict[str, str], dict[str, Any]] | None]


def good_answer(text: str = "Blue, mostly.", fingerprint: str = "0123456789-none") -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"choices": [{"message": message}], "system_fingerprint": fingerprint, "usage": {"completion_tokens": 4}}


class TinyServer:
    """Answers as its behaviour says and counts connections."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.seen: list[dict[str, Any]] = []
        self.connections = 0
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                with lock:
                    outer.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with lock:
                    outer.seen.append(body)
                    number = len(outer.seen)
                answer = behaviour(number, body)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, content = answer
                data = json.dumps(content).encode()
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(data))}.items():
                    self.send_header(name, value)
                # A client that gave up is part of a test, not an error.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.end_headers()
                    self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[[Behaviour], TinyServer]]:
    servers: list[TinyServer] = []

    def start(behaviour: Behaviour) -> TinyServer:
        servers.append(TinyServer(behaviour))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def good() -> Callable[..., dict[str, Any]]:
    return good_answer
