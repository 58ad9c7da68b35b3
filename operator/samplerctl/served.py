"""Which releases a SamplerRollout's status knows of, in which pools, and when each was tried and served (R27).

All of it is read from status: the releases that have a role now, and the last rollouts that ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sampler_rollouts.domain.decision.context import begun, born, tested_pools
from sampler_rollouts.domain.plan import Alarm, Release
from sampler_rollouts.domain.status import HistoryEntry, PoolStatus, Result, Status

SERVING = frozenset({Result.ESTABLISHED, Result.PROMOTED, Result.RESTORED})
"""Results after which the release had all traffic."""
UNDER_WAY, SERVES, SERVED, TRIED, KEPT = "under way", "serves", "served", "tried", "kept"
NOT_WELL = "not well"
"""The verdict of what serves while a check says so."""


@dataclass(frozen=True, slots=True)
class Place:
    """One pool of a release. The counts are None where nobody counted, or where the release did not move the pool."""

    revision: str
    image: str = ""
    exposed: int | None = None
    total: int | None = None
    verdict: str = ""
    reason: str = ""
    """Why it is not ``Passed``; both are empty where the whole release's word is all that is known."""


@dataclass(frozen=True, slots=True)
class Life:
    """One release from its first pod, or from when it began to serve, until it was replaced or rejected."""

    release: str
    role: str
    verdict: str
    since: datetime
    began: datetime
    """When its rollout began: a pod comes later."""
    until: datetime | None = None
    """None while it goes on."""
    full_traffic: datetime | None = None
    """When it had all traffic; None if it never had."""
    reason: str = ""
    message: str = ""
    changes: str = ""
    exposed: int = 0
    total: int = 0
    route_hash: str = ""
    """Of its route table; empty where it is not known."""
    places: Mapping[str, Place] = field(default_factory=dict)


def lives(status: Status) -> list[Life]:
    """Newest first: what is under way, what serves, what ended."""
    ended = list(_ended(status))
    now = [life for life in (_candidate(status), _stable(status, ended)) if life is not None]
    return [*now, *_kept(status, [*now, *ended]), *ended]


def name_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """Namespace and name."""
    return str(body["metadata"].get("namespace", "")), str(body["metadata"].get("name", ""))


def _candidate(status: Status) -> Life | None:
    release, rollout = status.candidate, status.rollout
    if release is None or rollout is None:
        return None
    tested = tested_pools(rollout)  # in the table's wave those that its table names
    rows = {row.name: row for row in status.pools if row.name in {*begun(rollout), *tested}}
    counted = [row.requests for row in rows.values() if row.requests and row.name in tested]
    return Life(
        release=release.hash,
        role=UNDER_WAY,
        verdict=status.stage.value,
        since=min(born(rollout), default=rollout.started_at),
        began=rollout.started_at,
        reason=rollout.failure.reason if rollout.failure else rollout.hold.reason if rollout.hold else "",
        message=rollout.failure.message if rollout.failure else status.progress,
        changes="; ".join(rollout.changes),
        exposed=sum(one.exposed for one in counted),
        total=sum(one.total for one in counted),
        route_hash=rollout.table.route_hash if rollout.table else "",
        places={item.name: _row(item.revision, item.image, rows.get(item.name)) for item in release.pools},
    )


def _row(revision: str, image: str, row: PoolStatus | None) -> Place:
    """A pool of the candidate: with what was found there, if it has begun."""
    if row is None or row.revision != revision:
        return Place(revision, image, verdict="not begun")
    place = Place(revision, image, verdict=row.verdict, reason=row.reason)
    counted = row.requests
    return place if counted is None else replace(place, exposed=counted.exposed, total=counted.total)


def _stable(status: Status, ended: list[Life]) -> Life | None:
    """What serves, unless the end of its rollout is remembered and says the same and more."""
    release = status.stable
    if release is None or any(life.role == SERVES for life in ended):
        return None
    wrong = release.fault or _alarm(status, release)
    return Life(
        release=release.hash,
        role=SERVES,
        verdict=_standing(status, release),
        since=release.since,
        began=release.since,
        full_traffic=release.since,
        reason=wrong.reason if wrong else "",
        message=wrong.message if wrong else "",
        route_hash=status.rollout.table.stable_hash if status.rollout and status.rollout.table else "",
        places=_places(release),
    )


def _alarm(status: Status, release: Release) -> Alarm | None:
    """What a check has shown of what serves since it was verified (R22)."""
    return status.watch.alarm if status.watch and status.watch.release == release.hash else None


def _standing(status: Status, release: Release) -> str:
    if release.fault or _alarm(status, release):
        return NOT_WELL
    return "Verified" if status.verified and status.verified.hash == release.hash else "Baking"


def _kept(status: Status, known: list[Life]) -> Iterator[Life]:
    """Releases that may come back, where nothing else tells of them."""
    told = {life.release for life in known}
    for release, verdict in ((status.verified, "Verified"), (status.previous, "replaced")):
        if release is not None and release.hash not in told:
            told.add(release.hash)
            yield Life(release.hash, KEPT, verdict, release.since, release.since, places=_places(release))


def _places(release: Release) -> dict[str, Place]:
    return {item.name: Place(item.revision, item.image) for item in release.pools}


def _ended(status: Status) -> Iterator[Life]:
    """Of the history. A release that had all traffic had it until another one came in its place, or it was rejected."""
    replaced: datetime | None = None
    rejected: dict[str, datetime] = {}
    for entry in status.history:
        if entry.result not in SERVING:
            if entry.result is Result.ROLLED_BACK and entry.weight == 100:
                rejected.setdefault(entry.release, entry.ended_at)
            yield _life(entry, TRIED, entry.result.value, entry.ended_at)
            continue
        until = min((at for at in (replaced, rejected.pop(entry.release, None)) if at), default=None)
        replaced = entry.ended_at
        stable = status.stable
        serves = until is None and stable is not None and stable.hash == entry.release
        if not serves or stable is None:
            yield _life(entry, SERVED, entry.result.value, until)
            continue
        life, alarm = _life(entry, SERVES, _standing(status, stable), until), _alarm(status, stable)
        yield replace(life, reason=alarm.reason, message=alarm.message) if alarm else life


def _life(entry: HistoryEntry, role: str, verdict: str, until: datetime | None) -> Life:
    return Life(
        release=entry.release,
        role=role,
        verdict=verdict,
        since=entry.born_at or entry.started_at,
        began=entry.started_at,
        until=until,
        full_traffic=entry.ended_at if entry.result in SERVING else None,
        reason=entry.reason,
        message=entry.message,
        changes=entry.changes,
        exposed=entry.requests.exposed,
        total=entry.requests.total,
        route_hash=entry.route_hash,
        places={one.name: Place(one.revision, one.image, one.exposed, one.total) for one in entry.pools},
    )
