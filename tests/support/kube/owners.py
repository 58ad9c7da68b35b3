"""The garbage collector: what belongs to nobody that exists any more goes, in the background or before its owner."""

from __future__ import annotations

from typing import Any

from tests.support.kube.api import MemoryApi

Obj = dict[str, Any]
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


def collect(api: MemoryApi) -> bool:
    """One sweep; whether anything was done."""
    before = api.version
    uids = {obj["metadata"]["uid"]: obj for obj in api.objects.values()}
    for path, obj in list(api.objects.items()):
        owners = [owner["uid"] for owner in obj["metadata"].get("ownerReferences") or []]
        there = [uids[uid] for uid in owners if uid in uids]
        if owners and (not there or any(FOREGROUND in _finalizers(owner) for owner in there)):
            delete(api, path)
    for path, obj in list(api.objects.items()):
        if ORPHAN in _finalizers(obj):
            _orphan(api, obj)
            _unblock(api, path, ORPHAN)
        elif FOREGROUND in _finalizers(obj) and not _blocked(api, obj):
            _unblock(api, path, FOREGROUND)
    return api.version != before


def delete(api: MemoryApi, path: str) -> None:
    """As the collector deletes; what is on its way out already is left alone."""
    if path in api.objects and "deletionTimestamp" not in api.objects[path]["metadata"]:
        api.answer("DELETE", path)


def _finalizers(obj: Obj) -> list[str]:
    return obj["metadata"].get("finalizers") or []


def _dependents(api: MemoryApi, owner: Obj) -> list[tuple[str, Obj]]:
    uid = owner["metadata"]["uid"]
    mine = ((path, obj, obj["metadata"].get("ownerReferences") or []) for path, obj in list(api.objects.items()))
    return [(path, obj) for path, obj, owners in mine if any(one["uid"] == uid for one in owners)]


def _blocked(api: MemoryApi, owner: Obj) -> bool:
    uid = owner["metadata"]["uid"]
    owners = (one for _, obj in _dependents(api, owner) for one in obj["metadata"]["ownerReferences"])
    return any(one["uid"] == uid and one.get("blockOwnerDeletion") for one in owners)


def _orphan(api: MemoryApi, owner: Obj) -> None:
    uid = owner["metadata"]["uid"]
    for path, _ in _dependents(api, owner):

        def leave(obj: Obj) -> None:
            kept = [one for one in obj["metadata"]["ownerReferences"] if one["uid"] != uid]
            obj["metadata"]["ownerReferences"] = kept

        api.edit(path, leave, "garbage-collector")


def _unblock(api: MemoryApi, path: str, name: str) -> None:
    left = [one for one in _finalizers(api.objects[path]) if one != name]
    if left:
        api.edit(path, lambda obj: obj["metadata"].update(finalizers=left), "garbage-collector")
    else:
        api.drop(path)
