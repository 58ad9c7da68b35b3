"""Field ownership of server-side apply: which manager owns which field, in the server's own notation (FieldsV1).

A set of fields is a set of paths; a path is a tuple of steps: ``f:name`` of a map, ``k:{...}`` of a list that is a map
by keys, ``v:...`` of a list that is a set. Every other list, and some maps, are one value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

Path = tuple[str, ...]
Paths = frozenset[Path]

_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "ownerReferences": ("uid",),
    "containers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "conditions": ("type",),
    "pools": ("name",),
    "checks": ("name",),
}
_SETS: Final = frozenset({"finalizers"})
_ATOMIC: Final = frozenset({"selector", "labelSelector", "fieldRef"})
_NOTHING: Final = object()
_NOT_TRACKED: Final = frozenset({"apiVersion", "kind"})
_NOT_TRACKED_METADATA: Final = frozenset(
    {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"}
    | {"deletionTimestamp", "deletionGracePeriodSeconds"}
)


def paths_of(obj: dict[str, Any]) -> Paths:
    """All fields that an object names."""
    return frozenset(path for path, _ in _walk(tracked(obj), "", ()))


def tracked(obj: dict[str, Any]) -> dict[str, Any]:
    """The object without what no manager owns."""
    body = {name: value for name, value in obj.items() if name not in _NOT_TRACKED}
    if "metadata" in body:
        body["metadata"] = {k: v for k, v in body["metadata"].items() if k not in _NOT_TRACKED_METADATA}
    return body


def _walk(value: Any, name: str, path: Path) -> Iterator[tuple[Path, Any]]:
    """Each path with what stands there; of a list item's own path that it is there, and no more."""
    if isinstance(value, dict) and value and name not in _ATOMIC:
        for key, item in value.items():
            yield from _walk(item, key, (*path, f"f:{key}"))
    elif keys := keys_of(name, value):
        for item in value:
            step = (*path, _key_step(item, keys))
            yield step, True
            yield from _walk(item, "", step)
    elif name in _SETS and value:
        yield from (((*path, f"v:{json.dumps(item)}"), item) for item in value)
    elif path:
        yield path, value


def keys_of(name: str, value: Any) -> tuple[str, ...]:
    """By which fields a list is a map; none if it is one value."""
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        return ()
    keys = _KEYS.get(name, ())
    if name == "ports":
        keys = ("containerPort", "protocol") if "containerPort" in value[0] else ("port", "protocol")
    return keys if keys and all(keys[0] in item for item in value) else ()


def _key_step(item: dict[str, Any], keys: Iterable[str]) -> str:
    named = {key: item.get(key, "TCP") for key in keys} if "protocol" in keys else {key: item[key] for key in keys}
    return "k:" + json.dumps(named, sort_keys=True, separators=(",", ":"))


def encode(paths: Paths) -> dict[str, Any]:
    """As FieldsV1. A list item that is itself owned carries a dot."""
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        if path[-1].startswith("k:"):
            node["."] = {}
    return tree


def decode(fields: dict[str, Any], path: Path = ()) -> Iterator[Path]:
    """The paths of FieldsV1."""
    if path and (not fields or "." in fields):
        yield path
    for step, below in fields.items():
        if step != ".":
            yield from decode(below, (*path, step))


def value_at(obj: Any, path: Path) -> Any:
    """What stands at a path; None if nothing does."""
    for step in path:
        obj = _follow(obj, step)
    return obj


def _follow(obj: Any, step: str) -> Any:
    kind, _, argument = step.partition(":")
    if kind == "f":
        return obj.get(argument) if isinstance(obj, dict) else None
    if not isinstance(obj, list):
        return None
    wanted = json.loads(argument)
    if kind == "v":
        return wanted if wanted in obj else None
    return next((item for item in obj if _is(item, wanted)), None)


def _is(item: dict[str, Any], keys: dict[str, Any]) -> bool:
    return all(item.get(name, "TCP" if name == "protocol" else None) == value for name, value in keys.items())


def remove(obj: Any, path: Path) -> None:
    """Take the value at a path away, if it is there."""
    holder, last = value_at(obj, path[:-1]), path[-1]
    if isinstance(holder, dict):
        holder.pop(last[2:], None)
        above = value_at(obj, path[:-2]) if len(path) > 2 else None
        if not holder and isinstance(above, dict):  # a map that apply has emptied goes too, but not the one above it
            above.pop(path[-2][2:], None)
    elif isinstance(holder, list) and (found := _follow(holder, last)) is not None:
        holder.remove(found)


def merge(live: Any, wanted: Any, name: str = "") -> Any:
    """The live value with the wanted one over it: maps and keyed lists member by member, all else as one value."""
    if isinstance(live, dict) and isinstance(wanted, dict) and name not in _ATOMIC:
        return {**live, **{key: merge(live.get(key), value, key) for key, value in wanted.items()}}
    keys = keys_of(name, wanted)
    if keys and isinstance(live, list):
        steps = [json.loads(_key_step(item, keys)[2:]) for item in wanted]
        over = [
            merge(next((one for one in live if _is(one, step)), None), item)
            for step, item in zip(steps, wanted, strict=True)
        ]
        return [one for one in live if not any(_is(one, step) for step in steps)] + over
    if name in _SETS and isinstance(live, list):
        return live + [item for item in wanted if item not in live]
    return wanted


def changed(before: dict[str, Any], after: dict[str, Any]) -> Paths:
    """The fields that an update changed, added or took away."""
    old, new = (dict(_walk(tree, "", ())) for tree in _differing(tracked(before), tracked(after)))
    return frozenset(path for path in old.keys() | new.keys() if old.get(path, _NOTHING) != new.get(path, _NOTHING))


def is_other(one: Any, other: Any, path: Path) -> bool:
    """Whether two objects differ there. A list item's own path says that it is there, and no more."""
    left, right = value_at(one, path), value_at(other, path)
    return (left is None) != (right is None) if path[-1].startswith("k:") else bool(left != right)


def copied(obj: Any) -> Any:
    """A deep copy of JSON, quicker than the general one."""
    return json.loads(json.dumps(obj))


def _differing(one: dict[str, Any], other: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both without what is equal: most of an object is, and paths are dear."""
    left, right = dict(one), dict(other)
    for name in one.keys() & other.keys():
        if one[name] == other[name]:
            del left[name], right[name]
        elif isinstance(one[name], dict) and isinstance(other[name], dict) and name not in _ATOMIC:
            left[name], right[name] = _differing(one[name], other[name])
    return left, right
