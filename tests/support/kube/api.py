"""An API server in memory: the REST that the operator's adapter uses, with the real one's refusals.

``before_write`` and ``after_write`` may raise: a process killed there, or a server that breaks down. Stored objects
are never changed in place, so that an older state of everything is a copy of one dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sampler_rollouts.cluster.errors import ConflictError, DeniedError, NotFoundError, RefusedError

from tests.support.kube import managers
from tests.support.kube.admission import admit, admit_status
from tests.support.kube.fields import copied
from tests.support.kube.managers import Manager
from tests.support.kube.store import KINDS, PATH, WITH_STATUS, Store, plural_of, selected, under, utc_now

Obj = dict[str, Any]
Write = tuple[str, str]
"""Method and path."""


def _answered(obj: Obj) -> Obj:
    found: Obj = copied(obj)
    return found


class MemoryApi(Store):
    """The store behind its REST."""

    lasting = True
    """Whether what one holds stays when another is made."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(clock)
        self.writes: list[Write] = []
        self.requests: list[Write] = []
        self.before_read: Callable[[Write], None] = lambda _: None
        self.before_write: Callable[[Write], None] = lambda _: None
        self.after_write: Callable[[Write], None] = lambda _: None
        self.denied: set[tuple[str, str]] = set()
        """Method and plural of what RBAC forbids."""
        self.protected: set[tuple[str, str]] = set()
        """The same of what an admission webhook refuses."""
        self.untouchable: set[str] = set()
        """Paths of objects whose changes it refuses."""
        self.unserved: set[str] = set()
        """Plurals of kinds whose definition is not there."""

    def take_over(self, other: MemoryApi) -> None:
        """Go on with what another one holds."""
        self.objects = dict(other.objects)
        self.skip_names(10_000)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Obj:
        """One request of the operator."""
        call = (method, path)
        self.requests.append(call)
        if method == "GET":
            self.before_read(call)
            if (method, plural_of(path)) in self.denied:
                raise DeniedError(f"{method} {path}: 403 {plural_of(path)} is forbidden")
            return self.answer(method, path, query=query)
        self.before_write(call)
        self._allow(call)
        answer = self.answer(method, path, query=query, body=body, content_type=content_type)
        self.writes.append(call)
        self.after_write(call)
        return answer

    def events(self, path: str, query: Mapping[str, str], seconds: float) -> Iterator[Obj]:
        """A watch that ends at once, when all has been told; from a version that is yet to come nothing is."""
        self.before_read(("GET", path))
        if plural_of(path) in self.unserved:
            raise NotFoundError(f"WATCH {path}: 404 page not found")
        if ("GET", plural_of(path)) in self.denied:
            raise DeniedError(f"WATCH {path}: 403 {plural_of(path)} is forbidden")
        told = [(kind, obj) for kind, obj in self.watch(path, query["resourceVersion"]) if selected(obj, query)]
        if int(query["resourceVersion"]) <= int(self.version):
            told.append(("BOOKMARK", {"metadata": {"resourceVersion": self.version}}))
        return iter([{"type": kind, "object": obj} for kind, obj in told])

    def answer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Obj:
        """One request of anybody: no hooks, no count."""
        query = dict(query or {})
        if plural_of(path) in self.unserved:
            raise NotFoundError(f"{method} {path}: 404 page not found")
        if path.endswith("/scale"):
            return _answered(self._scale(method, path.removesuffix("/scale"), body, query))
        if method == "GET":
            return _answered(self._get(path, query))
        who = Manager(query.get("fieldManager", "unknown"))
        body = copied(body)
        if method == "POST":
            made = self._post(path, body, who)
        elif method == "PUT":
            made = self._put(path, body, who)
        elif method == "DELETE":
            made = self._delete(path, body or {})
        elif content_type.startswith("application/strategic-merge-patch"):
            made = self._conditions(path, body, who)
        elif content_type.startswith("application/apply-patch"):
            made = self._apply(path, body, query)
        else:
            made = self._merge(path, body, who)
        return _answered(made)

    def _allow(self, call: Write) -> None:
        method, path = call
        plural = plural_of(path)
        if (method, plural) in self.denied:
            raise DeniedError(f"{method} {path}: 403 {plural} is forbidden")
        if (method, plural) in self.protected or path in self.untouchable:
            raise DeniedError(f'{method} {path}: 403 admission webhook "protect.example.com" denied the request')

    def _get(self, path: str, query: Mapping[str, str]) -> Obj:
        if path in self.objects:
            return self.objects[path]
        found = PATH.fullmatch(path)
        if found is None:
            return {"resources": [{"name": plural} for plural, (group, _) in KINDS.items() if path.endswith(group)]}
        if found["rest"]:
            raise NotFoundError(f"GET {path}: 404 not found")
        items = [obj for where, obj in sorted(self.objects.items()) if under(where, path) and selected(obj, query)]
        start = int(query.get("continue", "0"))
        end = start + int(query.get("limit", "0") or len(items))
        more = {"continue": str(end)} if end < len(items) else {}
        return {"metadata": {"resourceVersion": self.version, **more}, "items": items[start:end]}

    def _post(self, path: str, body: Obj, who: Manager) -> Obj:
        target = f"{path}/{body['metadata']['name']}"
        if target in self.objects:
            raise ConflictError(f"{target}: 409 already exists")
        return self._create(target, body, who)

    def _create(self, target: str, body: Obj, who: Manager) -> Obj:
        plural = plural_of(target)
        if plural in WITH_STATUS:
            body.pop("status", None)
        body = admit(plural, body, None)
        managers.updated(None, body, who, self.stamp())
        body["metadata"]["generation"] = 1
        return self.put(target, body)

    def _put(self, path: str, body: Obj, who: Manager) -> Obj:
        target = path.removesuffix("/status")
        live = self.live(target)
        version = body["metadata"].get("resourceVersion")
        if version is not None and version != live["metadata"]["resourceVersion"]:
            raise ConflictError(f"{target}: 409 the object has been modified")
        if body["metadata"].get("uid", live["metadata"]["uid"]) != live["metadata"]["uid"]:
            raise ConflictError(f"{target}: 409 uid mismatch")
        if path != target:
            admit_status(plural_of(target), body.get("status"))
            who = Manager(who.name, who.operation, "status")
            return self._replace(target, {**copied(live), "status": body.get("status", {})}, who)
        return self._replace(target, body, who)

    def _merge(self, path: str, body: Obj, who: Manager) -> Obj:
        target = path.removesuffix("/status")
        live, named = self.live(target), body.get("metadata") or {}
        if named.get("uid", live["metadata"]["uid"]) != live["metadata"]["uid"]:
            raise RefusedError(f"{target}: 422 metadata.uid: field is immutable")
        if named.get("resourceVersion", live["metadata"]["resourceVersion"]) != live["metadata"]["resourceVersion"]:
            raise ConflictError(f"{target}: 409 the object has been modified")
        if path == target:
            return self._replace(target, _patched(copied(live), body), who)
        new = {**copied(live), "status": _patched(copied(live.get("status") or {}), body.get("status") or {})}
        admit_status(plural_of(target), new["status"])
        return self._replace(target, new, Manager(who.name, who.operation, "status"))

    def _scale(self, method: str, path: str, body: Obj | None, query: Mapping[str, str]) -> Obj:
        """The scale subresource of a SamplerPool, as its definition maps it; both kinds of writes give a count."""
        live = self.live(path)
        if method == "PUT" and ((body or {}).get("metadata") or {}).get("name") != live["metadata"]["name"]:
            raise RefusedError(f"{path}: 400 the name of the object is not the one on the URL")
        if method != "GET":
            spec = {**live["spec"], "replicas": (body or {})["spec"]["replicas"]}
            who = Manager(query.get("fieldManager", "unknown"), subresource="scale")
            live = self._replace(path, {**copied(live), "spec": spec}, who)
        status = live.get("status") or {}
        told = {"replicas": status.get("replicas", 0), "selector": status.get("selector", "")}
        metadata = {k: v for k, v in live["metadata"].items() if k in ("name", "namespace", "uid", "resourceVersion")}
        spec = {"replicas": live["spec"]["replicas"]}
        return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata, "spec": spec, "status": told}

    def _conditions(self, path: str, body: Obj, who: Manager) -> Obj:
        """A strategic merge of conditions, the one that is asked for: a list by type."""
        target = path.removesuffix("/status")
        live = copied(self.live(target))
        status = live.setdefault("status", {})
        by_type = {one["type"]: one for one in status.get("conditions") or []}
        by_type |= {one["type"]: by_type.get(one["type"], {}) | one for one in body["status"]["conditions"]}
        status["conditions"] = list(by_type.values())
        return self._replace(target, live, Manager(who.name, who.operation, "status"))

    def _replace(self, path: str, new: Obj, who: Manager) -> Obj:
        live = self.objects[path]
        new["metadata"] = {**_server_side(live), **_client_side(new)}
        if who.subresource != "status":
            if plural_of(path) in WITH_STATUS:
                new.pop("status", None)
                new |= {"status": live["status"]} if "status" in live else {}
            new = admit(plural_of(path), new, live)
        new = managers.updated(live, new, who, self.stamp())
        return self._settle(path, live, new)

    def _settle(self, path: str, live: Obj, new: Obj) -> Obj:
        if managers.same(new, live):
            return live
        if new.get("spec") != live.get("spec"):
            new["metadata"]["generation"] = live["metadata"].get("generation", 1) + 1
        if live["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
            self.drop(path)
            return live
        return self.store(path, new)

    def _apply(self, path: str, body: Obj, query: Mapping[str, str]) -> Obj:
        live, uid = self.objects.get(path), body["metadata"].get("uid")
        if uid is not None and live is None:
            raise ConflictError(f"{path}: 409 uid mismatch")
        if live is not None and uid not in (None, live["metadata"]["uid"]):
            raise RefusedError(f"{path}: 422 metadata.uid: field is immutable")
        plural = plural_of(path)
        if plural in WITH_STATUS:
            body.pop("status", None)
        force = query.get("force") == "true"
        new = managers.applied(live, body, query["fieldManager"], force, self.stamp())
        new = admit(plural, new, live)
        if live is None:
            new["metadata"]["generation"] = 1
            return self.put(path, new)
        return self._settle(path, live, new)

    def _delete(self, path: str, options: Obj) -> Obj:
        live = self.live(path)
        wanted = options.get("preconditions") or {}
        for name in ("uid", "resourceVersion"):
            if wanted.get(name, live["metadata"][name]) != live["metadata"][name]:
                raise ConflictError(f"{path}: 409 {name} mismatch")
        policy = options.get("propagationPolicy", "Background")
        finalizers = list(live["metadata"].get("finalizers") or [])
        added = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(policy)
        if added and added not in finalizers:
            finalizers.append(added)
        grace = self._grace(path, live, options)
        if not finalizers and not grace:
            self.drop(path)
            return live
        if live["metadata"].get("deletionTimestamp") and finalizers == (live["metadata"].get("finalizers") or []):
            return live
        ends = (self.clock() + timedelta(seconds=grace)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata = {**live["metadata"], "deletionTimestamp": ends, "deletionGracePeriodSeconds": grace}
        return self.store(path, {**live, "metadata": metadata | ({"finalizers": finalizers} if finalizers else {})})

    def _grace(self, path: str, live: Obj, options: Obj) -> int:
        """Only pods on a node have a grace period, unless they have ended: their kubelet ends them."""
        if plural_of(path) != "pods" or not (live.get("spec") or {}).get("nodeName"):
            return 0
        if (live.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return 0
        return int(options.get("gracePeriodSeconds", live["spec"].get("terminationGracePeriodSeconds", 30)))


_SERVER = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")


def _server_side(live: Obj) -> Obj:
    return {k: v for k, v in live["metadata"].items() if k in (*_SERVER, "name", "namespace")}


def _client_side(new: Obj) -> Obj:
    return {k: v for k, v in new["metadata"].items() if k not in _SERVER}


def _patched(live: Obj, patch: Obj) -> Obj:
    """RFC 7386: null takes away, lists are one value."""
    for name, value in patch.items():
        if value is None:
            live.pop(name, None)
        elif isinstance(value, dict):
            below = live.get(name)
            live[name] = _patched(below if isinstance(below, dict) else {}, value)
        else:
            live[name] = value
    return live
