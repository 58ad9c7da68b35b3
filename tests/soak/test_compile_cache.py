"""Compiled programs in a claim, on a real node: each revision has a folder that its servers can write, and a pod that
comes later compiles nothing anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sampler_rollouts.domain.render import USER

from local.cluster import Cluster
from tests.support.rollouts import Rollouts, manifest, synthetic_pool
from tests.support.waiting import wait_for

NAME, POOL, CLAIM = "cached", "cpu-a", "compiled-programs"
VOLUME = "test-compile-cache"


@pytest.fixture
def programs(rollouts: Rollouts, cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """A folder of this machine, which is the node, as a volume that is bound to the claim."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (node,) = cluster.kubectl.get("nodes")["items"]
    host = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node["metadata"]["name"]]}
    shared = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    volume = {
        **shared,
        "capacity": {"storage": "1Gi"},
        "local": {"path": str(folder)},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [host]}]}},
        "claimRef": {"namespace": rollouts.namespace, "name": CLAIM},
        "persistentVolumeReclaimPolicy": "Retain",
    }
    claim = {**shared, "volumeName": VOLUME, "resources": {"requests": {"storage": "1Gi"}}}
    for kind, name, spec in (("PersistentVolume", VOLUME, volume), ("PersistentVolumeClaim", CLAIM, claim)):
        made = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        rollouts.kubectl("apply", "-f", "-", stdin=json.dumps(made))
    yield folder
    cluster.kubectl("delete", "persistentvolume", VOLUME, "--wait=false")


def release(image: str, build: str, replicas: int) -> dict[str, Any]:
    pool = synthetic_pool(POOL, image, SAMPLER_EXAMPLE_BUILD=build) | {"replicas": replicas}
    pool["template"]["compileCache"] = {"claimName": CLAIM}
    return manifest(NAME, [pool])


@pytest.mark.timeout(900)
def test_a_revision_compiles_once(rollouts: Rollouts, images: dict[str, str], programs: Path) -> None:
    rollouts.apply(release(images["sampler"], "1", 1))
    rollouts.wait_condition(NAME, "Ready", timeout=240)
    first = folder_of(rollouts, programs)
    compiled = files(first)
    assert len(compiled) > 1
    assert {path.stat().st_uid for path in compiled} == {USER}
    cold = seconds_to_ready(rollouts)

    rollouts.apply(release(images["sampler"], "1", 2))
    wait_for("a second server", lambda: len(seconds_to_ready(rollouts)) == 2, timeout=240)
    assert files(first) == compiled, "something was compiled anew, or again"
    took = f"cold {cold}, then {seconds_to_ready(rollouts)}"
    sys.stdout.write(f"{len(compiled)} programs; seconds from a container's start to ready: {took}\n")

    rollouts.apply(release(images["sampler"], "2", 1))
    second = wait_for("the next release's folder", lambda: set(programs.iterdir()) - {first}, timeout=240).pop()
    wait_for("as many programs of its own", lambda: len(files(second)) == len(compiled), timeout=240)
    assert files(first) == compiled


def folder_of(rollouts: Rollouts, programs: Path) -> Path:
    (pool,) = rollouts.status(NAME)["stable"]["pools"]
    return programs / f"{NAME}_{POOL}_{pool['revision']}"


def files(folder: Path) -> dict[Path, int]:
    """Each file of a folder, with when it was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def seconds_to_ready(rollouts: Rollouts) -> list[float]:
    """Of each server that is ready, oldest first."""
    found = []
    for pod in rollouts.get("pods")["items"]:
        (container,) = pod["status"].get("containerStatuses") or [{}]
        ready = [
            one for one in pod["status"].get("conditions", []) if (one["type"], one["status"]) == ("Ready", "True")
        ]
        if ready and "samplerrollouts.io/revision" in pod["metadata"]["labels"]:
            begun = datetime.fromisoformat(container["state"]["running"]["startedAt"])
            found.append((begun, (datetime.fromisoformat(ready[0]["lastTransitionTime"]) - begun).total_seconds()))
    return [took for _, took in sorted(found)]
