"""What an API server asks of an object by a structural schema, without CEL and defaults: enough to hold two opinions
against each other. Written for the words that our generated schema uses; any other word is an error here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
_SILENT = {"description", "default", "format", "title", "nullable"}


def problems(value: Any, schema: Node, path: str = "") -> Iterator[str]:
    """Where a value breaks the schema; fields that it does not know are named too (strict validation)."""
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, int | str) or isinstance(value, bool):
            yield f"{path}: neither a number nor a text"
            return
    elif not _is(value, schema["type"]):
        yield f"{path}: no {schema['type']}"
        return
    for word, limit in schema.items():
        if not word.startswith("x-kubernetes-") and word not in _SILENT | {"type"}:
            yield from _WORDS[word](value, limit, path)
    if isinstance(value, dict) and "additionalProperties" not in schema:
        known = schema.get("properties", {})
        yield from (f"{path}.{name}: unknown" for name in value if name not in known)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _properties(value: Node, known: Node, path: str) -> Iterator[str]:
    for name, schema in known.items():
        if name in value:
            yield from problems(value[name], schema, f"{path}.{name}")


def _every(value: Node, schema: Node, path: str) -> Iterator[str]:
    for name, item in value.items():
        yield from problems(item, schema, f"{path}.{name}")


def _items(value: list[Any], schema: Node, path: str) -> Iterator[str]:
    for number, item in enumerate(value):
        yield from problems(item, schema, f"{path}[{number}]")


def _unless(holds: bool, text: str) -> Iterator[str]:
    if not holds:
        yield text


_WORDS: dict[str, Any] = {
    "properties": _properties,
    "additionalProperties": _every,
    "items": _items,
    "required": lambda v, names, path: (f"{path}.{name}: missing" for name in names if name not in v),
    "enum": lambda v, known, path: _unless(v in known, f"{path}: none of {known}"),
    # A number that is written as such has no length and no pattern.
    "pattern": lambda v, text, path: _unless(
        not isinstance(v, str) or re.search(text.replace("$", r"\Z"), v) is not None, f"{path}: not like {text}"
    ),
    "maxLength": lambda v, most, path: _unless(not isinstance(v, str) or len(v) <= most, f"{path}: too long"),
    "minLength": lambda v, least, path: _unless(not isinstance(v, str) or len(v) >= least, f"{path}: too short"),
    "maxItems": lambda v, most, path: _unless(len(v) <= most, f"{path}: too many"),
    "minItems": lambda v, least, path: _unless(len(v) >= least, f"{path}: too few"),
    "maxProperties": lambda v, most, path: _unless(len(v) <= most, f"{path}: too many"),
    # A text, where both may stand, has no size.
    "minimum": lambda v, least, path: _unless(isinstance(v, str) or v >= least, f"{path}: too small"),
    "maximum": lambda v, most, path: _unless(isinstance(v, str) or v <= most, f"{path}: too large"),
}
