"""A route table whose pools have no ready pod: requests go where there is one, as long as it has had any (R11, R18)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.operator.domain.routed import Routed, rules, serving
from tests.unit.operator.domain.story import reasons
from tests.unit.operator.domain.tabled import arms, idle, matched, matched_by, tabled, told, until_arms
from tests.unit.operator.domain.world import failing, inconclusive, passing

WHOLE = 1_000_000


def shared(shares: dict[str, str]) -> dict[str, Any]:
    """Pool cpu-b, which serves the class long, may also serve the first one."""
    made = tabled("a", shares)
    to = [{"pool": "cpu-a", "share": "50%"}, {"pool": "cpu-b", "share": "50%"}]
    made["routing"]["routes"].append({"contextClass": "long", "to": to})
    return made


def at_half() -> Routed:
    """Half of the requests go by the new table, to cpu-b, and half by the old one, to cpu-a."""
    world = serving(shared({"cpu-a": "100%"}))
    world.update(shared({"cpu-b": "100%"}))
    until_arms(world)
    world.run(10)
    assert weights(world) == {"cpu-a": 500_000, "cpu-b": 500_000}
    return world


def weights(world: Routed) -> dict[str, int]:
    """Of the rule by which requests of the first class go, by pool."""
    return {pool: weight for (pool, _), weight in arms(world).items()}


def away(world: Routed, pool: str) -> None:
    world.unready = {pod.name for pod in world.pods if pod.pool == pool}
    world.tick(1)


def waits(world: Routed) -> str:
    return world.message("Reconciling")


@pytest.mark.parametrize(
    ("dead", "alive", "whose"), [("cpu-a", "cpu-b", "stable's"), ("cpu-b", "cpu-a", "the new")], ids=["old", "new"]
)
def test_in_a_step_the_table_that_has_pods_has_all(dead: str, alive: str, whose: str) -> None:
    world = at_half()
    away(world, dead)
    assert weights(world) == {alive: WHOLE}
    world.judge = passing
    world.run(60)
    assert world.status.rollout is not None
    assert world.status.rollout.weight == 50, "a weight that is not in force ends no step"
    assert f"waiting for a ready pod of {whose} route table of class standard" in waits(world)
    world.run(100)
    assert world.condition("Degraded") == ("True", "PodsNotReady")
    world.unready = set()
    world.tick(1)
    assert weights(world) == {"cpu-a": 500_000, "cpu-b": 500_000}
    world.run(60)
    assert world.status.history[0].result == "Promoted"


def test_at_full_traffic_the_old_table_is_needed_no_more() -> None:
    world = at_half()
    world.judge = passing
    while not (world.status.rollout and world.status.rollout.weight == 100):
        world.tick(1)
    away(world, "cpu-a")
    while world.status.stage != "Serving":
        assert weights(world) == {"cpu-b": WHOLE}
        world.tick(1)
    assert world.status.history[0].result == "Promoted"


def test_once_passed_a_new_table_whose_pods_go_leaves_its_requests_to_the_old_one() -> None:
    world = at_half()
    world.judge = passing
    while not (world.status.rollout and world.status.rollout.table and world.status.rollout.table.closing):
        world.tick(1)
    away(world, "cpu-b")
    assert weights(world) == {"cpu-a": WHOLE}


def test_an_untried_table_gets_no_request_for_want_of_pods() -> None:
    world = serving(shared({"cpu-a": "100%"}))
    world.update(shared({"cpu-b": "100%"}))
    world.tick(1)
    away(world, "cpu-a")
    world.run(20)
    assert world.status.rollout is not None
    assert world.status.rollout.weight == 0
    assert not idle(world)
    assert set(weights(world)) == {"cpu-a"}
    assert "waiting for a ready pod of stable's route table of class standard" in waits(world)
    world.update(shared({"cpu-a": "100%"}))
    for _ in range(10):
        world.tick(1)
        assert set(weights(world)) == {"cpu-a"}
    assert world.status.stage == "Serving", "nothing of it is in the route"


def taken_back(how: str) -> Routed:
    """The new table is taken back while no pod of the old one's pool is ready."""
    world = at_half()
    if how == "bake":
        world.judge = passing
        world.until("Serving")
        world.run(10)
    before = {pod.name for pod in world.pods if pod.pool == "cpu-a"}
    world.unready = before
    if how == "withdrawal":
        world.update(shared({"cpu-a": "100%"}))
    world.judge = inconclusive if how == "withdrawal" else failing("misrouted", "cpu-b")
    world.tick(1)
    world.judge = inconclusive
    assert world.status.stage == ("Withdrawing" if how == "withdrawal" else "RollingBack")
    return world


ways = pytest.mark.parametrize("how", ["step", "bake", "withdrawal"])


@ways
def test_a_table_that_is_taken_back_serves_until_the_other_can(how: str) -> None:
    world = taken_back(how)
    for _ in range(10):
        assert weights(world) == {"cpu-b": WHOLE}
        assert world.status.stage in ("Withdrawing", "RollingBack")
        assert "No pod of stable is ready yet in pool cpu-a: requests of class standard go on by" in waits(world)
        assert not {"RollbackComplete", "WithdrawalComplete"} & set(reasons(world))
        world.tick(3)
    world.unready = set()
    world.tick(1)
    assert weights(world) == {"cpu-a": WHOLE}
    world.run(20)
    assert world.status.stage == "Serving"
    assert reasons(world)[-1] in ("RollbackComplete", "WithdrawalComplete")
    assert {told(rule) for rule in rules(world) if matched(rule) == matched_by(0)} != {""}


@ways
def test_where_the_other_does_not_come_up_it_is_said_and_a_fix_is_heard(how: str) -> None:
    world = taken_back(how)
    world.run(130)
    assert world.condition("Degraded") == ("True", "StableNotReady")
    assert world.condition("Stalled") is not None
    said = world.message("Degraded")
    assert "does not come up in pool cpu-a: requests of class standard go on by the route table of" in said
    world.update(shared({"cpu-a": "10%", "cpu-b": "90%"}))
    world.run(10)
    assert weights(world) == {"cpu-b": 900_000}
