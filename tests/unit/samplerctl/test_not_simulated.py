"""What a spec may hold that is not simulated: it is left out, and told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from sampler_rollouts.domain.outcome import Outcome
from sampler_rollouts.domain.status import Status
from samplerctl import not_simulated
from samplerctl.app import app
from samplerctl.errors import InputError
from samplerctl.not_simulated import simulated, without_checks
from samplerctl.rollout_file import read_rollout
from samplerctl.selftest import selftest
from samplerctl.simulated_cluster import SimulatedCluster
from typer.testing import CliRunner

from tests.unit.samplerctl.test_simulate import CHECKS, rollout

CLASSES = [{"name": "standard", "maxTokens": 200_000}]
GATEWAY = {"parentRefs": [{"name": "edge"}]}
TABLE = [{"contextClass": "standard", "to": [{"pool": "cpu-a", "share": "70%"}, {"pool": "cpu-b", "share": "30%"}]}]
SHORT = {
    "waves": [["cpu-a", "cpu-b"]],
    "steps": [{"weight": 50, "minDuration": "1m"}],
    "deadline": "1h",
}
PROBED = [{"name": "errors", "maxRate": "2%"}, {"name": "probe-code", "maxRate": "1%"}]


def quality(checks: Any = CHECKS, **more: Any) -> dict[str, Any]:
    return {"designEffect": "1", "checks": checks, **more}


@pytest.mark.parametrize(
    ("more", "left_out"),
    [
        ({"routing": {"contextClasses": CLASSES, "gateway": GATEWAY}}, ["spec.routing.gateway"]),
        (
            {
                "routing": {
                    "contextClasses": CLASSES,
                    "gateway": GATEWAY,
                    "routes": TABLE,
                    "session": {"affinity": "Cookie"},
                }
            },
            ["spec.routing.gateway", "spec.routing.routes", "spec.routing.session"],
        ),
        ({"strategy": {**SHORT, "preflight": {}}}, ["spec.strategy.preflight"]),
        ({"quality": quality(PROBED, probes={"requestsPerSecond": "2"})}, ["spec.quality.probes", "probe-code"]),
        ({"rollback": {"warmReplicas": 1}}, ["spec.rollback.warmReplicas"]),
        ({"rollback": {"warmReplicas": 0}, "quality": quality(probes=None)}, []),
    ],
)
def test_what_is_not_simulated_is_left_out_and_an_honest_build_is_promoted(
    tmp_path: Path, more: dict[str, Any], left_out: list[str]
) -> None:
    path = rollout(tmp_path, **{"strategy": SHORT, **more})
    words = [
        "simulate",
        "--incident",
        "honest",
        "-f",
        str(path),
        "--rps",
        "100",
        "--runs",
        "1",
        "--traffic",
        "independent",
    ]
    answer = CliRunner().invoke(app, [*words, "--json"])
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.output)
    assert (found["not_simulated"], found["results"][0]["promoted"]) == (left_out, 1)


def test_people_are_told_in_the_table_and_on_the_page(tmp_path: Path) -> None:
    page = tmp_path / "ended.html"
    path = rollout(tmp_path, strategy={**SHORT, "preflight": {}})
    words = ["--incident", "I2", "--rps", "100", "--runs", "1", "--traffic", "independent", "--plot", str(page)]
    answer = CliRunner().invoke(app, ["simulate", "-f", str(path), *words])
    assert answer.exit_code == 0, answer.output
    said = "spec.strategy.preflight is not simulated: no build is examined"
    assert said in answer.output
    assert said in page.read_text(encoding="utf-8")


def test_a_self_test_leaves_out_the_same_and_what_pauses(tmp_path: Path) -> None:
    file = read_rollout(rollout(tmp_path, strategy={**SHORT, "preflight": {}}, paused=True))
    found = selftest(file, 100.0, "independent", 1, 1)
    assert found["not_simulated"] == ["spec.strategy.preflight"]
    assert {one["incident"]: one["right"] for one in found["incidents"]}["honest"]


def test_a_self_test_knows_the_checks_that_nobody_wrote(tmp_path: Path) -> None:
    found = selftest(
        read_rollout(rollout(tmp_path, strategy=SHORT, quality={"designEffect": "1"})), 100.0, "independent", 1, 1
    )
    caught = {one["incident"]: list(one["by"]) for one in found["incidents"]}
    assert caught["I2"] == ["unexpected-script"]
    assert found["not_simulated"] == []


def test_nothing_but_the_probers_checks_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = rollout(tmp_path, quality=quality(PROBED[1:], probes={"requestsPerSecond": "2"}))
    with pytest.raises(InputError, match="nothing but probe-code, whose data are not simulated: add a check of a rate"):
        simulated(read_rollout(path))


def test_what_is_left_must_be_a_rollout(tmp_path: Path) -> None:
    path = rollout(tmp_path, routing={"contextClasses": CLASSES, "gateway": GATEWAY})
    body = yaml.safe_load(path.read_text())
    for pool in body["spec"]["pools"]:
        pool["sampler"] = {"auditShare": "0%"}
    body["spec"]["quality"]["checks"] = [CHECKS[0], {"name": "replay-audit", "maxRate": "1%"}]
    path.write_text(yaml.safe_dump(body))
    with pytest.raises(InputError, match=r"chat, without spec.routing.gateway, errors: .*auditShare of 0 turns off"):
        without_checks(simulated(read_rollout(path)), ["errors"])


def test_a_null_is_as_good_as_nothing(tmp_path: Path) -> None:
    file = simulated(read_rollout(rollout(tmp_path, strategy=None, rollback=None)))
    assert (file.left_out, file.before().spec.strategy.bake_time) == ((), "0s")


def test_of_an_autoscalers_pool_a_number_is_taken_and_told(tmp_path: Path) -> None:
    path = rollout(tmp_path)
    body = yaml.safe_load(path.read_text())
    del body["spec"]["pools"][1]["replicas"]
    path.write_text(yaml.safe_dump(body))
    file = simulated(read_rollout(path))
    assert ([pool.replicas for pool in file.spec.pools], file.left_out) == ([4, 10], ("spec.pools.replicas",))
    assert [pool.replicas for pool in file.before().spec.pools] == [4, 10]
    assert "has 10 servers all the time: give it replicas" in not_simulated.words(file.left_out)[0]


def applied(*objects: dict[str, Any]) -> SimulatedCluster:
    cluster = SimulatedCluster(0.0)
    cluster.apply(Outcome(status=Status(), objects=objects), datetime(2026, 1, 5, tzinfo=UTC))
    return cluster


def test_a_kind_that_the_cluster_does_not_know_is_taken_for_nothing_else() -> None:
    labels = {"samplerrollouts.io/pool": "a", "samplerrollouts.io/revision": "1"}
    budget = {"kind": "PodDisruptionBudget", "metadata": {"labels": labels}, "spec": {}}
    assert applied(budget).templates == {}
    with pytest.raises(InputError, match="kind HTTPRoute, which is not simulated"):
        applied({"kind": "HTTPRoute", "metadata": {"labels": {}}})
