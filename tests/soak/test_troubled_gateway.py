"""Through a real gateway in trouble: writes of the route are refused while a check fails, and a proxy is killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from local.cluster import Cluster
from local.demo.load import LoadGenerator
from local.demo.tally import OK, failures_by_phase
from local.errors import LocalError
from local.gateway.install import SYSTEM, Edge
from tests.support.faults import kill_operator
from tests.support.gateways import routed_release, steady_load
from tests.support.rollouts import CANARY_WEIGHT, Rollouts
from tests.support.waiting import wait_for

NAME = "troubled"
POLICY = "no-way-back"
WORDS = "routes are frozen until Monday"
PROXY = "gateway.envoyproxy.io/owning-gateway-name"
CONTROLLER = "control-plane=envoy-gateway"
SERVING = "size(object.spec.rules[0].backendRefs.filter(one, one.weight > 0))"


@pytest.fixture
def established(rollouts: Rollouts, images: dict[str, str], edge: Edge) -> Rollouts:
    rollouts.apply(routed_release(NAME, images["sampler"], "1", edge))
    rollouts.wait_condition(NAME, "Ready", timeout=180)
    return rollouts


@pytest.fixture
def load(established: Rollouts, edge: Edge) -> Iterator[LoadGenerator]:
    with steady_load(edge) as generator:
        yield generator


@pytest.mark.timeout(900)
def test_a_decision_stands_though_the_route_cannot_be_written(
    cluster: Cluster, established: Rollouts, load: LoadGenerator, images: dict[str, str], edge: Edge
) -> None:
    rollouts, stable = established, established.status(NAME)["stable"]["hash"]
    with routes_that_lose_nobody(cluster, rollouts):
        load.phase = "refused"
        rollouts.apply(routed_release(NAME, images["seeded:rare-token-boost"], "2", edge))
        degraded = rollouts.wait_condition(NAME, "Degraded", timeout=240)
        assert degraded["reason"] == "RouteRefused"
        assert WORDS in degraded["message"]
        kill_operator(cluster)  # what was decided is not in its memory
        asked = load.tally.count()
        wait_for("more answers", lambda: load.tally.count() > asked + 50, timeout=60)
        status = rollouts.status(NAME)
        assert status["stage"] == "RollingBack", status
        assert status["stable"]["hash"] == stable
        assert backends(rollouts) == 2, "the policy let the candidate out"
    load.phase = "after"
    stalled = rollouts.wait_condition(NAME, "Stalled", timeout=120)
    assert stalled["reason"] == "RolledBack"
    assert "unexpected-script" in stalled["message"]
    assert backends(rollouts) == 1
    assert failures_by_phase(load.tally.records()) == {}


@pytest.mark.timeout(900)
def test_a_proxy_killed_in_mid_canary_decides_nothing(
    cluster: Cluster, established: Rollouts, load: LoadGenerator, images: dict[str, str], edge: Edge
) -> None:
    rollouts, first = established, established.status(NAME)["stable"]["hash"]
    rollouts.apply(routed_release(NAME, images["sampler"], "2", edge, pause=True))
    wait_for("the pause after the canary's step", lambda: rollouts.waits_for_person(NAME), timeout=240)

    load.phase = "killed"
    for selector in (f"{PROXY}={edge.name}", CONTROLLER):
        cluster.kubectl("delete", "pod", "-n", SYSTEM, "-l", selector, "--grace-period=0", "--force")
    wait_for("failed requests", lambda: failures_by_phase(load.tally.records()), timeout=30)
    cluster.kubectl(
        "wait", "pod", "-n", SYSTEM, "-l", f"{PROXY}={edge.name}", "--for=condition=Ready", "--timeout=120s"
    )
    wait_for("answers through the new proxy", lambda: answered(load) > 0, timeout=60)
    status = rollouts.status(NAME)
    assert status["stable"]["hash"] == first
    assert status["pools"][0]["weight"] == CANARY_WEIGHT
    assert rollouts.condition(NAME, "Stalled").get("status") != "True", status

    load.phase = "after"
    rollouts.let_go_on(NAME)
    rollouts.wait_condition(NAME, "Ready", timeout=240)
    assert rollouts.status(NAME)["history"][0]["result"] == "Promoted"
    assert set(failures_by_phase(load.tally.records())) == {"killed"}


def answered(load: LoadGenerator) -> int:
    """In the present phase, of the newest requests: none that failed came after them."""
    mine = [one for one in load.tally.records() if one.phase == load.phase]
    count = 0
    for one in reversed(mine):
        if one.outcome != OK:
            break
        count += 1
    return max(0, count - 20)


def backends(rollouts: Rollouts) -> int:
    rules = rollouts.get("httproute", NAME)["spec"]["rules"]
    return sum(one.get("weight", 1) > 0 for one in rules[0]["backendRefs"])


@contextmanager
def routes_that_lose_nobody(cluster: Cluster, rollouts: Rollouts) -> Iterator[None]:
    """While it lasts no write that takes a server's traffic away is let through, in the rollout's namespace."""
    name = {"metadata": {"name": POLICY}}
    kind = {"apiVersion": "admissionregistration.k8s.io/v1"}
    rules = [
        {"apiGroups": ["gateway.networking.k8s.io"], "apiVersions": ["*"], "resources": ["httproutes"]}
        | {"operations": ["UPDATE"]}
    ]
    policy = kind | name | {"kind": "ValidatingAdmissionPolicy"}
    policy["spec"] = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": rules},
        "validations": [{"expression": f"{SERVING} >= {SERVING.replace('object', 'oldObject')}", "message": WORDS}],
    }
    binding = kind | name | {"kind": "ValidatingAdmissionPolicyBinding"}
    space = {"matchLabels": {"kubernetes.io/metadata.name": rollouts.namespace}}
    binding["spec"] = {
        "policyName": POLICY,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": space},
    }
    cluster.kubectl(
        "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [policy, binding]})
    )
    try:
        wait_for("the policy to be in force", lambda: _refused(rollouts), timeout=60)
        yield
    finally:
        cluster.kubectl("delete", "validatingadmissionpolicybinding", POLICY, "--ignore-not-found")
        cluster.kubectl("delete", "validatingadmissionpolicy", POLICY, "--ignore-not-found")


def _refused(rollouts: Rollouts) -> bool:
    """Whether a write that takes everybody's traffic away would be refused; it is never made."""
    change = json.dumps([{"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 0}])
    command = ("patch", "httproute", NAME, "--type=json", "-p", change, "--dry-run=server")
    try:
        rollouts.kubectl(*command)
    except LocalError as error:
        return WORDS in str(error) + error.text()
    return False
