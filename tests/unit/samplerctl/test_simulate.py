"""``samplerctl simulate``: each incident through the real decision, and what cannot be simulated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from samplerctl.app import app
from samplerctl.traffic import Bursty, Diurnal, Independent, Load, Sticky, Traffic
from typer.testing import CliRunner

CHECKS = [
    {"name": "errors", "maxRate": "2%"},
    {"name": "unexpected-script", "maxRate": "1%", "maxRatio": "2", "ignoreBelow": "0.5%"},
    {"name": "misrouted", "maxRate": "0.5%", "maxRatio": "2", "ignoreBelow": "0.2%"},
]
EVAL = {"name": "my-eval", "template": "eval", "maxDrop": "2%"}
BIAS = {"name": "calibration", "maxBiasNats": "0.05"}


def rollout(folder: Path, **more: Any) -> Path:
    """A file of two pools in two waves; ``more`` replaces members of the spec."""
    image = "registry.example.com/sampler@sha256:" + "a" * 64
    pools = [{"name": name, "replicas": 4, "image": image, "contextClass": "standard"} for name in ("cpu-a", "cpu-b")]
    spec = {
        "pools": pools,
        "routing": {"contextClasses": [{"name": "standard", "maxTokens": 200_000}]},
        "strategy": {"steps": [{"weight": 25, "minDuration": "3m"}, {"pause": {}}], "deadline": "2h"},
        "quality": {"designEffect": "1", "checks": CHECKS},
        **more,
    }
    path = folder / "rollout.yaml"
    body = {"apiVersion": "samplerrollouts.io/v1alpha1", "kind": "SamplerRollout", "metadata": {"name": "chat"}}
    path.write_text(yaml.safe_dump(body | {"spec": spec}), encoding="utf-8")
    return path


def ask(path: Path, incident: str, *words: str, rps: float = 20.0) -> Any:
    fixed = ("--incident", incident, "-f", str(path), "--rps", str(rps), "--runs", "6", "--seed", "3")
    return CliRunner().invoke(app, ["simulate", *fixed, *words])


def found(path: Path, incident: str, *words: str, rps: float = 20.0) -> Any:
    answer = ask(path, incident, "--json", "--traffic", "independent", *words, rps=rps)
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.output)


@pytest.mark.long
def test_an_honest_build_is_promoted_in_all_waves(tmp_path: Path) -> None:
    one = found(rollout(tmp_path), "honest")["results"][0]
    assert (one["promoted"], one["rolled_back"], one["held"]) == (6, 0, 0)
    assert one["seconds"]["promoted"]["median"] >= 2 * 180
    assert all(ending["weight"] == 100 for ending in one["endings"])


def test_what_is_taken_back_from_one_pool_is_caught(tmp_path: Path) -> None:
    """The release may go on in the other pool; the question is whether the build is caught."""
    path = rollout(tmp_path, rollback={"scope": "Pool"})
    one = found(path, "I2")["results"][0]
    assert (one["rolled_back"], one["reasons"]) == (6, {"CheckFailed": 6})
    assert "in pool cpu-a at weight" in one["example"]
    assert all(ending["weight"] == 25 for ending in one["endings"])


@pytest.mark.parametrize(
    ("incident", "check"),
    [("I1", "misrouted"), ("I2", "unexpected-script"), ("I3a", "replay-audit"), ("I3b", "replay-audit")],
)
def test_each_incident_is_rolled_back_for_what_it_is(tmp_path: Path, incident: str, check: str) -> None:
    asked = found(rollout(tmp_path), incident)
    one = asked["results"][0]
    assert (one["rolled_back"], one["reasons"]) == (6, {"CheckFailed": 6})
    assert f"check {check}" in one["example"]
    assert asked["rate_published"] is (incident == "I1")
    assert 0 < one["exposed_share"] < 0.3


@pytest.mark.long
def test_too_little_traffic_is_held_at_the_deadline(tmp_path: Path) -> None:
    strategy = {"steps": [{"weight": 25, "minDuration": "3m"}], "deadline": "20m"}
    one = found(rollout(tmp_path, strategy=strategy), "honest", rps=0.05)["results"][0]
    assert (one["held"], one["reasons"]) == (6, {"DeadlineExceeded": 6})
    assert one["seconds"]["held"]["median"] == pytest.approx(1200, abs=60)


@pytest.mark.long
def test_a_rate_that_is_given_counts(tmp_path: Path) -> None:
    path = rollout(tmp_path)
    harmless = found(path, "I2", "--rate", "0.01%", "--usual", "unexpected-script=0.01%")["results"][0]
    assert harmless["promoted"] == 6
    usual = found(path, "I2", "--usual", "errors=1%")["usual_rates"]
    assert usual == pytest.approx({"errors": 0.01, "unexpected-script": 0.0005, "misrouted": 0.0002, "replay-audit": 0})


@pytest.mark.long
def test_the_same_seed_gives_the_same_and_another_another(tmp_path: Path) -> None:
    path = rollout(tmp_path)
    one = found(path, "I2")
    assert one == found(path, "I2")
    assert one["results"] != found(path, "I2", "--seed", "4")["results"]


@pytest.mark.long
def test_the_page_and_the_table_of_all_kinds(tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    answer = ask(rollout(tmp_path), "I3b", "--plot", str(page))
    assert answer.exit_code == 0, answer.output
    for kind in ("sticky", "bursty", "diurnal"):
        assert kind in answer.output
        assert f"<h2>{kind}</h2>" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("incident", "words", "more", "said"),
    [
        ("I4", [], {}, "--incident: 'I4' is unknown: write one of honest, I1"),
        ("honest", ["--traffic", "calm"], {}, "--traffic: 'calm' is not simulated"),
        ("honest", ["--rate", "1%"], {}, "--rate: an honest candidate has none"),
        ("honest", ["--usual", "nothing=1%"], {}, "--usual: nothing is not a check of the rollout"),
        ("honest", ["--usual", "errors"], {}, "--usual: 'errors' is not CHECK=RATE"),
        ("honest", [], {"paused": True}, "spec.paused"),
        ("honest", [], {"pools": []}, "spec.pools"),
        ("I1", [], {"quality": {"designEffect": "1", "checks": CHECKS[:2]}}, "spec.quality.checks has no misrouted"),
        ("honest", [], {"quality": {"designEffect": "1", "checks": [CHECKS[0], BIAS]}}, "calibration is about nats"),
        ("honest", [], {"quality": {"designEffect": "1", "checks": [CHECKS[0], EVAL]}}, "leave out my-eval"),
    ],
)
def test_what_cannot_be_simulated_names_the_remedy(
    tmp_path: Path, incident: str, words: list[str], more: dict[str, Any], said: str
) -> None:
    answer = ask(rollout(tmp_path, **more), incident, *words)
    assert answer.exit_code == 2
    assert said in " ".join(answer.output.split())


@pytest.mark.parametrize("traffic", [Independent(), Bursty(), Diurnal(50.0), Sticky(life=10, size=5.0)])
def test_requests_come_by_share_and_are_bad_by_rate(traffic: Traffic) -> None:
    """Over two turns of the day: 100 requests a scrape, 1 : 3 between two pods, one stream well and one not."""
    random = np.random.default_rng(5)
    shares = np.array([[0.25, 0.25], [0.75, 0.75], [0.0, 0.0]])
    load = Load(np.array([100.0, 100.0]), shares, np.broadcast_to([0.0, 0.2], shares.shape))
    cells = [traffic.cell(random, load) for _ in range(1000)]
    checked, bad = (np.mean([cell[which] for cell in cells], axis=0) for which in (0, 1))
    extra = 100 / 15 / 40 if isinstance(traffic, Bursty) else 0.0
    assert checked == pytest.approx(shares * (100 + extra), rel=0.05)
    assert bad[:, 0] == pytest.approx(shares[:, 0] * extra, rel=0.5)
    assert bad[:, 1] == pytest.approx(shares[:, 1] * (20 + extra), rel=0.1)


def test_sticky_sessions_share_a_fate_and_move_when_their_pod_goes() -> None:
    random = np.random.default_rng(5)
    traffic = Sticky(life=10, size=5.0)
    rates = np.full((2, 2000), 0.1)
    both = Load(np.full(2000, 100.0), np.full((2, 2000), 0.5), rates)
    one = Load(np.full(2000, 100.0), np.array([[1.0], [0.0]]) * np.ones((2, 2000)), rates)
    window = np.zeros((2, 2000))
    for _ in range(40):
        window += traffic.cell(random, both)[1]
    spread = window.var() / window.mean()
    assert 3.0 < spread < traffic.design_effect + 0.5  # some sessions are cut off by the window
    checked, bad = traffic.cell(random, one)
    assert checked[1].sum() == bad[1].sum() == 0
    assert checked[0].mean() == pytest.approx(100, rel=0.05)
