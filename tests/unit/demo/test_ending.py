"""What is left behind, and the waits of the story, on a cluster that only writes down what it is told."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from rich.console import Console
from sampler_rollouts.domain.resource import SpecError, parse_spec

from local.cluster import Cluster
from local.demo import ending, install, manifests, waiting
from local.demo.options import Options
from local.errors import LocalError
from local.prometheus import LOCAL, Prometheus
from local.settings import Settings


@dataclass
class FakeCluster:
    """Takes notes."""

    told: list[str] = field(default_factory=list)
    name: str = "the local cluster"
    rest: str = Cluster.rest
    clearing: str = Cluster.clearing
    to_try: Path = Cluster.to_try
    prometheus: Prometheus = LOCAL
    up: bool = True
    refuses: str = ""
    settings: Any = field(
        default_factory=lambda: SimpleNamespace(bin=Path("/bin"), run=Path("/r"), kubeconfig=Path("/k"))
    )
    kubeconfig: Path = Path("/k")

    def lives(self) -> bool:
        return self.up

    def down(self) -> None:
        self._note("down")

    def leave(self, *, refused: bool = False) -> None:
        self._note("leave what was there" if refused else "leave")

    def kubectl(self, *args: str, timeout: float = 0) -> str:
        if args[0] == "get":
            return "namespace/ours" if "-l" in args else ""
        return self._note("kubectl " + " ".join(args[:3]))

    def helm(self, *args: str) -> str:
        return self._note("helm " + " ".join(args[:2]))

    def _note(self, what: str) -> str:
        self.told.append(what)
        if self.refuses and self.refuses in what:
            raise LocalError("it refuses")
        return ""


def close(cluster: FakeCluster, *, keep: bool = False, was_up: bool = False, code: int = 0) -> tuple[int, str]:
    console = Console(width=200)
    with console.capture() as said:
        result = ending.close(cluster, console, Options(keep=keep), was_up=was_up, code=code)  # type: ignore[arg-type]
    return result, said.get()


def test_a_cluster_that_the_demo_brought_up_is_taken_down():
    cluster = FakeCluster()
    assert close(cluster, code=1)[0] == 1
    assert cluster.told == ["down"]


def test_a_cluster_that_was_there_before_stays_without_the_demos_things():
    cluster = FakeCluster()
    code, said = close(cluster, was_up=True, code=130)
    assert code == 130
    assert "stays so" in said
    assert cluster.told == [
        "kubectl delete namespace demo",
        "helm uninstall sampler-rollouts",
        "kubectl delete namespace sampler-rollouts",
        "leave",
    ]


class Holding(FakeCluster):
    """A cluster with a Helm release of the operator, or none, and operators by namespace and release."""

    def __init__(self, description: str | None, operators: str) -> None:
        super().__init__()
        self.operators = operators
        self._said = {
            "list": "[]" if description is None else '[{"name": "sampler-rollouts"}]',
            "status": json.dumps({"info": {"description": description}}),
        }

    def kubectl(self, *args: str, timeout: float = 0) -> str:
        return self.operators

    def helm(self, *args: str) -> str:
        return self._said[args[0]]


OWN = "sampler-rollouts/sampler-rollouts"


@pytest.mark.parametrize(("description", "operators"), [(None, ""), (install.OURS, OWN)])
def test_the_demo_takes_a_cluster_without_the_operator_or_with_its_own(description: str | None, operators: str) -> None:
    install.refuse_others(Holding(description, operators))  # type: ignore[arg-type]


def test_the_demo_refuses_an_operator_that_it_did_not_put_in() -> None:
    with pytest.raises(install.NotOursError, match=r"not the demo's own.*helm uninstall.*make cluster-down"):
        install.refuse_others(Holding("Install complete", OWN))  # type: ignore[arg-type]
    # The first is what kustomize and Argo CD leave: our names, and no release.
    for place in (OWN, "samplers/sampler-rollouts", "sampler-rollouts/another", "samplers/"):
        with pytest.raises(install.NotOursError, match=rf"an operator runs already, {place}.*make cluster-down"):
            install.refuse_others(Holding(None, f"{place} "))  # type: ignore[arg-type]


def test_what_stays_is_left_alone_where_the_story_had_not_begun():
    cluster = FakeCluster()
    console = Console(quiet=True)
    assert ending.close(cluster, console, Options(), was_up=True, code=1, entered=False) == 1  # type: ignore[arg-type]
    assert cluster.told == ["leave what was there"]


def test_keep_leaves_all_and_says_what_to_try():
    cluster = FakeCluster()
    code, said = close(cluster, keep=True)
    assert (code, cluster.told) == (0, [])
    for word in (
        "export KUBECONFIG=/k",
        "kubectl describe samplerrollout chat -n demo",
        "chat-standard",
        "kubectl wait --for=condition=RolledBack samplerrollout/chat -n demo",
        "kubectl delete samplerrollout chat -n demo",
        "helm uninstall sampler-rollouts -n sampler-rollouts",
        "make cluster-down",
    ):
        assert word in said
    assert "$(kubectl get service" in said
    assert "PATH=/bin:$PATH" in said


def seds(out: Path) -> list[str]:
    """The manifests that the user is told to apply, as commands that print them."""
    said = close(FakeCluster(), keep=True)[1]
    told = [line.strip() for line in said.splitlines() if line.strip().startswith("sed ")]
    return [line.partition(" | kubectl apply ")[0].replace(str(Options().out), str(out)) for line in told]


def test_what_is_broken_on_purpose_is_refused_and_the_rest_is_not(tmp_path):
    for number in (2, 3):
        manifests.write(tmp_path, number, "localhost/sampler@sha256:" + str(number) * 64, "smollm2-135m")
    good, remedies = [], []
    for line in seds(tmp_path):
        spec = yaml.safe_load(subprocess.run(shlex.split(line), check=True, capture_output=True).stdout)["spec"]
        try:
            good.append(parse_spec(spec, "chat"))
        except SpecError as error:
            remedies.append(str(error))
    assert [spec.retry_generation for spec in good] == [1, 0]
    assert [item.value for item in good[1].pools[0].template.env if item.name == "SAMPLER_MODEL"] == ["no-such-model"]
    words = ("steps[0].weight", "image must be by digest", "pools[1].sampler.vocabShards", "bakingTime: unknown field")
    assert len(remedies) == len(words)
    assert all(word in said for word, said in zip(words, remedies, strict=True)), remedies


def test_a_failing_clean_up_is_told_and_is_a_failure():
    code, said = close(FakeCluster(refuses="down"))
    assert code == 1
    assert "it refuses" in said


@pytest.mark.parametrize("up", [True, False])
def test_whether_it_was_up(up):
    assert ending.is_up(FakeCluster(up=up)) is up  # type: ignore[arg-type]


def waits(program: str) -> Any:
    def line(*args: str) -> list[str]:
        return [sys.executable, "-c", program, *args]

    settings = Settings(cache=Path("/c"), run=Path("/r"))
    return SimpleNamespace(kubectl=SimpleNamespace(line=line), settings=settings)


def test_kubectl_wait_ends_well():
    waiting.kubectl_wait(waits("import sys; assert '--for=condition=Ready' in sys.argv"), "Ready", 5, lambda: "")


def test_kubectl_wait_runs_out_of_time():
    program = "import sys; sys.exit('error: timed out waiting')"
    with pytest.raises(waiting.NotAsToldError, match=r"no condition Ready within 5 s .*timed out"):
        waiting.kubectl_wait(waits(program), "Ready", 5, lambda: "")


def test_a_wait_that_became_hopeless_ends_early():
    with pytest.raises(waiting.NotAsToldError, match="waited for Ready: it was rolled back"):
        waiting.kubectl_wait(waits("import time; time.sleep(60)"), "Ready", 50, lambda: "it was rolled back")
