"""Fixtures of tests that use the operator as a user does: installed on the one cluster, with images of this tree."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local import namespaces
from local.anycluster import AnyCluster
from local.cluster import Cluster
from local.gateway.elsewhere import NoGatewayError
from local.gateway.install import Edge
from tests.support.faults import ByApi, ByProcess, Faults
from tests.support.rollouts import OPERATOR_NAMESPACE, RELEASE, Rollouts, install_operator
from tests.support.waiting import shown

IMAGES = ("operator", "sampler", "seeded:rare-token-boost")


@pytest.fixture(scope="session")
def images(cluster: AnyCluster, request: pytest.FixtureRequest) -> dict[str, str]:
    """Images built from the working tree, by digest."""
    with shown(request):
        return cluster.build_images(*IMAGES)


@pytest.fixture(scope="session")
def edge(cluster: AnyCluster, request: pytest.FixtureRequest) -> Edge:
    """A Gateway on the shared cluster; into the local one Envoy Gateway is installed too."""
    try:
        with shown(request):
            return cluster.gateway()
    except NoGatewayError as error:
        pytest.skip(f"left out: {error.text()}")


@pytest.fixture(scope="session")
def faults(cluster: AnyCluster) -> Faults:
    """Faults that can be caused there."""
    return ByProcess(cluster) if isinstance(cluster, Cluster) else ByApi(cluster)


@pytest.fixture(scope="session")
def operator(cluster: AnyCluster, images: dict[str, str]) -> Iterator[str]:
    """The operator, installed by Helm; yields its namespace."""
    try:
        install_operator(cluster, images["operator"])
        yield OPERATOR_NAMESPACE
    finally:
        # The tutorial, a release of the same name, may have uninstalled it.
        cluster.helm("uninstall", RELEASE, "-n", OPERATOR_NAMESPACE, "--wait", "--ignore-not-found")
        namespaces.remove(cluster.kubectl, OPERATOR_NAMESPACE, wait=False)


@pytest.fixture
def rollouts(cluster: AnyCluster, operator: str, request: pytest.FixtureRequest) -> Iterator[Rollouts]:
    """A namespace for a test's SamplerRollouts, named after its file; it goes while the next test begins."""
    space = Rollouts(cluster, request.path.stem.replace("_", "-"))
    space.create_namespace()
    yield space
    space.delete_namespace(wait=False)
