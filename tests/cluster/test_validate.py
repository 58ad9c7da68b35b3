"""What `samplerctl validate` says of a file is what kubectl and the API server say of it."""

from __future__ import annotations

import pytest

from local.cluster import Cluster
from local.errors import LocalError
from tests.support.definition import install_crd
from tests.unit.samplerctl.manifests import MANIFESTS, Manifest


@pytest.fixture(scope="module")
def server(cluster: Cluster) -> Cluster:
    install_crd(cluster)
    return cluster


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest.name)
def test_kubectl_and_the_api_server_are_of_its_opinion(server: Cluster, manifest: Manifest) -> None:
    """Dry runs: nothing is stored. A namespace that is not there is refused too, but none of those is to be taken."""
    line = ("create", "--dry-run=server", "-f", "-")
    if manifest.taken:
        server.kubectl(*line, stdin=manifest.text)
        return
    with pytest.raises(LocalError):
        server.kubectl(*line, stdin=manifest.text)
