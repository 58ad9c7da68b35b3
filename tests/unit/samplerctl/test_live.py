"""What ``status``, ``explain`` and ``watch`` say of a rollout that goes on, through a real HTTP answer."""

from __future__ import annotations

import json
import re
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import urllib3
from sampler_rollouts.domain.evidence.bound import upper_bound
from samplerctl.app import app
from samplerctl.kube import _silence
from typer.testing import CliRunner

from tests.unit.operator.domain.examining import RUNNING
from tests.unit.operator.domain.world import established, failing, passing, spec
from tests.unit.samplerctl.api import NO_KIND, PATH, answering, api_server, no_object


def body(*, failed: bool = False) -> dict[str, Any]:
    """A SamplerRollout in mid-canary, or after a check has failed."""
    world = established("a")
    world.update(spec("b", quality={"checks": [{"name": "errors", "maxRate": "3%"}, {"name": "unexpected-script"}]}))
    if failed:
        world.judge = failing("unexpected-script")
    for _ in range(8):
        world.tick()
    if failed:
        world.until("Serving")
    metadata = {"name": "chat", "namespace": "demo", "generation": world.generation}
    return {"metadata": metadata, "spec": world.spec, "status": world.raw_status}


def ask(folder: Path, *words: str, bodies: list[dict[str, Any]]) -> Any:
    with api_server(folder, bodies) as kubeconfig:
        return CliRunner().invoke(app, [*words, "--kubeconfig", str(kubeconfig)])


def test_explain_shows_every_check_with_its_limits_and_numbers(tmp_path: Path) -> None:
    answer = ask(tmp_path, "explain", "chat", "--json", bodies=[body()])
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.output)
    assert found["waits_for"].startswith("Progressing"), found["waits_for"]
    for pool in found["pools"]:
        checks = {check["check"]: check for check in pool["checks"]}
        assert {name: check["max_rate"] for name, check in checks.items()} == {
            "errors": "3%",
            "unexpected-script": "0.5%",
            "replay-audit": "0.1%",
        }
        assert [check["worst"] for check in checks.values()].count(True) == 1
        for check in checks.values():
            assert (check["checked"], check["bad"], check["reason"]) == (31, 9, "TooFewRequests")
            assert check["lower"] < check["rate"] < 1
            assert check["odds_to_fail"] == pytest.approx(796, rel=0.01)


@pytest.mark.parametrize("phase", ["Baking", "BakeTimeOver"])
def test_explain_shows_what_serves_alone(tmp_path: Path, phase: str) -> None:
    world = established("a")
    world.judge = passing
    while world.condition("Verified") != ("True" if phase == "BakeTimeOver" else "False", phase):
        world.tick()
    world.update(spec("b"))
    world.until("Serving")
    world.run(60 if phase == "Baking" else 600)
    assert (world.condition("Verified") or ("", ""))[1] == phase
    served = {"metadata": {"name": "chat", "namespace": "demo"}, "spec": world.spec, "status": world.raw_status}
    found = json.loads(ask(tmp_path, "explain", "chat", "--json", bodies=[served]).output)
    assert [len(pool["checks"]) for pool in found["pools"]] == [3, 3]
    assert all(check["verdict"] == "Passed" for pool in found["pools"] for check in pool["checks"])
    assert found["quality"]["tests"] == 4


def test_explain_says_that_the_numbers_are_of_what_serves_until_the_candidate_has_a_pod(tmp_path: Path) -> None:
    examined: dict[str, Any] = {"strategy": {"preflight": {"budget": "20s"}}}
    world = established("a", **examined)
    world.judge = passing
    world.run(330)
    world.examining.says = dict.fromkeys(("cpu-a", "cpu-b"), RUNNING)
    world.update(spec("b", **examined))
    world.run(20)
    waits = {"metadata": {"name": "chat", "namespace": "demo"}, "spec": world.spec, "status": world.raw_status}
    found = json.loads(ask(tmp_path, "explain", "chat", "--json", bodies=[waits]).output)
    assert found["evidence_of"] == found["stable"] != found["candidate"]
    assert {check["verdict"] for pool in found["pools"] for check in pool["checks"]} == {"Passed"}
    table = " ".join(ask(tmp_path, "explain", "chat", bodies=[waits]).output.split())
    assert f"{found['candidate']} has no pod yet: the numbers are of release {found['stable']}" in table


