"""A real HTTP receiver on loopback, and notifications to send to it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from sampler_rollouts.domain.notices.notice import Letter, NoticeType, Origin, made
from sampler_rollouts.domain.receivers import Receiver

from tests.support.loopback import Loopback, running

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
ORIGIN = Origin("serving", "chat", "uid-1", "east")
Answer = Callable[["Handler"], None]


@dataclass(frozen=True)
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)


class Handler(BaseHTTPRequestHandler):
    """Keeps what came, and answers as the test says."""

    server: HttpReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(Got(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        with contextlib.suppress(OSError):
            self.server.answer(self)

    def status(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: Any) -> None:
        pass


class HttpReceiver(Loopback):
    """Remembers what it was told."""

    answer: Answer

    def __init__(self, handler: type[BaseHTTPRequestHandler] = Handler) -> None:
        super().__init__(handler)
        self.got: list[Got] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/rollouts"


@contextlib.contextmanager
def receiving(
    answer: Answer = lambda handler: handler.status(204), handler: type[BaseHTTPRequestHandler] = Handler
) -> Iterator[HttpReceiver]:
    """Until the block ends."""
    server = HttpReceiver(handler)
    server.answer = answer
    with running(server):
        yield server


def says(status: int, **headers: str) -> Answer:
    return lambda handler: handler.status(status, **headers)


def letter(
    kind: NoticeType = NoticeType.ROLLED_BACK, message: str = "Rolled back release abc.", **origin: str
) -> Letter:
    notice = made("uid-1", kind, AT, release="abc", reason="CheckFailed", message=message)
    return Letter(
        notice, Origin(**{"namespace": "serving", "rollout": "chat", "uid": "uid-1", "cluster": "east", **origin})
    )


def receiver(url: str, folder: Path, **fields: Any) -> Receiver:
    """Of CloudEvents, with a key in a file."""
    file = folder / "key"
    file.write_text(KEY)
    return Receiver(**{"url": url, "signingKeyFile": file, "timeout": 5, **fields})
