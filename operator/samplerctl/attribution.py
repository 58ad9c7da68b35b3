"""What changed, where, since when and for which share of the requests: by an answer's fingerprint, or by time (R27)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sampler_rollouts.domain.quantities import seconds, time_stamp
from sampler_rollouts.domain.release import HASH_LENGTH
from sampler_rollouts.domain.render import LABEL_POOL, LABEL_ROLLOUT, recorded_template
from sampler_rollouts.domain.status import Status

from samplerctl.errors import InputError
from samplerctl.served import KEPT, Life, Place, lives, name_of

Body = Mapping[str, Any]
_FINGERPRINT = re.compile(rf"([0-9a-f]{{{HASH_LENGTH}}})(?:-([a-z0-9]{{1,64}}))?", re.ASCII)


def fingerprint(text: str) -> tuple[str, str]:
    """Revision and route hash of an answer's ``system_fingerprint``; the route hash is empty where it is left out."""
    match = _FINGERPRINT.fullmatch(text.strip())
    if match is None:
        remedy = "write the system_fingerprint of an answer, such as 0f3c2a91be-none"
        raise InputError(f"FINGERPRINT: {text!r} is none that the operator gave a server: {remedy}")
    return match[1], match[2] or ""


def duration(text: str) -> timedelta:
    """``2h``, ``90m``; InputError for what is none."""
    try:
        return timedelta(seconds=seconds(text))
    except ValueError as error:
        raise InputError(f"--since: {error}") from None


def which_result(bodies: Iterable[Body], records: Iterable[Body], revision: str, route: str) -> dict[str, Any]:
    """Every release that has the revision in some pool, newest first, and what records of it there are.

    Releases that differ in their route table alone have the same revisions: the route hash tells which it was.
    """
    found = [_place(name_of(body), life, pool, place) for body, life, pool, place in _all(bodies, revision)]
    recorded = [_record(one) for one in records]
    images = {(one["namespace"], one["rollout"], one["pool"]): one["image"] for one in recorded}
    for one in found:
        # A record has all of the name; of a release that has gone status keeps what fits.
        one["image"] = images.get((one["namespace"], one["rollout"], one["pool"])) or one["image"] or None
    found = _by_table(sorted(found, key=lambda one: one["since"], reverse=True), route)
    return {"revision": revision, "route_hash": route or None, "found": found, "records": recorded}


def _by_table(found: list[dict[str, Any]], route: str) -> list[dict[str, Any]]:
    """Those of the table, if one of them is known by it, and those of which nobody knows the table."""
    known = any(one["route_hash"] == route for one in found)
    return [one for one in found if one["route_hash"] in (route, None)] if known else found


def _all(bodies: Iterable[Body], revision: str) -> Iterator[tuple[Body, Life, str, Place]]:
    for body in bodies:
        for life in lives(Status.load(body.get("status"))):
            for pool, place in life.places.items():
                if place.revision == revision:
                    yield body, life, pool, place


def _place(whose: tuple[str, str], life: Life, pool: str, place: Place) -> dict[str, Any]:
    return {
        "namespace": whose[0],
        "rollout": whose[1],
        "pool": pool,
        "release": life.release,
        "image": place.image,
        "route_hash": life.route_hash or None,
        "role": life.role,
        "since": life.since.isoformat(),
        "full_traffic": _time(life.full_traffic),
        "until": _time(life.until),
        "verdict": life.verdict,
        "reason": life.reason or None,
        "pool_verdict": place.verdict or None,
        "changes": life.changes or None,
        "exposed": place.exposed,
        "requests": place.total,
        "message": life.message,
    }


def _record(body: Body) -> dict[str, Any]:
    metadata = body["metadata"]
    labels, template = metadata.get("labels") or {}, recorded_template(body) or {}
    return {
        "namespace": str(metadata.get("namespace", "")),
        "rollout": str(labels.get(LABEL_ROLLOUT, "")),
        "pool": str(labels.get(LABEL_POOL, "")),
        "image": _image(template),
        "created": _time(time_stamp(metadata.get("creationTimestamp"))),
    }


def _image(template: Mapping[str, Any]) -> str:
    """The image of a recorded template, whoever wrote it."""
    try:
        return str(template["spec"]["containers"][0]["image"])
    except (KeyError, IndexError, TypeError):
        return ""


def changes_result(bodies: Iterable[Body], since: datetime, until: datetime) -> dict[str, Any]:
    """All that changed from ``since`` on in some SamplerRollouts, newest first."""
    found = [one for body in bodies for one in _changes(body, since)]
    found.sort(key=lambda one: one["at"], reverse=True)
    return {"since": since.isoformat(), "until": until.isoformat(), "changes": found}


def _changes(body: Body, since: datetime) -> Iterator[dict[str, Any]]:
    status = Status.load(body.get("status"))
    namespace, rollout = name_of(body)
    others = (one for found in (_faults(status), _edits(status), _words(status)) for one in found if one[0] >= since)
    for at, row in (*_releases(status, since), *others):
        yield {"at": at.isoformat(), "namespace": namespace, "rollout": rollout} | row


def _releases(status: Status, since: datetime) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """What is under way, and what came to all traffic or ended since; each is dated by that, or by its begin."""
    for life in lives(status):
        last = life.full_traffic or life.until
        going_on = last is None and life.role != KEPT
        if going_on or (last is not None and last >= since):
            yield (last or life.since), _release(life, going_on)


def _release(life: Life, going_on: bool) -> dict[str, Any]:
    return {
        "kind": "release",
        "release": life.release,
        "role": life.role,
        "began": life.since.isoformat(),
        "going_on": going_on,
        "what": life.changes or None,
        "verdict": life.verdict,
        "reason": life.reason or None,
        "exposed": life.exposed,
        "requests": life.total,
        "share": life.exposed / life.total if life.total else None,
        "pools": [_pool(name, place) for name, place in life.places.items()],
        "message": life.message,
    }


def _pool(name: str, place: Place) -> dict[str, Any]:
    share = place.exposed / place.total if place.exposed is not None and place.total else None
    return {
        "pool": name,
        "revision": place.revision,
        "verdict": place.verdict or None,
        "reason": place.reason or None,
        "exposed": place.exposed,
        "requests": place.total,
        "share": share,
    }


def _faults(status: Status) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """What a check has shown of what serves, where nothing was rolled back."""
    fault = status.stable.fault if status.stable else None
    alarm = status.watch.alarm if status.watch else None
    for one in (fault, alarm):
        if one is not None:
            yield one.at, _note("alarm", status.stable.hash if status.stable else "", one.pool, one.message)


def _edits(status: Status) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """Changes by others of what the operator owns, which were put back; what they added to its pods; their routes."""
    for edit in status.edits:
        done = f"was changed by {edit.by}, and put back"
        if edit.services:
            done = f"was written by {edit.by} with backends {edit.services}, and stays"
        if edit.adds:
            done = f"has had {edit.adds} added to its pods by {edit.by}, which stays"
        yield edit.at, _note("outside edit", "", "", f"{edit.kind} {edit.name} {done}")


def _words(status: Status) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """What people said."""
    for act in status.acts:
        who = f" (self-reported: {act.said})" if act.said else ""
        yield act.at, _note("act", act.release, "", f"{act.message}{who}")


def _note(kind: str, release: str, pool: str, message: str) -> dict[str, Any]:
    pools = [{"pool": pool}] if pool else []
    return {"kind": kind, "release": release or None, "what": None, "pools": pools, "message": message}


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