def test_explain_of_a_status_with_the_worst_check_alone(tmp_path: Path) -> None:
    """As an operator of before wrote it."""
    older = body()
    for pool in older["status"]["pools"]:
        del pool["checks"]
    found = json.loads(ask(tmp_path, "explain", "chat", "--json", bodies=[older]).output)
    verdicts = [check["verdict"] for check in found["pools"][0]["checks"]]
    assert sorted(map(str, verdicts)) == ["Inconclusive", "None", "None"]
    assert "not looked at yet" in ask(tmp_path, "explain", "chat", bodies=[older]).output


def test_what_is_missing_is_enough_and_hardly_more(tmp_path: Path) -> None:
    found = json.loads(ask(tmp_path, "explain", "chat", "--json", bodies=[body()]).output)
    worst = next(check for check in found["pools"][0]["checks"] if check["worst"])
    more = worst["clean_to_pass"]
    assert upper_bound(31 + more, 9, 0.95) < 0.03 <= upper_bound(31 + int(0.93 * more), 9, 0.95)


@pytest.mark.parametrize("command", ["status", "explain"])
def test_tables_say_where_it_stands(tmp_path: Path, command: str) -> None:
    answer = ask(tmp_path, command, "chat", bodies=[body()])
    assert answer.exit_code == 0, answer.output
    for words in ("demo/chat: Progressing", "cpu-a", "Inconclusive", "TooFewRequests"):
        assert words in answer.output


def test_whose_the_replicas_are_is_told(tmp_path: Path) -> None:
    scaled = body()
    scaled["status"]["pools"][0] |= {"autoscaled": True, "replicas": 7}
    shown = ask(tmp_path, "status", "chat", bodies=[scaled]).output
    assert "of 7 (autoscaler)" in shown
    assert shown.count("(autoscaler)") == 1
    assert "An autoscaler owns the replicas of pool cpu-a (7 now)" in ask(
        tmp_path, "explain", "chat", bodies=[scaled]
    ).output.replace("\n", " ")
    found = json.loads(ask(tmp_path, "explain", "chat", "--json", bodies=[scaled]).output)
    owners = [(pool["replicas"], pool["replicas_owner"]) for pool in found["pools"]]
    assert owners == [(7, "autoscaler"), (2, "spec")]


def test_status_after_a_rollback_says_why(tmp_path: Path) -> None:
    answer = ask(tmp_path, "status", "chat", bodies=[body(failed=True)])
    assert "RolledBack" in answer.output
    assert "check unexpected-script was bad in 9 of 31" in " ".join(answer.output.split())


def test_watch_tells_each_change_once_and_ends(tmp_path: Path) -> None:
    going_on, over = body(), body(failed=True)
    answer = ask(
        tmp_path, "watch", "chat", "--json", "--until-done", "--every", "0.2", bodies=[going_on, going_on, over]
    )
    stages = [json.loads(line)["stage"] for line in answer.output.splitlines() if line]
    assert stages == ["Progressing", "Serving"]
    assert answer.exit_code == 1  # the newest release was rolled back


def test_watch_outlives_an_answer_that_fails(tmp_path: Path) -> None:
    answer = ask(tmp_path, "watch", "chat", "--until-done", "--every", "0.2", bodies=[body(), {}, body(failed=True)])
    assert answer.exit_code == 1
    assert "is not a SamplerRollout" in answer.stderr
    assert "RolledBack" in answer.stdout


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ((404, no_object(PATH)), "chat: it was deleted while it was watched"),
        ((404, NO_KIND), "the cluster has no definition of SamplerRollout (context here of"),
        ((401, {"message": "Unauthorized"}), "it does not know who asks: log in again, or correct the user of context"),
        ((403, {"message": "chat is forbidden"}), "the API server refuses to show SamplerRollout chat: chat is forb"),
    ],
)
@pytest.mark.parametrize("words", [[], ["--until-done"]])
def test_watch_ends_where_asking_again_changes_nothing(
    tmp_path: Path, words: list[str], lost: tuple[int, Any], said: str
) -> None:
    answers = [(200, body()), (503, {"message": "overloaded"}), (429, {}), lost]

    def answer(verb: str, path: str, sent: Any) -> tuple[int, Any]:
        return answers.pop(0)

    with answering(tmp_path, answer) as kubeconfig:
        line = ["watch", "chat", "--every", "0.2", *words, "--kubeconfig", str(kubeconfig)]
        found = CliRunner().invoke(app, line)
    assert (found.exit_code, answers) == (2, [])
    assert said in " ".join(found.stderr.split())


