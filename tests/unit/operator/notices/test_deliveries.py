"""When who is told: order, pauses, ends; and the threads that do it."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.domain import limits
from sampler_rollouts.domain.notices.notice import Letter, NoticeType, made
from sampler_rollouts.domain.outcome import Outcome
from sampler_rollouts.domain.receivers import Notifications, Receiver
from sampler_rollouts.domain.status import HistoryEntry, Result, Status
from sampler_rollouts.notify.post import NotTakenError
from sampler_rollouts.reconcile import deliveries as module
from sampler_rollouts.reconcile.couriers import Couriers, deliver
from sampler_rollouts.reconcile.deliveries import LONGEST_PAUSE, Deliveries, Job

from tests.support.waiting import wait_for
from tests.unit.operator.notices.receiver import AT, ORIGIN

KEY = RolloutKey("serving", "chat")
OPS, PAGER = "ops", "pager"
FILE = Path("/key")


class Counts(list[tuple[str, str]]):
    def tried(self, receiver: str, result: str) -> None:
        self.append((receiver, result))


def receiver(**fields: object) -> Receiver:
    return Receiver(**{"url": "http://hooks", "signingKeyFile": FILE, **fields})  # type: ignore[arg-type]


class Scene:
    """A clock that is moved, and one rollout."""

    def __init__(self, **receivers: Receiver) -> None:
        self.seconds = 0.0
        self.counts = Counts()
        config = Notifications(cluster="east", receivers=receivers or {OPS: receiver()})
        self.deliveries = Deliveries(config, lambda: self.seconds, lambda: 1.0, self.counts)
        self.status = Status()
        self.events: list[str] = []
        self.woken: list[RolloutKey] = []
        self.deliveries.on_end = self.woken.append

    @property
    def now(self):  # type: ignore[no-untyped-def]
        return AT + timedelta(seconds=self.seconds)

    def happens(self, *releases: str, result: Result = Result.PROMOTED) -> None:
        """Each is an end of a rollout; then a reconcile."""
        fresh = [HistoryEntry(release=one, result=result, started_at=AT, ended_at=self.now) for one in releases]
        self.reconcile(Status(history=[*fresh, *self.status.history][: limits.HISTORY], notices=self.status.notices))

    def reconcile(self, after: Status | None = None, *, written: bool = True) -> None:
        outcome = Outcome(status=after or self.status, objects=())
        noted = self.deliveries.noted(ORIGIN, KEY, self.status, outcome, self.now)
        if written:
            self.status = Status.load(noted.outcome.status.dump())
            self.events += [note.message for note in noted.outcome.events]
            self.deliveries.offer(ORIGIN, KEY, noted)

    def taken(self, name: str = OPS) -> Job:
        job = self.deliveries.take(name)
        assert job is not None
        return job

    def owed(self) -> list[tuple[str, list[str]]]:
        return [(one.release, one.receivers) for one in self.status.notices]


def test_told_once_and_written_down() -> None:
    scene = Scene()
    scene.happens("a")
    job = scene.taken()
    assert (job.letter.notice.release, job.letter.origin.cluster) == ("a", "east")
    assert scene.deliveries.take(OPS) is None, "a courier is at it"
    scene.deliveries.delivered(job)
    assert (scene.woken, scene.owed()) == ([KEY], [("a", [OPS])])
    scene.reconcile()
    assert scene.owed() == []
    scene.reconcile()
    assert scene.deliveries.take(OPS) is None
    assert (scene.counts, scene.events) == ([(OPS, "delivered")], [])


def test_nothing_is_sent_before_it_is_written() -> None:
    scene = Scene()
    entry = HistoryEntry(release="a", result=Result.PROMOTED, started_at=AT, ended_at=AT)
    scene.reconcile(Status(history=[entry]), written=False)
    assert scene.deliveries.take(OPS) is None


def test_looks_while_it_is_being_sent_send_nothing_again() -> None:
    scene = Scene()
    scene.happens("a")
    job = scene.taken()
    scene.reconcile()
    assert scene.deliveries.take(OPS) is None
    scene.deliveries.delivered(job)
    # The result could not be written: the debt is still there, and is not paid twice by this process.
    scene.reconcile(written=False)
    noted = scene.deliveries.noted(ORIGIN, KEY, scene.status, Outcome(status=scene.status, objects=()), scene.now)
    assert noted.outcome.status.notices == []
    assert scene.deliveries.take(OPS) is None


def test_another_process_sends_what_was_not_written_down_with_the_same_id() -> None:
    scene = Scene()
    scene.happens("a")
    first = scene.taken()
    scene.deliveries.delivered(first)
    again = Scene()
    again.status = scene.status
    again.reconcile()
    assert again.taken().letter == first.letter


def test_one_rollout_s_notifications_keep_their_order() -> None:
    scene = Scene()
    scene.happens("b", "a")
    first = scene.taken()
    assert first.letter.notice.release == "a"
    scene.deliveries.refused(first, "HTTP 500", scene.now)
    scene.reconcile()
    assert scene.deliveries.take(OPS) is None, "b waits for a"
    scene.seconds += 60
    scene.deliveries.delivered(scene.taken())
    scene.reconcile()
    assert scene.taken().letter.notice.release == "b"


def test_pauses_grow_up_to_a_bound_and_are_not_all_the_same() -> None:
    scene = Scene()
    scene.happens("a")
    pauses = []
    for _ in range(14):
        job = scene.taken()
        scene.deliveries.refused(job, "HTTP 500", scene.now)
        with scene.deliveries.changed:
            pauses.append(scene.deliveries.due_in(OPS) or 0.0)
        scene.seconds += pauses[-1]
    assert pauses[:4] == [2.0, 4.0, 8.0, 16.0]
    assert pauses[-1] == LONGEST_PAUSE
    scene.deliveries._jitter = lambda: 0.0
    assert scene.deliveries._pause(job, False) == LONGEST_PAUSE / 2


def test_what_hardly_helps_is_tried_seldom_and_who_asks_us_to_wait_is_heard() -> None:
    for how, pause in (({"hopeless": True}, LONGEST_PAUSE), ({"pause": 90.0}, 90.0), ({"pause": 0.5}, 2.0)):
        scene = Scene()
        scene.happens("a")
        scene.deliveries.refused(scene.taken(), "HTTP 4xx", scene.now, **how)  # type: ignore[arg-type]
        with scene.deliveries.changed:
            assert scene.deliveries.due_in(OPS) == pause


def test_it_is_given_up_after_its_deadline_and_that_is_told(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(ops=receiver(deadline=60))
    scene.happens("a")
    scene.deliveries.refused(scene.taken(), "it answers HTTP 500", scene.now)
    scene.seconds = 60
    scene.deliveries.refused(scene.taken(), "it answers HTTP 503", scene.now)
    scene.reconcile()
    why = "given up after 2 tries, the last one because it answers HTTP 503"
    assert len(scene.events) == 1
    assert scene.events[0].endswith(f": {why}.")
    assert scene.owed() == []
    assert scene.counts == [(OPS, "failed"), (OPS, "given_up")]
    assert [one.levelno for one in caplog.records] == [logging.WARNING, logging.ERROR]
    assert why in caplog.text


def test_an_operator_that_was_away_for_longer_tries_once_all_the_same() -> None:
    scene = Scene(ops=receiver(deadline=60))
    scene.happens("a")
    again = Scene(ops=receiver(deadline=60))
    again.status, again.seconds = scene.status, 5000.0
    again.reconcile()
    again.deliveries.delivered(again.taken())
    assert again.counts == [(OPS, "delivered")]


def test_a_receiver_that_is_configured_no_more_is_told_as_lost() -> None:
    scene = Scene()
    scene.happens("a")
    other = Scene(pager=receiver())
    other.status = scene.status
    other.reconcile()
    assert other.owed() == []
    assert "no receiver of this name any more" in other.events[0]
    assert other.counts == [("unknown", "given_up")]


def test_receivers_are_told_what_they_want_of_where_they_want() -> None:
    scene = Scene(ops=receiver(types=["RolledBack"]), pager=receiver(namespaces=["elsewhere"]), all=receiver())
    scene.happens("a")
    assert scene.owed() == [("a", ["all"])]
    scene.happens("b", result=Result.ROLLED_BACK)
    assert scene.owed() == [("a", ["all"]), ("b", [OPS, "all"])]


def test_too_many_at_once_are_told_as_lost() -> None:
    scene = Scene()
    for number in range(limits.NOTICES + 1):
        scene.seconds += 1
        scene.happens(f"r{number}")
    assert len(scene.status.notices) == limits.NOTICES
    assert "more than 16 notifications" in scene.events[0]
    assert scene.counts == [(OPS, "given_up")]
    assert scene.taken().letter.notice.release == "r1", "the one that is left"


def test_the_queue_is_bounded_and_what_is_beyond_waits_in_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    scene = Scene()
    scene.happens("a")
    other = Status(notices=[one.model_copy(update={"release": "z"}) for one in scene.status.notices])
    key = RolloutKey("serving", "other")

    def offer() -> None:
        scene.deliveries.offer(ORIGIN, key, module.Noted(Outcome(status=other, objects=())))

    offer()
    assert scene.deliveries.waiting(OPS) == 1
    scene.deliveries.delivered(scene.taken())
    assert scene.deliveries.take(OPS) is None
    offer()
    assert scene.taken().key == key


def test_how_long_the_oldest_has_waited() -> None:
    scene = Scene()
    assert scene.deliveries.oldest(OPS, scene.now) == 0.0
    scene.happens("a")
    scene.seconds += 30
    assert scene.deliveries.oldest(OPS, scene.now) == 30.0


class Hanging:
    """One receiver hangs; the other one is quick."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.release = threading.Event()

    def send(self, name: str, letter: Letter) -> None:
        if name == OPS:
            self.release.wait(30)
        self.sent.append(name)


