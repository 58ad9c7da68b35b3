"""What is news, and how it is kept in status until everybody has been told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sampler_rollouts.domain import limits
from sampler_rollouts.domain.loose import Clock, Failure
from sampler_rollouts.domain.notices.news import in_trouble, news
from sampler_rollouts.domain.notices.notice import Notice, NoticeType, made
from sampler_rollouts.domain.notices.outbox import Debt, bounded, owed, posted, settled, strangers
from sampler_rollouts.domain.plan import Alarm as WatchAlarm
from sampler_rollouts.domain.plan import Fault, QualityPlan, Release, Rollout, Watch
from sampler_rollouts.domain.status import Condition, HistoryEntry, Result, Status

from tests.unit.operator.notices.receiver import AT

QUALITY = QualityPlan(
    metrics_source="default", false_rollback_rate="1%", pass_confidence="95%", design_effect="1", checks=[], tests=0
)
LATER = AT + timedelta(seconds=7, microseconds=5)


def ended(result: Result, release: str = "abc", **more: Any) -> HistoryEntry:
    return HistoryEntry(release=release, result=result, message=f"{result.value}.", started_at=AT, ended_at=AT, **more)


def rollout(**more: Any) -> Rollout:
    return Rollout(release="abc", started_at=AT, quality=QUALITY, waves=[], clock=Clock(since=AT), **more)


def holding(at: Any = AT) -> Status:
    return Status(rollout=rollout(hold=Failure(reason="DeadlineExceeded", message="It holds.", at=at)))


def alarmed() -> Status:
    alarm = WatchAlarm(reason="CheckFailed", message="Not well.", at=AT, pool="p", check="errors")
    stable = Release(hash="abc", since=AT)
    return Status(stable=stable, watch=Watch(release="abc", since=AT, seconds=9, quality=QUALITY, alarm=alarm))


def rolled_back() -> Status:
    condition = Condition(type="RolledBack", status="True", last_transition_time=AT, reason="CheckFailed")
    return Status(history=[ended(Result.ROLLED_BACK, reason="CheckFailed")], conditions=[condition])


def told(before: Status, after: Status) -> list[tuple[str, str, str]]:
    return [(one.type.value, one.reason, one.release) for one in news(before, after, "uid", LATER)]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (Status(history=[ended(Result.PROMOTED)]), ("Promoted", "Promoted", "abc")),
        (Status(history=[ended(Result.ESTABLISHED)]), ("Promoted", "Established", "abc")),
        (Status(history=[ended(Result.RESTORED)]), ("Promoted", "Restored", "abc")),
        (rolled_back(), ("RolledBack", "CheckFailed", "abc")),
        (holding(), ("Held", "DeadlineExceeded", "abc")),
        (alarmed(), ("Degraded", "CheckFailed", "abc")),
        (
            Status(stable=Release(hash="abc", since=AT, fault=Fault(reason="CheckFailed", message="Bad.", at=AT))),
            ("Degraded", "CheckFailed", "abc"),
        ),
        (
            Status(rollout=rollout(first=True, failure=Failure(reason="PodsFailing", message="Exits.", at=AT))),
            ("Degraded", "PodsFailing", "abc"),
        ),
    ],
)
def test_each_is_told_once(after: Status, expected: tuple[str, str, str]) -> None:
    assert told(Status(), after) == [expected]
    assert told(after, after) == []
    reread = Status.load(after.dump())
    assert told(reread, reread) == []
    assert [one.id for one in news(Status(), reread, "uid", LATER)] == [
        one.id for one in news(Status(), after, "uid", AT)
    ], "the same after a restart"


def test_who_withdraws_a_release_is_not_told_of_it() -> None:
    assert told(Status(), Status(history=[ended(Result.WITHDRAWN)])) == []


def test_two_ends_in_one_decision_are_told_in_their_order() -> None:
    """Newest first in the history."""
    after = Status(history=[ended(Result.PROMOTED, "new"), ended(Result.ROLLED_BACK, "old")])
    assert [release for _, _, release in told(Status(), after)] == ["old", "new"]


def test_a_history_that_lost_its_oldest_says_nothing_new() -> None:
    full = [ended(Result.PROMOTED, f"r{number}") for number in range(limits.HISTORY)]
    after = [ended(Result.PROMOTED, "new"), *full][: limits.HISTORY]
    assert [one[2] for one in told(Status(history=full), Status(history=after))] == ["new"]


def test_another_hold_is_another_piece_of_news() -> None:
    assert told(holding(), holding(LATER)) == [("Held", "DeadlineExceeded", "abc")]


@pytest.mark.parametrize("before", [holding(), alarmed(), rolled_back()], ids=["held", "alarm", "rolled back"])
def test_the_end_of_trouble_is_told(before: Status) -> None:
    assert in_trouble(before)
    after = Status(stable=Release(hash="abc", since=AT), history=before.history)
    (only,) = news(before, after, "uid", LATER)
    assert (only.type, only.at) == (NoticeType.RECOVERED, LATER.replace(microsecond=0))


def test_a_promotion_ends_the_trouble_by_itself() -> None:
    assert told(alarmed(), Status(history=[ended(Result.PROMOTED)])) == [("Promoted", "Promoted", "abc")]


def test_from_one_trouble_into_the_next_nothing_has_recovered() -> None:
    assert told(holding(), rolled_back()) == [("RolledBack", "CheckFailed", "abc")]


def test_ids_tell_objects_types_releases_and_times_apart() -> None:
    def identity(uid: str = "u", kind: NoticeType = NoticeType.HELD, at: Any = AT, release: str = "a") -> str:
        return made(uid, kind, at, release=release, reason="r", message="m").id

    different = {
        identity(), identity(uid="v"), identity(kind=NoticeType.DEGRADED), identity(at=LATER), identity(release="b"),
    }  # fmt: skip
    assert len(different) == 5
    assert identity(at=AT.astimezone()) == identity()


def notice(name: str, *receivers: str) -> Notice:
    made_up = made("u", NoticeType.HELD, AT, release=name, reason="r", message="m")
    return made_up.model_copy(update={"id": name, "receivers": list(receivers)})


def test_what_is_owed_is_told_one_after_the_other() -> None:
    status = Status(notices=[notice("1", "b"), notice("2", "a", "b")])
    assert {name: one.id for name, one in owed(status).items()} == {"b": "1", "a": "2"}
    status, lost = settled(status, {Debt("b", "1"): "", Debt("a", "2"): "", Debt("c", "2"): "", Debt("b", "0"): ""})
    assert ([(one.id, one.receivers) for one in status.notices], lost) == ([("2", ["b"])], [])


def test_a_bad_end_is_told_with_its_reason() -> None:
    status, (lost,) = settled(Status(notices=[notice("1", "b")]), {Debt("b", "1"): "HTTP 500"})
    assert status.notices == []
    assert str(lost) == "Receiver b was not told: notification Held of release 1 (1): HTTP 500."


def test_what_nobody_wants_is_not_kept() -> None:
    status = Status()
    assert posted(status, [notice("1")], lambda kind: []) is status
    assert [one.receivers for one in posted(status, [notice("1")], lambda kind: ["a"]).notices] == [["a"]]


def test_what_is_too_much_is_told_as_lost() -> None:
    status = Status(notices=[notice(str(number), "a") for number in range(limits.NOTICES + 2)][: limits.NOTICES])
    status = posted(status, [notice("new", "a")], lambda kind: ["a"])
    kept, lost = bounded(status)
    assert [one.notice.id for one in lost] == ["0"]
    assert (len(kept.notices), kept.notices[-1].id) == (limits.NOTICES, "new")
    assert Status.load(kept.dump()).notices == kept.notices


def test_receivers_that_are_configured_no_more_are_named() -> None:
    status = Status(notices=[notice("1", "a", "b")])
    assert list(strangers(status, frozenset({"a"}))) == [Debt("b", "1")]
