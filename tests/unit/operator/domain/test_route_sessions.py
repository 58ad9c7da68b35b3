"""The route header, sessions that stick, and what the spec may say of a gateway."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain.resource import SpecError, parse_spec

from tests.unit.operator.domain.routed import routed, rules, serving
from tests.unit.operator.domain.test_context_classes import classed
from tests.unit.operator.domain.world import passing, spec

STICKY = {"session": {"affinity": "Cookie"}}


def sticky(letter: str = "a") -> dict[str, Any]:
    made = routed(letter)
    return made | {"routing": made["routing"] | STICKY}


def test_without_affinity_no_session_has_a_cookie_and_servers_see_requests_alone() -> None:
    (rule,) = rules(serving())
    assert "sessionPersistence" not in rule
    (told,) = rule["filters"][0]["requestHeaderModifier"]["set"]
    assert ";" not in told["value"]


def test_with_affinity_each_class_has_its_cookie_at_once_and_it_is_no_new_release() -> None:
    made = routed(base=classed)
    world = serving(made)
    before = world.status.stable
    world.update(made | {"routing": made["routing"] | STICKY})
    world.run(10)
    assert world.status.stable == before
    names = [rule["sessionPersistence"]["sessionName"] for rule in rules(world)]
    assert names == ["sampler-standard", "sampler-long"]


@pytest.mark.parametrize("before", [False, True])
def test_whether_sessions_stick_stays_while_two_arms_are_compared(*, before: bool) -> None:
    """Which requests are checked must not change under the evidence: it is drift, and comes with the rollout's end."""
    world = serving(sticky() if before else routed())
    world.update(sticky("b") if before else routed("b"))
    world.until("Progressing")
    world.run(30)
    world.update(routed("b") if before else sticky("b"))
    world.run(10)
    assert world.condition("PlanDrift")[0] == "True"
    assert "routing.session" in world.message("PlanDrift")
    assert all(("sessionPersistence" in rule) is before for rule in rules(world))
    world.judge = passing
    world.until("Serving")
    world.run(5)
    assert world.condition("PlanDrift")[0] == "False"
    assert all(("sessionPersistence" in rule) is not before for rule in rules(world))


def test_affinity_without_a_gateway_is_refused() -> None:
    with pytest.raises(SpecError, match="session is for a gateway"):
        parse_spec(spec() | {"routing": STICKY})


def test_the_route_header_stands_at_the_rule_and_its_epoch_rises_with_a_rollout() -> None:
    world = serving(sticky())

    def header() -> tuple[str, int]:
        (rule,) = rules(world)
        assert all("filters" not in one for one in rule["backendRefs"])
        (told,) = rule["filters"][0]["requestHeaderModifier"]["set"]
        assert told["name"] == "x-sampler-route"
        table, _, epoch = told["value"].partition(";")
        return table, int(epoch)

    before = header()
    world.update(sticky("b"))
    world.run(20)
    after = header()
    assert after[0] == before[0]
    assert after[1] > before[1]
    assert world.status.rollout
    assert after[1] == int(world.status.rollout.started_at.timestamp())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"parentRefs": []}, "at least 1 item"),
        ({"parentRefs": [{"name": "edge"}, {"name": "edge"}]}, "parentRefs must differ"),
        ({"parentRefs": [{"name": "Edge"}]}, "must be an object's name"),
        ({"parentRefs": [{"name": "edge", "namespace": "a.b"}]}, "must be a namespace's name"),
        ({"hostnames": ["api.example.com:80"]}, "must be a host name"),
        ({"hostnames": ["https://api.example.com"]}, "must be a host name"),
    ],
)
def test_what_no_gateway_would_take_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        parse_spec(routed(**change))
