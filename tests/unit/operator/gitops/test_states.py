"""The states, the page about them, and the examples beside it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from sampler_rollouts.domain.quantities import seconds
from sampler_rollouts.domain.resource import API_VERSION, GROUP, KIND, Spec, parse_spec

from tests.support import pages
from tests.support.headline import headline
from tests.unit.operator.gitops.argo import SETTINGS
from tests.unit.operator.gitops.states import STATES
from tests.unit.operator.gitops.table import MAKER, PAGE, table

EXAMPLES = SETTINGS.parents[1]
ROOT = EXAMPLES.parents[1]
Object = dict[str, Any]


@pytest.mark.parametrize("name", STATES)
def test_it_comes_about(name: str) -> None:
    assert headline(STATES[name].object()) == STATES[name].headline


def test_the_page_has_the_table() -> None:
    assert pages.part(PAGE, MAKER) == pages.made(table()), f"run {MAKER}"


def objects(*kinds: str) -> list[Object]:
    found = [one for path in sorted(EXAMPLES.rglob("*.yaml")) for one in yaml.safe_load_all(path.read_text())]
    return [one for one in found if one.get("kind") in kinds]


def example() -> Spec:
    (rollout,) = objects(KIND)
    assert rollout["apiVersion"] == API_VERSION
    return parse_spec(rollout["spec"], rollout["metadata"]["name"])


def test_what_a_kustomization_lists_is_there() -> None:
    folder = EXAMPLES / "app"
    for name in yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]:
        assert (folder / name).is_file()


def test_flux_waits_longer_than_a_rollout_may_take() -> None:
    waits = [one["spec"] for one in objects("Kustomization") if one.get("spec", {}).get("wait")]
    assert waits
    for one in waits:
        assert seconds(one["timeout"]) > seconds(example().strategy.deadline)
        assert (ROOT / one["path"]).is_dir()


def test_argo_cd_applies_this_folder() -> None:
    applications = objects("Application")
    assert {one["spec"]["source"]["path"] for one in applications} == {"examples/gitops/app", "charts/sampler-rollouts"}
    for one in applications:
        assert (ROOT / one["spec"]["source"]["path"]).is_dir()
        assert "ServerSideApply=true" in one["spec"]["syncPolicy"]["syncOptions"]


def test_both_install_the_operator_with_values_that_the_chart_has() -> None:
    (flux,) = (one["spec"] for one in objects("HelmRelease"))
    (argo,) = (
        one["spec"]["source"]["helm"]["valuesObject"]
        for one in objects("Application")
        if "helm" in one["spec"]["source"]
    )
    known = yaml.safe_load((ROOT / flux["chart"]["spec"]["chart"] / "values.yaml").read_text())
    assert flux["values"] == argo
    for name, value in argo.items():
        assert value.keys() <= known[name].keys()


def test_argo_cd_finds_the_scripts() -> None:
    """It looks them up by group and kind; a key that nobody asks for is ignored silently."""
    keys = yaml.safe_load(SETTINGS.read_text())["data"]
    assert set(keys) == {f"resource.customizations.{what}.{GROUP}_{KIND}" for what in ("health", "actions")}


def test_the_page_links_to_what_is_there() -> None:
    for name in ("examples/gitops/argocd/argocd-cm.yaml", "examples/gitops/flux/chat.yaml", "examples/gitops/app"):
        assert name in PAGE.read_text()
        assert (ROOT / name).exists()
