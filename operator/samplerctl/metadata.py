"""What the API server would refuse of an object's metadata, whatever its kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from sampler_rollouts.domain.quantities import time_stamp
from sampler_rollouts.domain.rules import DNS_LABEL, DNS_SUBDOMAIN

from samplerctl.wording import is_no_text, quoted, unknown

_WORD: Final = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY: Final = re.compile(f"({DNS_SUBDOMAIN}/)?{_WORD}")
_VALUE: Final = re.compile(f"({_WORD})?")
_NAMESPACE: Final = re.compile(f"({DNS_LABEL})?")
_PREFIX: Final = re.compile(f"({DNS_SUBDOMAIN}-?)?")
_TIME: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}([.][0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2})")
_ANNOTATIONS: Final = 256 * 1024
"""Bytes of all of them together, with their keys."""
_LARGEST: Final = 1 << 63
_REQUIRED_OF_OWNER: Final = ("apiVersion", "kind", "name", "uid")
Problems = Iterator[str]
Check = Callable[[str, Any], Problems]


def metadata_problems(metadata: Mapping[str, Any]) -> Problems:
    """Each with its field and the remedy. What rules of the kind say of the name is not said here."""
    return _fields("metadata", metadata, _FIELDS)


def _fields(place: str, value: Mapping[str, Any], known: Mapping[str, Check]) -> Problems:
    for key, item in value.items():
        here = f"{place}.{key}"
        if key not in known:
            yield f"{here}: {unknown(key, known)}"
        elif item is not None:
            yield from known[key](here, item)


def _text(here: str, value: Any) -> Problems:
    if is_no_text(value):
        yield f"{here}: {quoted(value)}"
    elif not isinstance(value, str):
        yield f"{here}: must be a text"


def _matching(pattern: re.Pattern[str], longest: int, words: str) -> Check:
    def check(here: str, value: Any) -> Problems:
        yield from (wrong := list(_text(here, value)))
        if not wrong and (len(value) > longest or not pattern.fullmatch(value)):
            yield f"{here}: must be {words}"

    return check


def _bool(here: str, value: Any) -> Problems:
    if not isinstance(value, bool):
        yield f"{here}: must be true or false"


def _number(here: str, value: Any) -> Problems:
    if isinstance(value, bool) or not isinstance(value, int) or not -_LARGEST <= value < _LARGEST:
        yield f"{here}: must be an integer: the API server sets it, leave it out"


def _time(here: str, value: Any) -> Problems:
    if not isinstance(value, str) or not _TIME.fullmatch(value) or time_stamp(value) is None:
        yield f"{here}: must be a time such as 2026-11-27T12:00:00Z: the API server sets it, leave it out"


def _list(check: Check) -> Check:
    def all_of(here: str, value: Any) -> Problems:
        if not isinstance(value, list):
            yield f"{here}: must be a list"
        for index, one in enumerate(value if isinstance(value, list) else ()):
            yield from check(f"{here}[{index}]", one)

    return all_of


def _texts(here: str, value: Any) -> Problems:
    """A map of texts; what a null in it is, is an empty text."""
    if not isinstance(value, dict):
        yield f"{here}: must be a map of texts, such as {{team: chat}}"
        return
    for key, text in value.items():
        if len(key.rpartition("/")[0]) > 253 or not _KEY.fullmatch(key):
            words = "letters, digits, dashes, underscores and dots, if need be behind a domain and a slash"
            yield f"{here}: {key}: must be a key such as team or example.com/team: {words}"
        if text is not None:
            yield from _text(f"{here}.{key}", text)


def _labels(here: str, value: Any) -> Problems:
    yield from _texts(here, value)
    for key, text in value.items() if isinstance(value, dict) else ():
        if isinstance(text, str) and not _VALUE.fullmatch(text):
            words = "letters, digits, dashes, underscores and dots, at most 63, such as my-team"
            yield f"{here}.{key}: must be a label's value: {words}"


def _annotations(here: str, value: Any) -> Problems:
    # Their keys may be in capital letters before the slash, too.
    yield from _texts(here, {key.lower(): text for key, text in value.items()} if isinstance(value, dict) else value)
    if isinstance(value, dict):
        size = sum(len(part.encode()) for pair in value.items() for part in pair if isinstance(part, str))
        if size > _ANNOTATIONS:
            yield f"{here}: have more than {_ANNOTATIONS} bytes together: shorten them"


def _owner(here: str, value: Any) -> Problems:
    if not isinstance(value, dict):
        yield f"{here}: must be a map of fields"
        return
    yield from _fields(here, value, _OF_OWNER)
    yield from (f"{here}.{key}: is required: add it" for key in _REQUIRED_OF_OWNER if value.get(key) in (None, ""))


def _manager(here: str, value: Any) -> Problems:
    """The API server writes them anew, whatever they say."""
    if not isinstance(value, dict):
        yield f"{here}: must be a map of fields: leave managedFields out"


_FIELDS: Final[Mapping[str, Check]] = {
    "name": _text,
    "namespace": _matching(_NAMESPACE, 63, "a namespace's name: lower-case letters, digits and dashes, at most 63"),
    "labels": _labels,
    "annotations": _annotations,
    "generateName": _matching(_PREFIX, 253, "the beginning of a name: lower-case letters, digits, dashes and dots"),
    "finalizers": _list(_matching(_KEY, 317, "a name such as example.com/keep")),
    "ownerReferences": _list(_owner),
    # What the API server adds, and `kubectl get -o yaml` shows.
    "creationTimestamp": _time,
    "deletionGracePeriodSeconds": _number,
    "deletionTimestamp": _time,
    "generation": _number,
    "managedFields": _list(_manager),
    "resourceVersion": _text,
    "selfLink": _text,
    "uid": _text,
}
_OF_OWNER: Final[Mapping[str, Check]] = {
    "apiVersion": _matching(re.compile("[^/]*(/[^/]*)?"), _ANNOTATIONS, "a group and a version, such as apps/v1"),
    **dict.fromkeys(("kind", "name", "uid"), _text),
    **dict.fromkeys(("controller", "blockOwnerDeletion"), _bool),
}
