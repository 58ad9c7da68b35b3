"""Acts from the command line through a real HTTP answer, decided by the operator's own code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from samplerctl.app import app
from typer.testing import CliRunner

from tests.unit.operator.domain.story import holding, rolling
from tests.unit.operator.domain.world import World, passing, spec
from tests.unit.samplerctl.api import PATH, answering

COLLECTION = PATH.rpartition("/")[0]


class Cluster:
    """Shows a world as the API server would; each reading is a look of the operator's."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.patches: list[dict[str, Any]] = []

    def body(self) -> dict[str, Any]:
        metadata = {"name": "chat", "namespace": "demo", "generation": self.world.generation}
        return {"metadata": metadata, "spec": self.world.spec, "status": self.world.raw_status}

    def __call__(self, verb: str, path: str, sent: Any) -> tuple[int, Any]:
        if path == COLLECTION:
            return 200, {"items": [self.body()]}
        if path != PATH:
            return 404, {}
        if verb == "PATCH":
            self.patches.append(sent)
            for key, value in sent["metadata"]["annotations"].items():
                self.world.annotations.pop(key, None)
                self.world.annotations |= {} if value is None else {key: value}
        else:
            self.world.tick()
        return 200, self.body()


def run(folder: Path, cluster: Cluster, *words: str) -> Any:
    with answering(folder, cluster) as kubeconfig:
        return CliRunner().invoke(app, [*words, "--kubeconfig", str(kubeconfig)])


def test_an_abort_is_answered_and_says_who_and_why(tmp_path: Path) -> None:
    cluster = Cluster(rolling())
    release = cluster.world.status.candidate.hash
    answer = run(tmp_path, cluster, "abort", "chat", "--by", "alice", "--reason", "odd answers", "--json")
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.output)
    assert (found["answer"], found["release"]) == ("done", release)
    assert cluster.world.status.held(release)
    assert "self-reported: alice: odd answers" in cluster.world.status.held(release).message


def test_only_annotations_are_written_and_the_last_word_is_left(tmp_path: Path) -> None:
    cluster = Cluster(rolling())
    run(tmp_path, cluster, "pause", "chat")
    run(tmp_path, cluster, "resume", "chat")
    assert all(set(patch) == {"metadata"} and set(patch["metadata"]) == {"annotations"} for patch in cluster.patches)
    assert [key for key in cluster.world.annotations if key.startswith("samplerrollouts.io/")] == [
        "samplerrollouts.io/resume"
    ]
    assert cluster.world.status.pause is None


def test_the_same_word_again_counts_again(tmp_path: Path) -> None:
    cluster = Cluster(rolling())
    for act in ("pause", "resume", "pause"):
        assert run(tmp_path, cluster, act, "chat", "--by", "bob").exit_code == 0
    assert cluster.world.status.pause is not None


def test_promote_goes_past_a_pause(tmp_path: Path) -> None:
    steps = {"strategy": {"steps": [{"weight": 50, "minDuration": "5s"}, {"pause": {}}]}}
    world = rolling(**steps)
    world.judge = passing
    world.run(60)
    cluster = Cluster(world)
    assert world.condition("Reconciling") == ("True", "WaitingForPerson")
    assert run(tmp_path, cluster, "promote", "chat").exit_code == 0
    world.until("Serving")
    assert world.condition("Ready")[0] == "True"


def test_what_holds_is_retried_and_what_was_rolled_back_too(tmp_path: Path) -> None:
    cluster = Cluster(holding())
    assert run(tmp_path, cluster, "retry", "chat").exit_code == 0
    cluster.world.until("Progressing")
    assert run(tmp_path, cluster, "abort", "chat").exit_code == 0
    cluster.world.until("Serving")
    assert run(tmp_path, cluster, "retry", "chat").exit_code == 0
    cluster.world.until("Progressing")


def test_a_refusal_ends_with_one_and_the_reason(tmp_path: Path) -> None:
    answer = run(tmp_path, Cluster(rolling()), "abort", "chat", "--release", "0123456789")
    assert answer.exit_code == 1
    assert "refused" in answer.output
    assert "is under way" in answer.output


