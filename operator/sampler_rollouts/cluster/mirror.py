"""What the API server holds of all SamplerRollouts and their children, kept here by one watch of each kind.

Whoever reads asks here first. Where nobody knows (a watch is broken, or has not begun, or a write had an outcome that
was not told), it asks the API server, and tells us what came.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from sampler_rollouts.cluster.errors import ClusterError, NotFoundError
from sampler_rollouts.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    HTTP_ROUTE,
    POD,
    ROLLOUT,
    SAMPLER_POOL,
    SERVICE,
    Kind,
    RolloutKey,
    key_of,
    labels,
    metadata,
)
from sampler_rollouts.cluster.reflector import Reflector
from sampler_rollouts.cluster.shelf import Shelf
from sampler_rollouts.cluster.siblings import sibling
from sampler_rollouts.cluster.strangers import Stranger, namespace_of, stranger
from sampler_rollouts.cluster.transport import WatchingApi
from sampler_rollouts.domain.observation import Sibling
from sampler_rollouts.domain.outcome import Manifest
from sampler_rollouts.domain.render import LABEL_ROLLOUT
from sampler_rollouts.domain.together import Together

logger = logging.getLogger(__name__)

CHILDREN: Final = (DEPLOYMENT, SERVICE, CONTROLLER_REVISION, POD, DISRUPTION_BUDGET, HTTP_ROUTE, SAMPLER_POOL)
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
"""Seconds after which a watch that failed is begun again: the Gateway API may be installed at any time."""


def rollout_of(child: Manifest) -> RolloutKey | None:
    """The SamplerRollout to which a child belongs by label."""
    name = labels(child).get(LABEL_ROLLOUT)
    return RolloutKey(metadata(child)["namespace"], name) if name else None


class Mirror:
    """Thread-safe. Without a connection it knows nothing, and everything is asked of the API server."""

    def __init__(
        self,
        api: WatchingApi | None = None,
        namespaces: Sequence[str] = (),
        noticed: Callable[[RolloutKey], None] = lambda _: None,
    ) -> None:
        """``noticed`` is told of children alone: whose SamplerRollout has changed is told by ``saw``."""
        self._shelves: dict[tuple[Kind, str], Shelf] = {}
        self._strangers: dict[str, Shelf] = {}
        self._everywhere = not namespaces
        self.reflectors: list[Reflector] = []
        if api is None:
            return
        for namespace in namespaces or [""]:
            for kind in (ROLLOUT, *CHILDREN):
                path = kind.path(namespace) if namespace else kind.everywhere()
                shelf = self._shelves[kind, namespace] = _shelf(kind)
                if kind is ROLLOUT:
                    self.reflectors.append(Reflector(api, path, "", shelf))
                else:
                    self.reflectors.append(Reflector(api, path, LABEL_ROLLOUT, shelf, noticed))
            others = self._strangers[namespace] = Shelf(namespace_of, slim=lambda _: {}, note=stranger)
            path = HTTP_ROUTE.path(namespace) if namespace else HTTP_ROUTE.everywhere()
            self.reflectors.append(Reflector(api, path, "", others))

    def of(self, kind: Kind, key: RolloutKey) -> list[Manifest] | None:
        """The children of one kind, or the SamplerRollout itself; None: ask the API server."""
        shelf = self._shelf(kind, key)
        return None if shelf is None else shelf.of(key)

    def keys(self) -> list[RolloutKey] | None:
        """All SamplerRollouts; None: ask the API server."""
        found = [shelf.keys() for (kind, _), shelf in self._shelves.items() if kind is ROLLOUT]
        if not found or any(one is None for one in found):
            return None
        return [key for one in found if one for key in one]

    def siblings(self, within: Together) -> tuple[list[Sibling], frozenset[str]] | None:
        """What the SamplerRollouts of some namespaces say of failed builds, and in which of them to ask the API server.

        None: in all.
        """
        if self._everywhere:
            shelf = self._shelves.get((ROLLOUT, ""))
            return shelf.notes(within) if shelf else None
        said, unknown = list[Sibling](), frozenset[str]()
        for namespace in within.names or ():
            shelf = self._shelves.get((ROLLOUT, namespace))
            here = (shelf.notes(within) if shelf else None) or ([], frozenset([namespace]))
            said, unknown = [*said, *here[0]], unknown | here[1]
        return said, unknown

    def strangers(self, namespace: str) -> list[Stranger | None]:
        """Routes of a namespace that are not ours; none where nobody knows: the API server is not asked for them."""
        shelf = self._strangers.get("" if self._everywhere else namespace)
        return (shelf.notes_of(RolloutKey(namespace, "")) if shelf else None) or []

    def renew(self, kind: Kind, key: RolloutKey, items: Sequence[Manifest], version: int) -> None:
        """What the API server said when it was asked."""
        if (shelf := self._shelf(kind, key)) is not None:
            shelf.renew(key, items, version)

    def gone(self, kind: Kind, key: RolloutKey) -> None:
        """The API server has nothing, as it said when it was asked."""
        if (shelf := self._shelf(kind, key)) is not None:
            shelf.gone(key)

    def wrote(self, kind: Kind, key: RolloutKey, answer: Manifest) -> None:
        """What a write of our own has made."""
        if (shelf := self._shelf(kind, key)) is not None:
            shelf.wrote(answer)

    def doubt(self, kind: Kind, key: RolloutKey) -> None:
        """Nobody knows what a write of our own has made."""
        if (shelf := self._shelf(kind, key)) is not None:
            shelf.doubt(key)

    def saw(self, kind: str | None, rollout: Manifest) -> None:
        """Another watch has told of a SamplerRollout: whoever is called for it is to find it here, or to ask.

        Children of one that is gone are not to be made anew because our own watch has not heard of that yet.
        """
        if kind == "DELETED":
            self.doubt(ROLLOUT, key_of(rollout))
        else:
            self.wrote(ROLLOUT, key_of(rollout), rollout)

    def _shelf(self, kind: Kind, key: RolloutKey) -> Shelf | None:
        return self._shelves.get((kind, "" if self._everywhere else key.namespace))

    @property
    def current(self) -> dict[str, bool]:
        """By kind, whether what is here may be read."""
        kinds = dict.fromkeys(kind for kind, _ in self._shelves)
        return {one.plural: all(s.current for (k, _), s in self._shelves.items() if k is one) for one in kinds}


def _shelf(kind: Kind) -> Shelf:
    if kind is ROLLOUT:
        return Shelf(key_of, note=sibling)
    return Shelf(rollout_of, slim=_pod) if kind is POD else Shelf(rollout_of)


def _pod(pod: Manifest) -> Manifest:
    """What ``translate`` reads of one: there are more of them than of anything else, and they change most often."""
    told = {name: value for name, value in metadata(pod).items() if name != "managedFields"}
    place = {"nodeName": (pod.get("spec") or {}).get("nodeName")}
    return {**pod, "metadata": told, "spec": place}


class Keeping:
    """The threads that keep a mirror, one for each watch."""

    def __init__(self, mirror: Mirror) -> None:
        self._stopping = threading.Event()
        self._tried = {reflector: threading.Event() for reflector in mirror.reflectors}
        self._mirror = mirror

    def start(self) -> None:
        """Daemons: a watch cannot be ended from outside, and writes nothing."""
        for reflector in self._tried:
            name = f"watch-{reflector.path.rsplit('/', 1)[1]}"
            threading.Thread(target=self._keep, args=[reflector], name=name, daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Until every watch has begun, or failed; no longer than that."""
        end = time.monotonic() + seconds
        for tried in self._tried.values():
            tried.wait(max(0.0, end - time.monotonic()))

    def stop(self) -> None:
        """Begin no further watch."""
        self._stopping.set()

    def _keep(self, reflector: Reflector) -> None:
        pause, said = FIRST_PAUSE, ""
        while not self._stopping.is_set():
            try:
                reflector.once(self._tried[reflector].set)
                pause, said = FIRST_PAUSE, ""
            except Exception as error:
                self._tried[reflector].set()
                if self._stopping.is_set():
                    return
                said = _say(reflector.path, error, said)
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)


def _say(path: str, error: Exception, said: str) -> str:
    """Once for each reason in a row: a kind that is not installed, or that nobody lets us watch, is tried for ever."""
    reason = error.reason if isinstance(error, ClusterError) else type(error).__name__
    if reason != said:
        quiet = isinstance(error, NotFoundError)
        level = logging.INFO if quiet else logging.WARNING
        logger.log(level, "no watch, each look reads for itself: %s", error, extra={"path": path, "reason": reason})
    return reason
