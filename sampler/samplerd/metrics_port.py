"""The port of the metrics: `GET /metrics`, and when somebody last read it; `GET /preflight`; synthetic probes."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from quality_contract.preflight import PATH
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from samplerd.metrics import Metrics
from samplerd.preflight.gate import Gate

_PATIENCE = 2.0
"""Seconds to wait for a reader who has no known habit."""


class MetricsPort:
    """Its handler runs in the loop that counts requests, so no scrape sees half of one of those counts."""

    def __init__(self, metrics: Metrics, gate: Gate, probes: Sequence[Route] = ()) -> None:
        """``probes``: what answers synthetic probes. No Service names this port, so that users do not come by it."""
        self._probes = probes
        self._metrics = metrics
        self._gate = gate
        self._read = asyncio.Event()
        self._last: float | None = None
        self._longest_gap = 0.0

    def app(self) -> Starlette:
        """The application."""
        return Starlette(routes=[Route("/metrics", self._show), Route(PATH, self._preflight), *self._probes])

    async def _show(self, _request: Request) -> Response:
        now = time.monotonic()
        if self._last is not None:
            self._longest_gap = max(self._longest_gap, now - self._last)
        self._last = now
        self._read.set()
        with self._metrics.whole:
            text = generate_latest(self._metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def _preflight(self, _request: Request) -> Response:
        """The result; 503 until there is one, 404 if there will be none."""
        if not self._gate.on:
            return JSONResponse({"state": "off", "remedy": "set --preflight-budget to seconds above 0"}, 404)
        if self._gate.report is None:
            return JSONResponse({"state": "running"}, 503)
        return Response(self._gate.report.as_json(), media_type="application/json")

    async def read_once_more(self, limit: float) -> None:
        """Wait for the next scrape: two of the longest gaps between scrapes so far, but no longer than `limit`."""
        self._read.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(limit, max(_PATIENCE, 2 * self._longest_gap))):
                await self._read.wait()
