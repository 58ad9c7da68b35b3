"""Objects of a real API server as they are, by a watch in a thread: each change is told, also one that is undone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Self

from sampler_rollouts.cluster.errors import ClusterError
from sampler_rollouts.cluster.transport import KubernetesApi, snapshot

Obj = dict[str, Any]
SECONDS = 20
"""After so long all is listed anew: a watch that is broken and does not say so hides nothing for longer."""
PAUSE = 0.2


class Watched:
    """All under a path that a selector takes. ``told`` gets them by name, at first and after each change."""

    def __init__(self, path: str, told: Callable[[Mapping[str, Obj]], None], selector: str = "") -> None:
        self._path = path
        self._told = told
        self._selector = {"labelSelector": selector} if selector else {}
        self._stopping = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"watched {path}", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether anything would still be seen."""
        return self._thread.is_alive()

    def __enter__(self) -> Self:
        """Seen from now on."""
        self._thread.start()
        assert self._begun.wait(30), f"cannot be listed: {self._path}"
        return self

    def __exit__(self, *_: object) -> None:
        """The thread ends with its watch, or with the process."""
        self._stopping.set()

    def _keep(self) -> None:
        api = KubernetesApi()
        while not self._stopping.is_set():
            try:
                self._once(api)
            except ClusterError:
                self._stopping.wait(PAUSE)

    def _once(self, api: KubernetesApi) -> None:
        items, version = snapshot(api, self._path, self._selector)
        objects = {one["metadata"]["name"]: one for one in items}
        self._told(objects)
        self._begun.set()
        asked = {"watch": "1", "resourceVersion": str(version), "timeoutSeconds": str(SECONDS)}
        for event in api.events(self._path, {**self._selector, **asked}, SECONDS):
            if self._stopping.is_set() or event["type"] == "ERROR":
                return
            changed = event["object"]
            if event["type"] == "DELETED":
                objects.pop(changed["metadata"]["name"], None)
            else:
                objects[changed["metadata"]["name"]] = changed
            self._told(objects)
