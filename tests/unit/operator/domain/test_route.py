"""The HTTPRoute that a decision asks for: classes, shares of pools, what is ready, and what may not go yet."""

from __future__ import annotations

import copy
from datetime import timedelta

from tests.unit.operator.domain.routed import routed, rules, serving, shares
from tests.unit.operator.domain.test_context_classes import classed
from tests.unit.operator.domain.world import failing, inconclusive, passing, spec


def test_the_route_is_attached_as_the_spec_says() -> None:
    world = serving()
    made = world.children["HTTPRoute", "demo"]["spec"]
    assert made["hostnames"] == ["api.example.com"]
    (parent,) = made["parentRefs"]
    assert (parent["name"], parent["namespace"], parent["sectionName"]) == ("edge", "infra", "http")
    assert not [name for kind, name in world.children if (kind, name) == ("Service", "demo-standard")]


def test_pools_of_a_class_share_it_by_their_replicas() -> None:
    made = routed()
    made["pools"][0]["replicas"] = 6
    assert shares(serving(made)) == {("cpu-a", "stable"): 0.75, ("cpu-b", "stable"): 0.25}


def test_each_class_has_a_rule_and_the_first_is_for_requests_without_one() -> None:
    world = serving(routed(base=classed))
    first, second = rules(world)
    assert "headers" not in first["matches"][0]
    assert second["matches"][0]["headers"] == [{"type": "Exact", "name": "x-context-class", "value": "long"}]
    assert set(shares(world, 0)) == {("cpu-a", "stable")}
    assert set(shares(world, 1)) == {("cpu-b", "stable")}


def test_no_proxy_ends_a_request_before_its_server_does() -> None:
    assert {rule["timeouts"]["request"] for rule in rules(serving(routed(base=classed)))} == {"0s"}


def test_a_step_has_its_weight_of_each_pool_that_has_begun() -> None:
    world = serving()
    world.update(routed("b"))
    world.run(30)
    assert shares(world) == {
        ("cpu-a", "stable"): 0.25, ("cpu-a", "candidate"): 0.25,
        ("cpu-b", "stable"): 0.25, ("cpu-b", "candidate"): 0.25,
    }  # fmt: skip
    assert world.serving() == {"cpu-a": 3, "cpu-b": 3}


def test_a_candidate_without_a_ready_pod_or_a_service_gets_nothing() -> None:
    world = serving()
    world.ready_after = 1000
    for pod in world.pods:
        pod.created -= timedelta(seconds=2000)
    world.update(routed("b"))
    world.run(30)
    assert set(shares(world)) == {("cpu-a", "stable"), ("cpu-b", "stable")}


def test_a_candidate_whose_service_is_not_there_is_not_named_until_it_is() -> None:
    world = serving()
    world.update(routed("b"))
    world.run(30)
    new = world.revision_of("candidate")
    del world.children["Service", f"demo-cpu-a-{new}"]
    world.tick()
    assert shares(world) == {
        ("cpu-a", "stable"): 0.5, ("cpu-b", "stable"): 0.25, ("cpu-b", "candidate"): 0.25,
    }  # fmt: skip
    world.tick()
    assert shares(world)["cpu-a", "candidate"] == 0.25


def test_where_stable_has_no_ready_pod_the_candidate_has_all_and_that_is_told() -> None:
    world = serving()
    world.update(routed("b"))
    world.run(30)
    world.unready = {pod.name for pod in world.pods if pod.revision == world.revision_of("stable")}
    world.run(10)
    assert shares(world) == {("cpu-a", "candidate"): 0.5, ("cpu-b", "candidate"): 0.5}
    assert "is for 50%, and it has 100% by the route" in world.message("Reconciling")
    assert world.condition("Degraded") == ("True", "StableNotReady")
    world.unready = set()
    world.run(20)
    assert shares(world)["cpu-a", "stable"] == 0.25


