"""``samplerctl selftest``: what a rollout's gate catches at its traffic, and what it would miss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from sampler_rollouts.domain.decision.context import counted_since
from samplerctl.acting_shown import selftested
from samplerctl.app import app
from samplerctl.errors import InputError
from samplerctl.selftest import _counted, observed_rps
from samplerctl.simulate import Ending
from typer.testing import CliRunner

from tests.unit.operator.domain.story import rolling
from tests.unit.samplerctl.test_simulate import BIAS, CHECKS, rollout

SHORT = {"steps": [{"weight": 25, "minDuration": "1m"}], "deadline": "5m"}


def ask(path: Path, *words: str, rps: float = 30.0) -> Any:
    return CliRunner().invoke(app, ["selftest", "-f", str(path), "--rps", str(rps), "--runs", "4", *words])


def audited(folder: Path, **more: Any) -> Path:
    path = rollout(folder, **more)
    body = yaml.safe_load(path.read_text())
    for pool in body["spec"]["pools"]:
        pool["sampler"] = {"auditShare": "5%"}
    path.write_text(yaml.safe_dump(body))
    return path


@pytest.mark.long
def test_each_incident_is_caught_by_its_check_and_an_honest_build_is_not(tmp_path: Path) -> None:
    answer = ask(audited(tmp_path), "--json")
    found = json.loads(answer.output)
    by = {one["incident"]: (one["right"], list(one["by"])) for one in found["incidents"]}
    assert by == {
        "honest": (True, []),
        "I1": (True, ["misrouted"]),
        "I2": (True, ["unexpected-script"]),
        "I3a": (True, ["replay-audit"]),
        "I3b": (True, ["replay-audit"]),
    }
    assert all(one["requests"] > 0 for one in found["incidents"] if one["incident"] != "honest")
    assert answer.exit_code == 0


@pytest.mark.long
def test_an_incident_that_no_check_sees_is_told_with_the_remedy(tmp_path: Path) -> None:
    quality = {"designEffect": "1", "checks": [one for one in CHECKS if one["name"] != "unexpected-script"] + [BIAS]}
    quality["checks"].append({"name": "my-eval", "template": "eval", "maxDrop": "2%"})
    answer = ask(audited(tmp_path, quality=quality))
    assert answer.exit_code == 1
    said = " ".join(answer.output.split())
    assert "I2: spec.quality.checks has no unexpected-script" in said
    for name in ("calibration", "my-eval"):
        assert f"the data of check {name} (nats, or a template's) are not simulated: not tested" in said


@pytest.mark.long
def test_too_little_traffic_catches_nothing_and_says_so(tmp_path: Path) -> None:
    answer = ask(rollout(tmp_path, strategy=SHORT), "--json", rps=0.02)
    found = json.loads(answer.output)
    assert answer.exit_code == 1
    missed = next(one for one in found["incidents"] if one["incident"] == "I1")
    assert (missed["right"], missed["caught"]) == (False, 0)
    assert "samplerctl power" in missed["remedy"]


def ended(outcome: str, reason: str = "", check: str = "", times: int = 1) -> list[Ending]:
    message = f"Rolled back release x in pool cpu-a at weight 25: check {check} was bad" if check else ""
    return [Ending(outcome, 60.0, 10, 100, 25, reason, message)] * times


PROMOTED, LATE = ended("promoted", times=3), "the evidence did not come in time: give steps more time or weight"
ALARM = "a check failed where nothing is wrong: raise quality.designEffect"


@pytest.mark.parametrize(
    ("endings", "right", "remedies"),
    [
        (PROMOTED, True, []),
        (
            PROMOTED + ended("held", "DeadlineExceeded", times=2),
            False,
            ["not promoted, 2 held (DeadlineExceeded)", LATE],
        ),
        (ended("unfinished"), False, ["not promoted, 1 unfinished:", LATE]),
        (ended("rolled back", "CheckFailed", "errors"), False, ["1 rolled back (CheckFailed)", ALARM, "are of errors"]),
        (ended("rolled back", "DeadlineExceeded"), False, ["1 rolled back (DeadlineExceeded)", LATE]),
        (ended("rolled back", "CheckFailed", "errors") + ended("held"), False, [ALARM, LATE]),
    ],
)
def test_an_honest_build_that_is_not_promoted_is_told_with_what_would_help(
    endings: list[Ending], right: bool, remedies: list[str]
) -> None:
    found = _counted(endings, honest=True)
    assert found["right"] is right
    assert all(words in found["remedy"] for words in remedies), found["remedy"]
    assert bool(found["remedy"]) == bool(remedies)
    assert (ALARM in found["remedy"], LATE in found["remedy"]) == (ALARM in remedies, LATE in remedies)


def test_what_is_caught_is_told_of_incidents_and_what_is_promoted_of_an_honest_build(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    rows = [
        {"incident": "honest", "what": "well", "rate": None, **_counted(PROMOTED + ended("held"), honest=True)},
        {"incident": "I2", "what": "bad", "rate": 0.02}
        | _counted(ended("rolled back", "CheckFailed", "errors", 4), honest=False),
        {"incident": "I1", "what": "bad", "rate": 0.01, "right": False, "caught": 0, "by": {}, "requests": None}
        | {"seconds": None, "remedy": "spec.quality.checks has no misrouted"},
    ]
    found = {"rollout": "chat", "rps": 1.0, "traffic": "sticky", "runs": 4, "incidents": rows, "not_simulated": []}
    selftested(found)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["honest", "3", "of", "4", "promoted", "well"] in lines
    assert next(line for line in lines if line[0] == "I2")[1:5] == ["4", "of", "4", "caught"]
    assert next(line for line in lines if line[0] == "honest:")[1:5] == ["not", "promoted,", "1", "held:"]


def test_traffic_is_taken_from_the_pool_that_has_least() -> None:
    world = rolling()
    world.run(300)
    body = {"metadata": {"name": "chat"}, "spec": world.spec, "status": world.raw_status}
    pools = world.status.pools
    seconds = (world.now - counted_since(world.status.rollout)).total_seconds()
    least = min(pool.requests.total for pool in pools if pool.requests)
    assert observed_rps(body, world.now.timestamp()) == pytest.approx(least / seconds)
    with pytest.raises(InputError, match="--rps"):
        observed_rps(body, world.status.rollout.started_at.timestamp() + 10)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a SamplerRollout of a cluster, or a file"),
        (["chat", "-f", "x.yaml"], "name a SamplerRollout of a cluster, or a file"),
        (["-f", "x.yaml"], "--rps: a file has no traffic"),
        (["-f", "nowhere.yaml", "--rps", "1"], "cannot be read"),
    ],
)
def test_what_cannot_be_tested_is_told(words: list[str], said: str) -> None:
    answer = CliRunner().invoke(app, ["selftest", *words])
    assert (answer.exit_code, said in " ".join(answer.output.split())) == (2, True)