ASKED = [["status", "chat"], ["changes"], ["which", "0f3c2a91be"], ["rollback", "--suspect", "x"], ["abort", "chat"]]


@pytest.mark.parametrize("words", ASKED, ids=lambda words: words[0])
@pytest.mark.parametrize("said", [NO_KIND, {"kind": "Status", "reason": "NotFound", "details": {}, "code": 404}])
def test_a_cluster_without_the_definition_is_told_with_the_remedy(tmp_path: Path, words: list[str], said: Any) -> None:
    with answering(tmp_path, lambda *_: (404, said)) as kubeconfig:
        found = CliRunner().invoke(app, [*words, "--kubeconfig", str(kubeconfig)])
    assert found.exit_code == 2
    told = " ".join(found.output.split())
    assert "the cluster has no definition of SamplerRollout" in told
    assert "install the operator's chart, or the definitions alone (kubectl apply --server-side -f crds/)" in told


def test_a_status_that_a_stranger_wrote_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    strange = body()
    strange["status"]["pools"][0]["worstCheck"] |= {"upperBound": "high", "logE": "", "logThreshold": "?"}
    strange["status"]["pools"][0]["checks"][0] |= {"upperBound": "high", "logE": "", "logThreshold": "?"}
    strange["status"]["history"] = 7
    answer = ask(tmp_path, "explain", "chat", bodies=[strange])
    assert answer.exit_code == 0, answer.output
    nothing = {"metadata": {"name": "chat", "namespace": "demo", "generation": 1}}
    answer = ask(tmp_path, "explain", "chat", bodies=[nothing])
    assert "the operator has not looked at it yet" in answer.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explain", "other"], "there is no SamplerRollout other in namespace demo: name another with -n"),
        (["status", "forbidden"], "samplerrollouts is forbidden: ask your administrator"),
        (["status", "chat", "--context", "nowhere"], "kubeconfig has no context nowhere: name another with --context"),
    ],
)
def test_refusals_name_the_remedy(tmp_path: Path, words: list[str], said: str) -> None:
    answer = ask(tmp_path, *words, bodies=[body()])
    assert answer.exit_code == 2
    assert said in " ".join(answer.output.split())


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with api_server(tmp_path, [{}]) as kubeconfig:
        pass
    answer = CliRunner().invoke(app, ["status", "chat", "--kubeconfig", str(kubeconfig)])
    assert answer.exit_code == 2
    assert re.fullmatch(
        r"http://127.0.0.1:\d+ refused the connection: is the cluster up\? \(context here of .*/kubeconfig\)\n",
        answer.output,
    )


@pytest.mark.parametrize(("words", "more"), [(["status"], ""), (["selftest"], "; without a cluster: selftest -f FILE")])
def test_without_a_kubeconfig_it_says_which_one_was_tried(tmp_path: Path, words: list[str], more: str) -> None:
    file = tmp_path / "none"
    remedy = f"no cluster to ask: {file} does not exist: set KUBECONFIG or --kubeconfig to a file that names one{more}"
    for given, env in ((["--kubeconfig", str(file)], {}), ([], {"KUBECONFIG": str(file)})):
        answer = CliRunner().invoke(app, [*words, "chat", *given], env=env)
        assert (answer.exit_code, remedy in answer.output) == (2, True), answer.output


