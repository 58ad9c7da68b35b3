"""Manifests as kubectl reads them before it sends them: what a plain scalar is, and where a document ends.

It reads YAML by rules of its own, which are neither PyYAML's nor those of YAML 1.2: ``y`` is true, ``1e3`` and ``08``
are numbers, ``12:30`` and a date are texts. Then all becomes JSON, in which ``2.0`` is 2.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from samplerctl.errors import InputError

_TAG: Final = "tag:yaml.org,2002:"
TRUE: Final = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
FALSE: Final = frozenset({"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
ENDLESS: Final = frozenset(f"{sign}.{word}" for sign in ("", "+", "-") for word in ("inf", "Inf", "INF")) | frozenset(
    {".nan", ".NaN", ".NAN"}
)
"""Numbers that JSON has not."""
_FLOAT: Final = re.compile(r"[-+]?([.][0-9]+|[0-9]+([.][0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_LOOSE: Final = re.compile("(?<![0-9])_|_(?![0-9])", re.ASCII)
"""An underscore that does not stand between two digits, which matters behind a point alone."""
_WHOLE: Final = re.compile(r"([-+]?)(0[bB]|0[oO]?|0[xX]|)([0-9a-fA-F]+)", re.ASCII)
_BASES: Final[Mapping[str, int]] = {"0b": 2, "0": 8, "0o": 8, "0x": 16, "": 10}
_LARGEST: Final = 1 << 64
_SEPARATOR: Final = "---"


def documents(text: str) -> list[Any]:
    """All of them; InputError or YAMLError where kubectl would read nothing."""
    if not text.lstrip().startswith("{"):
        return list(_yaml_documents(text))
    found, rest = _json_documents(text)
    # After more than one object it is a stream of JSON for good.
    if rest.strip() and len(found) > 1:
        raise InputError("holds something else than JSON after JSON: separate documents by a line ---, all of them")
    return [*found, *_yaml_documents(rest, text[: len(text) - len(rest)].count("\n"))]


def _json_documents(text: str) -> tuple[list[Any], str]:
    """Those at the beginning, and what is left."""
    decoder = json.JSONDecoder(object_pairs_hook=_once, parse_float=_float, parse_constant=_no_number)
    found, at = list[Any](), 0
    while True:
        begin = len(text) - len(text[at:].lstrip())
        if begin == len(text):
            return found, ""
        try:
            value, at = decoder.raw_decode(text, begin)
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            return found, text[at:]
        found.append(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if twice := next((key for key in keys if keys.count(key) > 1), ""):
        raise InputError(f"{twice}: stands twice in a map: remove one")
    return dict(pairs)


def _float(text: str) -> int | float:
    return _as_written(_as_json(float(text)), text)


def _no_number(text: str) -> None:
    raise InputError(f"{text}: JSON has no such number: write another")


def _yaml_documents(text: str, first_line: int = 0) -> Iterator[Any]:
    """Split at the lines that begin with three dashes, before anything is understood; of each part the first counts."""
    part, begins = list[str](), first_line
    for number, line in enumerate(text.split("\n"), start=first_line + 1):
        if not line.startswith(_SEPARATOR):
            part.append(line)
            continue
        after = line.removeprefix(_SEPARATOR).strip()
        if after and not after.startswith("#"):
            raise InputError(f"line {number}: nothing but a comment may stand behind ---: begin a new line")
        yield _document("\n".join(part), begins)
        part, begins = [], number
    yield _document("\n".join(part), begins)


def _document(text: str, lines_before: int) -> Any:
    loader = _Loader("\n" * lines_before + text)
    try:
        return loader.get_data() if loader.check_data() else None  # type: ignore[no-untyped-call]
    finally:
        loader.dispose()


def scalar(text: str) -> Any:
    """What a plain scalar is."""
    if text in TRUE or text in FALSE:
        return text in TRUE
    if text in NULL:
        return None
    if text in ENDLESS:
        return _no_number(text)
    found = _number(text) if text[0] in "+-.0123456789" else None
    return text if found is None else _as_written(found, text)


def _number(text: str) -> int | float | None:
    if text.startswith(".") and _LOOSE.search(text):
        return None
    plain = text.replace("_", "")
    if (whole := _whole(plain)) is not None:
        return whole
    if _FLOAT.fullmatch(plain) and math.isfinite(value := float(plain)):
        return _as_json(value)
    return None


def _whole(text: str) -> int | None:
    match = _WHOLE.fullmatch(text)
    if match is None:
        return None
    sign, prefix, digits = match.groups()
    try:
        value = int(f"{sign}{digits}", _BASES[prefix.lower()])
    except ValueError:
        return None
    # With a sign it must fit into 64 bits with a sign; beyond them it is read as a float.
    return value if -(_LARGEST >> 1) <= value < (_LARGEST >> 1 if sign else _LARGEST) else None


class Whole(int):
    """An integer that was written otherwise than Python writes it."""

    written: str


class Part(float):
    """Likewise."""

    written: str


def _as_json(value: float) -> int | float:
    """The server gets the shortest form of a number, so that a whole one is an integer there."""
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _as_written(value: float, text: str) -> int | float:
    if str(value) == text:
        return value
    found = Whole(value) if isinstance(value, int) else Part(value)
    found.written = text
    return found


class _Loader(yaml.SafeLoader):
    """Plain data alone."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> Any:
        """Plain scalars are understood where they are made into values."""
        if kind is yaml.ScalarNode:
            return f"{_TAG}{'plain' if implicit[0] else 'str'}"
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]

    def scan_to_next_token(self) -> None:
        """A tab may stand where a space may, but not where a line's depth is told."""
        super().scan_to_next_token()
        while self.peek() == "\t" and (self.flow_level or not self.allow_simple_key):
            self.forward()
            super().scan_to_next_token()

    def value(self, node: yaml.ScalarNode) -> Any:
        """A plain scalar, or one with a tag of its own."""
        text = str(node.value)
        if node.tag in (f"{_TAG}{kind}" for kind in ("plain", "int", "float", "bool", "null")):
            return self._told(node, text)
        if node.tag == f"{_TAG}binary":
            return base64.b64decode(text).decode(errors="replace")
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            raise yaml.constructor.ConstructorError(None, None, "half a character", node.start_mark)
        return text

    def _told(self, node: yaml.ScalarNode, text: str) -> Any:
        try:
            return scalar(text)
        except InputError as error:
            raise InputError(f"line {node.start_mark.line + 1}: {error}") from None

    def sequence(self, node: yaml.SequenceNode) -> list[Any]:
        """With all that is in it."""
        return [self.construct_object(one, deep=True) for one in node.value]

    def mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        """In order: what is merged in replaces what stands before it."""
        found: dict[str, Any] = {}
        told: set[str] = set()
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}plain" and key_node.value == "<<":
                for one in reversed(self._merged(value_node)):
                    found |= one
                continue
            key = self._key(key_node)
            if key in told:
                raise InputError(f"{key}: stands twice in the map of line {node.start_mark.line + 1}: remove one")
            told.add(key)
            found[key] = self.construct_object(value_node, deep=True)
        return found

    def _merged(self, node: yaml.Node) -> list[dict[str, Any]]:
        value = self.construct_object(node, deep=True)
        maps = value if isinstance(value, list) else [value]
        if not all(isinstance(one, dict) for one in maps):
            raise yaml.constructor.ConstructorError(None, None, "<< takes a map, or a list of maps", node.start_mark)
        return maps

    def _key(self, node: yaml.Node) -> str:
        """Keys of JSON are texts."""
        key = self.construct_object(node, deep=True)
        if isinstance(key, bool):
            return str(key).lower()
        if not isinstance(key, str | int | float):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a text", node.start_mark)
        return f"{key:g}" if isinstance(key, float) else str(key)


def _any(loader: _Loader, _suffix: str, node: yaml.Node) -> Any:
    """Tags that nobody knows, and those of maps and lists, say nothing."""
    if isinstance(node, yaml.MappingNode):
        return loader.mapping(node)
    return loader.sequence(node) if isinstance(node, yaml.SequenceNode) else loader.value(node)  # type: ignore[arg-type]


_Loader.yaml_constructors = {}
_Loader.ESCAPE_REPLACEMENTS = {  # type: ignore[misc]
    sign: text for sign, text in yaml.SafeLoader.ESCAPE_REPLACEMENTS.items() if sign != "/"
}
_Loader.add_multi_constructor("", _any)
