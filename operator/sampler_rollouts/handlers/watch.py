"""kopf, embedded: it watches SamplerRollouts, and every event becomes a key in the queue. It writes nothing.

Their children are watched by the mirror (``cluster.mirror``), which is also what a look reads.

kopf runs in a thread with an event loop of its own, so that neither can hold up the other: signals and probes stay with
the main loop, and a watch that dies (kopf then ends as a whole) is started again while reconciles go on by resync. Only
``on.event`` handlers are registered: no finalizer, no annotation, no progress is ever stored on an object.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import kopf

from sampler_rollouts.cluster.kinds import ROLLOUT, Kind, RolloutKey

logger = logging.getLogger(__name__)


def key_from_rollout(body: Any) -> RolloutKey:
    """The key of a SamplerRollout's own event."""
    return RolloutKey(body["metadata"]["namespace"], body["metadata"]["name"])


class Novelty:
    """Tells a person's change of a SamplerRollout from our own status writes, which must not call us again."""

    def __init__(self) -> None:
        self._seen: dict[RolloutKey, tuple[Any, ...]] = {}

    def is_news(self, event_type: str | None, body: Any) -> bool:
        """Whether anything but the status differs from what was seen before; a new listing is always news."""
        key, metadata = key_from_rollout(body), body["metadata"]
        shown = (
            metadata.get("uid"),
            metadata.get("generation"),
            metadata.get("deletionTimestamp"),
            dict(metadata.get("annotations") or {}),
        )
        known = self._seen.get(key)
        if event_type == "DELETED":
            self._seen.pop(key, None)
            return True
        self._seen[key] = shown
        return event_type is None or shown != known


def registry(
    notice: Callable[[RolloutKey], None], saw: Callable[[str | None, dict[str, Any]], None] = lambda *_: None
) -> kopf.OperatorRegistry:
    """A handler that hands the event to ``saw`` and, where it is news, its key to ``notice``: nothing else."""
    handlers, novelty = kopf.OperatorRegistry(), Novelty()
    kopf.on.login(registry=handlers)(kopf.login_via_client)

    async def on_rollout(body: Any, type: str | None, **_: Any) -> None:
        saw(type, dict(body))
        if novelty.is_news(type, body):
            notice(key_from_rollout(body))

    kopf.on.event(*_selector(ROLLOUT), id="rollout", registry=handlers)(on_rollout)
    return handlers


def settings() -> kopf.OperatorSettings:
    """kopf without anything that asks for rights beyond list and watch, or that writes."""
    chosen = kopf.OperatorSettings()
    chosen.scanning.disabled = True  # no list and watch of CRDs and namespaces
    chosen.posting.enabled = False
    chosen.peering.standalone = True
    chosen.networking.request_timeout = 30
    chosen.networking.connect_timeout = 5
    chosen.queueing.idle_timeout = 1.0
    chosen.process.ultimate_exiting_timeout = None  # it would kill the thread's process: stopping is the main loop's
    return chosen


class Watch:
    """The thread in which kopf runs.

    ``served`` says whether the API server knows our kind: kopf looks for kinds only when it starts, so it is started
    once they are there, and again after it has ended for whatever reason (the CRD was deleted, a watch was denied).
    ``saw`` is told each event before anybody is called for it.
    """

    def __init__(
        self,
        notice: Callable[[RolloutKey], None],
        namespaces: Sequence[str],
        served: Callable[[], bool],
        saw: Callable[[str | None, dict[str, Any]], None] = lambda *_: None,
        restart_delay: float = 5.0,
    ) -> None:
        self._notice = notice
        self._namespaces = tuple(namespaces)
        self._served = served
        self._saw = saw
        self._restart_delay = restart_delay
        self._stopping = threading.Event()
        self._stop_kopf: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._keep_running, name="kopf", daemon=True)

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Stop watching; the thread is a daemon and does not keep the process."""
        self._stopping.set()
        self._stop_kopf()
        self._thread.join(timeout)

    def _keep_running(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._is_served():
                    asyncio.run(self._run())
            except (Exception, asyncio.CancelledError) as error:  # kopf cancels its own tasks: this thread must not end
                logger.warning("the watch ended and starts again: %s: %s", type(error).__name__, error)
            self._stopping.wait(self._restart_delay)

    def _is_served(self) -> bool:
        served = self._served()
        if not served:
            logger.warning("the API server does not know %s yet: is the CRD installed?", ROLLOUT.plural)
        return served

    async def _run(self) -> None:
        # kopf would wait for a threading.Event in an executor that then never shuts down: its flag is its own loop's.
        flag = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._stop_kopf = lambda: loop.is_closed() or loop.call_soon_threadsafe(flag.set)
        if self._stopping.is_set():
            return
        await kopf.operator(
            registry=registry(self._notice, self._saw),
            settings=settings(),
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            stop_flag=flag,
        )


def _selector(kind: Kind) -> tuple[str, str, str]:
    group, _, version = kind.api_version.rpartition("/")
    return group, version, kind.plural
