"""A pool without replicas on a real API server: `kubectl scale` and an autoscaler's view of its SamplerPool."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.cluster import Cluster
from local.errors import LocalError
from tests.cluster.operator_process import NAMESPACE, Obj, Operator, account, apply, children, manifest, rights, until
from tests.cluster.test_operator_api import alone, server, start

__all__ = ["alone", "server", "start"]
POOL = "samplerpool"


def unowned(name: str, letter: str = "a", **pool: Any) -> Obj:
    """A SamplerRollout whose one pool says nothing of replicas, or says what is given."""
    made = manifest(name, letter)
    made["spec"]["pools"][0].pop("replicas")
    made["spec"]["pools"][0] |= pool
    return made


def found(server: Cluster, name: str) -> Obj:
    """The SamplerPool of the pool, if it is there."""
    said = server.kubectl("get", POOL, f"{name}-cpu", "-n", NAMESPACE, "--ignore-not-found", "-o", "json")
    return json.loads(said) if said.strip() else {}


def told(server: Cluster, name: str) -> list[int]:
    """How many pods each Deployment of the rollout is told to have."""
    every = children(server, name).values()
    return [one["spec"]["replicas"] for one in every if one["kind"] == "Deployment"]


def scale(server: Cluster, name: str, replicas: int) -> None:
    server.kubectl("scale", f"{POOL}/{name}-cpu", f"--replicas={replicas}", "-n", NAMESPACE)


@pytest.fixture
def scaled(server: Cluster, start: Any) -> Iterator[str]:
    """A rollout whose pool was scaled to three."""
    name = "scaled"
    start("--resync", "600")
    apply(server, unowned(name))
    until(lambda: (found(server, name).get("status") or {}).get("selector"), "a SamplerPool with its selector")
    scale(server, name, 3)
    until(lambda: told(server, name) == [3], "a Deployment of three")
    yield name
    server.kubectl("delete", "samplerrollout", name, "-n", NAMESPACE, "--ignore-not-found", "--timeout=20s")
    until(lambda: not found(server, name), "no SamplerPool", 60)


def test_kubectl_scale_scales_the_pool_and_the_operator_never_puts_it_back(server: Cluster, scaled: str) -> None:
    live = found(server, scaled)
    (owner,) = live["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("SamplerRollout", scaled, True)
    until(lambda: found(server, scaled)["status"]["replicas"] == 3, "the pods that there are")
    scale(server, scaled, 2)
    until(lambda: told(server, scaled) == [2], "a Deployment of two")
    assert found(server, scaled)["spec"]["replicas"] == 2
    with pytest.raises(LocalError, match="greater than or equal to 1"):
        scale(server, scaled, 0)


def test_an_autoscaler_finds_the_servers_by_the_selector(server: Cluster, scaled: str) -> None:
    path = f"/apis/samplerrollouts.io/v1alpha1/namespaces/{NAMESPACE}/samplerpools/{scaled}-cpu/scale"
    seen = until(lambda: _with(server.kubectl.raw(path), 3), "the pods that there are")
    assert seen["spec"]["replicas"] == 3
    pods = json.loads(server.kubectl("get", "pods", "-n", NAMESPACE, "-l", seen["status"]["selector"], "-o", "json"))
    assert len(pods["items"]) == 3
    assert {pod["metadata"]["labels"]["samplerrollouts.io/rollout"] for pod in pods["items"]} == {scaled}


def _with(seen: Obj, replicas: int) -> Obj:
    return seen if (seen.get("status") or {}).get("replicas") == replicas else {}


def test_kubectl_get_shows_what_is_asked_for_and_what_there_is(server: Cluster, scaled: str) -> None:
    until(lambda: found(server, scaled)["status"]["replicas"] == 3, "the pods that there are")
    head, line = server.kubectl("get", "spool", f"{scaled}-cpu", "-n", NAMESPACE).splitlines()
    assert head.split() == ["NAME", "DESIRED", "CURRENT", "AGE"]
    assert line.split()[:3] == [f"{scaled}-cpu", "3", "3"]


def test_a_number_in_the_spec_holds_and_taking_it_out_shrinks_nothing(server: Cluster, scaled: str) -> None:
    apply(server, unowned(scaled, replicas=4))
    until(lambda: told(server, scaled) == [4] and not found(server, scaled), "four, and no SamplerPool")
    apply(server, unowned(scaled))
    until(lambda: found(server, scaled), "the SamplerPool again")
    assert found(server, scaled)["spec"]["replicas"] == 4
    assert told(server, scaled) == [4]


def test_one_that_is_deleted_comes_back_as_it_was(server: Cluster, scaled: str) -> None:
    before = found(server, scaled)["metadata"]["uid"]
    server.kubectl("delete", POOL, f"{scaled}-cpu", "-n", NAMESPACE, "--timeout=20s")
    back = until(lambda: _other(found(server, scaled), before), "another SamplerPool")
    assert back["spec"]["replicas"] == 3
    assert told(server, scaled) == [3]


def _other(live: Obj, uid: str) -> Obj:
    return live if live and live["metadata"]["uid"] != uid else {}


def test_the_charts_rights_are_enough(server: Cluster, start: Any, tmp_path: Path) -> None:
    name = "scaled-by-right"
    server.kubectl("apply", "-f", "-", stdin=rights(server))
    operator: Operator = start("--resync", "600", kubeconfig=account(server, tmp_path))
    apply(server, unowned(name))
    until(lambda: (found(server, name).get("status") or {}).get("selector"), "a SamplerPool with its selector")
    scale(server, name, 2)
    until(lambda: told(server, name) == [2], "a Deployment of two")
    apply(server, unowned(name, replicas=1))
    until(lambda: told(server, name) == [1] and not found(server, name), "the number, and no SamplerPool")
    mine = [line for line in operator.lines() if line.get("rollout") == f"{NAMESPACE}/{name}"]
    assert [line for line in mine if line["level"] in ("warning", "error")] == []
