"""Keeps a shelf: lists everything once, then watches from there on, and lists anew where the watch lost the thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from sampler_rollouts.cluster.errors import ClusterError, ConflictError, ServerError
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.cluster.shelf import Shelf, version_of
from sampler_rollouts.cluster.transport import WatchingApi, snapshot

logger = logging.getLogger(__name__)

WATCH_SECONDS: Final = 30
"""After so long the API server ends a watch, and the next one begins where it ended. A connection that is dead and does
not say so is noticed by then."""
_GONE: Final = 410


class Reflector:
    """Of one kind, in one namespace or in all. ``noticed`` is told each rollout of which anything was told."""

    def __init__(
        self,
        api: WatchingApi,
        path: str,
        selector: str,
        shelf: Shelf,
        noticed: Callable[[RolloutKey], None] = lambda _: None,
    ) -> None:
        self._api = api
        self.path = path
        self._selector = {"labelSelector": selector} if selector else {}
        self._shelf = shelf
        self._noticed = noticed
        self._since: int | None = None

    def once(self, begun: Callable[[], object] = lambda: None) -> None:
        """One watch until it ends, after a listing if there has to be one. Whatever is raised: call again, later.

        ``begun`` is told when the shelf may be read.
        """
        try:
            if self._since is None:
                self._list()
            self._watch(self._since or 0, begun)
        except ConflictError:  # 410: what happened in between is forgotten
            self._since = None
            self._shelf.is_lost()
            raise
        except BaseException:
            self._shelf.is_lost()
            raise

    def _list(self) -> None:
        items, version = snapshot(self._api, self.path, self._selector)
        if not version:
            raise ClusterError(f"LIST {self.path}: resource versions that are no numbers cannot be compared")
        self._since = version
        self._tell(self._shelf.fill(items, version))

    def _watch(self, since: int, begun: Callable[[], object]) -> None:
        query = {
            **self._selector,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(since),
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        stream = self._api.events(self.path, query, WATCH_SECONDS)
        self._shelf.goes_on()
        begun()
        told = False
        for event in stream:
            kind, obj = event["type"], event["object"]
            if kind == "ERROR":
                raise _error(self.path, obj)
            self._tell(self._shelf.take(kind, obj))
            self._since, told = version_of(obj), True
        if not told and self._went_back(since):
            self._since = None

    def _went_back(self, since: int) -> bool:
        """Whether the store is older than it was: it was restored from a backup.

        A watch from a version that is yet to come is taken, and tells nothing until as much has happened again.
        """
        return version_of(self._api.request("GET", self.path, query={**self._selector, "limit": "1"})) < since

    def _tell(self, keys: set[RolloutKey]) -> None:
        for key in sorted(keys):
            self._noticed(key)


def _error(path: str, status: dict[str, object]) -> Exception:
    told = f"WATCH {path}: {status.get('code')} {status.get('message')}"[:500]
    return ConflictError(told) if status.get("code") == _GONE else ServerError(told)
