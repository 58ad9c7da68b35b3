"""An API server in memory: enough of REST and server-side apply for the adapter, with a count of writes.

``before_write`` runs before each write and may raise: a process killed there, or a server that breaks down.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

from sampler_rollouts.cluster.errors import ConflictError, NotFoundError, RefusedError

Obj = dict[str, Any]
Write = tuple[str, str]
"""Method and path."""


def copied(obj: Any) -> Any:
    """A deep copy of JSON, quicker than the general one."""
    return json.loads(json.dumps(obj))


class MemoryApi:
    """Objects by path."""

    def __init__(self) -> None:
        self.objects: dict[str, Obj] = {}
        self.writes: list[Write] = []
        self.requests: list[Write] = []
        self.before_write: Callable[[Write], None] = lambda _: None
        self.after_write: Callable[[Write], None] = lambda _: None
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Obj:
        """One request."""
        query = query or {}
        self.requests.append((method, path))
        if method == "GET":
            return copied(self._get(path, query))
        self.before_write((method, path))
        body = json.loads(json.dumps(body))
        answer = {"POST": self._post, "PUT": self._put, "PATCH": self._patch, "DELETE": self._delete}[method](
            path, body, {**query, "content-type": content_type}
        )
        self.writes.append((method, path))
        self.after_write((method, path))
        return copied(answer)

    def put(self, path: str, obj: Obj) -> Obj:
        """Place an object as another client would."""
        metadata = obj.setdefault("metadata", {})
        metadata.setdefault("uid", f"uid-{next(self._uids)}")
        metadata.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        self._store(path, obj)
        return obj

    def skip_names(self, number: int) -> None:
        """Give no version and no uid that another server may have given."""
        self._versions = itertools.count(number)
        self._uids = itertools.count(number)

    def kinds(self, plural: str) -> dict[str, Obj]:
        """All objects of one kind by name."""
        return {path.rsplit("/", 1)[1]: obj for path, obj in self.objects.items() if f"/{plural}/" in path}

    def _store(self, path: str, obj: Obj) -> None:
        obj["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[path] = obj

    def _get(self, path: str, query: Mapping[str, str]) -> Obj:
        if path in self.objects:
            return self.objects[path]
        if "/namespaces/" in path and path.count("/") % 2 == (0 if path.startswith("/api/") else 1):
            raise NotFoundError(f"GET {path}")
        return {"items": [o for p, o in self.objects.items() if _under(p, path) and _selected(o, query)]}

    def _post(self, path: str, body: Obj, _: Mapping[str, str]) -> Obj:
        target = f"{path}/{body['metadata']['name']}"
        if target in self.objects:
            raise ConflictError(f"{target} already exists")
        return self.put(target, body)

    def _put(self, path: str, body: Obj, _: Mapping[str, str]) -> Obj:
        target = path.removesuffix("/status")
        live = self._live(target)
        if body["metadata"].get("resourceVersion") != live["metadata"]["resourceVersion"]:
            raise ConflictError(f"{target}: the object has been modified")
        changed = {**live, "status": body.get("status", {})} if path.endswith("/status") else body
        self._store(target, copied(changed))
        return self.objects[target]

    def _patch(self, path: str, body: Obj, query: Mapping[str, str]) -> Obj:
        if query["content-type"].startswith("application/merge-patch"):
            if body.get("metadata", {}).get("uid", live_uid := self._live(path)["metadata"]["uid"]) != live_uid:
                raise RefusedError(f"{path}: metadata.uid: field is immutable")
            live = _merge(copied(self._live(path)), body)
            self._store(path, live)
            return live
        return self._apply(path, body, query)

    def _apply(self, path: str, body: Obj, query: Mapping[str, str]) -> Obj:
        live = self.objects.get(path)
        uid = body["metadata"].get("uid")
        if uid is not None and (live is None or live["metadata"]["uid"] != uid):
            raise ConflictError(f"{path}: uid mismatch")
        if live is not None and query["force"] != "true":
            raise ConflictError(f"{path}: conflicts with another field manager")
        if _controllers(live) | _controllers(body) > _controllers(body):
            raise RefusedError(f"{path}: Only one reference can have Controller set to true")
        kept = copied(live or {"metadata": {}})
        for owned in _managed(kept, query["fieldManager"]):
            _remove(kept, owned, body)
        merged = _merge(kept, body)
        _set_managed(merged, query["fieldManager"], _fields(body))
        if live is not None and _plain(merged) == _plain(live):
            return live
        return self.put(path, merged)

    def _delete(self, path: str, body: Obj, _: Mapping[str, str]) -> Obj:
        live = self._live(path)
        wanted = ((body or {}).get("preconditions") or {}).get("uid", live["metadata"]["uid"])
        if wanted != live["metadata"]["uid"]:
            raise ConflictError(f"{path}: uid mismatch")
        return self.objects.pop(path)

    def _live(self, path: str) -> Obj:
        if path not in self.objects:
            raise NotFoundError(path)
        return self.objects[path]


def _under(path: str, folder: str) -> bool:
    if "/namespaces/" in folder:
        return path.rsplit("/", 1)[0] == folder
    root, plural = folder.rsplit("/", 1)
    return path.startswith(f"{root}/namespaces/") and path.rsplit("/", 2)[1] == plural


def _selected(obj: Obj, query: Mapping[str, str]) -> bool:
    name, _, value = query.get("labelSelector", "").partition("=")
    return not name or (obj["metadata"].get("labels") or {}).get(name) == value


def _plain(obj: Obj) -> Obj:
    metadata = {k: v for k, v in obj["metadata"].items() if k not in ("resourceVersion", "managedFields")}
    return {**obj, "metadata": metadata}


def _controllers(obj: Obj | None) -> set[str]:
    """References are merged by uid; the server's validation allows one controller among them."""
    owners = ((obj or {}).get("metadata") or {}).get("ownerReferences") or []
    return {owner["uid"] for owner in owners if owner.get("controller")}


