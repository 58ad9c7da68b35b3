"""`helm upgrade` from the chart's previous version, and `helm rollback`, with rollouts on their way.

Nothing restarts that need not, no rollout is lost, no request fails: one rollout is in mid-step, one waits for a
person, and one was taken back and is held.

What it does not show: that an older operator's records and status are read by a newer one. There is no older release to
fetch: the previous version is this chart with a lower number, weaker definitions and an older configuration, and both
run the same image.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from sampler_rollouts import crd
from sampler_rollouts.domain.resource import ACT_PREFIX

from local.cluster import Cluster
from local.demo.load import LoadGenerator
from local.demo.tally import OK
from tests.support.rollouts import CANARY_WEIGHT, CHART, OPERATOR_NAMESPACE, RELEASE, Rollouts, manifest, synthetic_pool
from tests.support.rollouts import install_operator as install
from tests.support.waiting import wait_for

MOVING, WAITING, HELD = NAMES = ("moving", "waiting", "held")
OLD_NUMBER = "0.0.9"
MID_STEP = "4m"
"""Longer than an upgrade and a rollback: the step ends under the operator that was brought back."""
Obj = dict[str, Any]


def release(name: str, image: str, build: str) -> Obj:
    made = manifest(name, [synthetic_pool("cpu", image, SAMPLER_EXAMPLE_BUILD=build)], pause=name != MOVING)
    made["spec"]["strategy"]["deadline"] = "30m"
    if name == MOVING and build != "1":
        made["spec"]["strategy"]["steps"] = [{"weight": CANARY_WEIGHT, "minDuration": MID_STEP}]
    return made


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """The chart before this one: a lower number, and definitions whose messages name nobody."""
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about | {"version": OLD_NUMBER, "appVersion": OLD_NUMBER}))
    for file in (chart / "files").glob("*.yaml"):
        file.write_text(yaml.safe_dump(without(yaml.safe_load(file.read_text()), "messageExpression")))
    return chart


def without(node: Any, key: str) -> Any:
    if isinstance(node, dict):
        return {name: without(value, key) for name, value in node.items() if name != key}
    return [without(item, key) for item in node] if isinstance(node, list) else node


@pytest.fixture
def old_release(cluster: Cluster, operator: str, images: dict[str, str], previous: Path) -> Iterator[None]:
    """The previous version is installed; afterwards it is the tests' own again."""
    repository, digest = images["operator"].split("@")
    source = {"url": "http://prometheus.monitoring.svc:9090", "scrapeInterval": "2s", "timeout": "4s"}
    values = {"image": {"repository": repository, "digest": digest}, "metricsSources": {"default": source}}
    line = ("upgrade", RELEASE, str(previous), "-n", operator, "--wait", "--timeout", "3m", "-f", "-")
    cluster.helm(*line, stdin=json.dumps(values))
    yield
    install(cluster, images["operator"])


@pytest.mark.timeout(1800)
def test_an_upgrade_and_its_rollback_touch_the_operator_alone(
    cluster: Cluster, old_release: None, rollouts: Rollouts, images: dict[str, str]
) -> None:
    candidates = on_their_way(rollouts, images["sampler"])
    with ExitStack() as stack:
        loads = [stack.enter_context(load(rollouts, name)) for name in (MOVING, WAITING)]
        before = untouched(rollouts)
        assert len(before["pods"]) == 2 * len(NAMES)

        assert versions(cluster) == (OLD_NUMBER, False)
        replaced(cluster, lambda: install(cluster, images["operator"]))
        assert versions(cluster)[1], "the definition is not the newer one"
        as_before(rollouts, before, candidates)
        replaced(cluster, lambda: cluster.helm("rollback", RELEASE, "-n", OPERATOR_NAMESPACE, "--wait", "--timeout=3m"))
        assert versions(cluster) == (OLD_NUMBER, False)
        as_before(rollouts, before, candidates)

        rollouts.let_go_on(WAITING)
        for name in (MOVING, WAITING):
            rollouts.wait_condition(name, "Ready", timeout=480)
            status = rollouts.status(name)
            assert (status["stable"]["hash"], status["history"][0]["result"]) == (candidates[name], "Promoted")
        failed = [one for made in loads for one in made.tally.records() if one.outcome != OK]
        assert failed == []
    assert rollouts.condition(HELD, "Stalled")["reason"] == "RolledBack"
    assert restarts(rollouts) == {0}
    first = {pod["uid"] for pod in before["pods"]}
    assert first & {pod["uid"] for pod in untouched(rollouts)["pods"]}, "no pod of before serves at the end"


