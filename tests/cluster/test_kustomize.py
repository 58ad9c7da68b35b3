"""The kustomize base is the chart's, and an overlay of it is what the operator understands. No cluster is needed."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml
from sampler_rollouts.handlers.options import parse
from sampler_rollouts.metrics.config import parse_sources

from local import tools
from local.settings import load
from tests.support.kustomize_base import BASE, MAKER, NAMESPACE, ROOT, files

Obj = dict[str, Any]


def test_the_base_is_made_from_the_chart() -> None:
    made = files()
    assert {name: (BASE / name).read_text() for name in made} == made, f"run {MAKER}"


def test_the_base_speaks_of_no_helm() -> None:
    assert not [name for name, text in files().items() if "helm.sh" in text or "managed-by" in text]


@pytest.fixture(scope="module")
def built() -> dict[str, Obj]:
    """The example overlay, by kind and name."""
    kubectl = tools.ensure(load(), ["kubectl"])["kubectl"]
    done = subprocess.run(
        [kubectl, "kustomize", ROOT / "kustomize" / "example"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in yaml.safe_load_all(done.stdout)}


def test_an_overlay_names_the_image_and_the_sources(built: dict[str, Obj]) -> None:
    pod = built["Deployment/sampler-rollouts"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (config,) = (one for one in built.values() if one["kind"] == "ConfigMap")
    (source,) = parse_sources(config["data"]["config.yaml"]).metrics_sources.values()
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}

    assert container["image"] == "registry.example.com/sampler-rollouts/operator@sha256:" + "1" * 64
    assert config["metadata"]["name"].startswith("sampler-rollouts-")
    assert volumes["config"]["configMap"]["name"] == config["metadata"]["name"]
    assert str(source.bearer_token_file) == f"{mounts['credentials']}/token"
    environ = {one["name"]: one["value"] for one in container["env"]}
    for arguments in (container["args"], ["--check"]):
        assert parse(arguments, environ).config == f"{mounts['config']}/config.yaml"


def test_everything_is_in_the_operators_namespace(built: dict[str, Obj]) -> None:
    cluster_wide = {"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}
    for one in built.values():
        assert one["kind"] in cluster_wide or one["metadata"]["namespace"] == NAMESPACE, one["metadata"]
    (subject,) = next(one for one in built.values() if one["kind"] == "ClusterRoleBinding")["subjects"]
    assert (subject["name"], subject["namespace"]) == ("sampler-rollouts", NAMESPACE)
