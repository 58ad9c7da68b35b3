"""A small HTTP server on loopback that does what the test tells it to, by the book or not."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sampler_rollouts.domain.evidence.samples import Question, SampleSet
from sampler_rollouts.metrics.config import LONGEST_TIMEOUT, MetricsSource
from sampler_rollouts.metrics.prometheus import PrometheusSource

from tests.support.loopback import Loopback, running
from tests.unit.operator.evidence.build import ERRORS, at, question

Behaviour = Callable[["Handler"], None]
# Seconds for a fetch whose deadline is not what is tested; below the tests' own limit of 30 s.
GENEROUS = LONGEST_TIMEOUT


class Handler(BaseHTTPRequestHandler):
    """One request. ``server.behaviour`` answers it."""

    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.tokens.append(self.headers.get("Authorization"))
        with contextlib.suppress(OSError):
            self.server.behaviour(self)

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_json(self, content: Any, status: int = 200) -> None:
        self.answer(json.dumps(content).encode(), status)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(Loopback):
    """Remembers what it was asked."""

    behaviour: Behaviour

    def __init__(self) -> None:
        super().__init__(Handler)
        self.asked: list[str] = []
        self.tokens: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextlib.contextmanager
def serving(behaviour: Behaviour) -> Iterator[Server]:
    server = Server()
    server.behaviour = behaviour
    with running(server):
        yield server


def matrix(*series: tuple[dict[str, str], list[tuple[float, str]]], **more: Any) -> dict[str, Any]:
    """A successful answer of raw samples."""
    result = [{"metric": labels, "values": [list(pair) for pair in values]} for labels, values in series]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}


def fetch(behaviour: Behaviour, asked: Question | None = None, **config: Any) -> tuple[SampleSet, list[str]]:
    """Ask once. Tests of a deadline give their own ``timeout``; elsewhere a busy machine must make none."""
    with serving(behaviour) as server:
        source = PrometheusSource(
            MetricsSource(url=server.url, **{"timeout": GENEROUS, "scrapeInterval": 2.0} | config)
        )
        return source.fetch(asked or question(ERRORS), at(10)), server.asked


def says(content: Any, status: int = 200) -> Behaviour:
    return lambda handler: handler.answer_json(content, status)
