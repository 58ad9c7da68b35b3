"""What others have changed of the children is remembered before it is put back, and told (R22); so are what they have
added to pods, and routes of theirs to these, which stay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.outcome import EventNote, Outcome

if TYPE_CHECKING:
    from sampler_rollouts.domain.plan import OutsideEdit

CHANGED_OUTSIDE: Final = "ChangedOutside"
ADDED_OUTSIDE: Final = "AddedOutside"
ROUTE_OF_OTHERS: Final = "RouteOfOthers"
AGAIN: Final = timedelta(seconds=60)
"""Somebody who changes the same thing again and again, a controller perhaps, is told once a minute."""


def note_edits(outcome: Outcome, found: Iterable[OutsideEdit]) -> Outcome:
    """The outcome, with what is new: status is written before anything is put back, so that none is forgotten (R4)."""
    known = outcome.status.edits
    news = [one for one in found if not any(_same(one, other) for other in known)]
    if outcome.hands_off or not news:
        return outcome
    rest = [one for one in known if not any(_whose(one) == _whose(other) for other in news)]
    kept = sorted([*news, *rest], key=lambda one: one.at, reverse=True)[: limits.EDITS]
    if not (news := [one for one in news if one in kept]):  # what stands for long, and is older than all that is kept
        return outcome
    events = [_event(one) for one in news]
    status = outcome.status.model_copy(update={"edits": kept})
    return replace(outcome, status=status, events=(*outcome.events, *events))


def said(edit: OutsideEdit) -> str:
    """In words, without the time."""
    if edit.services:
        return f"{edit.by} wrote {edit.kind} {edit.name} with backends {edit.services}"
    if edit.adds:
        return f"{edit.by} added to the pods of {edit.kind} {edit.name}: {edit.adds}"
    return f"{edit.by} changed {edit.kind} {edit.name}"


def _event(edit: OutsideEdit) -> EventNote:
    if edit.services:  # where users come without a gateway of ours it may well be meant so
        return EventNote("Normal", ROUTE_OF_OTHERS, limits.clip(f"{said(edit)}; it is not the operator's, and stays."))
    if edit.adds:
        told = (
            f"{said(edit)}. These pods were started anew without a gate; what was added stays until it is taken away."
        )
        return EventNote("Warning", ADDED_OUTSIDE, limits.clip(told))
    return EventNote("Warning", CHANGED_OUTSIDE, f"{said(edit)}; it is put back.")


def _whose(edit: OutsideEdit) -> tuple[str, str, str, str]:
    return edit.kind, edit.name, edit.by, edit.adds


def _same(edit: OutsideEdit, known: OutsideEdit) -> bool:
    return _whose(edit) == _whose(known) and edit.at - known.at < AGAIN
