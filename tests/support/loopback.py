"""HTTP servers of tests, on a free port of loopback."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any, TypeVar

Served = TypeVar("Served", bound=HTTPServer)


class Loopback(ThreadingHTTPServer):
    """For handlers that may be in no hurry: they look at ``stopping`` while they wait."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.stopping = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are the point of some tests."""

    def shutdown(self) -> None:
        """Let those who wait go first."""
        self.stopping.set()
        super().shutdown()


@contextlib.contextmanager
def running(server: Served) -> Iterator[Served]:
    """Answer in a thread until the block ends; then the port is free again."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
