"""Where requests without a class go, and how a class or a pool that nobody serves yet arrives (R11)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.operator.domain.routed import GATEWAY, Routed, rules, serving, shares
from tests.unit.operator.domain.world import inconclusive, passing, spec

SHORT, STANDARD, LONG = ("short", 32_000), ("standard", 200_000), ("long", 1_000_000)
STEPS = [{"weight": 1, "minDuration": "30s"}, {"weight": 50, "minDuration": "30s"}]
BOTH = {"std": "standard", "lng": "long"}


def classed(classes: list[tuple[str, int]], pools: dict[str, str], **more: Any) -> dict[str, Any]:
    """A spec behind a gateway: classes in this order, and the class of each pool."""
    made = spec(pools=tuple(pools), replicas=4, strategy={"waves": [list(pools)], "steps": STEPS}, **more)
    for one in made["pools"]:
        one["contextClass"] = pools[one["name"]]
    named = [{"name": name, "maxTokens": most} for name, most in classes]
    return made | {"routing": {"contextClasses": named, "gateway": GATEWAY}}


def backends(world: Routed) -> dict[str, list[str]]:
    """By class (empty: what has none), the pools of the rule's backends."""
    found = {}
    for rule in rules(world):
        headers = rule["matches"][0].get("headers", [])
        found[headers[0]["value"] if headers else ""] = [one["name"].split("-")[1] for one in rule["backendRefs"]]
    return found


@pytest.fixture
def world() -> Routed:
    made = serving(classed([STANDARD, LONG], BOTH))
    made.judge = inconclusive
    return made


@pytest.mark.parametrize("paused", [False, True])
def test_another_order_of_the_classes_moves_nobody(world: Routed, *, paused: bool) -> None:
    """The order is no part of a release: the gate would not see all requests without a class change their pool."""
    release = world.status.stable.hash
    world.update(classed([LONG, STANDARD], BOTH, paused=paused))
    world.run(60)
    assert world.status.stable.hash == release
    assert backends(world) == {"": ["std"], "long": ["lng"]}


def test_a_class_that_goes_keeps_them_until_the_release_without_it_serves(world: Routed) -> None:
    without = [LONG], {"lng": "long"}
    world.update(classed(*without, paused=True))
    world.run(30)
    assert backends(world)[""] == ["std"]
    world.judge = passing
    world.update(classed(*without))
    world.until("Progressing")
    world.until("Serving")
    world.run(60)
    assert backends(world) == {"": ["lng"]}


def test_a_new_class_has_no_rule_before_a_server_is_ready_and_never_what_has_no_class(world: Routed) -> None:
    world.update(classed([SHORT, STANDARD, LONG], {"sht": "short", **BOTH}))
    world.until("Progressing")
    seen = []
    while not world.serving().get("sht"):
        world.tick()
        seen.append(backends(world))
    assert {"": ["std"], "long": ["lng"]} in seen, "requests of the new class go where they went before"
    assert all("sht" not in one[""] for one in seen)
    world.run(60)
    assert backends(world)["short"] == ["sht"]
    assert "sht" not in backends(world)[""]


def test_a_new_pool_has_its_steps_part_of_the_class() -> None:
    def pools(*names: str) -> dict[str, Any]:
        made = spec(pools=names, replicas=8, strategy={"waves": [list(names)], "steps": STEPS})
        return made | {"routing": {"gateway": GATEWAY}}

    world = serving(pools("cpu-a"))
    world.judge = inconclusive
    world.update(pools("cpu-a", "cpu-b"))
    world.until("Progressing")
    world.run(30)
    assert world.serving() == {"cpu-a": 8, "cpu-b": 1}
    assert shares(world)["cpu-b", "candidate"] == pytest.approx(1 / 101)
    world.judge = passing
    world.until("Serving")
    world.run(30)
    assert shares(world)["cpu-b", "stable"] == pytest.approx(0.5)