def test_an_operator_that_is_away(tmp_path: Path) -> None:
    cluster = Cluster(rolling())
    cluster.world.tick = lambda *_, **__: None  # type: ignore[method-assign,assignment]
    answer = run(tmp_path, cluster, "abort", "chat", "--wait", "0", "--json")
    assert (answer.exit_code, json.loads(answer.output)["answer"]) == (1, "unanswered")


@pytest.mark.parametrize("named", ["whole", "digest"])
def test_a_suspect_build_is_taken_back(tmp_path: Path, named: str) -> None:
    cluster = Cluster(rolling())
    release = cluster.world.status.candidate
    image = release.pools[0].image
    suspect = image if named == "whole" else image.partition("@")[2]
    answer = run(tmp_path, cluster, "rollback", "--suspect", suspect, "--json")
    assert answer.exit_code == 0, answer.output
    assert [one["release"] for one in json.loads(answer.output)["rollouts"]] == [release.hash]
    assert cluster.world.status.held(release.hash)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["abort", "other"], "there is no SamplerRollout other"),
        (["resume", "chat"], "no act has paused it"),
        (["rollback"], "name a SamplerRollout"),
        (["rollback", "chat", "--suspect", "x"], "name a SamplerRollout"),
        (["rollback", "--suspect", "sha256:00"], "no SamplerRollout in namespace demo uses sha256:00"),
        (["abort", "chat", "--reason", "x" * 300], "--reason: at most"),
    ],
)
def test_what_cannot_be_said_is_told_with_the_remedy(tmp_path: Path, words: list[str], said: str) -> None:
    cluster = Cluster(rolling())
    answer = run(tmp_path, cluster, *words)
    assert answer.exit_code == 2
    assert said in " ".join(answer.output.split())
    assert cluster.patches == []


def test_history_tells_ends_and_words(tmp_path: Path) -> None:
    cluster = Cluster(rolling())
    run(tmp_path, cluster, "abort", "chat", "--by", "alice", "--reason", "odd")
    found = json.loads(run(tmp_path, cluster, "history", "chat", "--json").output)
    assert [one["result"] for one in found["history"]] == ["RolledBack", "Established"]
    assert found["history"][0]["reason"] == "ByPerson"
    assert [(one["act"], one["done"]) for one in found["acts"]] == [("abort", True)]
    assert found["acts"][0]["self_reported"].startswith("alice: odd")
    table = " ".join(run(tmp_path, cluster, "history", "chat").output.split())
    assert "self-reported: alice: odd" in table


def written(folder: Path, **changes: Any) -> Path:
    body = {"apiVersion": "samplerrollouts.io/v1alpha1", "kind": "SamplerRollout", "metadata": {"name": "chat"}}
    path = folder / "rollout.yaml"
    path.write_text(json.dumps({**body, "spec": spec("a"), **changes}), encoding="utf-8")
    return path


def test_a_right_file_is_valid(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["validate", str(written(tmp_path)), "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.output)["valid"] is True


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"spec": {**spec("a"), "quality": {}}}, "spec.quality.designEffect: is required: add it"),
        ({"spec": {**spec("a"), "pauzed": True}}, "spec.pauzed: unknown field: write paused"),
        ({"spec": {**spec("a"), "strategy": {"waves": [["nowhere"]]}}}, "waves name an unknown pool"),
        ({"metadata": {"name": "Chat"}}, "metadata.name must be lower-case"),
        ({"apiVersion": "samplerrollouts.io/v1"}, "write samplerrollouts.io/v1alpha1"),
        ({"metadata": {}}, "metadata.name: is required"),
        ({"spec": None}, "spec: is required"),
        ({"kind": "Deployment"}, "holds no object of kind SamplerRollout"),
    ],
)
def test_a_wrong_file_ends_with_two_field_and_remedy(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    answer = CliRunner().invoke(app, ["validate", str(written(tmp_path, **changes))])
    assert answer.exit_code == 2
    assert said in " ".join(answer.output.split())


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("kind: SamplerRollout\nspec:\n  paused: true\n  paused: false\n", encoding="utf-8")
    answer = CliRunner().invoke(app, ["validate", str(path)])
    assert (answer.exit_code, "paused: stands twice" in answer.output) == (2, True)
