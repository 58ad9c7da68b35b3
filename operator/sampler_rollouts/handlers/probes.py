"""``/healthz``, ``/readyz`` and ``/metrics``.

Liveness fails only where a restart helps: an unreachable API server is no case.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from sampler_rollouts.handlers.loop import RECONCILE_LIMIT, ReconcileLoop

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
) -> web.AppRunner:
    """Answer probes, and Prometheus with ``exposition()``, until the runner is cleaned up."""
    app = web.Application()
    app.router.add_get("/healthz", _answer(lambda: liveness(loop)))
    app.router.add_get("/readyz", _answer(lambda: readiness(loop)))
    app.router.add_get("/metrics", _metrics(exposition))
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


def _answer(complaint: Callable[[], str]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_: web.Request) -> web.Response:
        said = complaint()
        return web.Response(status=503 if said else 200, text=(said or "ok") + "\n")

    return handler


def _metrics(exposition: Callable[[], bytes]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return handler
