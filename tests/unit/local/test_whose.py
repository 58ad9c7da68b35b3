"""Whose cluster it is: one with a process that lives is never destroyed by a run that did not start it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from local import cluster as module
from local.cluster import Cluster
from local.errors import LocalError
from local.process import Daemon, stop
from local.settings import Settings
from tests.support.rollouts import refuse_installed_operator


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(Settings(cache=tmp_path / "cache", run=tmp_path / "run", etcd_port=9))


@pytest.fixture
def taken_down(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Clusters that would have been destroyed."""
    calls: list[Settings] = []
    monkeypatch.setattr(module, "take_down", calls.append)
    monkeypatch.setattr(module, "check_rights", lambda: None)
    return calls


@pytest.fixture
def component(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """A component that answers no probe: it lives, and that is all."""
    file = cluster.settings.pids / "etcd"
    Daemon(name="etcd", argv=("sleep", "60"), pid_file=file, log=tmp_path / "etcd.log").start()
    yield file
    stop([file])


def test_one_unwell_component_is_a_cluster_of_somebody(
    cluster: Cluster, component: Path, taken_down: list[Settings]
) -> None:
    assert cluster.lives()
    assert not any(part.healthy for part in cluster.components())
    assert not cluster.clear_dead()
    assert taken_down == []


def test_what_has_no_process_any_more_is_cleared(cluster: Cluster, component: Path, taken_down: list[Settings]) -> None:
    record = component.read_text()
    stop([component])
    component.write_text(record)  # as after a crash
    assert not cluster.lives()
    assert cluster.clear_dead()
    assert taken_down == [cluster.settings]


def holding(**listed: str) -> Cluster:
    """A cluster with these objects, by kind, as kubectl lists those with the labels that are asked for."""
    return SimpleNamespace(
        name=Cluster.name, clearing=Cluster.clearing, kubectl=lambda _, kind, *__: listed.get(kind, "")
    )  # type: ignore[return-value]


def test_tests_refuse_a_cluster_with_the_operator_in_it() -> None:
    refuse_installed_operator(holding())
    with pytest.raises(LocalError, match="kept with KEEP=1") as caught:
        refuse_installed_operator(holding(secrets="secret/sh.helm.release.v1.sampler-rollouts.v1\n"))
    assert "`make cluster-down` first" in caught.value.text()


def test_tests_refuse_what_was_installed_without_helm() -> None:
    with pytest.raises(LocalError, match="already Deployment/samplers/operator, perhaps by kustomize"):
        refuse_installed_operator(holding(deployments="Deployment/samplers/operator\n"))
    definitions = "CustomResourceDefinition//samplerrollouts.samplerrollouts.io\nCustomResourceDefinition//others.io\n"
    with pytest.raises(
        LocalError, match=r"already CustomResourceDefinition/samplerrollouts[.]samplerrollouts[.]io, perh"
    ):
        refuse_installed_operator(holding(customresourcedefinitions=definitions))
    refuse_installed_operator(holding(customresourcedefinitions="CustomResourceDefinition//others.io\n"))
