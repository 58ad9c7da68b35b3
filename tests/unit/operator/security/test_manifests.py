"""Whoever may write a SamplerRollout gains nothing by it (R25): hostile manifests, one by one and by chance."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from sampler_rollouts.crd import definition
from sampler_rollouts.domain.evidence.samples import CheckPlan
from sampler_rollouts.domain.resource import Spec, SpecError, parse_spec
from sampler_rollouts.metrics.envelope import SourceProblem
from sampler_rollouts.metrics.selectors import of_pods, of_stable

from tests.support.structural import problems
from tests.unit.operator.evidence.build import question
from tests.unit.operator.security.closed import closed
from tests.unit.operator.security.hostile import (
    ALL_PLACES,
    ESCALATIONS,
    HOSTILE,
    JSON,
    OBJECTS,
    SEVERAL,
    Path,
    full,
    is_due,
    places,
    put,
    without_nulls,
)

MAPS = ("pause", "requests", "limits", "nodeSelector")
"""Whose keys are held by CEL, which the models repeat: tests/cluster/test_crd.py."""
SECONDS = 2.0
"""For one manifest, whatever it holds."""


def schema() -> dict[str, Any]:
    (version,) = definition()["spec"]["versions"]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


SCHEMA = schema()


def read(raw: dict[str, Any]) -> Spec | None:
    """The spec, or None if it is refused, in bounded time and words."""
    begun = time.process_time()
    try:
        return parse_spec(raw, "chat")
    except SpecError:
        return None
    finally:
        assert time.process_time() - begun < SECONDS


def test_the_base_is_right_and_uses_every_field() -> None:
    assert read(full())
    assert list(problems(full(), SCHEMA)) == []
    # A field that is missing here is tried with no hostile value: add it to hostile.full.
    used = {tuple("*" if isinstance(part, int) else part for part in path) for path in places(full())}
    assert set(declared(SCHEMA)) <= used


def declared(node: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if "items" in node:
        return declared(node["items"], (*path, "*"))
    below = [one for name, child in node.get("properties", {}).items() for one in declared(child, (*path, name))]
    return [path, *below]


@pytest.mark.parametrize("field", ESCALATIONS)
def test_no_object_of_the_spec_has_a_place_for_it(field: str) -> None:
    for path in OBJECTS:
        if is_due(path, field):
            continue
        raw = put(full(), (*path, field), ESCALATIONS[field])
        with pytest.raises(SpecError):
            parse_spec(raw, "chat")
        assert list(problems(raw, SCHEMA)) or path[-1] in MAPS, path


@pytest.mark.parametrize("path", ALL_PLACES, ids=lambda path: ".".join(map(str, path)))
def test_every_place_with_every_hostile_value(path: Path) -> None:
    for value in HOSTILE:
        harmless(put(full(), path, value))


@given(SEVERAL)
@settings(deadline=None)
def test_several_places_with_anything(raw: dict[str, Any]) -> None:
    harmless(raw)


@given(JSON)
@settings(deadline=None)
def test_anything_at_all(value: Any) -> None:
    if isinstance(value, dict):
        harmless(value)


def harmless(raw: dict[str, Any]) -> None:
    """It is refused, or whatever it says stays within what an author may choose."""
    spec = read(raw)
    if spec is None:
        return
    assert list(problems(without_nulls(raw), SCHEMA)) == [], "the API server would refuse what the models take"
    closed(spec)
    for check in spec.quality.checks:
        asks_for_names_alone(check.name)


def asks_for_names_alone(check: str) -> None:
    """The query holds the name between quotes, or none is made."""
    asked = question(checks=[CheckPlan(check, 0.01, max_ratio=2.0)])
    try:
        texts = [str(one) for one in (*of_pods(asked, ["chat-cpu-1"]), *of_stable(asked))]
    except SourceProblem:
        return
    for text in texts:
        quoted = text.split('"')[1::2]
        assert not set("".join(quoted)) & set("{}()\\,=~# \n"), text
