"""A recorded template gives nobody a pod that a SamplerRollout cannot give (R25)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from sampler_rollouts.domain import render
from sampler_rollouts.domain.records import is_closed
from sampler_rollouts.domain.release import revision
from sampler_rollouts.domain.resource import parse_spec

from tests.unit.operator.domain.histories import specs
from tests.unit.operator.domain.world import World, pool, spec

OWNER = render.Owner("demo", "chat", "uid-1")
CHILD = render.Child("cpu-a", "0123456789")
RICH = {
    "args": ["--fast"],
    "env": [{"name": "A", "value": "1"}],
    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
}


def rendered() -> dict[str, Any]:
    parsed = parse_spec(spec() | {"pools": [pool("cpu-a") | {"template": RICH}], "strategy": {}})
    return render.pod_template(OWNER, parsed, parsed.pools[0], CHILD)


@settings(max_examples=30, deadline=None)
@given(specs())
def test_what_was_rendered_is_always_taken(raw: dict[str, Any]) -> None:
    parsed = parse_spec(raw)
    for one in parsed.pools:
        child = render.Child(one.name, revision(one))
        assert is_closed(OWNER, child, render.pod_template(OWNER, parsed, one, child))


def test_args_variables_and_resources_are_the_authors() -> None:
    assert is_closed(OWNER, CHILD, rendered())


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def forge(template: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        place: Any = template
        for name in parents:
            place = place[int(name)] if name.isdigit() else place[name]
        if isinstance(place, list):
            place.insert(int(last), value)
        else:
            place[last] = value

    return forge


@pytest.mark.parametrize(
    "forge",
    [
        put("spec.serviceAccountName", "admin"),
        put("spec.automountServiceAccountToken", True),
        put("spec.hostPID", True),
        put("spec.hostNetwork", True),
        put("spec.nodeName", "control-plane"),
        put("spec.initContainers", [{"name": "x", "image": "x"}]),
        put("spec.containers.1", {"name": "x", "image": "x"}),
        put("spec.volumes.0", {"name": "host", "hostPath": {"path": "/"}}),
        put("spec.securityContext.runAsUser", 0),
        put("spec.containers.0.securityContext.privileged", True),
        put("spec.containers.0.command", ["sh"]),
        put("spec.containers.0.envFrom", [{"secretRef": {"name": "s"}}]),
        put("spec.containers.0.env.0", {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
        put("spec.containers.0.resources.claims", [{"name": "c"}]),
        put("spec.containers.0.volumeMounts.0", {"name": "host", "mountPath": "/host"}),
        put("spec.containers.0.image", None),
        put("spec.terminationGracePeriodSeconds", "60"),
        put("metadata.labels", {}),
        put("metadata.annotations", {"a": "b"}),
        put("spec.containers", []),
        put("spec", None),
    ],
)
def test_a_forged_record_is_not_taken(forge: Callable[[dict[str, Any]], None]) -> None:
    template = copy.deepcopy(rendered())
    forge(template)
    assert not is_closed(OWNER, CHILD, template)


def test_another_pools_record_is_not_taken() -> None:
    assert not is_closed(OWNER, render.Child("cpu-b", CHILD.revision), rendered())
    assert not is_closed(render.Owner("demo", "other", "uid-1"), CHILD, rendered())


def test_a_forged_record_gives_no_pod() -> None:
    """The whole decision: the record of the spec's own revision is forged before anything runs."""
    world = World(spec())
    evil = {"metadata": {}, "spec": {"hostPID": True, "containers": [{"name": "x", "image": "evil"}]}}
    for one in parse_spec(world.spec).pools:
        child = render.Child(one.name, revision(one))
        record = render.controller_revision(world.meta.owner, child, evil)
        world.children["ControllerRevision", record["metadata"]["name"]] = record
    made = [item["spec"]["template"] for item in world.decide().objects if item["kind"] == "Deployment"]
    assert made
    assert not [template for template in made if "hostPID" in template["spec"]]
