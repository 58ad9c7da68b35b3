"""Stories of a step whose weight is not in force (R8)."""

from __future__ import annotations

import pytest

from tests.unit.operator.domain.story import bad_but, rolling
from tests.unit.operator.domain.world import World, established, inconclusive, passing, spec

DEGRADED = ("True", "StableNotReady")


def stable_unready(world: World, count: int, pool: str = "cpu-a") -> None:
    """So many of stable's pods stop being ready."""
    mine = [pod for pod in world.pods if pod.revision == world.revision_of("stable") and pod.pool == pool]
    world.unready = {pod.name for pod in mine[:count]}


def test_steps_do_not_go_on_while_stables_pods_are_not_ready() -> None:
    world = rolling()
    world.judge = passing
    stable_unready(world, 2)
    world.run(100)
    assert world.status.rollout is not None
    assert world.status.rollout.weight == 50
    assert world.status.pool("cpu-a").passed_at is None
    assert world.status.pool("cpu-a").reason == "Skewed"
    assert world.condition("Degraded") == DEGRADED
    for part in ("cpu-a", "0 of 1 stable pods", "1 of 1 ready pods (100%)", "50%"):
        assert part in world.message("Degraded")
        assert part in world.message("Reconciling")
    assert world.serving()["cpu-a"] == 1, "somebody answers"
    world.unready = set()
    world.until("Serving")
    assert world.condition("Degraded") == ("False", "AsWanted")


def some_of_stable_away(**more: object) -> World:
    """One of four stable pods is left beside three of the candidate's: half of the pool has to serve."""
    step = {"strategy": {"steps": [{"weight": 50, "minDuration": "30s"}]}, "replicas": 8, **more}
    world = established(**step)
    world.update(spec("b", **step))
    world.run(30)
    world.judge = passing
    world.never_ready.add(world.revision_of("stable"))
    stable_unready(world, 3)
    return world


def test_what_is_left_of_stable_is_waited_for_as_long_as_pods_may_take() -> None:
    world = some_of_stable_away()
    world.run(110)
    rollout = world.status.rollout
    assert rollout is not None
    assert rollout.weight == 50
    for part in ("cpu-a", "1 of 4 stable pods are ready", "3 of 4 ready pods (75%)", "its step is for 50%", "2m"):
        assert part in world.message("Reconciling")


def test_where_some_of_stable_are_gone_for_good_checks_alone_decide() -> None:
    """The pods give the nearest share there is: to wait until the deadline would protect nobody."""
    world = some_of_stable_away()
    world.until("Serving", limit=300)
    assert world.status.history[0].result == "Promoted"
    assert world.condition("Degraded") == ("False", "AsWanted")


def test_where_some_of_stable_are_gone_for_good_a_failed_check_is_still_one() -> None:
    world = some_of_stable_away()
    world.run(130)
    world.judge = bad_but(world.revision_of("stable"))
    world.tick()
    assert world.status.stage == "RollingBack"


def test_stable_pods_that_came_back_are_waited_for_anew() -> None:
    world = some_of_stable_away()
    world.run(100)
    world.unready, world.never_ready = set(), set()
    world.judge = inconclusive
    world.run(30)
    stable_unready(world, 3)
    world.never_ready.add(world.revision_of("stable"))
    world.judge = passing
    world.run(100)
    assert world.status.rollout is not None
    assert world.status.rollout.weight == 50


def test_where_nothing_of_stable_comes_back_checks_alone_decide() -> None:
    """No weight protects anybody then: it may be the very fix that users wait for."""
    world = rolling()
    stable_unready(world, 2)
    world.never_ready.add(world.revision_of("stable"))
    world.run(200)
    assert world.status.stage == "Progressing", "nothing has passed yet"
    assert world.condition("Degraded") == DEGRADED
    world.judge = passing
    world.until("Serving", limit=100)


def test_the_clock_of_the_step_stands_meanwhile() -> None:
    world = rolling()
    stable_unready(world, 2)
    world.tick()
    clock = world.status.rollout.step_clock
    assert clock is not None
    assert clock.stopped_at is not None
    before = clock.elapsed(world.now)
    world.run(100)
    assert world.status.rollout.step_clock.elapsed(world.now) == before


@pytest.mark.parametrize(
    ("replicas", "weight", "unready", "told"),
    [
        (8, 50, 1, 3),  # 3 beside 3
        (8, 50, 2, 2),
        (8, 50, 3, 3),  # one would do by its share, but half of the pool is to serve
        (8, 50, 4, 4),  # nobody else answers: bad answers or none
        (8, 10, 4, 1),  # never the last one
        (10, 30, 2, 2),
        (5, 99, 1, 5),
        (8, 75, 1, 3),
        (8, 75, 2, 6),  # fewer would protect nobody
    ],
)
def test_the_candidate_makes_itself_scarce(replicas: int, weight: int, unready: int, told: int) -> None:
    step = {"strategy": {"steps": [{"weight": weight, "minDuration": "30s"}]}, "replicas": replicas}
    world = established(**step)
    world.update(spec("b", **step))
    world.run(30)
    whole = world.status.pool("cpu-a").candidate_replicas
    mine = [pod for pod in world.pods if pod.revision == world.revision_of("stable") and pod.pool == "cpu-a"]
    world.unready = {pod.name for pod in mine[:unready]}
    world.tick()
    assert world.status.pool("cpu-a").candidate_replicas == told
    world.unready = set()
    world.run(60)
    assert world.status.pool("cpu-a").candidate_replicas == whole


