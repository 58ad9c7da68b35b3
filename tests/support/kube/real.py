"""A real API server behind the interface of the one in memory: requests go there, changes come back by its watches.

A client cannot choose an object's times: they are shown as the simulated clock's, by what is told of each object. There
is one namespace, in which everything that was there before goes when an ``Api`` is made.
"""

from __future__ import annotations

import queue
import threading
import time
from bisect import insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sampler_rollouts.cluster.errors import ClusterError, NotFoundError, UnavailableError
from sampler_rollouts.cluster.transport import KubernetesApi, snapshot

from tests.support.kube.api import MemoryApi
from tests.support.kube.fields import copied
from tests.support.kube.managers import same
from tests.support.kube.store import KINDS, WITH_STATUS, plural_of

Obj = dict[str, Any]
OF_CLUSTER = frozenset({"clusterchecktemplates"})
LONGEST = 60.0
"""Seconds until a watch must have told what was written, on a machine that others use."""
WATCH_SECONDS = 3600
MERGE = "application/merge-patch+json"


def folder_of(plural: str, namespace: str) -> str:
    """Where the objects of a kind live."""
    api_version, _ = KINDS[plural]
    root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
    return f"{root}/{plural}" if plural in OF_CLUSTER else f"{root}/namespaces/{namespace}/{plural}"


def version_of(obj: Obj) -> int:
    """Of an object, or of a list."""
    return int(obj["metadata"]["resourceVersion"])


class Watched:
    """A real server, and one watch of each kind from when it is made: ``there`` is what they have told."""

    def __init__(self, namespace: str, on_wait: Callable[[float], None] = lambda _: None) -> None:
        """``on_wait`` is told how long each request and each wait for a watch took."""
        self._api = KubernetesApi()
        self._on_wait = on_wait
        self.namespace = namespace
        self.there: dict[str, Obj] = {}
        self.hear: Callable[[str, str, Obj], None] = lambda *_: None
        """Called with what a watch has told: ADDED, MODIFIED or DELETED, the path, and the object."""
        self._told: queue.SimpleQueue[tuple[str, str, Obj]] = queue.SimpleQueue()
        self._stopping = False
        for plural in KINDS:
            folder = folder_of(plural, namespace)
            items, version = snapshot(self._api, folder)
            self.there |= {f"{folder}/{item['metadata']['name']}": item for item in items}
            threading.Thread(target=self._keep, args=(folder, version), name=plural, daemon=True).start()

    def request(self, method: str, path: str, **more: Any) -> Obj:
        """As the operator's own adapter asks."""
        began = time.monotonic()
        try:
            return self._api.request(method, path, **more)
        finally:
            self._on_wait(time.monotonic() - began)

    def _keep(self, folder: str, version: int) -> None:
        query = {"watch": "1", "timeoutSeconds": str(WATCH_SECONDS)}
        while not self._stopping:
            try:
                for event in self._api.events(folder, query | {"resourceVersion": str(version)}, WATCH_SECONDS):
                    if event["type"] == "ERROR":  # whoever waits for it says so
                        return
                    version = version_of(event["object"])
                    self._told.put((event["type"], f"{folder}/{event['object']['metadata']['name']}", event["object"]))
            except ClusterError:
                time.sleep(0.2)

    def until(self, what: str, told: Callable[[], bool]) -> None:
        """Take what the watches tell until it is so."""
        began = time.monotonic()
        while not told():
            try:
                kind, path, obj = self._told.get(timeout=LONGEST)
            except queue.Empty:
                raise UnavailableError(f"no watch has told of {what}") from None
            if kind == "DELETED":
                self.there.pop(path, None)
            else:
                self.there[path] = obj
            self.hear(kind, path, obj)
        self._on_wait(time.monotonic() - began)

    def settle(self, path: str) -> None:
        """Until the watches have told how the object is now, or that it is gone."""
        try:
            wanted = version_of(self.request("GET", path))
        except NotFoundError:
            self.until(f"the end of {path}", lambda: path not in self.there)
            return
        self.told(path, wanted)

    def told(self, path: str, version: int) -> None:
        """Until they have told of an object as it is at a version, or later."""
        self.until(f"{path} at {version}", lambda: path in self.there and version_of(self.there[path]) >= version)

    def empty(self) -> None:
        """Nothing is left of what anybody has made."""
        self.hear = lambda *_: None
        for folder in dict.fromkeys(path.rsplit("/", 1)[0] for path in self.there):
            options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
            self.request("DELETE", folder, body=options | {"gracePeriodSeconds": 0})
            for item in self.request("GET", folder)["items"]:
                path = f"{folder}/{item['metadata']['name']}"
                self.request("PATCH", path, body={"metadata": {"finalizers": None}}, content_type=MERGE)
        self.until("the end of everything", lambda: not self.there)

    def stop(self) -> None:
        """Watch no more."""
        self._stopping = True
        self._api.close()


@dataclass
class Times:
    """Of one object, by the simulated clock."""

    made: str
    ends: str = ""
    managers: dict[str, tuple[Obj, str]] = field(default_factory=dict)
    """By manager, its entry as the server has it, and when it came to be."""


