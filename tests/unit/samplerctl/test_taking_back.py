"""``rollback --suspect``: a build is taken back wherever it is used, and what no act can do is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samplerctl import hearing
from samplerctl.app import app
from typer.testing import CliRunner

from tests.unit.operator.domain.examining import RUNNING
from tests.unit.operator.domain.story import rolling
from tests.unit.operator.domain.world import World, established, failing, image, passing, pool, spec
from tests.unit.operator.gitops import makings
from tests.unit.samplerctl.api import PATH, answering
from tests.unit.samplerctl.clusters import Clock, Cluster, Fleet

Found = dict[str, Any]
Server = Callable[[str, str, Any], tuple[int, Any]]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "time", Clock())


def take_back(folder: Path, fleet: Server, suspect: str, *words: str, code: int) -> list[Found]:
    line = ["rollback", "--suspect", suspect, "--by", "alice", "--wait", "0", "--json", *words]
    with answering(folder, fleet) as kubeconfig:
        answer = CliRunner().invoke(app, [*line, "--kubeconfig", str(kubeconfig)])
    assert answer.exit_code == code, answer.output
    found: list[Found] = json.loads(answer.output)["rollouts"]
    return found


@pytest.mark.parametrize("named", ["whole", "digest"])
def test_a_suspect_build_is_taken_back(tmp_path: Path, named: str) -> None:
    cluster = Cluster(rolling())
    release = cluster.world.status.candidate.hash
    suspect = image("b") if named == "whole" else image("b").partition("@")[2]
    (found,) = take_back(tmp_path, cluster, suspect, code=0)
    assert (found["release"], found["answer"]) == (release, "done")
    assert cluster.world.status.held(release)


def test_all_are_told_before_any_answer_is_waited_for(tmp_path: Path) -> None:
    fleet = Fleet(one=rolling(), two=rolling(), three=rolling(), other=established("c"))
    found = take_back(tmp_path, fleet, image("b"), code=0)
    assert [(one["name"], one["answer"]) for one in found] == [("one", "done"), ("two", "done"), ("three", "done")]
    assert [verb for verb, _ in fleet.asked] == ["PATCH"] * 3 + ["GET"] * 3
    assert fleet["other"].patches == []


def test_all_are_waited_for_together(tmp_path: Path) -> None:
    fleet = Fleet(one=rolling(), two=rolling(), three=rolling())
    fleet["one"].away = fleet["two"].away = True

    def comes_back() -> None:
        fleet["two"].away = False

    fleet["one"].meanwhile = [lambda: None, comes_back]
    found = take_back(tmp_path, fleet, image("b"), "--wait", "2.5", code=1)
    assert [one["answer"] for one in found] == ["unanswered", "done", "done"]
    # Nobody who has answered is asked again, and nobody has a wait of his own.
    assert [fleet.asked.count(("GET", name)) for name in ("one", "two", "three")] == [4, 2, 1]


def test_what_goes_wrong_with_one_stops_no_other(tmp_path: Path) -> None:
    fleet = Fleet(one=rolling(), two=rolling(), three=rolling())
    fleet.refuses = {"one"}
    found = take_back(tmp_path, fleet, image("b"), code=1)
    assert [one["answer"] for one in found] == ["not said", "done", "done"]
    assert "samplerrollouts is forbidden: ask your administrator" in found[0]["message"]


def everywhere(*clusters: Cluster, refuses: str = "") -> Server:
    """Several in as many namespaces; into one nobody may write."""
    every = PATH.partition("/namespaces/")[0] + "/samplerrollouts"

    def answer(verb: str, path: str, sent: Any) -> tuple[int, Any]:
        if path == every:
            return 200, {"items": [one.body() for one in clusters]}
        if verb == "PATCH" and f"/{refuses}/" in path:
            return 403, {"message": "samplerrollouts is forbidden: ask your administrator"}
        return next(one for one in clusters if f"/{one.namespace}/" in path)(verb, path, sent)

    return answer


def test_it_is_taken_back_in_every_namespace(tmp_path: Path) -> None:
    """All of one name: nobody is told what another one did."""
    clusters = [Cluster(rolling(letter), namespace=space) for letter, space in (("b", "x"), ("c", "y"), ("b", "z"))]
    found = take_back(tmp_path, everywhere(*clusters), image("b"), "-A", code=0)
    assert [(one["namespace"], one["name"], one["answer"]) for one in found] == [
        ("x", "chat", "done"),
        ("z", "chat", "done"),
    ]
    assert [len(one.patches) for one in clusters] == [1, 0, 1]
    assert [bool(one.world.status.failed) for one in clusters] == [True, False, True]


def test_a_namespace_that_may_not_be_written_stops_no_other(tmp_path: Path) -> None:
    clusters = [Cluster(rolling(), namespace=space) for space in ("x", "y")]
    found = take_back(tmp_path, everywhere(*clusters, refuses="x"), image("b"), "--all-namespaces", code=1)
    assert [(one["namespace"], one["answer"]) for one in found] == [("x", "not said"), ("y", "done")]


def test_all_namespaces_goes_with_an_image_alone(tmp_path: Path) -> None:
    with answering(tmp_path, Cluster(rolling())) as kubeconfig:
        named = CliRunner().invoke(app, ["rollback", "chat", "-A", "--kubeconfig", str(kubeconfig)])
    assert named.exit_code == 2
    assert "--all-namespaces goes with --suspect" in named.output


def test_an_image_that_nobody_uses_is_told_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with answering(tmp_path, everywhere(Cluster(rolling(), namespace="x"))) as kubeconfig:
        line = ["rollback", "--suspect", image("f"), "-A", "--kubeconfig", str(kubeconfig)]
        answer = CliRunner().invoke(app, line)
    assert answer.exit_code == 2
    assert "no SamplerRollout in any namespace uses" in answer.output


@pytest.mark.parametrize("when", ["before it is told", "before it answers"])
def test_one_that_is_deleted_meanwhile_is_told_and_stops_no_other(tmp_path: Path, when: str) -> None:
    fleet = Fleet(one=rolling(), two=rolling(), three=rolling())

    def answer(verb: str, path: str, sent: Any) -> tuple[int, Any]:
        told = fleet(verb, path, sent)
        fleet["two"].gone |= bool(fleet.asked) and (when == "before it is told" or verb == "GET")
        return told

    with answering(tmp_path, answer) as kubeconfig:
        words = ["rollback", "--suspect", image("b"), "--wait", "0", "--kubeconfig", str(kubeconfig)]
        answered = CliRunner().invoke(app, words)
    assert answered.exit_code == 0, answered.output
    lines = answered.output.splitlines()
    assert ["demo/two" in line and "deleted" in line for line in lines] == [False, True, False]
    assert [line.split(": ")[2].startswith("done") for line in lines] == [True, False, True]


def serves_beside_a_candidate() -> World:
    return rolling()


def serves_before_a_candidate_has_pods(letter: str = "c") -> World:
    """In its bake, in one pool, and what comes next is examined still."""
    world = established("a", **makings.BAKE)
    world.judge = passing
    world.update(spec("a", **makings.BAKE) | {"pools": [pool("cpu-a", "a"), pool("cpu-b", "b")]})
    world.until("Progressing")
    world.until("Serving")
    world.tick()
    world.examining.says = dict.fromkeys(("cpu-a", "cpu-b"), RUNNING)
    world.update(spec(letter, strategy={**makings.BAKE["strategy"], "preflight": {"budget": "20s"}}))
    world.run(20)
    assert world.status.stage == "Progressing"
    assert "cpu-a" not in world.serving(world.revision_of("candidate"))
    return world


def both_before_the_candidate_has_pods() -> World:
    return serves_before_a_candidate_has_pods("b")


def in_a_pool_that_does_not_move() -> World:
    world = World(spec("a") | {"pools": [pool("cpu-a", "a"), pool("cpu-b", "b")]})
    world.until("Serving")
    world.update(spec("c") | {"pools": [pool("cpu-a", "c"), pool("cpu-b", "b")]})
    world.run(25)
    return world


def in_a_pool_more() -> World:
    """It serves in one pool and is tried in another."""
    world = World(spec("a") | {"pools": [pool("cpu-a", "a"), pool("cpu-b", "b")]})
    world.until("Serving")
    world.update(spec("b"))
    world.run(25)
    return world


def serves_after_the_same_build() -> World:
    """In its bake, after a release that had the build too."""
    world = established("b", **makings.BAKE)
    world.judge = passing
    argued = [pool(name, "b", template={"args": ["--other"]}) for name in ("cpu-a", "cpu-b")]
    world.update(spec("b", **makings.BAKE) | {"pools": argued})
    world.until("Progressing")
    world.until("Serving")
    world.tick()
    return world


def first() -> World:
    world = World(spec("b"))
    world.tick()
    return world


def leaves() -> World:
    world = rolling()
    world.judge = failing("unexpected-script")
    world.until("RollingBack")
    return world


def kept() -> World:
    """What serves is in its bake, and took the place of it."""
    return makings.promoted()


def asked_for() -> World:
    world = established("a")
    world.update(spec("b", paused=True))
    return world


@pytest.mark.parametrize(
    ("made", "suspect", "told"),
    [
        (serves_beside_a_candidate, "a", [("stable", "left", "It serves, while release CANDIDATE is under way: let")]),
        (in_a_pool_that_does_not_move, "b", [
            ("candidate", "left", "It is tried only in pools in which it serves already"),
            ("stable", "left", "It serves, while release CANDIDATE is under way: ask for a release without it"),
        ]),
        (in_a_pool_more, "b", [("candidate", "done", ""), ("stable", "left", "ask for a release without it")]),
        (serves_after_the_same_build, "b", [
            ("stable", "left", "and release PREVIOUS before it has it too: ask for"),
            ("previous", "left", "Until the bake is over a rollback of release STABLE brings it back"),
        ]),
        (kept, "a", [("previous", "left", "Until the bake is over a rollback of release STABLE brings it back")]),
        (kept, "b", [("stable", "done", "")]),
        (serves_before_a_candidate_has_pods, "b", [("stable", "done", "")]),
        (both_before_the_candidate_has_pods, "b", [
            ("candidate", "done", ""),
            ("stable", "left", "It serves too: say it again when release CANDIDATE is taken back"),
        ]),
        (first, "b", [("candidate", "left", "There is no release to go back to: ask for a release without it")]),
        (leaves, "b", [("candidate", "done", "It is being taken back already")]),
        (makings.verified, "a", [("stable", "refused", "no release is kept to go back to: ask for the earlier one")]),
        (asked_for, "b", [("", "left", "The spec asks for it, and it has not begun: ask for a release without it")]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
def test_wherever_it_is_used_is_told_and_what_an_act_can_do_is_done(
    tmp_path: Path, made: Callable[[], World], suspect: str, told: list[tuple[str, str, str]]
) -> None:
    cluster = Cluster(made())
    status = cluster.world.status
    roles = {name: getattr(status, name) for name in ("candidate", "stable", "previous")}
    hashes = {name: release.hash for name, release in roles.items() if release}
    found = take_back(tmp_path, cluster, image(suspect), code=int(any(kind != "done" for _, kind, _ in told)))
    assert [(one["release"], one["answer"]) for one in found] == [
        (hashes.get(role, found[0]["release"]), kind) for role, kind, _ in told
    ]
    for one, (_, _, words) in zip(found, told, strict=True):
        said = one["message"]
        for name, value in hashes.items():
            said = said.replace(value, name.upper())
        assert words in said
    assert bool(cluster.patches) == any(one["said"] for one in found)


def test_what_was_rolled_back_is_used_no_more(tmp_path: Path) -> None:
    with answering(tmp_path, Cluster(makings.rolled_back())) as kubeconfig:
        answer = CliRunner().invoke(app, ["rollback", "--suspect", image("b"), "--kubeconfig", str(kubeconfig)])
    assert (answer.exit_code, "uses" in answer.output) == (2, True), answer.output


def test_pods_that_should_have_gone_are_told(tmp_path: Path) -> None:
    world = makings.rolled_back()
    revision = world.status.history[0].pools[0].revision
    for words in ({"remains": [{"pool": "cpu-a", "revision": revision, "peopled": True, "since": str(world.now)}]},
                  {"removed": [{"pool": "cpu-a", "revision": revision, "release": "0123456789"}]}):  # fmt: skip
        world.raw_status |= words
        (found,) = take_back(tmp_path, Cluster(world), image("b"), code=1)
        assert f"Pods of pool cpu-a (revision {revision}) that are not of it are still there" in found["message"]
        world.raw_status |= {key: [] for key in words}
