"""Kubernetes Events on a SamplerRollout. The name is a hash of what is said, so that saying it again only counts up."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

from sampler_rollouts.cluster.kinds import EVENT, FIELD_MANAGER, metadata
from sampler_rollouts.domain.outcome import EventNote, Manifest

_NOTE: Final = 1024


def event(rollout: Manifest, note: EventNote, instance: str, now: datetime) -> Manifest:
    """A new Event."""
    owner = metadata(rollout)
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": event_name(rollout, note), "namespace": owner["namespace"]},
        "eventTime": micro_time(now),
        "type": note.type,
        "reason": note.reason,
        "note": _cut(note.message),
        "action": note.reason,
        "reportingController": FIELD_MANAGER,
        "reportingInstance": instance,
        "regarding": {
            "apiVersion": rollout["apiVersion"],
            "kind": rollout["kind"],
            "name": owner["name"],
            "namespace": owner["namespace"],
            "uid": owner["uid"],
        },
    }


def event_name(rollout: Manifest, note: EventNote) -> str:
    """The name under which this note about this very object is kept."""
    said = "\0".join((metadata(rollout)["uid"], note.type, note.reason, note.message))
    return f"{metadata(rollout)['name'][:200]}.{hashlib.sha256(said.encode()).hexdigest()[:16]}"


def repeated(existing: Manifest, now: datetime) -> dict[str, Any]:
    """The merge patch that counts an Event once more; the API asks for a count of at least two."""
    count = int((existing.get("series") or {}).get("count", 1)) + 1
    return {"series": {"count": count, "lastObservedTime": micro_time(now)}}


def micro_time(now: datetime) -> str:
    """The API's time with microseconds."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _cut(text: str) -> str:
    """The API counts bytes."""
    encoded = text.encode()
    return text if len(encoded) <= _NOTE else encoded[: _NOTE - 3].decode(errors="ignore") + "…"
