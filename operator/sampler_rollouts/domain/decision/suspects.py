"""A build or setting that failed in another SamplerRollout stops where it is until a person has looked (R23)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision.changes import uses
from sampler_rollouts.domain.plan import Suspicion
from sampler_rollouts.domain.status import Stage

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.observation import Sibling

Found = tuple[datetime, str, str]
"""When something failed, in which SamplerRollout, and as which release."""
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def note_suspects(turn: Turn) -> None:
    """One mark for each thing that failed elsewhere, however often; gone once it is used no more, or has passed there.

    What a person has cleared is open again when it fails anew. What a retry of this very look is about, is cleared.
    """
    if turn.seen.siblings is None:
        return
    others = [one for one in turn.seen.siblings if one.name != turn.meta.name]
    serves = {one.name: one.serves for one in others}
    failed, before = _failed(others), {one.what: one for one in turn.status.suspicions}
    marks = [_mark(turn, what, failed.get(what, []), before.get(what), serves) for what in _used(turn)]
    turn.status.suspicions = sorted((one for one in marks if one), key=lambda one: one.cleared)[: limits.SUSPICIONS]


def _mark(
    turn: Turn, what: str, failed: list[Found], before: Suspicion | None, serves: Mapping[str, str]
) -> Suspicion | None:
    """The mark of one thing, said anew if it is news."""
    if before is not None and not failed:
        return None if serves.get(before.rollout) == before.release else before
    if not failed:
        return None
    at, rollout, release = max(failed)
    others = len({name for _, name, _ in failed} - {rollout})
    if before is not None and (before.failed_at is None or at <= before.failed_at):
        update = {"rollout": rollout, "release": release, "failed_at": at, "others": others}
        return before.model_copy(update=update)
    looked = turn.looked
    made = Suspicion(
        rollout=rollout, release=release, what=what, since=turn.now, failed_at=at, others=others, cleared=looked
    )
    if before is not None and not before.cleared:
        made.since, made.cleared = before.since, looked
    elif not looked:
        turn.note("Suspect", _told(made), warning=True)
    return made


def clear_suspects(turn: Turn) -> bool:
    """A person has looked: what is marked now counts no more. Whether there was anything."""
    open_ones = [one for one in turn.status.suspicions if not one.cleared]
    for one in open_ones:
        one.cleared = True
    return bool(open_ones)


def suspected(turn: Turn) -> str:
    """What is suspect of what is tried, or serves, or nothing."""
    return "; ".join(_told(one) for one in turn.status.suspicions if not one.cleared)


def stopped(turn: Turn) -> str:
    """What a candidate in its steps waits for, because it is suspect itself: what stable uses stops no fix of it.

    So does a first release that has not begun: nothing serves yet, and it would take all traffic at once.
    """
    candidate, stage = turn.status.candidate, turn.status.stage
    first = turn.wish.release if turn.wish and stage is Stage.IDLE else None
    release = candidate if stage is Stage.PROGRESSING else first
    if release is None:
        return ""
    used = uses(turn, release)
    said = "; ".join(_told(one) for one in turn.status.suspicions if not one.cleared and one.what in used)
    return f"a person, who clears the suspicion, or aborts: {said}" if said else ""


def _failed(others: list[Sibling]) -> dict[str, list[Found]]:
    """By what failed; what serves where it had failed has passed there since."""
    found: dict[str, list[Found]] = {}
    for one in others:
        for mark in one.marks:
            if mark.release != one.serves:
                found.setdefault(mark.what, []).append((mark.at or LONG_AGO, one.name, mark.release))
    return found


def _used(turn: Turn) -> list[str]:
    """By what is tried and what serves; before there is anything, by what the spec asks for."""
    releases = [release for release in (turn.status.candidate, turn.status.stable) if release]
    if not releases and turn.wish:
        releases = [turn.wish.release]
    return list(dict.fromkeys(what for release in releases for what in uses(turn, release)))


def _told(one: Suspicion) -> str:
    more = f" and in {one.others} more" if one.others else ""
    return f"{one.what} failed in SamplerRollout {one.rollout} (release {one.release}){more}"
