"""What a report is made of: one rollout, from its begin to its end, or until now."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sampler_rollouts.domain.decision.quality import quality_plan
from sampler_rollouts.domain.plan import CheckSpec
from sampler_rollouts.domain.quantities import ratio, time_stamp
from sampler_rollouts.domain.resource import SpecError, parse_spec
from sampler_rollouts.domain.status import Status

from samplerctl import live
from samplerctl.errors import InputError
from samplerctl.report_source import Points, Told
from samplerctl.served import KEPT, SERVED, SERVES, TRIED, UNDER_WAY, Life, lives, name_of

Body = Mapping[str, Any]
MARGIN = 0.06
"""How much longer than the rollout the drawn stretch of time is, as a part of it."""
LEAST_MARGIN = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Event:
    """One Event, by when it was last said."""

    at: datetime
    type: str
    reason: str
    message: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Report:
    """All that is drawn and told. ``decided`` is when the rollout ended; None while it is under way."""

    whose: tuple[str, str]
    now: datetime
    life: Life
    others: Sequence[Life]
    began: datetime
    decided: datetime | None
    start: datetime
    end: datetime
    limits: Mapping[str, CheckSpec]
    limits_from: str
    evidence: Sequence[Mapping[str, Any]]
    """Of the candidate, or of what serves, as status has it now: rows of ``samplerctl explain``."""
    conditions: Sequence[Mapping[str, Any]]
    events: Sequence[Event]
    told: Told
    unknown: Sequence[str]


def chosen(body: Body, release: str) -> Life:
    """The rollout that the report is about: a release's newest, or the newest of all. InputError if there is none."""
    whose = name_of(body)
    known = [life for life in lives(Status.load(body.get("status"))) if life.role != KEPT]
    found = [life for life in known if release in ("", life.release)]
    if not found:
        what = f"no rollout of release {release}" if release else "no rollout at all"
        remedy = (
            f"it knows {', '.join(dict.fromkeys(life.release for life in known))}" if known else "wait for the first"
        )
        raise InputError(f"{'/'.join(whose)}: status has {what}: {remedy}")
    # What came to serve is told by how it came; a newer end is a newer story.
    return max(found, key=lambda life: (life.role == UNDER_WAY, _decided(life) or life.since))


def stretch(life: Life, now: datetime, back: timedelta | None) -> tuple[datetime, datetime]:
    """What is drawn: the rollout with a margin after it, or the time from ``back`` ago until now."""
    if back is not None:
        return now - back, now
    end = _decided(life) or now
    return life.began, min(now, end + max(LEAST_MARGIN, MARGIN * (end - life.began)))


def gather(
    body: Body, life: Life, events: Iterable[Event], told: Told, now: datetime, back: timedelta | None
) -> Report:
    """Put together what was read."""
    status = Status.load(body.get("status"))
    start, end = stretch(life, now, back)
    explained = live.explain_result(body)
    limits, limits_from = _limits(body, status, life)
    decided = _decided(life)
    shown = _of_rollout(told, life, decided) if back is None else told
    return Report(
        whose=name_of(body),
        now=now,
        life=life,
        others=[one for one in lives(status) if one is not life],
        began=life.began,
        decided=decided,
        start=start,
        end=end,
        limits=limits,
        limits_from=limits_from,
        evidence=explained["pools"] if life.role in (UNDER_WAY, SERVES) else [],
        conditions=explained["conditions"],
        events=sorted((one for one in events if start <= one.at), key=lambda one: one.at),
        told=shown,
        unknown=list(_unknown(shown, life, decided)),
    )


def events_of(bodies: Iterable[Body]) -> list[Event]:
    """Events as the API server shows them; one without a time is left out."""
    return [found for body in bodies if (found := _event(body)) is not None]


def _event(body: Body) -> Event | None:
    series = body.get("series") or {}
    last = series.get("lastObservedTime") or body.get("eventTime") or body.get("deprecatedLastTimestamp")
    at = time_stamp(last)
    if at is None:
        return None
    count = series.get("count", 1)
    words = [str(body.get(name) or "") for name in ("type", "reason", "note")]
    return Event(at.astimezone(UTC), words[0], words[1], words[2], count if isinstance(count, int) else 1)


def _decided(life: Life) -> datetime | None:
    """When the rollout ended: when the release had all traffic, or was rejected."""
    return life.full_traffic or life.until


def _of_rollout(told: Told, life: Life, decided: datetime | None) -> Told:
    """Only what is about this release: before its first pod and after its end the same series are about what serves."""
    begin, end = life.since.timestamp(), decided.timestamp() if decided else math.inf
    checks = {key: [one for one in points if begin < one[0] <= end] for key, points in told.checks.items()}
    pools = {
        key: points if life.role in (SERVES, SERVED) else _until_stables(points, end)
        for key, points in told.pools.items()
    }
    table = [one for one in told.table if one[0] <= end]
    return replace(told, pools=pools, checks={key: points for key, points in checks.items() if points}, table=table)


def _until_stables(points: Points, end: float) -> Points:
    """A rejected release's weight falls to nothing; the first rise after its end is stable's."""
    kept = [one for one in points if one[0] <= end]
    for one in points[len(kept) :]:
        if kept and one[1] > kept[-1][1]:
            break
        kept.append(one)
    return kept


def _limits(body: Body, status: Status, life: Life) -> tuple[dict[str, CheckSpec], str]:
    """The limits of the checks, and whose they are."""
    quality = live.quality_now(status)
    if quality is not None and life.role in (UNDER_WAY, SERVES):
        return {one.name: one for one in quality.checks}, "the plan that is followed"
    try:
        spec = parse_spec(body.get("spec") or {}, name_of(body)[1])
    except SpecError:
        return {}, ""
    plan = quality_plan(spec, [pool.name for pool in spec.pools])
    return {one.name: one for one in plan.checks}, "the spec as it is now"


def max_rate(check: CheckSpec | None) -> float | None:
    """The check's limit as a part of 1; None where it has none, or one that cannot be read."""
    try:
        return ratio(check.max_rate) if check and check.max_rate else None
    except ValueError:
        return None


def _unknown(told: Told, life: Life, decided: datetime | None) -> Iterable[str]:
    """What the report cannot say, in whole sentences."""
    if told.problem:
        yield f"Weights and evidence over time: {told.problem}."
    elif not told.checks:
        yield "Evidence over time: the operator's metrics show none for this time; preflights and first pods have none."
    if told.checks and life.role == TRIED and decided is not None:
        yield (
            "The metrics source has the operator's numbers as they were when it was scraped: the look that decided may "
            "lie between two scrapes, and then the last point drawn is the one before it. The sentence has its numbers."
        )
    if decided is not None and not life.places:
        yield "Pools and revisions: the operator that ended this rollout did not keep them yet."
    if not life.total:
        yield "Share of requests exposed: nobody has counted requests in this rollout."
    yield "Events: the cluster keeps them for an hour, unless it was told otherwise. Older ones are gone."
