"""``/healthz``, ``/readyz`` and ``/metrics``.

Liveness fails only where a restart helps: an unreachable API server is no case.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from sampler_rollouts.handlers.loop import RECONCILE_LIMIT, ReconcileLoop
from sampler_rollouts.handlers.one_request import OneRequestServer

STALE: Final = 30.0


def liveness(loop: ReconcileLoop) -> str:
    """Why the operator should be restarted; empty if it should not."""
    if (age := loop.stale_for()) > STALE:
        return f"the loop has not turned for {age:.0f} s"
    if (age := loop.stuck_for()) > RECONCILE_LIMIT + STALE:
        return f"a reconcile has not ended for {age:.0f} s"
    if (age := loop.cut_off_for()) > RECONCILE_LIMIT + STALE:
        return f"for {age:.0f} s every reconcile was cut off: its threads hang"
    return ""


def readiness(loop: ReconcileLoop) -> str:
    """Why the operator is not at work yet; empty if it is."""
    return liveness(loop) or ("" if loop.synced else "SamplerRollouts have not been listed yet")


async def serve(
    loop: ReconcileLoop, exposition: Callable[[], bytes], port: int, host: str = "0.0.0.0"
) -> web.ServerRunner:
    """Answer probes, and Prometheus with ``exposition()``, until the runner is cleaned up."""
    pages = {
        "/healthz": lambda: _said(liveness(loop)),
        "/readyz": lambda: _said(readiness(loop)),
        "/metrics": lambda: web.Response(body=exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST}),
    }
    runner = web.ServerRunner(OneRequestServer(_handler(pages)), handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


def _handler(pages: Mapping[str, Callable[[], web.Response]]) -> Callable[[web.BaseRequest], Awaitable[web.Response]]:
    async def handler(request: web.BaseRequest) -> web.Response:
        page = pages.get(request.path)
        if page is None:
            return web.Response(status=404, text="there are /healthz, /readyz and /metrics\n")
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="only GET\n", headers={"Allow": "GET, HEAD"})
        return page()

    return handler


def _said(complaint: str) -> web.Response:
    return web.Response(status=503 if complaint else 200, text=(complaint or "ok") + "\n")
