"""The sample of an administrator's policy on a real API server: each of its rules refuses, with its words."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sampler_rollouts.domain import sampler_pool
from sampler_rollouts.domain.resource import API_VERSION, KIND

from local.cluster import Cluster
from local.errors import LocalError
from tests.support.definition import install_crd
from tests.support.waiting import wait_for
from tests.unit.operator.crd.bad import IMAGE
from tests.unit.operator.security.hostile import Path as Place
from tests.unit.operator.security.hostile import at, full, places, put

POLICY = Path(__file__).parents[2] / "examples" / "policies" / "samplers.yaml"
NAMESPACE = "policy-test"
Spec = dict[str, Any]
OURS = "registry.example.com/samplers/chat@sha256:" + "a" * 64
EVIL = "docker.io/evil/miner@sha256:" + "a" * 64
IMAGES = [place for place in places(full()) if at(full(), place) == IMAGE]
"""Every place of the resource where an image can stand: a new one is here as soon as ``hostile.full`` has it."""
ALLOWED: Spec = {
    "pools": [
        {
            "name": "cpu-a",
            "replicas": 2,
            "image": OURS,
            "template": {"env": [{"name": "LOG_LEVEL", "value": "info"}], "resources": {"limits": {"memory": "1Gi"}}},
        }
    ],
    "quality": {"designEffect": "1"},
}


def create(server: Cluster, spec: Spec, kind: str = KIND) -> None:
    metadata = {"name": "policed", "namespace": NAMESPACE}
    body = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
    server.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))


def refused(server: Cluster, spec: Spec, kind: str = KIND) -> str:
    try:
        create(server, spec, kind)
    except LocalError as error:
        return str(error)
    return ""


def changed(**pool: Any) -> Spec:
    spec = copy.deepcopy(ALLOWED)
    spec["pools"][0] |= pool
    return spec


def everything() -> Spec:
    """Every field of the resource, as the policy allows it."""
    spec = full()
    for place in IMAGES:
        spec = put(spec, place, OURS)
    spec = put(spec, ("pools", 0, "template", "env"), [{"name": "LOG_LEVEL", "value": "info"}])
    return put(spec, ("pools", 1, "template"), {"resources": {"limits": {"memory": "1Gi"}}})


@pytest.fixture(scope="module")
def server(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with our CRD, the policy, and a namespace that it is bound to."""
    install_crd(cluster)
    # A run that was killed has left it, and one that has just ended is still taking it away.
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    try:
        cluster.kubectl("create", "namespace", NAMESPACE)
        cluster.kubectl("label", "namespace", NAMESPACE, "samplerrollouts.io/policy=production")
        cluster.kubectl("apply", "-f", str(POLICY))
        # A policy counts a moment after it was stored.
        wait_for("the policy counts", lambda: "images come from" in refused(cluster, changed(image=EVIL)), timeout=60)
        yield cluster
    finally:
        # A policy that is left refuses nothing but in that namespace; the namespace would be in the next run's way.
        cluster.kubectl("delete", "--ignore-not-found", "-f", str(POLICY))
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


def test_what_is_allowed(server: Cluster) -> None:
    assert refused(server, ALLOWED) == ""
    assert refused(server, everything()) == ""
    unowned = changed()
    del unowned["pools"][0]["replicas"]
    assert refused(server, unowned) == ""


def test_what_an_autoscaler_may_ask_for_is_bounded_too(server: Cluster) -> None:
    wait_for("the policy counts", lambda: refused(server, {"replicas": 17}, sampler_pool.KIND), timeout=60)
    assert "at most 16 servers" in refused(server, {"replicas": 17}, sampler_pool.KIND)
    assert refused(server, {"replicas": 16}, sampler_pool.KIND) == ""


@pytest.mark.parametrize("place", IMAGES, ids=lambda place: ".".join(map(str, place)))
def test_every_image_is_held(server: Cluster, place: Place) -> None:
    assert "images come from" in refused(server, put(everything(), place, EVIL))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (changed(image=EVIL), "images come from"),
        (ALLOWED | {"allowImageTags": True}, "is for development"),
        (changed(template=ALLOWED["pools"][0]["template"] | {"env": [{"name": "HTTP_PROXY"}]}), "may set LOG_LEVEL"),
        (changed(template={}), "must have memory"),
        (changed(replicas=65), "at most 64 replicas"),
        (ALLOWED | {"rollback": {"onInconclusive": "Rollback"}}, "so that a person decides"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_rule_refuses(server: Cluster, spec: Spec, words: str) -> None:
    assert words in refused(server, spec)
