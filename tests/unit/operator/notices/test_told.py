"""Whole rollouts, with a receiver: told once, in order; killed anywhere, nothing is lost and nothing has two ids."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.domain.notices.notice import Letter
from sampler_rollouts.domain.receivers import Notifications
from sampler_rollouts.notify.post import NotTakenError
from sampler_rollouts.reconcile.couriers import deliver
from sampler_rollouts.reconcile.deliveries import Deliveries
from sampler_rollouts.reconcile.reconciler import Reconciler
from sampler_rollouts.reconcile.sampling import BoundedMetrics

from tests.unit.operator.reconcile.world import PATH, Inline, World, condition, events, image, spec

CONFIG = Notifications.model_validate(
    {"cluster": "east", "receivers": {"ops": {"url": "http://hooks", "signingKeyFile": "/key"}}}
)
TURNS = 90


class Killed(BaseException):
    """The process is gone."""


class Told(World):
    """A world with a receiver that keeps what it is told."""

    def __init__(self) -> None:
        self.got: list[Letter] = []
        self.down = 0
        super().__init__()

    def start(self) -> None:
        metrics = BoundedMetrics(self.traffic, ["default"], time_limit=1.0)
        metrics._threads = {"": Inline(), "default": Inline()}  # type: ignore[dict-item]
        self.deliveries = Deliveries(CONFIG, self.seconds, lambda: 1.0)
        cluster = KubernetesCluster(self.api)
        self.reconciler = Reconciler(cluster, metrics, Inline(), self.clock, deliveries=self.deliveries)

    def seconds(self) -> float:
        return self.clock.now.timestamp()

    def send(self, name: str, letter: Letter) -> None:
        if self.down:
            self.down -= 1
            raise NotTakenError("it answers HTTP 503")
        self.got.append(letter)

    async def live(self, turns: int = TURNS) -> None:
        """Looks, a courier's tries between them, and a new process where one was killed."""
        for _ in range(turns):
            try:
                await self.turn()
                if (job := self.deliveries.take("ops")) is not None:
                    deliver(self.deliveries, self, job, self.clock)
            except Killed:
                self.start()

    def told(self) -> list[str]:
        return [f"{one.notice.type.value} {one.notice.reason}" for one in self.got]

    def ids(self) -> Counter[str]:
        return Counter(one.notice.id for one in self.got)


async def goes_bad(world: Told) -> None:
    """A first release, then a bad one that is rolled back."""
    world.declare(spec("a"))
    await world.live(25)
    world.traffic.bad_images.add(image("b"))
    world.declare(spec("b"))
    await world.live()


STORY = ["Promoted Established", "RolledBack CheckFailed"]


async def test_a_rollback_is_told_once_with_its_sentence() -> None:
    world = Told()
    await goes_bad(world)

    assert world.told() == STORY
    last = world.got[-1]
    assert last.notice.message == condition(world, "RolledBack")[2]
    assert last.notice.release == world.status["failed"][0]["hash"]
    assert (last.origin.namespace, last.origin.rollout, last.origin.cluster) == ("serving", "chat", "east")
    assert last.origin.uid == world.api.objects[PATH]["metadata"]["uid"]
    assert world.status["notices"] == []
    world.start()
    await world.live(5)
    assert world.told() == STORY, "a new process finds nothing to tell"


async def test_what_another_spec_ends_has_recovered_and_a_good_release_is_promoted() -> None:
    world = Told()
    await goes_bad(world)
    world.declare(spec("c"))
    await world.live()
    assert world.told() == [*STORY, "Recovered TroubleOver", "Promoted Promoted"]


async def test_a_receiver_that_is_down_holds_nothing_up_and_is_told_later() -> None:
    world = Told()
    world.down = 5
    await goes_bad(world)
    assert world.told() == STORY
    calm = World()
    calm.declare(spec("a"))
    await calm.settle(25)
    calm.traffic.bad_images.add(image("b"))
    calm.declare(spec("b"))
    await calm.settle(TURNS)
    assert world.status["failed"][0]["at"] == calm.status["failed"][0]["at"], "rolled back at the same second"


async def test_without_receivers_nothing_is_kept() -> None:
    world = World()
    world.declare(spec("a"))
    await world.settle(25)
    assert world.status["history"][0]["result"] == "Established"
    assert world.status["notices"] == []


async def test_a_debt_to_a_receiver_that_is_gone_is_told_as_lost() -> None:
    world = Told()
    world.down = 1000
    world.declare(spec("a"))
    await world.live(25)
    assert world.status["notices"][0]["receivers"] == ["ops"]
    World.start(world)
    await world.turn()
    assert world.status["notices"] == []
    assert "NotDelivered" in events(world)


def killing(world: Told, at: int, *, after: bool) -> None:
    """The process dies around the write of a status with that number."""
    seen = [0]

    def hit(write: Any) -> bool:
        if not write[1].endswith("/status"):
            return False
        seen[0] += 1
        return seen[0] == at

    def die(write: Any) -> None:
        if hit(write):
            raise Killed

    if after:
        world.api.after_write = die
    else:
        world.api.before_write = die


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_around_any_write_of_a_status_nothing_is_lost(after: bool) -> None:
    calm = Told()
    await goes_bad(calm)
    writes = sum(path.endswith("/status") for _, path, *_ in calm.api.writes)
    for at in range(1, writes + 1):
        world = Told()
        killing(world, at, after=after)
        await goes_bad(world)
        assert list(dict.fromkeys(world.told())) == STORY, at
        assert len(world.ids()) == len(STORY), at
        assert max(world.ids().values()) <= 2, at
        assert world.status["notices"] == [], at


async def test_taken_but_not_written_down_it_is_told_again_with_the_same_id() -> None:
    world = Told()
    world.declare(spec("a"))
    while not world.got:
        await world.live(1)
    assert world.status["notices"], "the look that notes it has not been"
    world.start()
    await world.live(5)
    assert sorted(world.ids().values()) == [2]
    assert world.status["notices"] == []
