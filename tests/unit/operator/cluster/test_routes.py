"""What is read of an HTTPRoute: weights, and whether gateways have taken over exactly this route."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.cluster.routes import comes_by_route, route_state

PARENT = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}


def condition(kind: str, generation: int = 3, status: str = "True", **more: Any) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": kind, "observedGeneration": generation, **more}


def told(*conditions: dict[str, Any], parent: dict[str, Any] = PARENT) -> dict[str, Any]:
    return {"parentRef": parent, "controllerName": "example.com/gw", "conditions": list(conditions)}


def route(*parents: dict[str, Any], asked: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    backends = [{"name": "old", "weight": 75, "port": 80}, {"name": "new", "weight": 25}, {"name": "gone", "weight": 0}]
    return {
        "metadata": {"name": "chat", "namespace": "serving", "generation": 3},
        "spec": {
            "parentRefs": asked or [PARENT],
            "rules": [{"backendRefs": backends}, {"backendRefs": [{"name": "long"}]}],
        },
        "status": {"parents": list(parents)},
    }


TAKEN = told(condition("Accepted"), condition("ResolvedRefs"))


def test_weights_of_all_rules_are_read() -> None:
    assert route_state(route(TAKEN)).weights == {"old": 75, "new": 25, "long": 1}


def test_a_route_that_its_gateway_has_taken_over_is_current() -> None:
    state = route_state(route(TAKEN))
    assert state.current
    assert state.problem == ""


@pytest.mark.parametrize(
    "parents",
    [
        [],
        [told()],
        [told(condition("Accepted"))],
        [told(condition("Accepted", 2), condition("ResolvedRefs", 2))],
        [told(condition("Accepted"), condition("ResolvedRefs", 2))],
        [told(condition("Accepted"), condition("ResolvedRefs"), parent={"name": "other"})],
        [told(condition("Accepted"), condition("ResolvedRefs"), parent=PARENT | {"sectionName": "http"})],
    ],
)
def test_what_no_gateway_has_seen_as_it_is_is_not_current_and_no_problem_yet(parents: list[dict[str, Any]]) -> None:
    state = route_state(route(*parents))
    assert not state.current
    assert state.problem == ""


@pytest.mark.parametrize("kind", ["Accepted", "ResolvedRefs"])
def test_what_a_gateway_has_against_a_route_is_told(kind: str) -> None:
    good = [condition(name) for name in ("Accepted", "ResolvedRefs") if name != kind]
    bad = condition(kind, status="False") | {"reason": "NotAllowedByListeners", "message": "other namespaces only"}
    state = route_state(route(told(bad, *good)))
    assert not state.current
    assert "Gateway edge says NotAllowedByListeners: other namespaces only" in state.problem


def test_an_old_refusal_says_nothing_of_the_route_as_it_is() -> None:
    state = route_state(route(told(condition("Accepted", 2, "False"), condition("ResolvedRefs", 2))))
    assert (state.current, state.problem) == (False, "")


def test_every_gateway_must_have_taken_it_over() -> None:
    second = {"name": "inner", "namespace": "infra"}
    assert not route_state(route(TAKEN, asked=[PARENT, second])).current
    both = told(condition("Accepted"), condition("ResolvedRefs"), parent=second)
    assert route_state(route(TAKEN, both, asked=[PARENT, second])).current


def test_the_own_namespace_may_be_written_out() -> None:
    said = told(condition("Accepted"), condition("ResolvedRefs"), parent=PARENT | {"namespace": "serving"})
    assert route_state(route(said)).current


@pytest.mark.parametrize(
    ("rollout", "comes"),
    [
        ({}, False),
        ({"spec": {"routing": {"contextClasses": []}}}, False),
        ({"spec": {"routing": {"gateway": {"parentRefs": []}}}}, True),
        ({"spec": {}, "status": {"gateway": {"ended": True}}}, True),
    ],
)
def test_nobody_else_needs_the_gateway_api(rollout: dict[str, Any], comes: bool) -> None:
    assert comes_by_route(rollout) is comes


def _telling(name: str, weight: int, said: str) -> dict[str, Any]:
    header = {"set": [{"name": "x-sampler-route", "value": said}]}
    return {
        "name": name,
        "weight": weight,
        "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": header}],
    }


def test_backends_that_tell_their_requests_something_are_read_by_it() -> None:
    made = route(TAKEN)
    made["spec"]["rules"] = [
        {"backendRefs": [_telling("cpu", 700, "old"), _telling("cpu", 200, "new"), _telling("big", 0, "new")]},
        {"backendRefs": [_telling("cpu", 1, "new"), {"name": "big", "weight": 5}]},
    ]
    found = route_state(made)
    assert found.arms == {("old", "cpu"): 700, ("new", "cpu"): 201}
    assert found.weights == {"cpu": 901, "big": 5}
