"""On which of many nodes with devices a pool's pods could be, by the scheduler's filters as Kubernetes documents them.

``tests/cluster/test_platforms.py`` asks the real scheduler the same of the same nodes.
"""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain import render
from sampler_rollouts.domain.quantities import quantity
from sampler_rollouts.domain.release import revision
from sampler_rollouts.domain.render_preflight import preflight_deployment
from sampler_rollouts.domain.resource import parse_spec

from tests.support.fake_nodes import NODES, PLACES, FakeNode, spec

OWNER = render.Owner("serving", "chat", "uid-1")
SPEC = parse_spec(spec())
Obj = dict[str, Any]


def fits(node: FakeNode, pod: Obj) -> bool:
    """TaintToleration, NodeAffinity and NodeResourcesFit, each for one pod on an empty node."""
    labels, taints = node.body()["metadata"]["labels"], node.body()["spec"]["taints"]
    wanted = pod.get("nodeSelector", {}).items() <= labels.items()
    borne = all(any(_bears(one, taint) for one in pod.get("tolerations", ())) for taint in taints)
    (container,) = pod["containers"]
    asked, there = container.get("resources", {}).get("limits", {}), node.allocatable()
    return wanted and borne and all(quantity(n) <= quantity(there.get(name, "0")) for name, n in asked.items())


def _bears(toleration: Obj, taint: Obj) -> bool:
    value = toleration["operator"] == "Exists" or toleration.get("value", "") == taint["value"]
    return value and toleration["key"] == taint["key"] and toleration.get("effect") in (None, taint["effect"])


def pods_of(pool: str) -> list[Obj]:
    """A server's, and that of the pod which examines the build first: it must run on the same kind of device."""
    said = SPEC.pool(pool)
    assert said
    child = render.Child(pool, revision(SPEC, said))
    template = render.pod_template(OWNER, SPEC, said, child)
    examining = preflight_deployment(OWNER, child, template, 20)
    return [template["spec"], examining["spec"]["template"]["spec"]]


@pytest.mark.parametrize(("pool", "belongs"), PLACES, ids=[pool["name"] for pool, _ in PLACES])
def test_pods_fit_where_they_belong_and_nowhere_else(pool: Obj, belongs: frozenset[str]) -> None:
    for pod in pods_of(pool["name"]):
        assert {node.name for node in NODES if fits(node, pod)} == belongs


def test_every_node_with_devices_is_wanted_by_some_pool_but_the_part_of_a_slice() -> None:
    wanted = frozenset[str]().union(*(belongs for _, belongs in PLACES))
    assert {node.name for node in NODES} - wanted == {"fake-v6e-half-of-2x4"}
