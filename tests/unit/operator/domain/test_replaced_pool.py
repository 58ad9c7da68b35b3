"""A release with other pools fails in its bake: the pools of the one that comes back must first start again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.operator.domain import invariants
from tests.unit.operator.domain.routed import GATEWAY, Routed, rules
from tests.unit.operator.domain.story import reasons
from tests.unit.operator.domain.world import World, failing, inconclusive, passing, pool, spec

PLAIN, GATE = False, True
both = pytest.mark.parametrize("gateway", [PLAIN, GATE], ids=["services", "gateway"])


def of_pools(*pools: tuple[str, str], gateway: bool, replicas: int = 4) -> dict[str, Any]:
    """A spec with pools by name and letter, one check and, if asked for, a gateway."""
    made = spec(pools=tuple(name for name, _ in pools), quality={"checks": [{"name": "errors", "maxRate": "1%"}]})
    made["pools"] = [pool(name, letter, replicas) for name, letter in pools]
    return made | ({"routing": {"gateway": GATEWAY}} if gateway else {})


def baking(before: dict[str, Any], after: dict[str, Any], *, gateway: bool, **more: Any) -> World:
    """``before`` is verified, and ``after`` bakes in its place; pods take 30 s from now on."""
    world = (Routed if gateway else World)(before, check=invariants.check, **more)
    world.judge = passing
    world.until("Serving")
    world.run(400)
    assert world.status.verified is not None
    world.update(after)
    world.until("Progressing")
    world.until("Serving")
    world.run(20)
    assert world.status.bake is not None
    world.ready_after = 30
    return world


def replaced(*, gateway: bool, kept: bool = False, **more: Any) -> World:
    """Pool p1 has been replaced by p2; with ``kept`` pool p0 is in both releases."""
    also = [("p0", "a")] if kept else []
    specs = (of_pools((name, letter), *also, gateway=gateway) for name, letter in (("p1", "a"), ("p2", "b")))
    return baking(*specs, gateway=gateway, **more)


def fail(world: World) -> None:
    world.judge = failing("errors", "p2")
    world.tick(1)
    assert world.status.stage == "RollingBack"
    world.judge = inconclusive


def asked(world: World) -> set[str]:
    """Pools that requests go to by the route, each of which has a ready pod."""
    ready = {f"demo-{pod.pool}-{pod.revision}": pod.pool for pod in world.pods if world.is_ready(pod)}
    named = {one["name"] for one in rules(world)[0]["backendRefs"]}
    assert named <= ready.keys(), "a route never names a backend without ready endpoints"
    return {ready[name] for name in named}


@both
def test_its_pods_serve_until_those_of_the_one_that_comes_back_do(gateway: bool) -> None:
    world = replaced(gateway=gateway)
    fail(world)
    for _ in range(25):
        assert world.serving() == {"p2": 2}, "half of it, as in any rollback"
        assert not gateway or asked(world) == {"p2"}
        assert world.status.stage == "RollingBack"
        assert "No pod of stable is ready yet in pool p1: pods of " in world.message("Reconciling")
        assert "RollbackComplete" not in reasons(world)
        world.tick(1)
    world.run(30)
    assert world.serving() == {"p1": 4}
    assert not gateway or asked(world) == {"p1"}
    assert reasons(world)[-1] == "RollbackComplete"


@both
def test_a_pool_that_comes_back_has_as_many_servers_as_it_had(gateway: bool) -> None:
    world = replaced(gateway=gateway, kept=True)
    world.raw_status["pools"] = []  # no row is needed for it
    fail(world)
    world.run(60)
    assert world.serving() == {"p0": 4, "p1": 4}
    assert [(row.name, row.replicas) for row in world.status.pools] == [("p0", 4), ("p1", 4)]


def test_it_has_as_many_as_the_spec_said_last() -> None:
    """Replicas are no part of a release: they may have changed long after it was verified."""
    world = World(of_pools(("p1", "a"), gateway=PLAIN, replicas=2), check=invariants.check)
    world.judge = passing
    world.until("Serving")
    world.run(400)
    world.update(of_pools(("p1", "a"), gateway=PLAIN, replicas=3))
    world.run(20)
    world.update(of_pools(("p2", "b"), gateway=PLAIN, replicas=4))
    world.until("Progressing")
    world.until("Serving")
    world.run(20)
    fail(world)
    world.run(60)
    assert world.serving() == {"p1": 3}


def test_pods_go_one_by_one_as_those_that_come_back_are_ready() -> None:
    world = replaced(gateway=GATE)
    fail(world)
    first = min((pod for pod in world.pods if pod.pool == "p1"), key=lambda pod: pod.name)
    world.unready = {pod.name for pod in world.pods if pod.pool == "p1"} - {first.name}
    world.run(40)
    assert world.serving() == {"p1": 1, "p2": 1}
    assert [one["weight"] for one in rules(world)[0]["backendRefs"]] == [1000, 1000], "as many as are ready"
    assert world.status.stage == "RollingBack"
    world.unready = set()
    world.run(20)
    assert world.serving() == {"p1": 4}


def test_where_another_pool_of_the_class_serves_nothing_stays() -> None:
    world = replaced(gateway=GATE, kept=True)
    fail(world)
    assert asked(world) == {"p0"}
    world.run(10)
    assert world.serving() == {"p0": 4}


@both
def test_what_does_not_come_back_is_a_matter_for_a_person_and_a_fix_is_heard(gateway: bool) -> None:
    world = replaced(gateway=gateway)
    world.blocked[world.status.verified.revision("p1")] = "ErrImagePull"  # type: ignore[union-attr]
    fail(world)
    world.run(100)
    assert world.condition("Reconciling") == ("True", "RollingBack")
    world.run(40)
    assert world.serving() == {"p2": 2}
    assert world.condition("Stalled") == ("True", "RolledBack")
    assert world.condition("Degraded") == ("True", "StableNotReady")
    assert "does not come up in pool p1 (ErrImagePull" in world.message("Degraded")
    world.update(of_pools(("p3", "c"), gateway=gateway))
    world.tick()
    assert world.status.stage == "Establishing"
    while not world.serving().get("p3"):
        assert world.serving() == {"p2": 2}
        world.tick()
    world.until("Serving")
    world.run(20)
    assert world.serving() == {"p3": 4}


@both
def test_where_none_serves_any_more_nobody_says_that_the_rollback_is_complete(gateway: bool) -> None:
    world = replaced(gateway=gateway)
    world.unready = {pod.name for pod in world.pods if pod.pool == "p2"}
    fail(world)
    world.run(20)
    assert world.status.stage == "Serving"
    assert "RollbackComplete" not in reasons(world)
    assert reasons(world)[-1] == "StableNotReady"
    assert "no pod of stable is ready in pool p1 yet" in world.events[-1].message
    assert "no pod of stable is ready in pool p1" in world.message("Stalled")
    world.run(60)
    assert world.serving() == {"p1": 4}
    assert "no pod of stable" not in world.message("Stalled")


def test_a_pool_that_a_candidate_adds_stays_too_where_nothing_of_stable_is_ready() -> None:
    world = World(of_pools(("p1", "a"), gateway=PLAIN), check=invariants.check)
    world.until("Serving")
    world.update(of_pools(("p1", "a"), ("p2", "b"), gateway=PLAIN))
    world.run(30)
    assert world.status.stage == "Progressing"
    count = world.serving()["p2"]
    world.unready = {pod.name for pod in world.pods if pod.pool == "p1"}
    world.update(of_pools(("p1", "a"), gateway=PLAIN))
    world.run(30)
    assert world.status.stage == "Withdrawing"
    assert world.serving() == {"p2": count}
    world.unready = set()
    world.run(30)
    assert world.serving() == {"p1": 4}


def with_table(name: str, letter: str) -> dict[str, Any]:
    """A spec with one pool, which its route table names."""
    made = of_pools((name, letter), gateway=GATE)
    made["quality"]["checks"] = [{"name": "errors", "maxRate": "1%"}, {"name": "misrouted", "maxRate": "1%"}]
    made["pools"][0]["contextClass"] = "standard"
    routes = [{"contextClass": "standard", "to": [{"pool": name, "share": "100%"}]}]
    classes = [{"name": "standard", "maxTokens": 200_000}]
    return made | {"routing": made["routing"] | {"contextClasses": classes, "routes": routes}}


def test_the_table_that_is_taken_back_serves_until_the_pools_of_the_other_do() -> None:
    world = Routed(with_table("p1", "a"))
    world.judge = passing
    world.until("Serving")
    world.run(400)
    world.update(with_table("p2", "b"))
    world.until("Progressing")
    world.until("Serving")
    world.run(20)
    world.ready_after = 30
    fail(world)
    for _ in range(25):
        assert asked(world) == {"p2"}
        assert world.serving() == {"p2": 2}
        world.tick(1)
    world.run(30)
    assert asked(world) == {"p1"}
    assert world.serving() == {"p1": 4}
    assert reasons(world)[-1] == "RollbackComplete"
