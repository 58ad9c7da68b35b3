"""Stories of the bake: its clock runs only while data are valid."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sampler_rollouts.domain.decision import question
from sampler_rollouts.domain.decision.baking import UNSEEN, is_due

from tests.unit.operator.domain.story import bad, results, rolling, silent
from tests.unit.operator.domain.world import START, World, established, inconclusive, passing, spec


def promoted() -> World:
    world = rolling()
    world.judge = passing
    world.until("Serving")
    world.run(10)
    return world


@pytest.mark.parametrize("begin", [established, promoted], ids=["first release", "later release"])
class TestEveryRelease:
    def test_without_an_answer_of_the_source_it_is_never_verified_and_stays_ready(
        self, begin: Callable[[], World]
    ) -> None:
        world = begin()
        world.metrics_up = False
        world.run(3000)
        assert world.status.verified is None
        assert world.condition("Ready") == ("True", "FullTraffic")
        assert world.condition("Verified") == ("False", "SourceUnreachable")
        assert "clock stands" in world.message("Verified")

    def test_without_data_of_one_check_neither(self, begin: Callable[[], World]) -> None:
        world = begin()
        world.judge = silent
        world.run(3000)
        assert world.status.verified is None
        assert world.condition("Verified") == ("False", "NoData")
        assert "check errors in pool cpu-a" in world.message("Verified")

    def test_the_time_before_and_after_an_outage_is_added_up(self, begin: Callable[[], World]) -> None:
        world = begin()
        world.run(200)
        world.metrics_up = False
        world.run(3000)
        world.metrics_up = True
        world.run(60)
        assert world.status.verified is None
        assert world.condition("Verified") == ("False", "Baking")
        world.run(60)
        assert world.condition("Verified") == ("True", "BakeTimeOver")

    def test_too_few_requests_are_data(self, begin: Callable[[], World]) -> None:
        world = begin()
        world.judge = inconclusive
        world.run(330)
        assert world.condition("Verified") == ("True", "BakeTimeOver")

    def test_time_in_which_nobody_looked_does_not_count(self, begin: Callable[[], World]) -> None:
        world = begin()
        world.run(60)
        world.tick(5000)
        assert world.status.verified is None
        world.run(100)
        assert world.status.verified is None
        world.run(200)
        assert world.condition("Verified") == ("True", "BakeTimeOver")

    def test_pods_that_are_not_there_give_no_data(self, begin: Callable[[], World]) -> None:
        world = begin()
        world.unready = {pod.name for pod in world.pods if pod.pool == "cpu-b"}
        world.run(1000)
        assert world.status.verified is None
        assert world.condition("Verified") == ("False", "StaleData")
        assert "cpu-b" in world.message("Verified")

    def test_paused_it_stands(self, begin: Callable[[], World]) -> None:
        world = begin()
        world.update(world.spec | {"paused": True})
        world.run(1000)
        assert world.condition("Verified") == ("False", "Paused")
        world.update(world.spec | {"paused": False})
        world.run(330)
        assert world.condition("Verified") == ("True", "BakeTimeOver")


def test_a_later_release_is_looked_at_no_more_often_than_its_pods_are_scraped() -> None:
    world = promoted()
    world.scrape_interval = 15
    assert world.tick().requeue_after == 15


def test_a_status_is_not_written_anew_at_every_look() -> None:
    world = promoted()
    world.run(60)
    assert world.status.bake is not None
    before = world.status
    for _ in range(4):
        outcome = world.tick()
    assert (before.bake.seen_at, before.bake.clock) == (outcome.status.bake.seen_at, outcome.status.bake.clock)


def test_a_day_in_which_nothing_happens_is_written_down_a_few_times_an_hour() -> None:
    day = {"strategy": {"bakeTime": "24h"}}
    world = rolling(**day)
    world.judge, world.scrape_interval = passing, 15
    world.until("Serving")
    writes = 0
    for _ in range(4 * 240):
        before = world.raw_status
        world.tick(15)
        writes += world.raw_status != before
    assert 4 * 14 <= writes <= 4 * 18


@pytest.mark.parametrize("scrape", [3, 15, 59.9, 60, 61, 90, 300])
def test_looks_that_fail_and_an_operator_that_starts_again_stop_no_clock(scrape: float) -> None:
    """It is noted early enough, however far looks are apart, and whenever that befalls them."""
    longest = max(UNSEEN, 5 * scrape)
    now = START
    for lost in range(60):
        noted, ages = START, []
        for number in range(60):
            # Two looks are lost, or as many as come in a minute.
            step = max(60, 3 * scrape) if number == lost else scrape
            now += timedelta(seconds=step)
            ages.append((now - noted).total_seconds())
            noted = now if is_due(noted, now, longest, scrape) else noted
        assert max(ages[1:]) <= longest


def test_a_note_of_a_time_that_is_yet_to_come_is_set_right() -> None:
    assert is_due(START + timedelta(hours=1), START, UNSEEN, 15)
    assert is_due(None, START, UNSEEN, 15)


def test_a_paused_bake_is_looked_at_as_often_as_any_other_for_an_alarm_may_come() -> None:
    world = promoted()
    world.scrape_interval = 15
    world.update(world.spec | {"paused": True})
    assert world.tick().requeue_after == 15
    world.judge = bad(world.revision_of("stable"))
    world.tick(15)
    assert world.condition("RolledBack") == ("True", "CheckFailed")


def test_what_was_asked_for_a_bake_says_nothing_of_the_share_exposed() -> None:
    world = promoted()
    before = world.status.pool("cpu-a").requests
    world.arrivals.per_second = 10
    world.run(60)
    assert world.status.pool("cpu-a").requests == before


class TestAlarm:
    """A check fails while a later release bakes (R20)."""

    def test_the_release_that_was_replaced_comes_back_and_the_other_is_held(self) -> None:
        world = rolling()
        old = world.revision_of("stable")
        world.judge = passing
        world.until("Serving")
        world.run(60)
        new = world.revision_of("stable")
        world.judge = bad(new)
        world.tick()
        assert world.status.stage == "RollingBack"
        assert world.serving(new) == {"cpu-a": 1, "cpu-b": 1}, "half of each pool serves on until others are ready"
        world.run(60)
        assert world.status.stage == "Serving"
        assert world.serving(old) == {"cpu-a": 2, "cpu-b": 2}
        assert world.serving(new) == {}
        assert world.condition("Stalled") == ("True", "RolledBack")
        assert world.condition("RolledBack") == ("True", "CheckFailed")
        assert "in its bake time" in world.message("RolledBack")
        assert "at full traffic" in world.message("RolledBack")
        assert "(100%) were exposed" in world.message("RolledBack")
        assert results(world)[0] == "RolledBack"
        world.run(400)
        assert world.condition("Verified") == ("True", "BakeTimeOver"), "it is watched like any other"

    def test_a_verified_release_comes_back_rather_than_the_replaced_one(self) -> None:
        world = established()
        world.run(400)
        first = world.status.verified.hash
        world.judge = passing
        world.update(spec("b"))
        world.until("Serving")
        world.update(spec("c"))
        world.tick()
        world.until("Serving")
        assert world.status.previous.hash != first
        world.judge = bad(world.revision_of("stable"))
        world.run(60)
        assert world.status.stable.hash == first
        assert world.condition("Verified") == ("True", "BakeTimeOver")

    @pytest.mark.long
    def test_killed_at_any_write_it_ends_the_same(self) -> None:
        for writes in range(8):
            world = promoted()
            new = world.revision_of("stable")
            world.judge = bad(new)
            world.tick(5, writes=writes)
            world.run(80)
            assert results(world)[:2] == ["RolledBack", "Promoted"]
            assert world.serving(new) == {}

    def test_paused_it_is_taken_back_all_the_same(self) -> None:
        world = promoted()
        world.update(world.spec | {"paused": True})
        world.judge = bad(world.revision_of("stable"))
        world.run(80)
        assert world.condition("RolledBack") == ("True", "CheckFailed")

    def test_without_a_record_of_another_it_stays_and_is_not_well(self) -> None:
        world = promoted()
        stable = world.revision_of("stable")
        for key in [key for key in world.children if key[0] == "ControllerRevision" and stable not in key[1]]:
            del world.children[key]
        world.judge = bad(stable)
        world.run(60)
        assert world.condition("Stalled") == ("True", "FirstReleaseFailed")
        assert world.serving(stable) == {"cpu-a": 2, "cpu-b": 2}

    def test_a_mended_release_comes_with_steps(self) -> None:
        world = promoted()
        world.judge = bad(world.revision_of("stable"))
        world.run(80)
        world.update(spec("c"))
        world.judge = passing
        world.tick()
        assert world.status.stage == "Progressing"
        world.until("Serving")
        assert world.condition("Ready") == ("True", "FullTraffic")

    def test_a_release_that_only_stops_being_asked_about_is_not_taken_back(self) -> None:
        world = promoted()
        world.judge = silent
        world.run(1000)
        assert world.condition("Ready") == ("True", "FullTraffic")


def test_a_bake_without_length_is_over_at_once() -> None:
    more = {"strategy": {"bakeTime": "0s"}}
    world = established(**more)
    world.judge = passing
    world.update(spec("b", **more))
    world.until("Serving")
    world.tick()
    assert world.condition("Verified") == ("True", "BakeTimeOver")


def test_a_bake_that_an_older_operator_began_is_watched_too() -> None:
    world = promoted()
    for member in ("watch", "births", "seenAt"):
        world.raw_status["bake"].pop(member, None)
    world.run(400)
    assert world.condition("Verified") == ("True", "BakeTimeOver")


def test_the_bakes_minutes_are_asked_for_from_full_traffic_on() -> None:
    """A candidate is tested by the e-process, and what serves all traffic for a change (design, section 7)."""

    def minutes(world: World) -> int:
        asked = question(world.meta, world.spec, world.status, world.now)
        assert asked is not None
        return asked.bake_intervals

    assert minutes(established()) == 5
    world = rolling()
    assert minutes(world) == 0
    world.judge = passing
    world.until("Serving")
    world.run(10)
    assert minutes(world) == 5


def test_what_a_pod_that_has_gone_counted_stays_evidence() -> None:
    world = promoted()
    gone = world.pods.pop(0)
    world.run(20)
    births = {birth.pod: birth for birth in world.status.bake.births}
    assert gone.name in births
    assert not births[gone.name].serving
    assert len(births) == 5
