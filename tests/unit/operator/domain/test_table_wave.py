"""A change of the route table is a release of its own: how it comes in, what it is tested by, how it leaves (R11)."""

from __future__ import annotations

import copy
from typing import Any

from sampler_rollouts.domain.decision.context import ResourceMeta, table_wave
from sampler_rollouts.domain.decision.question import question
from sampler_rollouts.domain.evidence.look import Verdict

from tests.unit.operator.domain.routed import Routed, rules, serving
from tests.unit.operator.domain.tabled import (
    WRONG,
    arms,
    asked,
    idle,
    matched,
    matched_by,
    serving_table,
    tabled,
    told,
    until_arms,
)
from tests.unit.operator.domain.world import failing, inconclusive, passing, pool

WHOLE = 1_000_000


def hashes(world: Routed) -> tuple[str, str]:
    table = world.status.rollout.table if world.status.rollout else None
    assert table is not None
    return table.stable_hash, table.route_hash


def changing() -> Routed:
    world = serving_table()
    world.update(tabled(shares=WRONG))
    return world


def deployments(world: Routed) -> dict[str, Any]:
    return {name: copy.deepcopy(body) for (kind, name), body in world.children.items() if kind == "Deployment"}


def test_a_written_table_is_exact_in_the_route() -> None:
    world = serving_table(WRONG)
    assert arms(world) == {("cpu-a", ""): 992_000, ("cpu-b", ""): 8_000}
    assert told(rules(world)[0]) == told(rules(world)[1]) != ""


def test_pools_that_have_moved_stay_under_test_in_the_tables_wave() -> None:
    """The new table names other pools: what moved before is tested on by its limit (R11, R12)."""
    world = serving(_three("a", {"a1": "50%", "a2": "50%"}))
    world.update(_three("b", {"a1": "60%", "a2": "40%"}))
    world.judge = passing
    while not (world.status.rollout and table_wave(world.status.rollout) and world.status.rollout.weight):
        world.tick()
    found = question(world.meta, world.spec, world.status, world.now)
    assert found is not None
    assert {arm.pool: (bool(arm.route), arm.compared) for arm in found.arms} == {
        "a1": (True, True), "a2": (True, True), "long": (False, False),
    }  # fmt: skip
    new = world.revision_of("candidate", "long")
    world.judge = lambda pool, check, asked: (Verdict.FAILED if pool == "long" else Verdict.PASSED, "")
    world.tick()
    assert world.status.stage == "RollingBack"
    world.until("Serving")
    assert world.status.stable.revision("long") != new
    assert "pool long" in world.status.history[0].message


def _three(letter: str, shares: dict[str, str]) -> dict[str, Any]:
    made = tabled("a", shares)
    pools = [pool(name, "a", contextClass="standard") for name in shares]
    pools.append(pool("long", letter, contextClass="long"))
    return made | {"pools": pools, "strategy": made["strategy"] | {"waves": [[one["name"] for one in pools]]}}


def test_a_table_that_comes_back_is_none_that_servers_have_never_heard() -> None:
    """A pool came and went meanwhile, so that each table stood at the rule by another hash: pods have counted them."""
    two, three = {"a1": "50%", "a2": "50%"}, {"a1": "60%", "a2": "40%"}
    world = serving(_three("a", two))
    world.judge = passing
    world.run(400)
    first = told(rules(world)[0])
    more = _three("a", two)
    more["pools"].append(pool("long-2", "a", contextClass="long"))
    more["strategy"] = more["strategy"] | {"waves": [[one["name"] for one in more["pools"]]]}
    for made in (more, more | {"routing": _three("a", three)["routing"]}):
        world.update(made)
        world.until("Progressing")
        world.until("Serving")
        world.run(400)
    world.update(_three("a", two))
    while not (world.status.rollout and world.status.rollout.table and world.status.rollout.table.since):
        world.tick()
    table = world.status.rollout.table
    assert table.route_hash == first
    assert table.known


def test_another_table_is_another_release_and_a_known_one_starts_nothing() -> None:
    world = serving_table(WRONG)
    before = world.status.stable
    world.update(tabled(shares=dict(reversed(WRONG.items()))))
    world.run(30)
    assert world.status.stage == "Serving"
    world.update(tabled(shares={"cpu-a": "50%", "cpu-b": "50%"}))
    world.run(5)
    assert before is not None
    assert world.status.stage == "Progressing"
    assert world.status.candidate is not None
    assert world.status.candidate.hash != before.hash


def test_gateways_know_both_tables_before_a_request_goes_by_them() -> None:
    world = changing()
    pods, before = deployments(world), copy.deepcopy(rules(world))
    world.tick(1)
    old, new = hashes(world)
    assert old != new
    assert rules(world)[:2] == before
    (both,) = rules(world)[2:]
    assert arms(world, both) == {("cpu-a", old): WHOLE - 2, ("cpu-a", new): 1, ("cpu-b", new): 1}
    assert both in idle(world)
    until_arms(world)
    # What it says of its own backends does not change with the requests.
    assert asked(world) == both | {"matches": before[0]["matches"]}
    assert idle(world) == [before[0] | {"matches": both["matches"]}]
    assert rules(world)[1] == before[1]
    assert deployments(world) == pods


