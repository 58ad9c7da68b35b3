"""A build or setting that failed in another SamplerRollout stops where it is until a person has looked (R23)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision.changes import uses
from sampler_rollouts.domain.plan import Suspicion
from sampler_rollouts.domain.status import Stage

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.observation import Found, Place, Siblings


def note_suspects(turn: Turn) -> None:
    """One mark for each thing that failed elsewhere, however often; gone once it is used no more, or has passed there.

    What a person has cleared is open again when it fails anew. What a retry of this very look is about, is cleared.
    """
    if (siblings := turn.seen.siblings) is None:
        return
    before = {one.what: one for one in turn.status.suspicions}
    marks = [_mark(turn, what, siblings, before.get(what)) for what in _used(turn)]
    turn.status.suspicions = sorted((one for one in marks if one), key=lambda one: one.cleared)[: limits.SUSPICIONS]


def _mark(turn: Turn, what: str, siblings: Siblings, before: Suspicion | None) -> Suspicion | None:
    """The mark of one thing, said anew if it is news."""
    here = turn.meta.namespace, turn.meta.name
    failed: list[Found] = [one for one in siblings.failed.get(what, ()) if one[1] != here]
    if not failed:
        return before if before is not None and _stays(turn, before, siblings) else None
    at, place, release = max(failed)
    others, rollout = len({one for _, one, _ in failed} - {place}), _name(turn, place)
    if before is not None and (before.failed_at is None or at <= before.failed_at):
        # Not every namespace may be seen at each look: when it failed last stays, so that what was cleared stays so.
        latest = before.failed_at or at
        update = {"rollout": rollout, "release": release, "failed_at": latest, "others": others}
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


def _stays(turn: Turn, mark: Suspicion, siblings: Siblings) -> bool:
    """Whoever made it may be gone, or try again; what has passed there counts no more, nor what is not heeded now."""
    namespace, _, name = mark.rollout.rpartition("/")
    place = namespace or turn.meta.namespace, name
    return place[0] in siblings.within and siblings.serves.get(place) != mark.release


def _name(turn: Turn, place: Place) -> str:
    """With its namespace where that is another one: no name has a slash in it."""
    return place[1] if place[0] == turn.meta.namespace else "/".join(place)


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


def _used(turn: Turn) -> list[str]:
    """By what is tried and what serves; before there is anything, by what the spec asks for."""
    releases = [release for release in (turn.status.candidate, turn.status.stable) if release]
    if not releases and turn.wish:
        releases = [turn.wish.release]
    return list(dict.fromkeys(what for release in releases for what in uses(turn, release)))


def _told(one: Suspicion) -> str:
    more = f" and in {one.others} more" if one.others else ""
    return f"{one.what} failed in SamplerRollout {one.rollout} (release {one.release}){more}"
