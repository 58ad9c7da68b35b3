"""What one decision did that people asked to be told of: the difference between two states of a status."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain.notices.notice import Notice, NoticeType, made
from sampler_rollouts.domain.status import Result

if TYPE_CHECKING:
    from sampler_rollouts.domain.loose import Failure
    from sampler_rollouts.domain.status import HistoryEntry, Status

ENDS: Final = {
    Result.PROMOTED: NoticeType.PROMOTED,
    Result.ESTABLISHED: NoticeType.PROMOTED,
    Result.RESTORED: NoticeType.PROMOTED,
    Result.ROLLED_BACK: NoticeType.ROLLED_BACK,
}
"""Who withdraws a release knows it: nobody is told."""


def news(before: Status, after: Status, uid: str, now: datetime) -> list[Notice]:
    """What is new in ``after``, in the order in which it is to be told. Deciding again on ``after`` finds nothing."""
    found = [*_ended(before, after, uid), *_held(before, after, uid), *_degraded(before, after, uid)]
    promoted = any(one.type is NoticeType.PROMOTED for one in found)
    if in_trouble(before) and not in_trouble(after) and not promoted:
        found.append(_recovered(after, uid, now))
    return found


def in_trouble(status: Status) -> bool:
    """Whether a release is held, rolled back or not well, and nothing has put an end to that yet."""
    rolled_back = any(one.type == "RolledBack" and one.status == "True" for one in status.conditions)
    holds = status.rollout is not None and status.rollout.hold is not None
    return rolled_back or holds or bool(_troubles(status))


def _ended(before: Status, after: Status, uid: str) -> Iterator[Notice]:
    known = {_place(entry) for entry in before.history}
    for entry in reversed(after.history):
        kind = ENDS.get(entry.result)
        if kind is not None and _place(entry) not in known:
            reason = entry.reason or entry.result.value
            yield made(uid, kind, entry.ended_at, release=entry.release, reason=reason, message=entry.message)


def _place(entry: HistoryEntry) -> tuple[str, Result, datetime]:
    return entry.release, entry.result, entry.ended_at


def _held(before: Status, after: Status, uid: str) -> Iterator[Notice]:
    rollout, earlier = after.rollout, before.rollout
    if rollout is None or rollout.hold is None:
        return
    if earlier and earlier.hold and (earlier.release, earlier.hold.at) == (rollout.release, rollout.hold.at):
        return
    yield _of(rollout.hold, NoticeType.HELD, rollout.release, uid)


def _degraded(before: Status, after: Status, uid: str) -> Iterator[Notice]:
    known = {(release, fault.at) for release, fault in _troubles(before)}
    for release, fault in _troubles(after):
        if (release, fault.at) not in known:
            yield _of(fault, NoticeType.DEGRADED, release, uid)


def _troubles(status: Status) -> list[tuple[str, Failure]]:
    """What is known against a release that serves, or against the first one that should."""
    found: list[tuple[str, Failure]] = []
    if status.stable and status.stable.fault:
        found.append((status.stable.hash, status.stable.fault))
    if status.rollout and status.rollout.first and status.rollout.failure:
        found.append((status.rollout.release, status.rollout.failure))
    if status.watch and status.watch.alarm:
        found.append((status.watch.release, status.watch.alarm))
    return found


def _of(what: Failure, kind: NoticeType, release: str, uid: str) -> Notice:
    return made(uid, kind, what.at, release=release, reason=what.reason, message=what.message)


def _recovered(after: Status, uid: str, now: datetime) -> Notice:
    release = after.candidate or after.stable
    ready = next((one.message for one in after.conditions if one.type == "Ready"), "")
    return made(
        uid,
        NoticeType.RECOVERED,
        now.replace(microsecond=0),
        release=release.hash if release else "",
        reason="TroubleOver",
        message=f"What was told before is over. Now: {ready}" if ready else "What was told before is over.",
    )
