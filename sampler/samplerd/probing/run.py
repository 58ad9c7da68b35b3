"""The prober's process, from settings to exit code."""

import asyncio
import logging
import signal
import sys

from prometheus_client import start_http_server

from samplerd.probing.prober import Prober
from samplerd.probing.settings import ProbeSettings

log = logging.getLogger(__name__)


def run(settings: ProbeSettings, *, as_json: bool) -> int:
    """Probe until SIGTERM or the end of its time; prints the summary. 0: a probe was answered, 1: none was."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    return asyncio.run(_run(settings, as_json=as_json))


async def _run(settings: ProbeSettings, *, as_json: bool) -> int:
    prober = Prober(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, prober.stop)
    if settings.metrics_port:
        try:
            server, _ = start_http_server(settings.metrics_port, settings.host, prober.tally.registry)
        except OSError as error:
            log.error("cannot listen on port %d: %s", settings.metrics_port, error)
            return 2
    try:
        await prober.run()
    finally:
        if settings.metrics_port:
            server.shutdown()
            server.server_close()
    judged = prober.verdicts if settings.judge else None
    summary = prober.tally.as_json(judged) if as_json else prober.tally.as_text(judged)
    sys.stdout.write(f"{summary}\n")
    return 0 if prober.tally.answered else 1
