"""Whether applying a manifest would change anything: it is asked on every reconcile, and the answer is mostly no.

Two halves. Every wanted value stands in the live object (the server may add defaults and write quantities its own
way); and every field that our field manager owns is still wanted, so that a field we no longer name goes away. In
doubt the answer is yes: applying once too often is harmless, the server sees no difference.

Of an HTTPRoute all of the spec is ours. Each of its fields is one value to the server, so whoever changes anything in
one takes it from us: by its books an edit is told from what the server fills in, whatever defaults its CRD has.
"""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from sampler_rollouts.cluster.kinds import FIELD_MANAGER, HTTP_ROUTE, metadata
from sampler_rollouts.domain.outcome import Manifest

_SUFFIXES: Final[dict[str, Decimal]] = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    **{f"{unit}i": Decimal(1024**power) for power, unit in enumerate("KMGTPE", start=1)},
}
MOST_SAME: Final = 200_000
"""Objects, with a hundred bytes each."""
_IDENTITY: Final = ("apiVersion", "kind")


def differs(wanted: Manifest, live: Manifest) -> bool:
    """Whether ``wanted`` must be applied over ``live``."""
    body = {name: value for name, value in wanted.items() if name not in _IDENTITY}
    owned = _owned(live)
    if owned is None or not _contains(live, body) or not _covers(owned, wanted):
        return True
    return _is_ours_alone(wanted) and (_taken(owned, wanted) or bool(strange_fields(wanted, live)))


class Compared:
    """What was found the same, by the live object's version: at most looks nothing has changed on either side."""

    def __init__(self) -> None:
        self._same: dict[str, tuple[str, bytes]] = {}

    def differs(self, wanted: Manifest, live: Manifest) -> bool:
        """As ``differs``."""
        uid, version = metadata(live).get("uid"), metadata(live).get("resourceVersion")
        if uid is None or version is None:
            return differs(wanted, live)
        seen = (version, hashlib.blake2b(json.dumps(wanted, sort_keys=True).encode(), digest_size=16).digest())
        if self._same.get(uid) == seen:
            return False
        if differs(wanted, live):
            return True
        if len(self._same) >= MOST_SAME:  # of objects that are gone, too
            self._same.clear()
        self._same[uid] = seen
        return False


def _owned(live: Manifest) -> dict[str, Any] | None:
    """The fields that we applied, in the server's notation; None if we never did."""
    for entry in metadata(live).get("managedFields") or []:
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource"):
            return entry.get("fieldsV1") or {}
    return None


def _is_ours_alone(wanted: Manifest) -> bool:
    return bool(wanted.get("kind") == HTTP_ROUTE.kind)


def _taken(owned: dict[str, Any], wanted: Manifest) -> bool:
    """Whether a field of the spec is no longer ours: another has changed something in it."""
    return any(value and f"f:{name}" not in owned.get("f:spec", {}) for name, value in wanted["spec"].items())


def strange_fields(wanted: Manifest, live: Manifest) -> frozenset[str]:
    """What others have added to a spec that is ours alone; applying ours over it does not take it away."""
    entries = metadata(live).get("managedFields") or []
    return frozenset(name for entry in entries for name in strange_of(entry, wanted, live))


def strange_of(entry: dict[str, Any], wanted: Manifest, live: Manifest) -> frozenset[str]:
    """The same of one manager's entry."""
    if not _is_ours_alone(wanted) or entry.get("subresource"):
        return frozenset()
    names = (step.removeprefix("f:") for step in (entry.get("fieldsV1") or {}).get("f:spec") or {} if step != ".")
    # Books may outlive a field that a CRD has no more.
    return frozenset(name for name in names if name in live["spec"] and name not in wanted["spec"])


def equal(live: Any, wanted: Any) -> bool:
    """Whether neither holds anything that the other does not."""
    return _contains(live, wanted) and _contains(wanted, live)


def _contains(live: Any, wanted: Any, quantities: bool = False) -> bool:
    """Whether the live value holds the wanted one; an absent value equals an empty one, as the server omits those."""
    if isinstance(wanted, dict):
        return (isinstance(live, dict) or live is None) and all(
            holds((live or {}).get(name), name, value, quantities) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return _contains_list(live or [], wanted)
    if live is None:
        return not wanted
    return bool(live == wanted) or (quantities and _same_quantity(live, wanted))


def holds(live: Any, name: str, wanted: Any, quantities: bool) -> bool:
    """Whether a field holds the wanted value.

    A selector is one value to the server: with a label more, by whomever, it selects other pods, or none.
    """
    if name == "selector":
        return bool(live == wanted)
    return _contains(live, wanted, quantities or name in {"resources", "sizeLimit"})


def _contains_list(live: Any, wanted: list[Any]) -> bool:
    if not isinstance(live, list):
        return False
    names = [item["name"] for item in wanted if isinstance(item, dict) and "name" in item]
    if wanted and len(set(names)) == len(wanted):
        by_name = {item.get("name"): item for item in live if isinstance(item, dict)}
        return all(item["name"] in by_name and _contains(by_name[item["name"]], item) for item in wanted)
    return len(live) == len(wanted) and all(map(_contains, live, wanted))


def _same_quantity(live: Any, wanted: Any) -> bool:
    parsed = _quantity(wanted)
    return parsed is not None and parsed == _quantity(live)


def _quantity(value: Any) -> Decimal | None:
    """A resource quantity such as ``1500m`` or ``1Gi``; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value)
    digits = text.rstrip("numkKMGTPEi")
    try:
        return Decimal(digits) * _SUFFIXES[text[len(digits) :]]
    except (InvalidOperation, KeyError):
        return None


def _covers(owned: dict[str, Any], wanted: Any) -> bool:
    """Whether every owned field is among the wanted ones."""
    return all(
        child is not None and (not fields or _covers(fields, child))
        for step, fields in owned.items()
        if step != "."
        for child in (follow(wanted, step),)
    )


def follow(wanted: Any, step: str) -> Any:
    """Follow one step of the server's field notation; None if the manifest has no such field."""
    notation, _, argument = step.partition(":")
    if notation == "f":
        return wanted.get(argument) if isinstance(wanted, dict) else None
    if not isinstance(wanted, list):
        return None
    if notation == "k":
        keys: dict[str, Any] = json.loads(argument)
        return next((item for item in wanted if _matches(item, keys)), None)
    return next((item for item in wanted if notation == "v" and item == json.loads(argument)), None)


def _matches(item: Any, keys: dict[str, Any]) -> bool:
    # A key that the manifest leaves out was filled in by the server's default (a port's protocol).
    return isinstance(item, dict) and all(item.get(name, value) == value for name, value in keys.items())