def test_each_rule_stands_for_a_while_before_and_after_requests_go_by_it() -> None:
    world = changing()
    world.judge = passing
    seen: list[tuple[bool, ...]] = []
    for _ in range(300):
        world.tick(1)
        now = tuple(rule in idle(world) for rule in rules(world) if matched(rule) != matched_by(1))
        if seen[-1:] != [now]:
            seen.append(now)
        if world.status.stage == "Serving":
            break
    one_table, beside, by_both = (False,), (False, True), (True, False)
    assert seen == [beside, by_both, beside, one_table]


def test_a_step_is_the_linear_mix_of_both_tables() -> None:
    world = changing()
    world.run(30)
    assert world.status.rollout is not None
    assert world.status.rollout.weight == 50
    old, new = hashes(world)
    assert arms(world) == {("cpu-a", old): 500_000, ("cpu-a", new): 496_000, ("cpu-b", new): 4_000}
    assert world.status.progress.startswith("route table 1/1, step 1/")


def test_a_table_that_passes_has_the_requests_alone_and_is_told_at_the_rule() -> None:
    world = changing()
    world.run(30)
    old, new = hashes(world)
    pods = deployments(world)
    world.judge = passing
    seen = []
    for _ in range(200):
        world.tick(1)
        if world.status.stage == "Serving":
            break
        seen.append(arms(world))
    assert {("cpu-a", old): 1, ("cpu-a", new): 991_999, ("cpu-b", new): 8_000} in seen
    assert world.status.history[0].result == "Promoted"
    assert "route table of class standard changed from shares by replicas to cpu-a 99.2%, cpu-b 0.8%" in (
        world.status.history[0].message
    )
    world.tick(1)
    assert arms(world) == {("cpu-a", ""): 992_000, ("cpu-b", ""): 8_000}
    assert told(rules(world)[0]) == told(rules(world)[1]) == new
    assert deployments(world) == pods


def test_nothing_goes_on_before_a_gateway_has_taken_the_arms_over() -> None:
    world = changing()
    world.behind = True
    world.run(60)
    assert world.status.rollout is not None
    assert world.status.rollout.weight == 0
    assert "the gateway to take over the route with both tables" in message(world)
    world.behind = False
    world.run(30)
    assert world.status.rollout.weight == 50


def message(world: Routed) -> str:
    return next(one.message for one in world.status.conditions if one.type == "Reconciling")


def test_a_table_that_fails_leaves_in_one_write_and_by_the_route_alone() -> None:
    world = changing()
    world.run(30)
    old, new = hashes(world)
    pods = deployments(world)
    world.judge = failing("misrouted", "cpu-b")
    world.tick(1)
    assert world.status.stage == "RollingBack"
    assert set(arms(world)) == {("cpu-a", "")}
    assert told(asked(world)) == old
    assert [set(arms(world, rule)) for rule in idle(world)] == [{("cpu-a", old), ("cpu-a", new), ("cpu-b", new)}]
    world.behind = True
    world.run(30)
    assert world.status.stage == "RollingBack"
    assert idle(world)
    world.behind = False
    world.run(15)
    assert world.status.stage == "Serving"
    assert set(arms(world)) == {("cpu-a", "")}
    assert not idle(world)
    assert told(rules(world)[0]) == old
    said = world.status.failed[0].message
    assert "in pool cpu-b at weight 50: check misrouted" in said
    assert "route table of class standard changed" in said
    assert deployments(world) == pods
    assert not world.status.failed[0].suspects


def test_pods_move_first_and_the_table_last() -> None:
    world = serving_table()
    world.judge = passing
    world.update(tabled("b", WRONG))
    reached = []
    for _ in range(600):
        world.tick(1)
        rollout = world.status.rollout
        if rollout is None:
            break
        reached.append((rollout.wave, any(told(one) for one in asked(world)["backendRefs"])))
    assert world.status.history[0].result == "Promoted"
    waves = len({wave for wave, _ in reached}) - 1
    assert waves >= 1
    assert all(table == (wave == waves) for wave, table in reached if wave < waves)
    assert (waves, True) in reached
    assert arms(world) == {("cpu-a", ""): 992_000, ("cpu-b", ""): 8_000}


def test_a_release_of_both_that_fails_by_its_table_goes_back_everywhere() -> None:
    world = serving_table()
    stable = world.status.stable
    assert stable is not None
    world.judge = passing
    world.update(tabled("b", WRONG))
    for _ in range(600):
        world.tick(1)
        if any(told(one) for one in asked(world)["backendRefs"]) and world.status.rollout.weight == 50:  # type: ignore[union-attr]
            break
    world.judge = failing("misrouted", "cpu-b")
    world.until("RollingBack")
    world.judge = inconclusive
    world.until("Serving")
    assert world.status.stable is not None
    assert world.status.stable.hash == stable.hash
    assert set(arms(world)) == {("cpu-a", "")}
    world.run(60)
    assert set(deployments(world)) == {f"demo-{item.name}-{item.revision}" for item in stable.pools}


