"""Who owns what: ``metadata.managedFields`` as the server keeps it on apply and on update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sampler_rollouts.cluster.errors import ConflictError

from tests.support.kube.fields import Paths, changed, copied, decode, encode, is_other, merge, paths_of, remove

Obj = dict[str, Any]


@dataclass(frozen=True)
class Manager:
    """One entry's identity."""

    name: str
    operation: str = "Update"
    subresource: str = ""


Owned = dict[Manager, Paths]


def owned(obj: Obj) -> Owned:
    """By manager, what an object says."""
    entries = (obj.get("metadata") or {}).get("managedFields") or []
    return {
        Manager(e["manager"], e["operation"], e.get("subresource", "")): frozenset(decode(e["fieldsV1"]))
        for e in entries
    }


def _write(obj: Obj, sets: Owned, before: Obj | None, was: Owned, now: str) -> None:
    """``was`` is what ``before`` says. A time moves only when its entry changes."""
    old = {_identity(e): e for e in ((before or {}).get("metadata") or {}).get("managedFields") or []}
    entries = []
    for manager, paths in sets.items():
        if paths and was.get(manager) == paths:
            entries.append(old[manager.name, manager.operation, manager.subresource])
        elif paths:
            entry: Obj = {"manager": manager.name, "operation": manager.operation, "apiVersion": obj.get("apiVersion")}
            entry |= {"fieldsType": "FieldsV1", "fieldsV1": encode(paths), "time": now}
            entries.append(entry | ({"subresource": manager.subresource} if manager.subresource else {}))
    obj["metadata"]["managedFields"] = entries


def _identity(entry: Obj) -> tuple[str, str, str]:
    return entry["manager"], entry["operation"], entry.get("subresource", "")


def applied(live: Obj | None, wanted: Obj, name: str, force: bool, now: str) -> Obj:
    """The object after one server-side apply; ConflictError where somebody else owns a field with another value."""
    me = Manager(name, "Apply")
    sets = owned(live or {})
    mine, before = paths_of(wanted), sets.get(me, frozenset())
    base: Obj = live or {"metadata": {}}
    others = {who: paths for who, paths in sets.items() if who != me}
    contested = {path for path in mine if is_other(base, wanted, path)}
    conflicts = {who: contested & paths for who, paths in others.items() if contested & paths}
    if conflicts and not force:
        raise ConflictError("; ".join(f'conflict with "{who.name}"' for who in conflicts))
    others = {who: paths - contested for who, paths in others.items()}
    kept = copied(base)
    still = frozenset().union(mine, *others.values())
    for path in sorted(before - mine, key=len):
        if not any(other[: len(path)] == path for other in still):
            remove(kept, path)
    body: Obj = merge(kept, wanted)
    _write(body, others | {me: mine}, live, sets, now)
    return body


def updated(live: Obj | None, new: Obj, manager: Manager, now: str) -> Obj:
    """The object after a create, an update or a merge patch: who changes a field owns it alone."""
    sets = was = owned(live or {})
    touched = changed(live or {}, new) if live else paths_of(new)
    there = paths_of(new)
    mine = (sets.get(manager, frozenset()) | touched) & there
    if touched:
        sets = {who: (paths - touched) & there for who, paths in sets.items()} | {manager: mine}
    _write(new, sets, live, was, now)
    return new


def same(one: Obj, other: Obj) -> bool:
    """Whether a write would change nothing: then the server keeps the version."""
    return _without_version(one) == _without_version(other)


def _without_version(obj: Obj) -> Obj:
    return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}}
