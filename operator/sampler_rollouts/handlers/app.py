"""Wires the operator's process together, starts it, and ends it in order."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.cluster.transport import KubernetesApi
from sampler_rollouts.cluster.watchable import watched
from sampler_rollouts.handlers import probes
from sampler_rollouts.handlers.check import Finding, findings
from sampler_rollouts.handlers.loop import ReconcileLoop
from sampler_rollouts.handlers.options import Options
from sampler_rollouts.handlers.telemetry import Telemetry
from sampler_rollouts.handlers.watch import Watch
from sampler_rollouts.metrics.config import MetricsSources, load_sources
from sampler_rollouts.metrics.prometheus import Sources
from sampler_rollouts.pods.preflight import PodPreflights
from sampler_rollouts.reconcile.examining import BoundedPreflights
from sampler_rollouts.reconcile.reconciler import Reconciler, utc_now
from sampler_rollouts.reconcile.sampling import BoundedMetrics

logger = logging.getLogger(__name__)


async def run(options: Options) -> None:
    """Run until SIGTERM or SIGINT. Errors of configuration are raised before anything is started."""
    sources = _sources(options.config)
    api = KubernetesApi()
    cluster = KubernetesCluster(api)
    telemetry = Telemetry()
    metrics = BoundedMetrics(Sources(sources), sources.metrics_sources, observer=telemetry)
    preflights = BoundedPreflights(PodPreflights())
    with ThreadPoolExecutor(options.threads, thread_name_prefix="api") as threads:
        loop = ReconcileLoop(
            Reconciler(
                cluster, metrics, threads, observer=telemetry, preflights=preflights, allowed=sources.authors
            ).reconcile,
            _list_keys(cluster, options, threads),
            resync=options.resync,
            ended=telemetry.ended,
        )
        telemetry.watch(loop)
        async with _probes(loop, telemetry, options.probe_port):
            kinds = functools.partial(watched, api, options.namespaces)
            watch = Watch(_from_another_thread(loop), options.namespaces, cluster.served, kinds)
            watch.start()
            try:
                await _until_signal(loop, options)
            finally:
                await asyncio.to_thread(watch.stop)
                metrics.close()
                preflights.close()
    logger.info("stopped")


def check(options: Options) -> list[Finding]:
    """What of the operator's needs is there, and what is not. Writes nothing."""
    sources = Sources(_sources(options.config))
    return list(findings(KubernetesCluster(KubernetesApi()), sources, options.namespaces, utc_now()))


def _sources(path: str) -> MetricsSources:
    """Without a file every source is unknown: rollouts then wait, and say so."""
    if path:
        return load_sources(Path(path))
    logger.warning("no --config: there are no metrics sources")
    return MetricsSources.model_construct(metrics_sources={})


async def _until_signal(loop: ReconcileLoop, options: Options) -> None:
    turning = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        turning.add_signal_handler(number, _stop, loop, number)
    logger.info("started", extra={"namespaces": ",".join(options.namespaces) or "all"})
    await loop.run()


def _stop(loop: ReconcileLoop, number: signal.Signals) -> None:
    logger.info("stopping", extra={"signal": number.name})
    loop.stop()


def _from_another_thread(loop: ReconcileLoop) -> Callable[[RolloutKey], None]:
    turning = asyncio.get_running_loop()

    def notice(key: RolloutKey) -> None:
        turning.call_soon_threadsafe(loop.queue.add, key)

    return notice


def _list_keys(
    cluster: KubernetesCluster, options: Options, threads: Executor
) -> Callable[[], Awaitable[list[RolloutKey]]]:
    call = functools.partial(cluster.keys, options.namespaces)

    async def list_keys() -> list[RolloutKey]:
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    return list_keys


@asynccontextmanager
async def _probes(loop: ReconcileLoop, telemetry: Telemetry, port: int) -> AsyncIterator[None]:
    if not port:
        yield
        return
    runner = await probes.serve(loop, telemetry.exposition, port)
    try:
        yield
    finally:
        await runner.cleanup()
