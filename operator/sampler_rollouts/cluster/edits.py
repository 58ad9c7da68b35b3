"""Who has changed what we own, and when: the API server keeps it, field by field, until we put it back (R22).

A field that we apply is ours alone again; so whoever else holds one now, with another value than the wanted one, has
changed it since. So has who holds one that we do not name, where the whole spec is ours (``strange_fields``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from sampler_rollouts.cluster.compare import equal, follow, holds, strange_of
from sampler_rollouts.cluster.kinds import FIELD_MANAGER, metadata
from sampler_rollouts.domain.outcome import Manifest
from sampler_rollouts.domain.plan import OutsideEdit
from sampler_rollouts.domain.quantities import time_stamp

_OF_ROUTES: Final = frozenset({"parentRefs", "hostnames", "rules"})
"""Each is one value to the server, and all of it is written out: with anything more, requests go elsewhere."""


def outside_edits(wanted: Manifest, live: Manifest) -> Iterator[OutsideEdit]:
    """Each manager of fields that holds one of ours with another value."""
    for entry in metadata(live).get("managedFields") or []:
        manager, at = entry.get("manager"), time_stamp(entry.get("time"))
        if manager in (None, FIELD_MANAGER) or at is None or entry.get("subresource") == "status":
            continue
        if strange_of(entry, wanted, live) or _changed("", entry.get("fieldsV1") or {}, wanted, live):
            name = metadata(live)["name"]
            yield OutsideEdit(kind=wanted["kind"], name=name, by=str(manager)[:253], at=at)


def _changed(name: str, fields: dict[str, Any], wanted: Any, live: Any) -> bool:
    """Whether any of these fields, those below ``name``, is wanted, and another than wanted."""
    inner = {step: below for step, below in fields.items() if step != "."}
    if not inner:
        field = name.removeprefix("f:")
        return not (equal(live, wanted) if field in _OF_ROUTES else holds(live, field, wanted, True))
    found = ((step, below, follow(wanted, step), follow(live, step)) for step, below in inner.items())
    return any(one is not None and _changed(step, below, one, other) for step, below, one, other in found)


def edits_of(pairs: Iterable[tuple[Manifest, Manifest | None]]) -> tuple[OutsideEdit, ...]:
    """Of all children that are there."""
    return tuple(one for wanted, live in pairs if live is not None for one in outside_edits(wanted, live))