def test_a_route_that_cannot_be_written_is_another_share_than_the_steps() -> None:
    world = serving()
    world.frozen = world.observe().route
    world.update(routed("b"))
    world.run(60)
    assert "is for 50%, and it has 0% by the route" in world.message("Reconciling")
    assert [(row.weight, row.observed_weight) for row in world.status.pools] == [(50, 0), (50, 0)]


def test_what_is_ready_of_a_candidate_gets_no_more_than_its_part() -> None:
    made = routed()
    made["pools"] = made["pools"][:1]
    made["pools"][0]["replicas"] = 4
    made["strategy"]["waves"] = [["cpu-a"]]
    world = serving(made)
    world.update(made | {"pools": [made["pools"][0] | {"image": routed("b")["pools"][0]["image"]}]})
    world.run(30)
    assert shares(world)["cpu-a", "candidate"] == 0.5
    new = world.revision_of("candidate")
    world.unready = {next(pod.name for pod in world.pods if pod.revision == new)}
    world.tick()
    assert shares(world)["cpu-a", "candidate"] == 0.25


def test_no_promotion_while_the_gateway_is_behind() -> None:
    world = serving()
    world.judge = passing
    world.update(routed("b"))
    world.run(30)
    world.behind = True
    world.run(200)
    assert world.status.rollout is not None
    assert world.status.rollout.weight == 50
    assert world.condition("Degraded") == ("True", "RouteNotTakenOver")
    world.behind = False
    world.until("Serving")
    assert world.status.history[0].result == "Promoted"


def test_a_rollback_takes_the_requests_first_and_the_pods_when_the_gateway_has_followed() -> None:
    world = serving()
    world.judge = inconclusive
    world.update(routed("b"))
    world.run(30)
    new = world.revision_of("candidate")
    world.judge, world.behind = failing(), True
    world.tick()
    assert world.status.stage == "RollingBack"
    assert set(shares(world)) == {("cpu-a", "stable"), ("cpu-b", "stable")}
    world.run(60)
    assert world.serving(new) == {"cpu-a": 1, "cpu-b": 1}
    world.behind = False
    world.run(20)
    assert world.status.stage == "Serving"
    assert world.serving(new) == {}


def test_a_rollback_with_a_spec_that_cannot_be_read_is_routed_too() -> None:
    world = serving()
    world.update(routed("b"))
    world.run(30)
    world.update(routed("b") | {"nonsense": 1})
    world.judge = failing()
    world.run(40)
    assert world.status.stage == "Serving"
    assert set(shares(world)) == {("cpu-a", "stable"), ("cpu-b", "stable")}
    assert world.children["HTTPRoute", "demo"]["spec"]["hostnames"] == ["api.example.com"]


def test_a_route_that_nobody_uses_any_more_is_remembered_until_it_is_gone() -> None:
    """Killed between status and the deletion, the operator still knows that there is a route to look for."""
    world = serving()
    world.judge = passing
    world.update(spec())
    while not (world.status.gateway and world.status.gateway.ended):
        ahead = copy.deepcopy(world)
        ahead.tick()
        world.tick(writes=1 if ahead.status.gateway is None or ahead.status.gateway.ended else None)
    assert ("HTTPRoute", "demo") in world.children
    world.run(10)
    assert ("HTTPRoute", "demo") not in world.children
    assert world.status.gateway is None


def test_another_gateway_is_no_new_release() -> None:
    world = serving()
    stable = world.status.stable
    world.update(routed(hostnames=["other.example.com"]))
    world.run(20)
    assert stable is not None
    assert world.status.stable == stable
    assert world.children["HTTPRoute", "demo"]["spec"]["hostnames"] == ["other.example.com"]


def test_servers_are_told_that_a_gateway_stands_before_them() -> None:
    world = serving()
    told = [body for (kind, _), body in world.children.items() if kind == "Deployment"]
    env = told[0]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "SAMPLER_BEHIND_GATEWAY", "value": "true"} in env
