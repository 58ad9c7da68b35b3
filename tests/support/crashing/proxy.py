"""Between the operator and the API server: counts the operator's writes, and lets one of them go wrong."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from local.settings import Settings
from tests.support.scenarios.faults import Kind

READS: Final = ("GET", "HEAD")
PASSED_ON: Final = ("Accept", "Content-Type", "User-Agent")
PASSED_BACK: Final = ("Content-Type", "Retry-After")
ANSWERS: Final = {Kind.CONFLICT: (409, "Conflict"), Kind.ERROR: (500, "InternalError")}


@dataclass
class Fault:
    """At one write in a namespace, counted from when it is armed; None: it only counts."""

    namespace: str
    kind: Kind | None = None
    at: int = 0
    writes: list[str] = field(default_factory=list)

    @property
    def hit(self) -> str:
        """What it has hit, or nothing yet."""
        return self.writes[self.at] if self.kind and len(self.writes) > self.at else ""

    def of(self, write: str) -> Kind | None:
        """What becomes of a write."""
        if f"/namespaces/{self.namespace}/" not in f"{write}/":
            return None
        self.writes.append(write)
        return self.kind if len(self.writes) == self.at + 1 else None


class Proxy:
    """Plain HTTP to the operator, its own TLS and the administrator's certificate to the API server."""

    def __init__(self, settings: Settings, kill: Callable[[], None]) -> None:
        """``kill`` ends the operator's process at once, and returns when it is gone."""
        self._place = settings.node_ip, settings.api_port
        self._context = ssl.create_default_context(cafile=str(settings.pki / "ca.crt"))
        self._context.load_cert_chain(settings.pki / "admin.crt", settings.pki / "admin.key")
        self._lock = threading.Lock()
        self._fault = Fault("")
        self.kill = kill
        proxy = self

        class Handler(_Handler):
            def decide(self, write: str) -> Kind | None:
                return proxy.decide(write)

            def upstream(self) -> HTTPSConnection:
                return HTTPSConnection(*proxy._place, context=proxy._context)

            def kill(self) -> None:
                proxy.kill()

        self._http = _Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, name="proxy", daemon=True).start()

    def arm(self, fault: Fault) -> Fault:
        """From now on writes count."""
        with self._lock:
            self._fault = fault
        return fault

    def decide(self, write: str) -> Kind | None:
        """What becomes of it."""
        with self._lock:
            return self._fault.of(write)

    def stop(self) -> None:
        """Take no more."""
        self._http.shutdown()
        self._http.server_close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever is killed hangs up in the middle of anything; all else is for the test's log."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def decide(self, write: str) -> Kind | None:
        raise NotImplementedError

    def upstream(self) -> HTTPSConnection:
        raise NotImplementedError

    def kill(self) -> None:
        raise NotImplementedError

    def do_GET(self) -> None:
        with suppress(HTTPException):  # the API server breaks off
            self._pass_on()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        kind = None if self.command in READS else self.decide(f"{self.command} {path}")
        if kind in ANSWERS:
            self._refuse(*ANSWERS[kind])
        elif kind is Kind.KILLED_BEFORE:
            self._hang_up(kill=True)
        else:
            self._ask(body, kind)

    def _ask(self, body: bytes, kind: Kind | None) -> None:
        connection = self.upstream()
        try:
            headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
            connection.request(self.command, self.path, body or None, headers)
            response = connection.getresponse()
            if kind is None:
                self._answer(response)
            else:
                response.read()  # it is done
                self._hang_up(kill=kind is Kind.KILLED_AFTER)
        finally:
            connection.close()

    def _answer(self, response: HTTPResponse) -> None:
        self.send_response(response.status)
        for name in PASSED_BACK:
            if value := response.getheader(name):
                self.send_header(name, value)
        if response.getheader("Content-Length") is not None:
            self._send(response.read())
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while part := response.read1(1 << 16):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def _refuse(self, code: int, reason: str) -> None:
        said: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason}
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self._send(json.dumps({**said, "code": code, "message": f"{code} for a test"}).encode())

    def _send(self, body: bytes) -> None:
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _hang_up(self, *, kill: bool) -> None:
        if kill:
            self.kill()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
