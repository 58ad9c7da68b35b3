"""After the bake what serves is still looked at; an alarm is told, and nothing is rolled back (R22)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest
from sampler_rollouts.domain.decision import question
from sampler_rollouts.domain.evidence.look import Verdict
from sampler_rollouts.domain.evidence.samples import Question
from sampler_rollouts.domain.evidence.shiryaev import intervals_in
from sampler_rollouts.domain.resource import ACT_PREFIX

from tests.unit.operator.domain.story import bad, bad_but, reasons, rolling
from tests.unit.operator.domain.world import Judge, World, established, inconclusive, passing, spec

DAY, HOUR = 86_400, 3_600


def verified(**more: object) -> World:
    """A later release has passed its bake."""
    world = rolling(**more)
    world.judge = passing
    world.until("Serving")
    world.run(350)
    assert world.condition("Verified") == ("True", "BakeTimeOver")
    return world


def alarmed() -> World:
    world = verified()
    world.judge = bad(world.revision_of("stable"))
    world.run(60)
    assert world.condition("Degraded") == ("True", "CheckFailed")
    return world


def asked(world: World) -> Question:
    found = question(world.meta, world.spec, world.status, world.now)
    assert found is not None
    return found


@pytest.mark.long
@pytest.mark.parametrize("begin", [established, verified], ids=["first release", "later release"])
def test_what_serves_is_asked_for_without_end(begin: Callable[[], World]) -> None:
    world = begin()
    world.judge = passing
    world.run(400)
    for _ in range(100):
        world.tick(HOUR)
        births = [name for arm in asked(world).arms for name in arm.births]
        assert sorted(births) == sorted(pod.name for pod in world.pods)


def test_it_is_looked_at_once_a_minute_and_no_more_often_than_pods_are_scraped() -> None:
    world = verified()
    assert world.tick().requeue_after == 60
    world.scrape_interval = 90
    assert world.tick().requeue_after == 90


def test_nothing_is_written_while_nothing_happens() -> None:
    world = verified()
    before = world.raw_status
    for _ in range(50):
        world.tick(60)
    assert world.raw_status == before


class TestAlarm:
    def test_it_is_told_with_the_last_change_and_nothing_is_rolled_back(self) -> None:
        world = verified()
        new = world.revision_of("stable")
        world.judge = bad(new)
        world.run(600)
        assert world.condition("Degraded") == ("True", "CheckFailed")
        message = world.message("Degraded")
        assert "pool cpu-a: check unexpected-script was bad in 9 of 31 checked requests" in message
        assert "Last change seen: at 2026-11-23T12:" in message
        assert "image changed from" in message
        assert world.status.stage == "Serving"
        assert world.serving(new) == {"cpu-a": 2, "cpu-b": 2}
        assert world.condition("Ready") == ("True", "FullTraffic")
        assert world.condition("Verified") == ("True", "BakeTimeOver")
        assert reasons(world).count("CheckFailed") == 1

    def test_a_pod_that_came_later_is_the_last_change(self) -> None:
        world = verified()
        came = {}
        for pool in ("cpu-a", "cpu-b"):  # what comes in another pool is no reason for what shows in this one
            world.pods.remove(next(pod for pod in world.pods if pod.pool == pool))
            world.run(60)
            came[pool] = max(world.pods, key=lambda pod: pod.created)
        world.judge = bad(world.revision_of("stable"))
        world.run(60)
        assert f"pod {came['cpu-a'].name} was created; before that, at" in world.message("Degraded")
        assert came["cpu-b"].name not in world.message("Degraded")

    @pytest.mark.long
    def test_it_is_taken_back_by_passed_alone(self) -> None:
        world = alarmed()
        world.judge = inconclusive
        world.run(3 * HOUR)
        assert world.condition("Degraded") == ("True", "CheckFailed")
        world.metrics_up = False
        world.run(3 * HOUR)
        assert world.condition("Degraded") == ("True", "CheckFailed")
        world.metrics_up, world.judge = True, passing
        world.tick()
        assert world.condition("Degraded") == ("False", "AsWanted")
        assert reasons(world)[-1] == "PassedAgain"

    def test_what_fails_while_it_stands_is_told_too(self) -> None:
        world = verified()

        def judge(*failing: tuple[str, str]) -> Judge:
            def judged(pool: str, check: str, asked: Question) -> tuple[Verdict, str]:
                return (Verdict.FAILED, "") if (pool, check) in failing else (Verdict.INCONCLUSIVE, "TooFewRequests")

            return judged

        first, second = ("cpu-a", "unexpected-script"), ("cpu-b", "errors")
        world.judge = judge(first)
        world.run(120)
        world.judge = judge(first, second)
        world.run(600)
        assert reasons(world).count("CheckFailed") == 2, "each is said once"
        assert "Failed since then: check errors in pool cpu-b. Release" in world.message("Degraded")
        world.judge = lambda pool, check, asked: (
            (Verdict.PASSED, "") if (pool, check) == second else judge(first)(pool, check, asked)
        )
        world.run(60)
        assert "since then" not in world.message("Degraded")
        world.judge = judge(first, second)
        world.run(60)
        world.judge = lambda pool, check, asked: (
            (Verdict.PASSED, "") if (pool, check) == first else judge(second)(pool, check, asked)
        )
        world.run(120)
        assert "pool cpu-b: check errors was bad" in world.message("Degraded"), "what outlives the first is the alarm"

    def test_what_came_before_the_alarm_is_asked_no_more(self) -> None:
        world = verified()
        world.judge = bad(world.revision_of("stable"))
        world.tick()
        assert asked(world).since == world.now

    @pytest.mark.long
    def test_each_window_after_it_is_twice_as_long_up_to_a_day(self) -> None:
        world = alarmed()
        world.judge = inconclusive
        begun = [asked(world).since]
        for _ in range(150):
            world.tick(HOUR / 2)
            if asked(world).since != begun[-1]:
                begun.append(asked(world).since)
        hours = [(after - before) / timedelta(hours=1) for before, after in itertools.pairwise(begun)]
        assert hours == pytest.approx([1, 2, 4, 8, 16, 24], abs=0.5)

    @pytest.mark.long
    def test_it_is_remembered_while_a_candidate_is_tried_and_goes_with_the_release(self) -> None:
        world = alarmed()
        old = world.revision_of("stable")
        world.update(spec("c"))
        world.judge = inconclusive
        world.run(60)
        assert world.status.stage == "Progressing"
        assert world.condition("Degraded") == ("True", "CheckFailed")
        world.judge = bad(old)
        world.until("Serving")
        assert world.condition("Degraded") == ("False", "AsWanted")

    @pytest.mark.long
    def test_it_stands_when_the_candidate_has_left(self) -> None:
        world = alarmed()
        old = world.revision_of("stable")
        world.judge = inconclusive
        world.update(spec("c"))
        world.run(30)
        world.judge = bad_but(old)
        world.until("RollingBack")
        world.judge = inconclusive
        world.until("Serving")
        world.run(60)
        assert world.condition("Degraded") == ("True", "CheckFailed")
        assert {arm.revision for arm in asked(world).arms} == {old}

    def test_a_person_who_has_looked_takes_it_back(self) -> None:
        world = alarmed()
        world.judge = inconclusive
        world.update(world.spec | {"retryGeneration": 1})
        world.run(60)
        assert world.condition("Degraded") == ("False", "AsWanted")
        world.judge = bad(world.revision_of("stable"))
        world.run(60)
        assert world.condition("Degraded") == ("True", "CheckFailed")

    def test_the_act_of_retry_takes_it_back_too(self) -> None:
        world = alarmed()
        assert world.status.stable is not None
        world.annotations[ACT_PREFIX + "retry"] = f"{world.status.stable.hash}:alice"
        before = len(world.events)
        world.tick()
        assert [note.reason for note in world.events[before:]] == ["Retried"], (
            "not raised again by what was found before"
        )
        assert world.condition("Degraded") == ("False", "AsWanted")

    @pytest.mark.long
    def test_it_goes_with_its_check(self) -> None:
        world = alarmed()
        world.update(
            world.spec | {"quality": world.spec["quality"] | {"checks": [{"name": "errors", "maxRate": "1%"}]}}
        )
        world.judge = inconclusive
        for _ in range(4):
            world.tick(HOUR / 2)
        assert world.condition("Degraded") == ("False", "AsWanted")

    def test_paused_it_is_told_all_the_same(self) -> None:
        world = verified()
        world.update(world.spec | {"paused": True})
        world.judge = bad(world.revision_of("stable"))
        world.run(60)
        assert world.condition("Degraded") == ("True", "CheckFailed")

    @pytest.mark.long
    def test_killed_at_any_write_it_is_told_once_more_at_most(self) -> None:
        for writes in range(4):
            world = verified()
            world.judge = bad(world.revision_of("stable"))
            world.tick(5, writes=writes)
            world.run(60)
            assert world.condition("Degraded") == ("True", "CheckFailed")
            assert reasons(world).count("CheckFailed") == 1


class TestWindow:
    @pytest.mark.long
    def test_it_is_a_day_or_a_longer_bake(self) -> None:
        assert asked(verified()).bake_intervals == intervals_in(DAY)
        world = established(strategy={"bakeTime": "48h"})
        world.judge = passing
        for _ in range(600):  # time that nobody looks at for five minutes does not count
            world.tick(295)
        assert world.status.verified is not None
        assert asked(world).bake_intervals == intervals_in(2 * DAY)

    def test_the_next_one_follows_the_spec_and_forgets_pods_that_are_gone(self) -> None:
        world = verified()
        began = asked(world).since
        gone = world.pods.pop(0).name
        world.update(world.spec | {"quality": {"designEffect": "3"}})
        world.run(600)
        assert asked(world).since == began
        assert asked(world).design_effect == 1
        assert gone in {name for arm in asked(world).arms for name in arm.births}
        world.tick(DAY)
        assert asked(world).since == world.now
        assert asked(world).design_effect == 3
        assert gone not in {name for arm in asked(world).arms for name in arm.births}

    def test_a_spec_that_cannot_be_read_changes_nothing_of_it(self) -> None:
        world = verified()
        before = asked(world)
        world.update(world.spec | {"pools": []})
        world.tick(DAY)
        assert asked(world).checks == before.checks
        assert asked(world).since == world.now

    def test_a_clock_that_was_ahead_does_not_stop_it(self) -> None:
        world = verified()
        world.raw_status["watch"]["since"] = (world.now + timedelta(days=30)).isoformat()
        world.tick()
        assert asked(world).since == world.now

    def test_of_probes_that_nobody_sends_no_second_question_is_asked(self) -> None:
        probed = {"quality": {"probes": {"requestsPerSecond": "1"}, "designEffect": "1"}}
        world = verified(**probed)
        assert not asked(world).probes
        assert asked(world).tests == asked(verified()).tests


def test_what_comes_back_to_a_verified_release_is_watched_again() -> None:
    world = verified()
    old = world.revision_of("stable")
    world.update(spec("c"))
    world.until("Serving")
    world.judge = bad_but(old)
    world.run(200)
    assert world.revision_of("stable") == old
    assert {arm.revision for arm in asked(world).arms} == {old}


def test_a_pool_that_is_new_is_watched_after_the_next_bake() -> None:
    world = verified()
    world.update(spec("b", pools=("cpu-a", "cpu-b", "cpu-c")))
    world.run(900)
    assert world.condition("Verified") == ("True", "BakeTimeOver")
    assert {arm.pool for arm in asked(world).arms} == {"cpu-a", "cpu-b", "cpu-c"}
