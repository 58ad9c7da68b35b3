"""What is owed to whom, in status: written with the decision that it tells of, taken out when it has been told.

A notification is sent only after the status that holds it was written, and leaves it only after it was taken, or given
up. So a process that is killed anywhere forgets none, and may send one again: with the same id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from sampler_rollouts.domain import limits

if TYPE_CHECKING:
    from sampler_rollouts.domain.notices.notice import Notice, NoticeType
    from sampler_rollouts.domain.status import Status


class Debt(NamedTuple):
    """One notification for one receiver."""

    receiver: str
    notice: str
    """Its id."""


class Lost(NamedTuple):
    """What a receiver will never be told, and why."""

    receiver: str
    notice: Notice
    why: str

    def __str__(self) -> str:
        """One sentence."""
        what = f"notification {self.notice.type.value} of release {self.notice.release} ({self.notice.id})"
        return f"Receiver {self.receiver} was not told: {what}: {self.why}."


def posted(status: Status, fresh: list[Notice], addressees: Callable[[NoticeType], list[str]]) -> Status:
    """The status with what is new, for whoever wants to be told; what nobody wants is not kept."""
    wanted = [one.model_copy(update={"receivers": addressees(one.type)}) for one in fresh]
    added = [one for one in wanted if one.receivers]
    return status.model_copy(update={"notices": [*status.notices, *added]}) if added else status


def settled(status: Status, results: Mapping[Debt, str]) -> tuple[Status, list[Lost]]:
    """The status without the debts that have an end, and those of them that ended badly: their result says why."""
    if not results:
        return status, []
    kept, lost = [], []
    for notice in status.notices:
        ends = {name: results[Debt(name, notice.id)] for name in notice.receivers if Debt(name, notice.id) in results}
        lost += [Lost(name, notice, why) for name, why in ends.items() if why]
        left = [name for name in notice.receivers if name not in ends]
        if left:
            kept.append(notice.model_copy(update={"receivers": left}) if ends else notice)
    return status.model_copy(update={"notices": kept}), lost


def bounded(status: Status) -> tuple[Status, list[Lost]]:
    """The status with no more notices than it may hold: the oldest go, and that is told."""
    gone, kept = status.notices[: -limits.NOTICES], status.notices[-limits.NOTICES :]
    if not gone:
        return status, []
    why = f"more than {limits.NOTICES} notifications of this rollout are waiting"
    lost = [Lost(name, notice, why) for notice in gone for name in notice.receivers]
    return status.model_copy(update={"notices": kept}), lost


def owed(status: Status) -> dict[str, Notice]:
    """By receiver what it is to be told next: one after the other, in the order in which it happened."""
    found: dict[str, Notice] = {}
    for notice in status.notices:
        for name in notice.receivers:
            found.setdefault(name, notice)
    return found


def strangers(status: Status, known: frozenset[str]) -> dict[Debt, str]:
    """Debts to receivers that the configuration does not have any more, each with that as its end."""
    why = "the operator's configuration has no receiver of this name any more"
    return {Debt(name, one.id): why for one in status.notices for name in one.receivers if name not in known}
