"""Who has changed what we own, and when: the API server keeps it, field by field, until we put it back (R22).

A field that we apply is ours alone again; so whoever else holds one now, with another value than the wanted one, has
changed it since. So has who holds one that we do not name, where the whole spec is ours (``strange_fields``).
Who adds to the pods of a Deployment starts them anew without a gate; what is added is not ours, and stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sampler_rollouts.cluster.compare import equal, follow, holds, strange_of
from sampler_rollouts.cluster.kinds import DEPLOYMENT, FIELD_MANAGER, metadata
from sampler_rollouts.domain.limits import OBJECT, clip
from sampler_rollouts.domain.outcome import Manifest
from sampler_rollouts.domain.plan import OutsideEdit
from sampler_rollouts.domain.quantities import time_stamp

_OF_ROUTES: Final = frozenset({"parentRefs", "hostnames", "rules"})
"""Each is one value to the server, and all of it is written out: with anything more, requests go elsewhere."""
_MOST_ADDED: Final = 5


def outside_edits(wanted: Manifest, live: Manifest) -> Iterator[OutsideEdit]:
    """Each manager of fields that holds one of ours with another value."""
    for entry in metadata(live).get("managedFields") or []:
        manager, at = entry.get("manager"), time_stamp(entry.get("time"))
        if manager in (None, FIELD_MANAGER) or at is None or entry.get("subresource") == "status":
            continue
        theirs = entry.get("fieldsV1") or {}
        changed = strange_of(entry, wanted, live) or _changed("", theirs, wanted, live)
        added = _said(_added(theirs, wanted, live))
        for adds in ([""] if changed else []) + ([added] if added else []):
            name = metadata(live)["name"]
            yield OutsideEdit(kind=wanted["kind"], name=name, by=str(manager)[:OBJECT], at=at, adds=adds)


def _changed(name: str, fields: dict[str, Any], wanted: Any, live: Any) -> bool:
    """Whether any of these fields, those below ``name``, is wanted, and another than wanted."""
    inner = {step: below for step, below in fields.items() if step != "."}
    if not inner:
        field = name.removeprefix("f:")
        return not (equal(live, wanted) if field in _OF_ROUTES else holds(live, field, wanted, True))
    found = ((step, below, follow(wanted, step), follow(live, step)) for step, below in inner.items())
    return any(one is not None and _changed(step, below, one, other) for step, below, one, other in found)


def _added(fields: dict[str, Any], wanted: Manifest, live: Manifest) -> list[str]:
    """The fields and the items of lists in a pod template that are there and that we do not name, each by its path."""
    if wanted["kind"] != DEPLOYMENT.kind:
        return []
    for step in ("f:spec", "f:template"):
        fields, wanted, live = fields.get(step) or {}, follow(wanted, step) or {}, follow(live, step) or {}
    return sorted(_beyond("", fields, wanted, live))


def _beyond(path: str, fields: dict[str, Any], wanted: Any, live: Any) -> Iterator[str]:
    for step, below in fields.items():
        there, ours = follow(live, step), follow(wanted, step)
        # A step by value or by place names nothing that a person would know.
        if step == "." or there is None or step[0] not in "fk":
            continue
        name = step.partition(":")[2]
        if step[0] == "k":
            name = f"[{there.get('name', next(iter(json.loads(name).values())))}]"
        inner = f"{path}{name}" if step[0] == "k" or not path else f"{path}.{name}"
        if ours is None and (step[0] == "k" or not below.keys() - {"."}):
            yield inner
        else:
            yield from _beyond(inner, below, ours, there)


def _said(paths: list[str]) -> str:
    """A few of them, in words."""
    more = f" and {len(paths) - _MOST_ADDED} more" if len(paths) > _MOST_ADDED else ""
    return clip(", ".join(paths[:_MOST_ADDED]) + more, OBJECT) if paths else ""


def edits_of(pairs: Iterable[tuple[Manifest, Manifest | None]]) -> tuple[OutsideEdit, ...]:
    """Of all children that are there."""
    return tuple(one for wanted, live in pairs if live is not None for one in outside_edits(wanted, live))
