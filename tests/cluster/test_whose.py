"""What `make test` refuses to change, found in a real API server: an operator by kustomize, a definition of others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from sampler_rollouts import crd

from local.cluster import Cluster
from local.errors import LocalError
from tests.support.definition import OF_TESTS, install_crd
from tests.support.kustomize_base import BASE
from tests.support.rollouts import refuse_installed_operator

SPACE = "of-others"


@pytest.fixture
def server(cluster: Cluster) -> Iterator[Cluster]:
    install_crd(cluster)
    cluster.kubectl("delete", "namespace", SPACE, "--ignore-not-found")
    cluster.kubectl("create", "namespace", SPACE)
    yield cluster
    cluster.kubectl("delete", "namespace", SPACE, "--wait=false")
    install_crd(cluster)


def test_an_operator_by_kustomize_and_a_definition_of_others_are_refused(server: Cluster) -> None:
    refuse_installed_operator(server)

    server.kubectl("create", "-f", "-", stdin=yaml.safe_dump(deployment()))
    with pytest.raises(LocalError, match=f"already Deployment/{SPACE}/sampler-rollouts, "):
        refuse_installed_operator(server)
    server.kubectl("delete", "deployment", "sampler-rollouts", "-n", SPACE)

    server.kubectl("label", "crd", crd.NAME, f"{OF_TESTS}-", "app.kubernetes.io/managed-by-")
    with pytest.raises(LocalError, match=f"already CustomResourceDefinition/{crd.NAME}, "):
        refuse_installed_operator(server)


def deployment() -> dict[str, Any]:
    """The base's, in a namespace of its own and without a pod."""
    (found,) = (one for one in yaml.safe_load_all((BASE / "operator.yaml").read_text()) if one["kind"] == "Deployment")
    found["metadata"]["namespace"] = SPACE
    found["spec"]["replicas"] = 0
    return dict(found)