def test_another_wish_withdraws_the_table() -> None:
    world = changing()
    world.run(30)
    world.update(tabled())
    world.tick(1)
    assert world.status.stage == "Withdrawing"
    world.run(20)
    assert world.status.stage == "Serving"
    assert set(arms(world)) == {("cpu-a", "")}


def test_both_arms_are_asked_for_by_route_and_the_new_one_counts_from_zero() -> None:
    world = changing()
    world.run(30)
    old, new = hashes(world)
    put = question(ResourceMeta("ns", "demo", "uid"), {}, world.status, world.now)
    assert put is not None
    assert {plan.name for plan in put.checks} == {"unexpected-script", "misrouted"}
    assert {arm.pool for arm in put.arms} == {"cpu-a", "cpu-b"}
    for arm in put.arms:
        assert (arm.route, arm.stable_route, arm.compared) == (new, old, True)
        assert arm.revision == arm.stable_revision
        assert len(arm.births) == 2
        assert all(birth == put.since for birth in arm.births.values())
    assert world.status.rollout is not None
    assert world.status.rollout.quality.tests == 4


def test_a_table_that_is_tried_again_counts_from_its_second_start() -> None:
    world = changing()
    world.run(30)
    world.judge = failing("misrouted", "cpu-b")
    world.run(15)
    assert world.status.stage == "Serving"
    world.judge = inconclusive
    world.update(tabled(shares=WRONG) | {"retryGeneration": 1})
    world.run(30)
    put = question(ResourceMeta("ns", "demo", "uid"), {}, world.status, world.now)
    assert put is not None
    assert all(birth < put.since for arm in put.arms for birth in arm.births.values())


def test_epochs_rise_with_the_tables_wave_where_sessions_stick() -> None:
    made = tabled()
    made["routing"]["session"] = {"affinity": "Cookie"}
    world = Routed(made)
    world.until("Serving")
    world.run(10)
    before = int(told(rules(world)[0]).partition(";")[2])
    other = tabled(shares=WRONG)
    other["routing"]["session"] = {"affinity": "Cookie"}
    world.update(other)
    until_arms(world)
    epochs = {int(header.partition(";")[2]) for _, header in arms(world)}
    assert len(epochs) == 1
    assert epochs.pop() > before


def promoted() -> Routed:
    world = changing()
    world.judge = passing
    world.run(150)
    assert world.status.history[0].result == "Promoted"
    world.judge = inconclusive
    return world


def test_a_table_that_fails_in_its_bake_is_taken_back_at_once() -> None:
    world = promoted()
    pods = deployments(world)
    world.judge = failing("misrouted", "cpu-b")
    world.run(10)
    assert world.status.history[0].result == "RolledBack"
    assert "check misrouted" in world.status.failed[0].message
    assert world.status.stage == "Serving"
    world.tick(1)
    assert set(arms(world)) == {("cpu-a", "")}
    assert deployments(world) == pods


def test_the_table_before_comes_back_without_steps() -> None:
    world = promoted()
    world.update(tabled())
    world.run(10)
    assert world.status.history[0].result == "Restored"
    assert set(arms(world)) == {("cpu-a", "")}


def test_a_table_is_taken_back_with_a_spec_that_cannot_be_read() -> None:
    world = changing()
    world.run(30)
    world.update({"nonsense": True})
    world.judge = failing("misrouted", "cpu-b")
    world.run(30)
    assert world.status.stage == "Serving"
    assert world.status.failed
    assert set(arms(world)) == {("cpu-a", "")}


def test_a_new_pool_has_pods_and_no_requests_before_the_table() -> None:
    made = tabled(shares={"cpu-a": "100%"})
    world = serving_table({"cpu-a": "100%"})
    more = tabled(shares={"cpu-a": "60%", "cpu-c": "40%"})
    more["pools"] = [*made["pools"], {**made["pools"][0], "name": "cpu-c"}]
    more["strategy"] = more["strategy"] | {"waves": [["cpu-a", "cpu-b"], ["cpu-c"]]}
    world.update(more)
    world.run(10)
    assert set(arms(world)) == {("cpu-a", "")}
    assert world.serving().get("cpu-c") is None or world.status.rollout is not None
    until_arms(world, 200)
    old, new = hashes(world)
    assert world.serving()["cpu-c"] == 2
    assert arms(world) == {("cpu-a", old): WHOLE - 2, ("cpu-a", new): 1, ("cpu-c", new): 1}
    world.judge = passing
    world.run(200)
    assert world.status.history[0].result == "Promoted"
    assert arms(world) == {("cpu-a", ""): 600_000, ("cpu-c", ""): 400_000}
