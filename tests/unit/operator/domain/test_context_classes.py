"""Context classes: each has its Service, its pools, and servers that know all classes of their release (I1)."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain import render
from sampler_rollouts.domain.records import is_closed
from sampler_rollouts.domain.release import revisions
from sampler_rollouts.domain.resource import SpecError, parse_spec

from tests.unit.operator.domain import invariants
from tests.unit.operator.domain.world import World, passing, spec

SIZES = {"standard": 200_000, "long": 1_000_000}


def classed(letter: str = "a", sizes: dict[str, int] | None = None) -> dict[str, Any]:
    made = spec(letter)
    made["routing"] = {"contextClasses": [{"name": name, "maxTokens": most} for name, most in (sizes or SIZES).items()]}
    made["pools"][0]["contextClass"], made["pools"][1]["contextClass"] = "standard", "long"
    return made


def serving() -> World:
    """A first release that serves, in two classes."""
    world = World(classed(), check=invariants.check)
    for _ in range(12):
        world.tick(5)
    assert world.raw_status["stage"] == "Serving"
    return world


def services(world: World) -> dict[str, dict[str, str]]:
    """Selectors of the Services that users call, by name."""
    found = {name: body["spec"]["selector"] for (kind, name), body in world.children.items() if kind == "Service"}
    return {name: selector for name, selector in found.items() if render.LABEL_POOL not in selector}


def test_each_class_has_a_service_of_its_pools() -> None:
    world = serving()

    label = "samplerrollouts.io/context-class"
    assert {name: selector[label] for name, selector in services(world).items()} == {
        "demo-standard": "standard",
        "demo-long": "long",
    }
    deployments = [body for (kind, _), body in world.children.items() if kind == "Deployment"]
    assert {
        (body["metadata"]["labels"][render.LABEL_POOL], body["spec"]["template"]["metadata"]["labels"][label])
        for body in deployments
    } == {("cpu-a", "standard"), ("cpu-b", "long")}


def test_servers_are_told_their_class_and_all_classes() -> None:
    parsed = parse_spec(classed())
    owner, pool = render.Owner("serving", "demo", "uid"), parsed.pools[1]
    child = render.Child(pool.name, revisions(parsed)[pool.name])
    template = render.pod_template(owner, parsed, pool, child)

    env = {item["name"]: item.get("value") for item in template["spec"]["containers"][0]["env"]}
    assert env["SAMPLER_CONTEXT_CLASS"] == "long"
    assert env["SAMPLER_CONTEXT_CLASSES"] == "standard=200000,long=1000000"
    assert is_closed(owner, child, template)


@pytest.mark.parametrize("value", ["standard", "other"])
def test_a_record_whose_class_is_not_its_label_is_refused(value: str) -> None:
    """Its pods would count by one class and be called as another."""
    parsed = parse_spec(classed())
    owner, pool = render.Owner("serving", "demo", "uid"), parsed.pools[1]
    child = render.Child(pool.name, revisions(parsed)[pool.name])
    template = render.pod_template(owner, parsed, pool, child)
    told = next(item for item in template["spec"]["containers"][0]["env"] if item["name"] == "SAMPLER_CONTEXT_CLASS")
    told["value"] = value

    assert not is_closed(owner, child, template)


def test_classes_are_part_of_the_release() -> None:
    one, other = parse_spec(classed()), parse_spec(classed(sizes={"standard": 100_000, "long": 1_000_000}))
    assert revisions(one).keys() == revisions(other).keys()
    assert all(revisions(one)[name] != revisions(other)[name] for name in revisions(one))
    assert revisions(parse_spec(spec())) != revisions(one)


def test_a_change_of_the_classes_is_rolled_out_and_named() -> None:
    world = serving()
    world.judge = passing
    world.update(classed(sizes={"standard": 100_000, "long": 1_000_000}))
    world.tick(5)

    said = "context classes changed from standard=200000,long=1000000 to standard=100000,long=1000000"
    assert said in next(note.message for note in world.events if note.reason == "RolloutStarted")
    for _ in range(60):
        world.tick(5)
    assert world.raw_status["history"][0]["result"] == "Promoted"
    assert set(services(world)) == {"demo-standard", "demo-long"}


def test_a_class_that_is_gone_takes_its_service_along() -> None:
    world = serving()
    world.judge = passing
    made = classed()
    del made["pools"][1], made["routing"]["contextClasses"][1]
    made["strategy"]["waves"] = [["cpu-a"]]
    world.update(made)
    for _ in range(60):
        world.tick(5)

    assert set(services(world)) == {"demo-standard"}


def test_a_lost_record_keeps_the_class_services() -> None:
    """While it is not known whose class the pods are, nobody's entrance is taken away."""
    world = serving()
    world.check = None  # it does not know of Deployments that are kept as they are
    for key in [key for key in world.children if key[0] == "ControllerRevision"]:
        del world.children[key]
    world.update(classed("b") | {"paused": True})
    world.tick(5)

    assert {"demo-standard", "demo-long"} <= set(services(world))


def broken(change: str) -> dict[str, Any]:
    made = classed()
    if change == "unknown class":
        made["pools"][0]["contextClass"] = "short"
    elif change == "no class":
        del made["pools"][0]["contextClass"]
    elif change == "no routing":
        del made["routing"]
    elif change == "no pool":
        made["pools"][1]["contextClass"] = "standard"
    elif change == "same size":
        made["routing"]["contextClasses"][1]["maxTokens"] = SIZES["standard"]
    elif change == "long name":
        made["routing"]["contextClasses"][1]["name"] = made["pools"][1]["contextClass"] = "l" * 40
    return made


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("unknown class", "one of routing.contextClasses"),
        ("no class", "one of routing.contextClasses"),
        ("no routing", "one of routing.contextClasses"),
        ("no pool", "a context class has no pool"),
        ("same size", "differ in name and in maxTokens"),
        ("long name", "shorten one of them"),
    ],
)
def test_what_cannot_be_is_refused(change: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        parse_spec(broken(change), "a-name-of-20-letters")


def test_misrouted_needs_classes() -> None:
    quality = {"designEffect": "1", "checks": [{"name": "misrouted", "maxRate": "0.5%"}]}
    parse_spec(classed() | {"quality": quality})
    with pytest.raises(SpecError, match=r"add routing\.contextClasses"):
        parse_spec(spec() | {"quality": quality})