def on_their_way(rollouts: Rollouts, image: str) -> dict[str, str]:
    """The three rollouts, each where it is to be; the hashes of their candidates."""
    for name in NAMES:
        rollouts.apply(release(name, image, "1"))
    for name in NAMES:
        rollouts.wait_condition(name, "Ready", timeout=300)
        rollouts.apply(release(name, image, "2"))
    wait_for("the step's weight", lambda: weight(rollouts) == CANARY_WEIGHT, timeout=180)
    for name in (WAITING, HELD):
        wait_for(f"the pause of {name}", lambda name=name: rollouts.waits_for_person(name), timeout=180)
    candidates = {name: rollouts.status(name)["candidate"]["hash"] for name in NAMES}
    said = f"{ACT_PREFIX}abort={candidates[HELD]}:a test"
    rollouts.kubectl("annotate", "samplerrollout", HELD, said, "--overwrite")
    rollouts.wait_condition(HELD, "Stalled", timeout=120)
    wait_for("stable's pods alone", lambda: len(pods(rollouts, HELD)) == 2, timeout=120)
    return candidates


def weight(rollouts: Rollouts) -> int:
    pools = rollouts.status(MOVING).get("pools") or [{}]
    return int(pools[0].get("weight", 0))


def load(rollouts: Rollouts, name: str) -> LoadGenerator:
    return LoadGenerator(rollouts.reached_service(name), model="synthetic", workers=2, api="completions")


def pods(rollouts: Rollouts, name: str = "") -> list[Obj]:
    selector = f"samplerrollouts.io/rollout{f'={name}' if name else ''}"
    return list(rollouts.cluster.kubectl.get("pods", namespace=rollouts.namespace, selector=selector)["items"])


def restarts(rollouts: Rollouts) -> set[int]:
    return {one["restartCount"] for pod in pods(rollouts) for one in pod["status"]["containerStatuses"]}


def untouched(rollouts: Rollouts) -> dict[str, list[Obj]]:
    """What stays as it is, unless somebody touches it: the servers' pods, and what the Deployments say of them."""
    found = rollouts.get("deployments")["items"]
    return {
        "pods": sorted(
            (
                {"uid": pod["metadata"]["uid"], "restarts": [one["restartCount"] for one in statuses]}
                for pod in pods(rollouts)
                for statuses in [pod["status"]["containerStatuses"]]
            ),
            key=lambda pod: pod["uid"],
        ),
        "deployments": [{key: one["metadata"][key] for key in ("name", "uid", "generation")} for one in found],
    }


def as_before(rollouts: Rollouts, before: Obj, candidates: dict[str, str]) -> None:
    """The operator that has come looks at all of them, and nothing else has changed."""
    seen = rollouts.candidate_requests(MOVING)
    wait_for("a look of the new operator", lambda: rollouts.candidate_requests(MOVING) > seen, timeout=90)
    assert untouched(rollouts) == before
    assert weight(rollouts) == CANARY_WEIGHT
    assert {name: rollouts.status(name)["candidate"]["hash"] for name in (MOVING, WAITING)} == {
        name: candidates[name] for name in (MOVING, WAITING)
    }
    assert rollouts.waits_for_person(WAITING)
    assert rollouts.condition(HELD, "Stalled")["reason"] == "RolledBack"
    assert rollouts.status(HELD)["failed"][0]["hash"] == candidates[HELD]


def versions(cluster: Cluster) -> tuple[str, bool]:
    """The chart's number as the operator's pod has it, and whether the definition names who is at fault."""
    rules = json.dumps(cluster.kubectl.get("crd", crd.NAME))
    return operator_pod(cluster)["metadata"]["labels"]["app.kubernetes.io/version"], "messageExpression" in rules


def operator_pod(cluster: Cluster) -> Obj:
    (pod,) = operator_pods(cluster)
    return pod


def replaced(cluster: Cluster, turn: Any) -> None:
    """The turn replaces the operator's pod, once."""
    before, generation = operator_pod(cluster), rollout_number(cluster)
    turn()
    wait_for("one pod of the operator", lambda: len(operator_pods(cluster)) == 1, timeout=60)
    after = operator_pod(cluster)
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert rollout_number(cluster) == generation + 1
    assert [one["restartCount"] for one in after["status"]["containerStatuses"]] == [0]


def rollout_number(cluster: Cluster) -> int:
    """How often the Deployment has had another pod template."""
    found = cluster.kubectl.get("deployment", RELEASE, namespace=OPERATOR_NAMESPACE)
    return int(found["metadata"]["annotations"]["deployment.kubernetes.io/revision"])


def operator_pods(cluster: Cluster) -> list[Obj]:
    selector = "app.kubernetes.io/name=sampler-rollouts,app.kubernetes.io/component=operator"
    return list(cluster.kubectl.get("pods", namespace=OPERATOR_NAMESPACE, selector=selector)["items"])
