"""Whoever may write a SamplerRollout gains nothing by it (R25): hostile manifests, one by one and by chance."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_rollouts.crd import definition
from sampler_rollouts.domain import render
from sampler_rollouts.domain.evidence.samples import CheckPlan
from sampler_rollouts.domain.placement import Placement, read_placement
from sampler_rollouts.domain.pool import STANDARD
from sampler_rollouts.domain.records import is_closed
from sampler_rollouts.domain.release import revisions
from sampler_rollouts.domain.resource import Spec, SpecError, parse_spec
from sampler_rollouts.metrics.envelope import SourceProblem
from sampler_rollouts.metrics.selectors import of_pods, of_stable

from tests.support.structural import problems
from tests.unit.operator.evidence.build import question
from tests.unit.operator.security.hostile import ESCALATIONS, NUMBERS, OTHERS, TEXTS, Path, at, full, places, put

OWNER = render.Owner("default", "chat", "uid-1")
ALL_PLACES = list(places(full()))[1:]
OBJECTS = [path for path in places(full()) if isinstance(at(full(), path), dict)]
FREE = {"image", "env", "args", "resources"}
"""What of a container an author chooses."""
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
        if (path[:3], field) == (("routing", "gateway", "parentRefs"), "namespace"):
            continue  # a Gateway of another namespace, which says itself whose routes it takes
        if path[-1:] == ("nodeSelector",) and isinstance(ESCALATIONS[field], str):
            continue  # a label of nodes, whatever somebody has called it
        raw = put(full(), (*path, field), ESCALATIONS[field]) if path else full() | {field: ESCALATIONS[field]}
        with pytest.raises(SpecError):
            parse_spec(raw, "chat")
        assert list(problems(raw, SCHEMA)) or path[-1] in MAPS, path


@pytest.mark.parametrize("path", ALL_PLACES, ids=lambda path: ".".join(map(str, path)))
def test_every_place_with_every_hostile_value(path: Path) -> None:
    for value in (*TEXTS, *NUMBERS, *OTHERS):
        harmless(put(full(), path, value))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=200), st.sampled_from(TEXTS)),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=20), inner, max_size=5)),
    max_leaves=20,
)


@given(st.lists(st.tuples(st.sampled_from(ALL_PLACES), JSON), min_size=1, max_size=4))
@settings(deadline=None)
def test_several_places_with_anything(changes: list[tuple[Path, Any]]) -> None:
    raw = full()
    for path, value in changes:
        try:
            raw = put(raw, path, value)
        except (KeyError, IndexError, TypeError):  # an earlier change took the place away
            continue
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
    assert list(problems(_without_nulls(raw), SCHEMA)) == [], "the API server would refuse what the models take"
    for pool, revision in revisions(spec).items():
        closed(spec, pool, revision)
    for check in spec.quality.checks:
        asks_for_names_alone(check.name)


def _without_nulls(node: Any) -> Any:
    """An API server drops what is null where that is not allowed, before it validates."""
    if isinstance(node, dict):
        return {key: _without_nulls(value) for key, value in node.items() if value is not None}
    return [_without_nulls(item) for item in node] if isinstance(node, list) else node


def closed(spec: Spec, name: str, revision: str) -> None:
    child, pool = render.Child(name, revision), spec.pool(name)
    assert pool is not None
    template = render.pod_template(OWNER, spec, pool, child)
    assert is_closed(OWNER, child, template)
    (container,) = template["spec"]["containers"]
    drain = template["spec"]["terminationGracePeriodSeconds"]
    restricted(template["spec"], f"chat-{name}-{revision}")
    free = {key: container.pop(key) for key in FREE & container.keys()}
    placed = Placement.model_validate(read_placement(template["spec"]))
    assert template == render.closed_form(OWNER, child, drain, {}, pool.context_class or STANDARD, placed)
    assert all(set(one) == {"name", "value"} or one == render.POD_NAME for one in free["env"])
    names = [one["name"] for one in free["env"]]
    assert len(names) == len(set(names)), "a later variable would win over the operator's"
    assert free["resources"].keys() <= {"requests", "limits"} if "resources" in free else True
    assert "@sha256:" in free["image"] or spec.allow_image_tags
    assert len(json.dumps(free)) < 1 << 20


POD = {
    "automountServiceAccountToken", "enableServiceLinks", "terminationGracePeriodSeconds", "securityContext",
    "containers", "volumes", "topologySpreadConstraints", "nodeSelector", "tolerations", "imagePullSecrets",
}  # fmt: skip
CONTAINER = FREE | {
    "name", "imagePullPolicy", "ports", "startupProbe", "livenessProbe", "readinessProbe", "securityContext",
    "volumeMounts",
}  # fmt: skip


def restricted(pod: dict[str, Any], folder: str) -> None:
    """The Pod Security level, said a second time: these fields and no other, and these values."""
    (container,) = pod["containers"]
    assert pod.keys() <= POD
    assert container.keys() <= CONTAINER
    assert pod["automountServiceAccountToken"] is False
    assert pod["volumes"][0] == {"name": "tmp", "emptyDir": {}}
    mounted = {mount["name"]: mount for mount in container["volumeMounts"]}
    for volume in pod["volumes"][1:]:
        (kind,) = volume.keys() - {"name"}
        assert kind == "persistentVolumeClaim" or volume[kind].keys() == {"sizeLimit"}
        # Of what others have too, one folder at most is written.
        mount = mounted[volume["name"]]
        assert kind == "emptyDir" or mount.get("readOnly") or mount["subPath"] == folder
    assert not [item for item in pod.get("tolerations", ()) if "kubernetes.io/" in item["key"]]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all("hostPort" not in port for port in container["ports"])


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
