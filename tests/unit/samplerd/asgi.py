"""A client at the ASGI boundary: the test decides, message by message, when it is there and when it has gone."""

import asyncio
import json
from typing import Any

from samplerd.api import Api
from samplerd.engine import Engine
from samplerd.service import Service
from samplerd.settings import Settings
from starlette.types import Message


class Client:
    """Behaves as uvicorn does: what is sent to a client that has gone is dropped without a word."""

    def __init__(self, engine: Engine, **settings: Any) -> None:
        self.service = Service(Settings.model_validate({"revision": "r1", **settings}))
        self.service.become_ready(engine)
        self.taken: list[Message] = []
        self.goes_at: int | None = None
        """It goes just before this message is handed over, counted from 0."""
        self.reads = asyncio.Event()
        """While clear the connection's buffer is full."""
        self.reads.set()
        self._sent = 0
        self._gone = asyncio.Event()

    def go(self) -> None:
        """Close the connection."""
        self._gone.set()

    async def ask(self, **body: Any) -> None:
        """`POST /v1/completions`, until the server is done with it."""
        parts: list[Message] = [{"type": "http.request", "body": json.dumps({"prompt": "x", **body}).encode()}]

        async def receive() -> Message:
            if parts:
                return parts.pop()
            await self._gone.wait()
            return {"type": "http.disconnect"}

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": "/v1/completions",
            "query_string": b"",
            "headers": [],
        }
        await Api(self.service).app()(scope, receive, self._send)

    async def _send(self, message: Message) -> None:
        await self.reads.wait()
        if self._sent == self.goes_at:
            self.go()
        self._sent += 1
        if not self._gone.is_set():
            self.taken.append(message)

    @property
    def text(self) -> str:
        """All that it took."""
        return b"".join(message.get("body", b"") for message in self.taken).decode()

    def checked(self, check: str) -> tuple[float, float]:
        """Checked and bad requests."""
        metrics = self.service.metrics
        labels = {"check": check, "route_hash": "none"}
        value = metrics.registry.get_sample_value
        return (
            value("sampler_quality_checked_total", labels) or 0,
            value("sampler_quality_bad_total", labels) or 0,
        )

    def requests(self) -> dict[str, float]:
        """Ended requests by status code."""
        return {
            sample.labels["code"]: sample.value
            for metric in self.service.metrics.requests.collect()
            for sample in metric.samples
            if sample.value
        }
