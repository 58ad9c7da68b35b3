"""HTTP servers of tests, on a free port of loopback."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
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

    def secure(self, folder: Path) -> None:
        """Speak TLS, as the ``right`` one of ``certificates``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "right.pem", folder / "right.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)


def certificates(folder: Path) -> Path:
    """Make two self-signed certificates for loopback there: ``right`` and ``wrong``."""
    for name in ("right", "wrong"):
        files = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        command = ["openssl", "req", "-x509", "-nodes", "-days", "2", *curve, *files, *subject]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


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
