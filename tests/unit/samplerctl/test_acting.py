"""Acts from the command line through a real HTTP answer, decided by the operator's own code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samplerctl import hearing
from samplerctl.app import app
from typer.testing import CliRunner

from tests.unit.operator.domain.story import holding, rolling
from tests.unit.operator.domain.world import passing, spec
from tests.unit.samplerctl.api import answering
from tests.unit.samplerctl.clusters import PREFIX, Clock, Cluster


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "time", Clock())


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
    for patch in cluster.patches:
        assert (set(patch), set(patch["metadata"])) == ({"metadata"}, {"annotations", "resourceVersion"})
    assert list(cluster.words) == ["resume"]
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
    answer = run(tmp_path, Cluster(rolling(), away=True), "abort", "chat", "--wait", "0", "--json")
    assert (answer.exit_code, json.loads(answer.output)["answer"]) == (1, "unanswered")


def say(folder: Path, cluster: Cluster, act: str, by: str, *words: str) -> dict[str, Any]:
    answer = run(folder, cluster, act, "chat", "--by", by, "--wait", "0", "--json", *words)
    assert answer.exit_code == 1, answer.output  # nobody answers
    found: dict[str, Any] = json.loads(answer.output)
    return found


@pytest.mark.parametrize("stopping", ["abort", "rollback"])
@pytest.mark.parametrize("act", ["promote", "pause", "resume", "clear-suspect"])
def test_what_takes_a_release_back_outlives_every_other_word(tmp_path: Path, stopping: str, act: str) -> None:
    cluster = Cluster(rolling(), away=True)
    release = cluster.world.status.candidate.hash
    say(tmp_path, cluster, stopping, "alice")
    found = say(tmp_path, cluster, act, "bob", "--release", release)
    assert cluster.words == {stopping: f"{release}:alice", act: f"{release}:bob"}
    assert f"Not answered either, and not taken away: {stopping} {release} (self-reported: alice" in found["message"]
    cluster.away = False
    cluster.world.until("Serving")
    assert cluster.world.status.held(release)


def test_neither_abort_nor_rollback_takes_the_other_away(tmp_path: Path) -> None:
    for first, second in (("abort", "rollback"), ("rollback", "abort")):
        cluster = Cluster(rolling(), away=True)
        say(tmp_path, cluster, first, "alice")
        say(tmp_path, cluster, second, "bob")
        assert sorted(cluster.words) == ["abort", "rollback"]


def test_who_is_refused_hears_that_it_was_taken_back_all_the_same(tmp_path: Path) -> None:
    cluster = Cluster(rolling())
    release = cluster.world.status.candidate.hash
    cluster.annotate({"rollback": f"{release}:alice"})
    found = json.loads(run(tmp_path, cluster, "abort", "chat", "--release", release, "--json").output)
    assert found["answer"] == "refused"
    assert f"(It has been taken back all the same: Rolled back release {release}" in found["message"]


def test_a_retry_is_not_said_beside_what_takes_back(tmp_path: Path) -> None:
    """The operator would hear it after the rollback, and try again what was taken back."""
    cluster = Cluster(holding(), away=True)
    release = cluster.world.status.candidate.hash
    say(tmp_path, cluster, "abort", "alice")
    found = say(tmp_path, cluster, "retry", "bob")
    assert (found["answer"], list(cluster.words)) == ("refused", ["abort"])
    assert f"abort {release} (self-reported: alice" in found["message"]
    assert "say it again when it is" in found["message"]


@pytest.mark.parametrize("act", ["promote", "retry"])
def test_what_takes_back_takes_away_what_would_undo_it_and_says_so(tmp_path: Path, act: str) -> None:
    cluster = Cluster(holding(), away=True)
    release = cluster.world.status.candidate.hash
    say(tmp_path, cluster, act, "bob", "--release", release)
    say(tmp_path, cluster, "pause", "carol")
    found = say(tmp_path, cluster, "abort", "alice")
    assert sorted(cluster.words) == ["abort", "pause"]
    assert found["took_back"][0].startswith(f"{act} {release} (self-reported: bob (2")
    cluster.away = False
    cluster.world.until("Serving")
    cluster.world.run(60)
    assert cluster.world.status.held(release)


def test_a_resume_takes_back_a_pause_of_its_release_that_nobody_has_heard(tmp_path: Path) -> None:
    cluster = Cluster(rolling())
    release = cluster.world.status.candidate.hash
    run(tmp_path, cluster, "pause", "chat")
    cluster.away = True
    say(tmp_path, cluster, "pause", "alice")
    say(tmp_path, cluster, "resume", "bob")
    assert cluster.words == {"resume": f"{release}:bob"}
    cluster.away = False
    cluster.world.tick()
    assert cluster.world.status.pause is None


def test_answered_words_are_tidied_up(tmp_path: Path) -> None:
    cluster = Cluster(rolling())
    for act in ("pause", "resume", "abort"):
        assert run(tmp_path, cluster, act, "chat").exit_code == 0
    cluster.world.annotations[PREFIX + "promote"] = "0123456789"
    cluster.world.tick()
    cluster.world.until("Serving")
    assert run(tmp_path, cluster, "retry", "chat").exit_code == 0
    assert list(cluster.words) == ["retry"]
    cluster.world.annotations["other"] = "stays"
    cluster.world.until("Progressing")
    assert run(tmp_path, cluster, "pause", "chat").exit_code == 0
    assert sorted(cluster.words) == ["other", "pause"]


def test_a_word_of_another_release_does_not_take_the_place_of_the_right_one(tmp_path: Path) -> None:
    cluster = Cluster(rolling(), away=True)
    release = cluster.world.status.candidate.hash
    say(tmp_path, cluster, "abort", "alice")
    found = say(tmp_path, cluster, "abort", "bob", "--release", "0123456789")
    assert (found["answer"], cluster.words) == ("refused", {"abort": f"{release}:alice"})
    assert "it would take the place of abort" in found["message"]
    other = Cluster(rolling(), away=True)
    say(tmp_path, other, "abort", "alice", "--release", "0123456789")
    say(tmp_path, other, "abort", "bob")
    assert other.words == {"abort": f"{release}:bob"}


def waits(folder: Path, cluster: Cluster, *words: str, meanwhile: Callable[[], None]) -> dict[str, Any]:
    """What is told of a word where somebody does something just after it was said."""
    cluster.meanwhile = [lambda: None, meanwhile]
    answer = run(folder, cluster, *words, "chat", "--by", "alice", "--wait", "2", "--json")
    found: dict[str, Any] = json.loads(answer.output)
    return found | {"code": answer.exit_code}


def test_who_waits_is_told_who_took_the_word_away(tmp_path: Path) -> None:
    cluster = Cluster(holding(), away=True)
    release = cluster.world.status.candidate.hash
    bobs = {"promote": None, "abort": f"{release}:bob: no"}
    found = waits(tmp_path, cluster, "promote", meanwhile=lambda: cluster.annotate(bobs))
    assert (found["code"], found["answer"]) == (1, "removed")
    assert f"and there is now abort {release} (self-reported: bob: no): say it again" in found["message"]
    cluster = Cluster(rolling(), away=True)
    found = waits(tmp_path, cluster, "abort", meanwhile=lambda: cluster.annotate({"abort": None}))
    assert (found["code"], found["answer"]) == (1, "removed")
    assert "by somebody whom the API server's audit log knows" in found["message"]


def test_who_waits_is_told_what_took_the_place_of_the_word(tmp_path: Path) -> None:
    cluster = Cluster(rolling(), away=True)
    found = waits(tmp_path, cluster, "abort", meanwhile=lambda: cluster.annotate({"abort": "0123456789"}))
    assert (found["code"], found["answer"]) == (1, "replaced")
    assert "came abort 0123456789 (nobody said who): say it again" in found["message"]


def test_the_same_word_of_somebody_else_is_waited_for_instead(tmp_path: Path) -> None:
    cluster = Cluster(rolling(), away=True)
    release = cluster.world.status.candidate.hash

    def bob() -> None:
        cluster.annotate({"abort": f"{release}:bob"})
        cluster.away = False

    found = waits(tmp_path, cluster, "abort", meanwhile=bob)
    assert (found["code"], found["answer"]) == (0, "done")
    assert f"to the same word of somebody else: abort {release} (self-reported: bob)" in found["message"]


def test_who_waits_is_told_that_it_was_deleted(tmp_path: Path) -> None:
    cluster = Cluster(rolling(), away=True)
    found = waits(tmp_path, cluster, "abort", meanwhile=lambda: setattr(cluster, "gone", True))
    assert (found["code"], found["answer"]) == (1, "deleted")
    cluster = Cluster(rolling(), away=True)
    found = waits(tmp_path, cluster, "abort", meanwhile=lambda: setattr(cluster, "uid", "2"))
    assert (found["code"], found["answer"]) == (1, "deleted")
    assert "one of its name is there again" in found["message"]


def test_who_waits_no_longer_is_told_that_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hearing.time, "sleep", interrupted)
    cluster = Cluster(rolling(), away=True)
    answer = run(tmp_path, cluster, "abort", "chat", "--json")
    assert (answer.exit_code, json.loads(answer.output)["answer"], list(cluster.words)) == (1, "unanswered", ["abort"])


def test_what_somebody_says_at_the_same_time_is_seen(tmp_path: Path) -> None:
    """Read before, written after: the word is planned anew on what is there by then."""
    cluster = Cluster(holding(), away=True)
    release = cluster.world.status.candidate.hash
    cluster.meanwhile = [lambda: cluster.annotate({"abort": f"{release}:alice"})]
    found = say(tmp_path, cluster, "retry", "bob")
    assert (found["answer"], list(cluster.words)) == ("refused", ["abort"])
    cluster = Cluster(holding(), away=True)
    cluster.meanwhile = [lambda: cluster.annotate({"retry": f"{release}:alice"})]
    found = say(tmp_path, cluster, "abort", "bob")
    assert (len(found["took_back"]), list(cluster.words)) == (1, ["abort"])


def test_a_cluster_that_answers_for_a_moment_only_is_asked_again(tmp_path: Path) -> None:
    cluster, asked = Cluster(rolling()), []

    def answer(verb: str, path: str, sent: Any) -> tuple[int, Any]:
        asked.append(verb)
        if asked.count("GET") == 2:
            return 503, {"message": "the server is currently unable to handle the request"}
        return cluster(verb, path, sent)

    with answering(tmp_path, answer) as kubeconfig:
        found = CliRunner().invoke(app, ["abort", "chat", "--kubeconfig", str(kubeconfig)])
    assert (found.exit_code, asked) == (0, ["GET", "PATCH", "GET", "GET"]), found.output


def test_an_answer_that_was_lost_is_looked_for(tmp_path: Path) -> None:
    """The API server had set the annotation, and then it was too late to say so."""
    cluster = Cluster(rolling())

    def answer(verb: str, path: str, sent: Any) -> tuple[int, Any]:
        code, body = cluster(verb, path, sent)
        return (504, {"message": "timeout"}) if verb == "PATCH" else (code, body)

    with answering(tmp_path, answer) as kubeconfig:
        found = CliRunner().invoke(app, ["abort", "chat", "--json", "--kubeconfig", str(kubeconfig)])
    assert (found.exit_code, len(cluster.patches)) == (0, 1), found.output
    assert json.loads(found.output)["answer"] == "done"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["abort", "other"], "there is no SamplerRollout other"),
        (["resume", "chat"], "no act has paused it"),
        (["rollback"], "name a SamplerRollout"),
        (["rollback", "chat", "--suspect", "x"], "name a SamplerRollout"),
        (["rollback", "--suspect", "sha256:00"], "no SamplerRollout in namespace demo uses sha256:00"),
        (["abort", "chat", "--reason", "x" * 300], "--reason: at most"),
        (["abort", "chat", "--release", "0f3c2a91be:alice"], "--release: '0f3c2a91be:alice' is no hash of a release"),
        (["abort", "chat/status"], "NAME: 'chat/status' is no name: write lower-case letters"),
        (["status", "../pods/x"], "NAME: '../pods/x' is no name"),
        (["status", "chat", "-n", "a/b"], "--namespace: 'a/b' is no name"),
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
