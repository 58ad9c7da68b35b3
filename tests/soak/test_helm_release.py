"""What `helm uninstall` leaves: with `crds.keep` the definitions and what people wrote, without it nothing at all.

It comes last of all: no SamplerRollout can be made after it (conftest.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sampler_rollouts import crd
from sampler_rollouts.domain.resource import GROUP, VERSION

from local.cluster import Cluster
from local.errors import LocalError
from tests.support.rollouts import CHART, Rollouts, manifest, synthetic_pool
from tests.support.waiting import wait_for

pytestmark = pytest.mark.machine("it takes the definitions away, and every SamplerRollout with them")
RELEASE = "comes-and-goes"
NAMESPACE = "helm-release"
NAME = "kept"
# With what the API server registers for it.
DEFINITION = {f"APIService//{VERSION}.{GROUP}"} | {
    f"CustomResourceDefinition//{name}" for name in (crd.NAME, crd.POOL_NAME, crd.TEMPLATE_NAME)
}
# No node has it: what is asked here is which objects are there, not whether they run.
NOWHERE = "localhost/no/such@sha256:" + "0" * 64
CHILDREN = sorted(
    ["ControllerRevision", "Deployment", "ReplicaSet"] + 2 * ["Service", "Endpoints", "EndpointSlice"] + 2 * ["Pod"]
)
_LINE = '{range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name}{"\\n"}{end}'


@pytest.fixture
def space(cluster: Cluster) -> Iterator[Rollouts]:
    """A namespace of its own, with what Kubernetes puts into each; no SamplerRollout of anybody is in the cluster."""
    refuse_others(cluster)
    made = Rollouts(cluster, NAMESPACE)
    made.create_namespace()
    wait_for("the namespace's own objects", lambda: furnished(made), timeout=60)
    yield made
    uninstall(cluster, "--ignore-not-found")
    made.delete_namespace()


def refuse_others(cluster: Cluster) -> None:
    """The definition goes in this test, and with it every SamplerRollout; those of tests before go by themselves."""
    if cluster.kubectl("get", "crd", crd.NAME, "--ignore-not-found", "-o", "name"):
        found = ("get", crd.NAME, "-A", "-o", f"jsonpath={_LINE}")
        wait_for(
            "no SamplerRollout of others, whom this test would rob", lambda: not cluster.kubectl(*found), timeout=90
        )


def furnished(space: Rollouts) -> bool:
    names = {item["metadata"]["name"] for item in space.get("serviceaccounts,configmaps")["items"]}
    return {"default", "kube-root-ca.crt"} <= names


def everything(cluster: Cluster) -> set[str]:
    """Every object of the cluster but its Events, as kind, namespace and name."""
    kinds = cluster.kubectl("api-resources", "--verbs=list,delete", "-o", "name").split()
    asked = ",".join(kind for kind in kinds if kind.partition(".")[0] != "events")
    return set(cluster.kubectl("get", asked, "-A", "-o", f"jsonpath={_LINE}").split())


def install(cluster: Cluster, image: str, *flags: str, keep: bool, namespaces: list[str]) -> None:
    repository, digest = image.split("@")
    values = {
        "image": {"repository": repository, "digest": digest},
        "crds": {"keep": keep},
        "watchNamespaces": namespaces,
        "networkPolicy": {"enabled": True},
    }
    line = ("install", RELEASE, CHART, "-n", NAMESPACE, "--timeout", "2m", *flags, "-f", "-")
    cluster.helm(*line, stdin=json.dumps(values))


def uninstall(cluster: Cluster, *flags: str) -> None:
    cluster.helm("uninstall", RELEASE, "-n", NAMESPACE, "--wait", "--timeout", "2m", *flags)


def becomes(cluster: Cluster, before: set[str], expected: set[str]) -> None:
    """Wait until exactly this is there beside what was there before."""
    last: set[str] | LocalError = set()

    def probe() -> bool:
        nonlocal last
        try:
            last = everything(cluster) - before
        except LocalError as error:  # a kind went between two questions
            last = error
        return last == expected

    try:
        wait_for("what is left", probe, timeout=90)
    except AssertionError as error:
        if isinstance(last, LocalError):
            raise
        raise AssertionError(f"{error}; too much: {last - expected}; missing: {expected - last}") from None


@pytest.mark.timeout(1200)
def test_uninstalling_leaves_what_it_was_told_to_keep_and_nothing_else(
    cluster: Cluster, space: Rollouts, images: dict[str, str]
) -> None:
    # A definition of the tests before is taken over, and is of this release from then on.
    before = everything(cluster) - DEFINITION
    install(cluster, images["operator"], "--take-ownership", "--wait", keep=True, namespaces=[NAMESPACE])
    installed = everything(cluster)
    space.apply(manifest(NAME, [synthetic_pool("cpu", NOWHERE)]))
    wait_for("the rollout's children", lambda: kinds_of_children(space) == CHILDREN, timeout=60)
    written = everything(cluster) - installed
    assert f"SamplerRollout/{NAMESPACE}/{NAME}" in written
    uninstall(cluster)
    becomes(cluster, before, written | DEFINITION)

    # Without an operator owner references clean up.
    space.kubectl("delete", "samplerrollout", NAME)
    becomes(cluster, before, DEFINITION)

    # What was kept is no obstacle to the next install.
    install(cluster, images["operator"], keep=False, namespaces=[])
    assert f"ClusterRole//{NAMESPACE}:{RELEASE}-sampler-rollouts" in everything(cluster)
    uninstall(cluster)
    becomes(cluster, before, set())


def kinds_of_children(space: Rollouts) -> list[str]:
    """Of the objects of the SamplerRollout, and of what Kubernetes makes for them."""
    kinds = "deployments,replicasets,controllerrevisions,services,endpoints,endpointslices,pods"
    found = space.cluster.kubectl.get(kinds, namespace=NAMESPACE, selector=f"samplerrollouts.io/rollout={NAME}")
    return sorted(item["kind"] for item in found["items"])