def test_pods_that_leave_for_the_shares_sake_are_no_failure_of_the_release() -> None:
    step = {"strategy": {"steps": [{"weight": 50, "minDuration": "30s"}]}, "replicas": 8}
    world = established(**step)
    world.update(spec("b", **step))
    world.run(30)
    stable_unready(world, 2)
    world.run(400)
    assert world.status.stage == "Progressing"
    assert world.status.failed == []


def test_a_failed_check_is_heard_meanwhile() -> None:
    world = rolling()
    stable_unready(world, 2)
    world.judge = bad_but(world.revision_of("stable"))
    world.tick()
    assert world.status.stage == "RollingBack"


def with_requests(split: float | None, seconds: float = 20) -> World:
    world = rolling()
    world.arrivals.per_second, world.arrivals.split = 10, split
    world.run(seconds)
    return world


def test_requests_that_go_elsewhere_hold_the_weight_and_say_so_at_the_deadline() -> None:
    world = with_requests(0.9, 30)
    world.judge = passing
    world.run(200)
    pool = world.status.pool("cpu-a")
    assert pool.share.skewed
    assert pool.share.observed == "90%"
    assert pool.passed_at is None
    assert world.status.rollout.weight == 50
    assert "its step is for 50%" in world.message("Reconciling")
    world.run(1900)
    assert world.condition("Stalled") == ("True", "DeadlineExceeded")
    for part in ("cpu-a", "90%", "50%", "95% interval"):
        assert part in world.message("Stalled")


def test_the_deadline_rolls_back_for_it_where_the_author_chose_that() -> None:
    world = rolling(rollback={"onInconclusive": "Rollback"})
    world.judge = passing
    world.arrivals.per_second, world.arrivals.split = 10, 0.1
    world.run(1900)
    assert world.status.failed[0].reason == "DeadlineExceeded"
    for part in ("(10%, 95% interval", "its step is for 50%"):
        assert part in world.status.failed[0].message


def test_requests_that_come_back_set_it_right() -> None:
    world = with_requests(0.9)
    world.judge = passing
    world.tick()
    assert world.status.pool("cpu-a").share.skewed
    world.arrivals.split = None
    world.until("Serving", limit=600)


def test_what_has_failed_has_failed_with_any_share() -> None:
    world = with_requests(0.9, 30)
    world.judge = bad_but(world.revision_of("stable"))
    world.tick()
    assert world.status.stage == "RollingBack"


def test_requests_of_another_time_do_not_count() -> None:
    """All that was answered while one of stable's pods was missing says nothing about the weight."""
    world = with_requests(None)
    before = world.status.pool("cpu-a").share.requests
    assert (before.exposed, before.total) in [(100, 200), (75, 150)]
    stable_unready(world, 2)
    world.run(100)
    assert world.status.pool("cpu-a").share.requests == before
    world.unready = set()
    world.tick()
    assert world.status.pool("cpu-a").share.requests == before
    world.run(20)
    after = world.status.pool("cpu-a").share
    assert after.requests.total > before.total
    assert after.observed == "50%"


def test_what_was_scraped_late_does_not_count() -> None:
    """Three scrapes must pass before the counters show nothing of the time before."""
    world = rolling()
    world.scrape_interval = 15
    world.arrivals.per_second, world.arrivals.split = 10, 0.9
    stable_unready(world, 2)
    world.run(10)
    world.unready, world.arrivals.split = set(), None
    world.run(45)
    assert world.status.pool("cpu-a").share.requests.total == 0
    world.run(20)
    assert world.status.pool("cpu-a").share.observed == "50%"


def test_every_weight_has_counts_of_its_own() -> None:
    steps = {"strategy": {"steps": [{"weight": w, "minDuration": "20s"} for w in (25, 50)]}, "replicas": 4}
    world = established(**steps)
    world.judge = passing
    world.arrivals.per_second = 10
    world.update(spec("b", **steps))
    seen = {}
    while world.tick().status.stage == "Progressing":
        share = world.status.pool("cpu-a").share
        if share and share.requests.total:
            seen[share.weight] = round(100 * share.requests.exposed / share.requests.total)
    assert seen == {25: 25, 50: 50}
    assert world.status.pool("cpu-a").share is None


def test_nothing_is_counted_while_nothing_is_known() -> None:
    world = with_requests(None)
    world.metrics_up = False
    before = world.status.pool("cpu-a").share
    world.run(60)
    assert world.status.pool("cpu-a").share == before
    world.metrics_up = True
    world.tick()
    assert world.status.pool("cpu-a").share.requests.total > before.requests.total