class RealApi(MemoryApi):
    """``objects`` are what the watches have told; all else is asked of the server."""

    lasting = False

    def __init__(self, clock: Callable[[], datetime], server: Watched) -> None:
        super().__init__(clock)
        self._server = server
        self._times: dict[str, Times] = {}
        """By uid."""
        self._said: dict[str, tuple[str, Any]] = {}
        """By path, the version that a status had when it was said, and what was said: the server adds to it."""
        self._newest = self.objects
        server.empty()
        server.hear = self._hear

    def take_over(self, other: MemoryApi) -> None:
        """Go on with what another one has made on the same server."""
        assert isinstance(other, RealApi)
        self.objects = self._newest = other._newest
        self._times, self._said, self._log, self._version = other._times, other._said, other._log, other._version
        self._server.hear = self._hear

    def answer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Obj:
        """One request of anybody."""
        if self.objects is not self._newest:  # a cache that lags behind
            return super().answer(method, path, query=query, body=body, content_type=content_type)
        if plural_of(path) in self.unserved:
            raise NotFoundError(f"{method} {path}: 404 page not found")
        if method == "DELETE":
            options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
            body = options | (body or {})
        elif method == "PUT":
            body = self._as_the_server_has_it(body)
        answer = self._server.request(method, path, query=query, body=body, content_type=content_type)
        if method != "GET":
            self._settle_write(method, path, body, answer)
        elif "items" in answer:
            self._version = max(self._version, version_of(answer))
            return {**answer, "items": [self._shown(item) for item in answer["items"]]}
        return self._shown(answer)

    def _settle_write(self, method: str, path: str, body: Any, answer: Obj) -> None:
        """Nobody goes on before the watches have told of it."""
        target = path.removesuffix("/scale").removesuffix("/status")
        if method == "POST":
            target = f"{path}/{body['metadata']['name']}"
        metadata = answer["metadata"]
        going = "deletionTimestamp" in metadata and not metadata.get("finalizers")
        if method == "DELETE" or going:
            self._server.settle(target)
            if plural_of(target) == "services":  # the server itself takes its Endpoints away
                self._server.settle(target.replace("/services/", "/endpoints/"))
        else:
            self._server.told(target, version_of(answer))

    def _hear(self, kind: str, path: str, obj: Obj) -> None:
        shown = self._shown(obj)
        if kind == "DELETED":
            self._newest.pop(path, None)
        else:
            self._newest[path] = shown
        self._version = max(self._version, version_of(obj))
        insort(self._log, (version_of(obj), path, (kind, shown)), key=lambda entry: entry[0])

    def _shown(self, obj: Obj) -> Obj:
        """With the times of the simulated clock."""
        metadata = dict(obj.get("metadata") or {})
        if "uid" not in metadata:
            return obj
        times = self._times.setdefault(metadata["uid"], Times(self.stamp()))
        if "creationTimestamp" in metadata:
            metadata["creationTimestamp"] = times.made
        if "deletionTimestamp" in metadata:
            grace = timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
            ends = (self.clock() + grace).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            metadata["deletionTimestamp"] = times.ends = times.ends or ends
        if "managedFields" in metadata:
            metadata["managedFields"] = [self._entry(times, one) for one in metadata["managedFields"]]
        return {**obj, "metadata": metadata}

    def _entry(self, times: Times, entry: Obj) -> Obj:
        known, at = times.managers.get(_identity(entry), ({}, ""))
        if known != entry:
            at = self.stamp()
            times.managers[_identity(entry)] = entry, at
        return {**entry, "time": at}

    def _as_the_server_has_it(self, body: Obj) -> Obj:
        """An object that was shown; its other times the server takes from its own."""
        metadata = dict(body["metadata"])
        times = self._times.get(metadata.get("uid", ""))
        if times and "managedFields" in metadata:
            known = times.managers
            entries = [entry | {"time": known[_identity(entry)][0]["time"]} for entry in metadata["managedFields"]]
            metadata["managedFields"] = entries
        return {**body, "metadata": metadata}

    def put(self, path: str, obj: Obj) -> Obj:
        """Made as another client would."""
        api_version, kind = KINDS[plural_of(path)]
        body = {"apiVersion": api_version, "kind": kind, **obj}
        self.answer("POST", path.rsplit("/", 1)[0], query={"fieldManager": "controller"}, body=body)
        return self.live(path)

    def edit(self, path: str, change: Callable[[Obj], object], who: str = "controller") -> Obj:
        """Changed as a controller does, by whole objects; its status by itself."""
        live = self.live(path)
        new, query = copied(live), {"fieldManager": who}
        change(new)
        if same(new, live):
            return live
        status = plural_of(path) in WITH_STATUS and new.get("status") != live.get("status")
        if not status or not same(_without_status(new), _without_status(live)):
            made = self.answer("PUT", path, query=query, body=new)
            new["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
        if status and self._said.get(path) != (live["metadata"]["resourceVersion"], new.get("status")):
            self.answer("PUT", f"{path}/status", query=query, body=new)
            self._said[path] = (self.live(path)["metadata"]["resourceVersion"], new.get("status"))
        return self.objects.get(path, live)

    def drop(self, path: str) -> None:
        """Gone, finalizers or not."""
        body = {"metadata": {"finalizers": None}}
        if self.live(path)["metadata"].get("finalizers"):
            self.answer("PATCH", path, body=body, content_type=MERGE)
        if path in self.objects:
            self.answer("DELETE", path, body={"gracePeriodSeconds": 0})


def _identity(entry: Obj) -> str:
    return "/".join(str(entry.get(name, "")) for name in ("manager", "operation", "apiVersion", "subresource"))


def _without_status(obj: Obj) -> Obj:
    return {name: value for name, value in obj.items() if name != "status"}
