"""Wires the operator's process together, starts it, and ends it in order."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.cluster.mirror import Keeping, Mirror
from sampler_rollouts.cluster.transport import KubernetesApi
from sampler_rollouts.handlers import probes
from sampler_rollouts.handlers.check import Finding, findings, reachable
from sampler_rollouts.handlers.loop import ReconcileLoop
from sampler_rollouts.handlers.options import Options
from sampler_rollouts.handlers.post_telemetry import PostTelemetry
from sampler_rollouts.handlers.telemetry import Telemetry
from sampler_rollouts.handlers.watch import Watch
from sampler_rollouts.metrics.config import MetricsSources, load_sources
from sampler_rollouts.metrics.prometheus import Sources
from sampler_rollouts.notify.sender import Sender
from sampler_rollouts.pods.preflight import PodPreflights
from sampler_rollouts.reconcile.couriers import Couriers
from sampler_rollouts.reconcile.deliveries import Deliveries
from sampler_rollouts.reconcile.examining import BoundedPreflights
from sampler_rollouts.reconcile.reconciler import Reconciler, utc_now
from sampler_rollouts.reconcile.sampling import BoundedMetrics

logger = logging.getLogger(__name__)


FILLED_WITHIN: Final = 10.0
"""Seconds that the first looks wait for all listings. After that each reads for itself what is not there yet."""


class _Later:
    """Who is called is known only once the loop is there."""

    def __init__(self) -> None:
        self.notice: Callable[[RolloutKey], None] = lambda _: None

    def __call__(self, key: RolloutKey) -> None:
        self.notice(key)


async def run(options: Options) -> None:
    """Run until SIGTERM or SIGINT. Errors of configuration are raised before anything is started."""
    sources = _sources(options.config)
    later = _Later()
    # A connection of its own: watches hold on to theirs.
    mirror = Mirror(KubernetesApi(), options.namespaces, later)
    cluster, keeping = KubernetesCluster(KubernetesApi(), mirror), Keeping(mirror)
    telemetry = Telemetry()
    metrics = BoundedMetrics(Sources(sources), sources.metrics_sources, observer=telemetry)
    preflights = BoundedPreflights(PodPreflights())
    told = sources.notifications
    posts = PostTelemetry(telemetry.registry, told.receivers)
    deliveries = Deliveries(told, observer=posts)
    posts.watch(deliveries)
    couriers = Couriers(deliveries, Sender(told.receivers))
    with ThreadPoolExecutor(options.threads, thread_name_prefix="api") as threads:
        reconciler = Reconciler(
            cluster,
            metrics,
            threads,
            observer=telemetry,
            preflights=preflights,
            allowed=sources.authors,
            deliveries=deliveries,
            suspects=sources.suspects,
            watched=options.namespaces,
        )
        loop = ReconcileLoop(
            reconciler.reconcile,
            _list_keys(cluster, options, threads),
            resync=options.resync,
            ended=telemetry.ended,
            calm=reconciler.calm,
        )
        telemetry.watch(loop)
        async with _probes(loop, telemetry, options.probe_port):
            notice = later.notice = deliveries.on_end = _from_another_thread(loop)
            watch = Watch(notice, options.namespaces, cluster.served, mirror.saw)
            keeping.start()
            await asyncio.to_thread(keeping.wait, FILLED_WITHIN)
            watch.start()
            couriers.start()
            try:
                await _until_signal(loop, options)
            finally:
                keeping.stop()
                await asyncio.to_thread(watch.stop)
                await asyncio.to_thread(couriers.close)
                metrics.close()
                preflights.close()
    logger.info("stopped")


def check(options: Options) -> list[Finding]:
    """What of the operator's needs is there, and what is not. Writes nothing."""
    config = _sources(options.config)
    sources, sender = Sources(config), Sender(config.notifications.receivers)
    found = list(findings(KubernetesCluster(KubernetesApi()), sources, options.namespaces, utc_now()))
    return [*found, *reachable(sender)]


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
        with contextlib.suppress(RuntimeError):  # the process is ending
            turning.call_soon_threadsafe(loop.queue.add, key)

    return notice


def _list_keys(
    cluster: KubernetesCluster, options: Options, threads: Executor
) -> Callable[[], Awaitable[list[RolloutKey]]]:
    call = functools.partial(cluster.keys, options.namespaces)

    async def list_keys() -> list[RolloutKey]:
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    return list_keys


@contextlib.asynccontextmanager
async def _probes(loop: ReconcileLoop, telemetry: Telemetry, port: int) -> AsyncIterator[None]:
    if not port:
        yield
        return
    runner = await probes.serve(loop, telemetry.exposition, port)
    try:
        yield
    finally:
        await runner.cleanup()
