"""`helm test` on a real node: the installed operator's account, image and configuration reach all that they need."""

from __future__ import annotations

from local.anycluster import AnyCluster
from tests.support.rollouts import RELEASE

CHECK = "app.kubernetes.io/name=sampler-rollouts-check"


def test_what_the_operator_needs_is_there(cluster: AnyCluster, operator: str) -> None:
    said = cluster.helm("test", RELEASE, "-n", operator, "--logs", "--timeout", "2m")
    cluster.kubectl("delete", "pod", "-n", operator, "-l", CHECK)

    lines = [line for line in said.splitlines() if line.startswith(("ok ", "failed "))]
    assert lines[0] == "ok      the API server serves SamplerRollouts"
    assert "ok      metrics source default answers" in lines
    assert all(line.startswith("ok ") for line in lines)