def _managed(obj: Obj, manager: str) -> list[Obj]:
    return [e["fieldsV1"] for e in obj["metadata"].get("managedFields", []) if e["manager"] == manager]


def _set_managed(obj: Obj, manager: str, fields: Obj) -> None:
    others = [e for e in obj["metadata"].get("managedFields", []) if e["manager"] != manager]
    entry = {"manager": manager, "operation": "Apply", "fieldsV1": fields}
    obj["metadata"]["managedFields"] = [*others, entry]


def _fields(value: Any) -> Obj:
    if isinstance(value, dict):
        skipped = ("apiVersion", "kind", "name", "namespace", "uid") if "labels" in value else ("apiVersion", "kind")
        return {f"f:{k}": _fields(v) for k, v in value.items() if k not in skipped}
    if _is_map(value):
        return {f'k:{{"name":"{item["name"]}"}}': {".": {}, **_fields(item)} for item in value}
    return {}


def _is_map(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(i, dict) and "name" in i for i in value)


def _merge(live: Any, wanted: Any) -> Any:
    if isinstance(live, dict) and isinstance(wanted, dict):
        return {**live, **{k: _merge(live.get(k), v) for k, v in wanted.items()}}
    if _is_map(wanted) and isinstance(live, list):
        by_name = {i.get("name"): i for i in live}
        merged = [_merge(by_name.get(i["name"]), i) for i in wanted]
        return merged + [i for i in live if i.get("name") not in {w["name"] for w in wanted}]
    return copied(wanted)


def _remove(live: Any, owned: Obj, wanted: Any) -> None:
    """Drop fields that were applied before and are not applied now (map fields only: enough for the tests)."""
    for step, fields in owned.items():
        name = step.removeprefix("f:")
        if not step.startswith("f:") or not isinstance(live, dict) or name not in live:
            continue
        if not isinstance(wanted, dict) or name not in wanted:
            live.pop(name)
        elif fields:
            _remove(live[name], fields, wanted[name])
