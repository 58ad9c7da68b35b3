"""Which change an answer belongs to, and what changed lately, through a real HTTP answer."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from sampler_rollouts.domain.status import Status
from samplerctl.app import app
from samplerctl.attribution import changes_result
from samplerctl.served import lives
from typer.testing import CliRunner

from tests.unit.operator.domain.tabled import WRONG, serving_table, tabled
from tests.unit.operator.domain.world import World, established, failing, image, passing, spec
from tests.unit.samplerctl.api import PATH, answering, no_object

COLLECTION = PATH.rpartition("/")[0]
EVERYWHERE = "/apis/samplerrollouts.io/v1alpha1/samplerrollouts"


def body(world: World, name: str = "chat", namespace: str = "demo") -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "generation": world.generation}
    return {"metadata": metadata, "spec": world.spec, "status": world.raw_status}


def ask(folder: Path, bodies: list[dict[str, Any]], *words: str, records: Any = ()) -> Any:
    asked: list[str] = []

    def answer(verb: str, path: str, sent: Any) -> tuple[int, Any]:
        asked.append(unquote(path))
        if path in (COLLECTION, EVERYWHERE):
            return 200, {"items": bodies}
        if "controllerrevisions" in path:
            return (403, {"message": "may not list"}) if records is None else (200, {"items": list(records)})
        return 404, no_object(path)

    with answering(folder, answer) as kubeconfig:
        found = CliRunner().invoke(app, [*words, "--kubeconfig", str(kubeconfig)])
    found.asked = asked
    return found


def rolled_back() -> World:
    world = established("a")
    world.update(spec("b"))
    world.judge = failing("unexpected-script")
    world.until("RollingBack")
    world.until("Serving")
    return world


def test_an_answer_of_a_release_that_was_rolled_back_is_known(tmp_path: Path) -> None:
    world = established("a")
    world.update(spec("b"))
    world.run(10)
    revision = world.revision_of("candidate")
    world.judge = failing("unexpected-script")
    world.until("Serving")
    answer = ask(tmp_path, [body(world)], "which", f"{revision}-none", "--json")
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.output)
    (one,) = [place for place in found["found"] if place["pool"] == "cpu-a"]
    assert (found["revision"], found["route_hash"]) == (revision, "none")
    assert (one["role"], one["verdict"], one["reason"]) == ("tried", "RolledBack", "CheckFailed")
    assert one["release"] == world.status.history[0].release
    assert one["until"] == world.status.history[0].ended_at.isoformat()
    assert one["changes"].startswith("image changed from sampler@sha256:aaaa")
    assert "check unexpected-script" in one["message"]
    assert 0 < one["exposed"] < one["requests"]
    assert one["since"] < one["until"]
    text = ask(tmp_path, [body(world)], "which", revision).output
    assert f"pool cpu-a, release {one['release']}: tried, RolledBack (CheckFailed)" in text


def test_an_answer_of_the_candidate_has_its_verdict_so_far(tmp_path: Path) -> None:
    world = established("a")
    world.update(spec("b"))
    world.run(20)
    revision = world.revision_of("candidate")
    found = json.loads(ask(tmp_path, [body(world)], "which", revision, "--json").output)["found"]
    assert {one["role"] for one in found} == {"under way"}
    assert found[0]["pool_verdict"] == "Inconclusive"
    assert found[0]["until"] is None
    assert found[0]["image"] == image("b")


def test_what_serves_and_what_served_before_are_told_apart(tmp_path: Path) -> None:
    world = established("a")
    first = world.revision_of("stable")
    world.judge = passing
    world.update(spec("b"))
    world.run(20)
    second = world.revision_of("candidate")
    world.until("Serving")
    old = json.loads(ask(tmp_path, [body(world)], "which", first, "--json").output)["found"]
    new = json.loads(ask(tmp_path, [body(world)], "which", second, "--json").output)["found"]
    assert {(one["role"], one["verdict"]) for one in old} == {("served", "Established")}
    assert {(one["role"], one["verdict"]) for one in new} == {("serves", "Baking")}
    assert {one["until"] for one in old} == {one["full_traffic"] for one in new}
    world.run(400)
    again = json.loads(ask(tmp_path, [body(world)], "which", second, "--json").output)["found"]
    assert {one["verdict"] for one in again} == {"Verified"}


def test_a_release_that_its_bake_took_back_served_until_then() -> None:
    world = established("a")
    world.judge = passing
    world.update(spec("b"))
    world.until("Serving")
    world.run(30)
    world.judge = failing("unexpected-script")
    world.until("RollingBack")
    taken_back = world.now
    world.until("Serving")
    tried, served, first = (life for life in lives(world.status) if life.role in ("tried", "served"))
    assert (tried.verdict, tried.until, served.until) == ("RolledBack", taken_back, taken_back)
    assert tried.release == served.release != first.release
    (serves,) = [life for life in lives(world.status) if life.role == "serves"]
    assert (serves.release, serves.since) == (first.release, taken_back)
    assert first.until == served.full_traffic


def test_releases_that_differ_in_their_table_alone_are_told_apart_by_the_route_hash(tmp_path: Path) -> None:
    world = serving_table()
    world.update(tabled(shares=WRONG))
    world.run(40)
    revision, table = world.revision_of("stable"), world.status.rollout.table if world.status.rollout else None
    assert table is not None

    def found(route: str) -> list[tuple[str, str, str]]:
        text = ask(tmp_path, [body(world)], "which", f"{revision}-{route}", "--json").output
        return [(one["role"], one["verdict"], one["changes"] or "") for one in json.loads(text)["found"]]

    ((role, verdict, what),) = found(table.route_hash)
    assert (role, verdict) == ("under way", "Progressing")
    assert what.startswith("route table of class standard changed")
    assert [one[0] for one in found(table.stable_hash)] == ["serves"]
    assert [one[0] for one in found("none")] == ["under way", "serves"]
    world.judge = failing("misrouted", "cpu-b")
    world.run(40)
    assert [one[:2] for one in found(table.route_hash)] == [("tried", "RolledBack")]
    assert [one[0] for one in found(table.stable_hash)] == ["serves"]


def test_what_a_table_exposed_is_counted_while_it_is_under_way() -> None:
    world = serving_table()
    world.update(tabled(shares=WRONG))
    before = world.now
    world.run(60)
    life = lives(world.status)[0]
    assert life.role == "under way"
    assert life.since >= before
    assert 0 < life.exposed < life.total
    assert {place.verdict for place in life.places.values()} == {"Inconclusive"}


def test_the_record_of_a_revision_gives_its_image(tmp_path: Path) -> None:
    world = rolled_back()
    revision = world.status.history[0].pools[0].revision
    record = {
        "metadata": {
            "name": f"chat-cpu-a-{revision}",
            "namespace": "demo",
            "labels": {"samplerrollouts.io/rollout": "chat", "samplerrollouts.io/pool": "cpu-a"},
            "creationTimestamp": "2026-11-23T12:00:30Z",
        },
        "data": {"template": {"spec": {"containers": [{"image": image("b")}]}}},
    }
    answer = ask(tmp_path, [body(world)], "which", revision, "--json", records=[record])
    found = json.loads(answer.output)
    assert {one["pool"]: one["image"] for one in found["found"]} == {
        "cpu-a": image("b"),
        "cpu-b": image("b").rpartition("/")[2],
    }
    assert f"labelSelector=samplerrollouts.io/revision={revision}" in answer.asked[-1]
    only = ask(tmp_path, [], "which", revision, records=[record])
    assert only.exit_code == 0
    assert "There is a record of it: demo/chat, pool cpu-a, made 2026-11-23T12:00:30" in only.output
    forbidden = ask(tmp_path, [body(world)], "which", revision, records=None)
    assert forbidden.exit_code == 0
    assert "may not list" in forbidden.stderr


def test_a_fingerprint_that_nobody_knows_ends_with_1(tmp_path: Path) -> None:
    answer = ask(tmp_path, [body(established("a"))], "which", "0123456789-none")
    assert answer.exit_code == 1
    assert "No SamplerRollout that was looked at names revision 0123456789" in answer.output


@pytest.mark.parametrize("text", ["dev-none", "", "0123456789-", "0123456789-none;x", "'; drop", "０123456789"])
def test_what_is_no_fingerprint_is_refused(tmp_path: Path, text: str) -> None:
    answer = ask(tmp_path, [], "which", text)
    assert answer.exit_code == 2
    assert "FINGERPRINT" in answer.stderr
    assert "write the system_fingerprint of an answer" in answer.stderr


def test_changes_tell_what_where_how_many_and_the_verdict(tmp_path: Path) -> None:
    world = rolled_back()
    found = changes_result([body(world)], world.now - timedelta(hours=2), world.now)["changes"]
    (tried,) = [one for one in found if one.get("verdict") == "RolledBack"]
    entry = world.status.history[0]
    assert tried["at"] == entry.ended_at.isoformat()
    assert tried["share"] == entry.requests.exposed / entry.requests.total
    assert [pool["pool"] for pool in tried["pools"]] == ["cpu-a", "cpu-b"]
    assert sum(pool["exposed"] for pool in tried["pools"]) == tried["exposed"]
    assert tried["what"].startswith("image changed")


def test_changes_leave_out_what_is_older_and_keep_what_goes_on() -> None:
    world = rolled_back()
    world.run(3600)
    now = world.now
    assert changes_result([body(world)], now - timedelta(minutes=1), now)["changes"] == []
    world.judge = lambda *_: passing("", "", None)  # type: ignore[arg-type]
    world.update(spec("c", strategy={"steps": [{"weight": 50, "minDuration": "10m"}]}))
    world.run(300)
    (one,) = changes_result([body(world)], world.now - timedelta(minutes=1), world.now)["changes"]
    assert (one["going_on"], one["role"]) == (True, "under way")


def test_changes_of_all_namespaces_are_asked_for_and_sorted(tmp_path: Path) -> None:
    here, there = rolled_back(), rolled_back()
    bodies = [body(here), body(there, "code", "other")]
    back = int((datetime.now(UTC) - here.now).total_seconds() / 3600) + 10
    answer = ask(tmp_path, bodies, "changes", "--since", f"{back}h", "-A", "--json")
    assert answer.exit_code == 0, answer.output
    assert answer.asked == [EVERYWHERE]
    found = json.loads(answer.output)["changes"]
    assert {(one["namespace"], one["rollout"]) for one in found} == {("demo", "chat"), ("other", "code")}
    times = [one["at"] for one in found]
    assert times == sorted(times, reverse=True)
    table = ask(tmp_path, bodies, "changes", "--since", f"{back}h", "-A").output
    assert "RolledBack (CheckFailed)" in re.sub(r"\s+", " ", table)


def test_changes_tell_acts_and_edits() -> None:
    raw = {
        "acts": [
            {
                "act": "abort",
                "value": "x:alice",
                "release": "x",
                "said": "alice",
                "at": "2026-11-23T12:00:00Z",
                "done": True,
                "message": "Aborted",
            }
        ],
        "edits": [
            {"kind": "HTTPRoute", "name": "x", "by": "argocd", "at": "2026-11-23T12:02:00Z", "services": "chat-a-r1"},
            {"kind": "Deployment", "name": "chat-a", "by": "kubectl-edit", "at": "2026-11-23T12:01:00Z"},
            {"kind": "Deployment", "name": "b", "by": "x", "at": "2026-11-23T12:00:30Z", "adds": "spec.tty"},
        ],
    }
    assert len(Status.load(raw).acts) == 1
    bodies = [{"metadata": {"name": "chat", "namespace": "demo"}, "status": raw}]
    since = datetime(2026, 11, 23, 11, tzinfo=UTC)
    found = changes_result(bodies, since, since)["changes"]
    assert [one["kind"] for one in found] == ["outside edit", "outside edit", "outside edit", "act"]
    assert found[0]["message"] == "HTTPRoute x was written by argocd with backends chat-a-r1, and stays"
    assert found[1]["message"] == "Deployment chat-a was changed by kubectl-edit, and put back"
    assert found[2]["message"] == "Deployment b has had spec.tty added to its pods by x, which stays"
    assert found[3]["message"] == "Aborted (self-reported: alice)"


def test_a_time_that_is_none_is_refused(tmp_path: Path) -> None:
    answer = ask(tmp_path, [], "changes", "--since", "two hours")
    assert answer.exit_code == 2
    assert "--since: not a duration such as 90s, 5m or 1h30m" in answer.stderr