def test_one_receiver_that_hangs_holds_up_neither_the_other_nor_a_look() -> None:
    scene, post = Scene(ops=receiver(), pager=receiver()), Hanging()
    couriers = Couriers(scene.deliveries, post)
    couriers.start()
    try:
        scene.happens("a")
        wait_for("the quick one", lambda: post.sent == [PAGER], timeout=20, every=0.01)
        wait_for("its result", lambda: scene.woken == [KEY], timeout=20, every=0.01)
        scene.reconcile()
        assert scene.owed() == [("a", [OPS])]
        post.release.set()
        wait_for("the other one", lambda: scene.woken == [KEY, KEY], timeout=20, every=0.01)
    finally:
        post.release.set()
        couriers.close()
    assert not any(thread.name.startswith("courier") for thread in threading.enumerate())


def test_an_unforeseen_error_is_a_refusal_and_shows_no_word_of_it(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def send(self, name: str, letter: Letter) -> None:
            raise RuntimeError("".join(["di", "ary"]))

    scene = Scene()
    scene.happens("a")
    deliver(scene.deliveries, Broken(), scene.taken(), lambda: scene.now)
    assert scene.counts == [(OPS, "failed")]
    assert "sending it failed: RuntimeError" in repr([vars(one) for one in caplog.records])
    assert "diary" not in caplog.text


def test_a_refusal_carries_what_the_receiver_asks_for() -> None:
    class Busy:
        def send(self, name: str, letter: Letter) -> None:
            raise NotTakenError("it answers HTTP 429", pause=300.0)

    scene = Scene()
    scene.happens("a")
    deliver(scene.deliveries, Busy(), scene.taken(), lambda: scene.now)
    with scene.deliveries.changed:
        assert scene.deliveries.due_in(OPS) == 300.0


def test_made_up_notices_are_of_the_type() -> None:
    assert made("u", NoticeType.HELD, AT, release="a", reason="r", message="x" * 5000).message.endswith("…")
