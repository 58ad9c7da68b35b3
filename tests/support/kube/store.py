"""Objects by path, with versions, and a log for those who watch.

Stored objects are never changed in place, so that an older state of everything is a copy of one dictionary.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sampler_rollouts.cluster.errors import ConflictError, NotFoundError

from tests.support.kube import managers
from tests.support.kube.fields import copied
from tests.support.kube.managers import Manager

Obj = dict[str, Any]
Event = tuple[str, Obj]
"""ADDED, MODIFIED or DELETED, and the object."""
Backup = tuple[int, dict[str, Obj]]
PATH = re.compile(r"(?P<root>/(?:api|apis/[^/]+)/[^/]+)(?:/namespaces/(?P<ns>[^/]+))?/(?P<plural>[^/]+)(?P<rest>.*)")
_LOG = 4096
WITH_STATUS = frozenset({"samplerrollouts", "samplerpools", "deployments", "pods", "httproutes"})
KINDS = {
    "pods": ("v1", "Pod"),
    "services": ("v1", "Service"),
    "endpoints": ("v1", "Endpoints"),
    "deployments": ("apps/v1", "Deployment"),
    "replicasets": ("apps/v1", "ReplicaSet"),
    "controllerrevisions": ("apps/v1", "ControllerRevision"),
    "httproutes": ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    "poddisruptionbudgets": ("policy/v1", "PodDisruptionBudget"),
    "events": ("events.k8s.io/v1", "Event"),
    "samplerrollouts": ("samplerrollouts.io/v1alpha1", "SamplerRollout"),
    "samplerpools": ("samplerrollouts.io/v1alpha1", "SamplerPool"),
    "clusterchecktemplates": ("samplerrollouts.io/v1alpha1", "ClusterCheckTemplate"),
}


def utc_now() -> datetime:
    """The clock of a server that nobody gave one."""
    return datetime.now(UTC)


class Store:
    """What the server keeps."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.objects: dict[str, Obj] = {}
        self.clock = clock
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)
        self._version = 0
        self._log: list[tuple[int, str, Event]] = []

    def watch(self, path: str, since: str) -> list[Event]:
        """What happened under a path after a version; ConflictError (410, Gone) if that was too long ago."""
        version = int(since)
        if self._log and version < self._log[0][0] - 1:
            raise ConflictError("410: too old resource version")
        new = itertools.takewhile(lambda entry: entry[0] > version, reversed(self._log))
        return [(kind, copied(obj)) for _, where, (kind, obj) in reversed([*new]) if under(where, path)]

    def backup(self) -> Backup:
        """All that is kept now."""
        return self._version, dict(self.objects)

    def restore(self, backup: Backup) -> None:
        """As it was then, with its versions; nobody is told, and what happened since is not known any more."""
        self._version, objects = backup
        self.objects = dict(objects)
        self._versions = itertools.count(self._version + 1)
        self._log = [entry for entry in self._log if entry[0] <= self._version]

    @property
    def version(self) -> str:
        """The newest version."""
        return str(self._version)

    def put(self, path: str, obj: Obj) -> Obj:
        """Place an object as it is, as another client would."""
        metadata = obj.setdefault("metadata", {})
        metadata.setdefault("uid", f"uid-{next(self._uids)}")
        metadata.setdefault("creationTimestamp", self.stamp())
        return self.store(path, obj)

    def edit(self, path: str, change: Callable[[Obj], object], who: str = "controller") -> Obj:
        """Change an object as a controller does, at once and whatever happened to it meanwhile."""
        new = copied(self.live(path))
        change(new)
        live = self.objects[path]
        if managers.same(new, live):
            return live
        if "managedFields" in new["metadata"]:  # what the operator never wrote, nobody keeps book of
            new = managers.updated(live, new, Manager(who), self.stamp())
        return self.store(path, new)

    def drop(self, path: str) -> None:
        """The object is gone, finalizers or not."""
        gone = self.objects.pop(path)
        self._note(path, "DELETED", gone)

    def kinds(self, plural: str) -> dict[str, Obj]:
        """All objects of one kind by name."""
        return {path.rsplit("/", 1)[1]: obj for path, obj in self.objects.items() if f"/{plural}/" in path}

    def skip_names(self, number: int) -> None:
        """Give no version and no uid that another server may have given."""
        self._versions, self._version = itertools.count(number), number - 1
        self._uids = itertools.count(number)

    def stamp(self) -> str:
        """Now, as the API writes it."""
        return self.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def store(self, path: str, obj: Obj) -> Obj:
        """Keep a new state under the next version."""
        kind = "MODIFIED" if path in self.objects else "ADDED"
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(next(self._versions))}}
        self.objects[path] = obj
        self._note(path, kind, obj)
        return obj

    def _note(self, path: str, kind: str, obj: Obj) -> None:
        if kind == "DELETED":
            obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(next(self._versions))}}
        self._version = int(obj["metadata"]["resourceVersion"])
        self._log.append((self._version, path, (kind, obj)))
        del self._log[:-_LOG]

    def live(self, path: str) -> Obj:
        """The object, or NotFoundError."""
        if path not in self.objects:
            raise NotFoundError(f"{path}: 404 not found")
        return self.objects[path]


def plural_of(path: str) -> str:
    """The kind that a path is of."""
    found = PATH.fullmatch(path)
    return found["plural"] if found else ""


def under(path: str, folder: str) -> bool:
    """Whether an object's path is in a folder: of a namespace, or of all of them."""
    if "/namespaces/" in folder:
        return path.rsplit("/", 1)[0] == folder
    root, plural = folder.rsplit("/", 1)
    return path.startswith(f"{root}/namespaces/") and path.rsplit("/", 2)[1] == plural


def selected(obj: Obj, query: Mapping[str, str]) -> bool:
    """Whether a label selector takes an object."""
    wanted = [part.partition("=") for part in query.get("labelSelector", "").split(",") if part]
    labels = obj["metadata"].get("labels") or {}
    return all(labels.get(name) == value if is_ else name in labels for name, is_, value in wanted)