@pytest.mark.parametrize("content", ["a: [b", "- a", "", "contexts: 5", "current-context: x\ncontexts: []"])
def test_a_file_that_is_no_kubeconfig_is_told(tmp_path: Path, content: str) -> None:
    file = tmp_path / "odd"
    file.write_text(content)
    answer = CliRunner().invoke(app, ["status", "chat", "--kubeconfig", str(file)])
    assert (answer.exit_code, f"no cluster to ask: {file} cannot be used (" in answer.output) == (2, True), (
        answer.output
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionResetError("reset"), "broke the connection off"),
        (socket.gaierror(-2, "unknown"), "is on an unknown host"),
        (ssl.SSLCertVerificationError("self-signed"), "has a certificate that is not trusted"),
        (TimeoutError("timed out"), "did not answer in time"),
        (urllib3.exceptions.HTTPError("odd"), "does not answer: HTTPError: odd"),
    ],
)
def test_why_there_is_no_answer_is_told_by_what_is_at_the_bottom(error: Exception, said: str) -> None:
    whole = urllib3.exceptions.MaxRetryError(None, "/", urllib3.exceptions.ProtocolError("broken", error))  # type: ignore[arg-type]
    whole.reason.__cause__ = error  # type: ignore[union-attr]
    assert _silence(error if said.startswith("does") else whole).startswith(said)


def test_calibration_is_told_in_nats(tmp_path: Path) -> None:
    found = body()
    pool = found["status"]["pools"][0]
    found["status"]["rollout"]["quality"]["checks"].append({"name": "calibration", "maxBiasNats": "0.05"})
    pool["worstCheck"] = {"name": "calibration", "verdict": "Inconclusive", "reason": "TooFewTokens", "checked": 900}
    pool["worstCheck"] |= {"maxBiasNats": "0.05", "biasNats": "-0.012", "upperBound": "0.21 nats"}
    pool["checks"].append({name: value for name, value in pool["worstCheck"].items() if name != "maxBiasNats"})
    told = json.loads(ask(tmp_path, "explain", "chat", "--json", bodies=[found]).output)
    check = next(one for one in told["pools"][0]["checks"] if one["worst"])
    assert (check["bias_nats"], check["bias_bound_nats"], check["max_bias_nats"]) == (-0.012, 0.21, "0.05")
    assert (check["rate"], check["upper"], check["clean_to_pass"]) == (None, None, None)
    table = " ".join(ask(tmp_path, "explain", "chat", bodies=[found]).output.split())
    assert "-0.012" in table
    assert "%" not in table.split("calibration")[1].split("cpu-b")[0]


@pytest.mark.parametrize(
    ("account", "told"),
    [
        ({"lost": 0, "sent": 9000}, "accounts for: 0 of 9,000"),
        ({"lost": 12, "sent": 9000}, "accounts for: 12 of 9,000"),
        ({"unknown": "NotConfigured"}, "not known: the operator's metrics source names no counter of the gateway"),
        (
            {"lost": 12, "sent": 9000, "unknown": "NoSamples"},
            "at least 12 of 9,000; the gateway's counter has no fresh",
        ),
        ({"unknown": "AnswerTooLarge"}, "not known: AnswerTooLarge"),
    ],
)
def test_what_nobody_accounts_for_is_told(tmp_path: Path, account: dict[str, Any], told: str) -> None:
    found = body()
    found["status"]["pools"][0]["unaccounted"] = account
    assert told in " ".join(ask(tmp_path, "explain", "chat", bodies=[found]).output.split())
    shown = json.loads(ask(tmp_path, "explain", "chat", "--json", bodies=[found]).output)["pools"][0]["unaccounted"]
    assert shown == {"lost": 0, "sent": 0, "unknown": ""} | account


def test_scores_are_told_as_scores(tmp_path: Path) -> None:
    found = body()
    pool = found["status"]["pools"][0]
    plan = {"name": "my-eval", "template": "eval", "metrics": ["score", "runs"], "maxDrop": "2%", "report": True}
    found["status"]["rollout"]["quality"]["checks"].append(plan)
    row = {"name": "my-eval", "verdict": "Inconclusive", "reason": "TooFewRuns", "checked": 9}
    pool["checks"].append(row | {"drop": "-1.5%", "upperBound": "31%"})
    told = json.loads(ask(tmp_path, "explain", "chat", "--json", bodies=[found]).output)
    check = next(one for one in told["pools"][0]["checks"] if one["check"] == "my-eval")
    assert (check["drop"], check["drop_bound"], check["max_drop"], check["report"]) == (-0.015, 0.31, "2%", True)
    assert (check["rate"], check["bad"], check["clean_to_pass"]) == (None, None, None)
    table = " ".join(ask(tmp_path, "explain", "chat", bodies=[found]).output.split())
    assert "decides nothing" in table
    assert "-1.5%" in table
