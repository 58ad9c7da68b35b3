"""Records the SamplerRollout's status and Events while the story goes on."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from typing import Any

import httpx

from local.demo.api import Api
from local.demo.recording import EventPoint, StatusPoint
from local.demo.view import REVISION_LABEL, event_point, status_point


class Watcher:
    """Looks once a second, in a thread of its own. What it has seen may be read at any time."""

    def __init__(self, api: Api, namespace: str, name: str, every: float = 1.0) -> None:
        self._api = api
        self._namespace, self._name, self._every = namespace, name, every
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._raw: list[tuple[float, Mapping[str, Any]]] = []
        self._points: list[StatusPoint] = []
        self._events: dict[str, EventPoint] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def latest(self) -> StatusPoint | None:
        """The newest look."""
        with self._lock:
            return self._points[-1] if self._points else None

    def statuses(self, since: float, until: float = float("inf")) -> list[StatusPoint]:
        """Looks of a stretch of time."""
        with self._lock:
            return [p for p in self._points if since <= p.at < until]

    def raw(self, since: float, until: float = float("inf")) -> list[tuple[float, Mapping[str, Any]]]:
        """The objects as they were seen in a stretch of time."""
        with self._lock:
            return [(at, raw) for at, raw in self._raw if since <= at < until]

    def events(self, since: float, until: float = float("inf")) -> list[EventPoint]:
        """Events of a stretch of time; an Event's time has whole seconds."""
        with self._lock:
            found = [e for e in self._events.values() if since - 1 <= e.at < until]
        return sorted(found, key=lambda e: e.at)

    def look(self) -> StatusPoint:
        """Look now, and after whoever looks already: what was seen last is the newest. Raises httpx.HTTPError."""
        with self._looking:
            raw = self._api.rollout(self._namespace, self._name)
            at = time.time()
            point = status_point(raw, at, self._api.pods(self._namespace, REVISION_LABEL))
            with self._lock:
                # An unchanged status is kept as a point in time, but its text once only.
                version = raw["metadata"]["resourceVersion"]
                if not self._raw or self._raw[-1][1]["metadata"]["resourceVersion"] != version:
                    self._raw.append((at, raw))
                self._points.append(point)
            return point

    def collect_events(self) -> None:
        """Fetch Events now. Raises httpx.HTTPError."""
        found = {str(e["metadata"]["uid"]): event_point(e) for e in self._api.events(self._namespace, self._name)}
        with self._lock:
            self._events.update(found)

    def _run(self) -> None:
        turn = 0
        while not self._stop.wait(self._every):
            # The object is not there yet, or the API server is busy: a gap in the drawing, no reason to end.
            with contextlib.suppress(httpx.HTTPError):
                self.look()
                if turn % 5 == 0:
                    self.collect_events()
            turn += 1
