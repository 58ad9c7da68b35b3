"""A build or setting that failed in another SamplerRollout stops where it is until a person has looked (R23)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision.changes import uses
from sampler_rollouts.domain.plan import Suspicion
from sampler_rollouts.domain.status import Stage

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.observation import Sibling

Key = tuple[str, str, str]


def note_suspects(turn: Turn) -> None:
    """New marks are noted; those of what is no longer used, or has passed where it had failed, go."""
    siblings = turn.seen.siblings
    if siblings is None:
        return
    others = [one for one in siblings if one.name != turn.meta.name]
    used = _used(turn)
    serves = {one.name: one.serves for one in others}
    known = {_key(one): one for one in turn.status.suspicions}
    kept = [one for one in known.values() if one.what in used and serves.get(one.rollout) != one.release]
    new = [
        Suspicion(rollout=name, release=release, what=what, since=turn.now)
        for name, release, what in sorted(_marks(others))
        if what in used and (name, release, what) not in known
    ]
    for one in new:
        turn.note("Suspect", _told(one), warning=True)
    turn.status.suspicions = [*kept, *new][: limits.SUSPECTS]


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
    """What a candidate in its steps waits for, because it is suspect itself: what stable uses stops no fix of it."""
    candidate = turn.status.candidate
    if candidate is None or turn.status.stage is not Stage.PROGRESSING:
        return ""
    used = uses(turn, candidate)
    said = "; ".join(_told(one) for one in turn.status.suspicions if not one.cleared and one.what in used)
    return f"a person, who clears the suspicion, or aborts: {said}" if said else ""


def _marks(others: list[Sibling]) -> set[Key]:
    return {(one.name, mark.release, mark.what) for one in others for mark in one.marks if mark.release != one.serves}


def _used(turn: Turn) -> set[str]:
    releases = (turn.status.candidate, turn.status.stable)
    return {what for release in releases if release for what in uses(turn, release)}


def _key(one: Suspicion) -> Key:
    return one.rollout, one.release, one.what


def _told(one: Suspicion) -> str:
    return f"{one.what} failed in SamplerRollout {one.rollout} (release {one.release})"
