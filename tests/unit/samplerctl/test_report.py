"""The report of one rollout: from a real exposition of the operator's metrics, through real HTTP answers, to a page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from sampler_rollouts.domain.evidence.look import CheckLook, Verdict
from sampler_rollouts.domain.evidence.samples import Question
from samplerctl import report as core
from samplerctl import report_lines
from samplerctl.app import app
from samplerctl.report_lines import thinned
from samplerctl.report_source import Told
from typer.testing import CliRunner

from tests.unit.operator.domain.routed import Routed
from tests.unit.operator.domain.tabled import WRONG, tabled
from tests.unit.operator.domain.world import image
from tests.unit.samplerctl.api import PATH, answering, no_object
from tests.unit.samplerctl.recorded import Scraped, store, tried

HOSTILE = "</svg><script>alert('x')</script>"


@pytest.fixture(scope="module")
def rolled_back() -> Scraped:
    return tried()


@pytest.fixture(scope="module")
def promoted() -> Scraped:
    return tried(bad=False)


def make(
    folder: Path,
    world: Scraped,
    *words: str,
    metrics: bool = True,
    events: Any = None,
    body: Any = None,
) -> tuple[Any, str]:
    """The command's answer, and the page."""
    asked: list[str] = []

    def answer(verb: str, path: str, sent: Any) -> tuple[int, Any]:
        asked.append(path)
        if "/events.k8s.io/" in path:
            return (200, {"items": world.notes()}) if events is None else events
        return (200, body or world.body()) if path == PATH else (404, no_object(path))

    page = folder / "report.html"
    with answering(folder, answer) as kubeconfig, store(world.series) if metrics else nullcontext("") as address:
        told = ["--metrics", address] if metrics else []
        line = ["report", "chat", "-o", str(page), *told, *words, "--kubeconfig", str(kubeconfig)]
        found = CliRunner().invoke(app, line)
    found.asked = asked
    return found, page.read_text() if page.exists() else ""


def drawings(page: str) -> dict[str, str]:
    found = re.findall(r"<svg .*?</svg>", page)
    return {re.search(r'aria-label="([^"]*)"', one)[1]: one for one in found}  # type: ignore[index]


def test_a_rollback_is_drawn_and_told(tmp_path: Path, rolled_back: Scraped) -> None:
    answer, page = make(tmp_path, rolled_back)
    assert answer.exit_code == 0, answer.output
    entry = rolled_back.status.history[0]
    assert entry.message in unescape(page)
    assert "RolledBack (CheckFailed)" in page
    found = drawings(page)
    assert f"Weights of release {entry.release}" in found
    assert {f"Evidence of {name}" for name in ("errors", "unexpected-script", "replay-audit")} <= found.keys()
    for svg in found.values():
        assert ET.fromstring(svg).tag == "svg"
        assert "nan" not in svg
        assert "inf" not in svg
    assert "cpu-a: failed, " in found["Evidence of unexpected-script"]
    assert "failed" not in found["Evidence of errors"]
    assert any("regarding.name%3Dchat" in path for path in answer.asked)
    assert "RolloutStarted" in page
    assert page.count("RollbackComplete") == 1


class ScrapedRoutes(Scraped, Routed):
    """The same behind a gateway."""

    def _look(self, pool: str, check: str, asked: Question) -> CheckLook:
        return replace(super()._look(pool, check, asked), verdict=Verdict.PASSED, reason="")


def test_a_new_route_table_is_drawn_by_its_weight(tmp_path: Path) -> None:
    """Its pods are stable's and have all of their pool's traffic: that is not the release's weight."""
    world = ScrapedRoutes(tabled(), bad_build=False, name="chat")
    world.until("Serving")
    world.update(tabled(shares=WRONG))
    world.until("Progressing")
    world.until("Serving")
    answer, page = make(tmp_path, world)
    assert answer.exit_code == 0, answer.output
    assert "of its route table, as wanted (dotted)" in page
    assert "in ready pods" not in page
    assert '<i class="pool-2"></i>route table' in page
    drawn = drawings(page)[f"Weights of release {world.status.history[0].release}"]
    assert re.search(r'class="line pool-2 faint"', drawn)
    assert not re.search(r'class="line pool-[01]', drawn)
    name = ("__name__", "sampler_rollouts_route_table_weight_wanted_ratio")
    wanted = [value for labels, points in world.series.items() if name in labels for _, value in points]
    steps = [step["weight"] / 100 for step in world.spec["strategy"]["steps"]]
    assert list(dict.fromkeys(wanted))[: len(steps) + 1] == [0.0, *steps]


def test_pools_of_a_release_that_has_gone_have_their_images(tmp_path: Path, rolled_back: Scraped) -> None:
    _, page = make(tmp_path, rolled_back)
    assert image("b").rpartition("/")[2] in page
    assert "<th>verdict</th>" not in page, "the whole release's is kept"


def test_the_page_needs_nothing_else(tmp_path: Path, rolled_back: Scraped) -> None:
    _, page = make(tmp_path, rolled_back)
    assert not re.search(r"(src|href)=|url\(|@import|<script|<link|https?://", page)


def test_weights_and_evidence_are_those_of_the_release_alone(rolled_back: Scraped) -> None:
    """Afterwards the same series are about stable: a weight of all, and evidence of its own."""
    body, entry = rolled_back.body(), rolled_back.status.history[0]
    life = core.chosen(body, "")
    told = _read(rolled_back, life)
    found = core.gather(body, life, (), told, rolled_back.now, None)
    wanted = [value for _, value in found.told.pools["pool_weight_wanted_ratio", "cpu-a"]]
    assert max(wanted) == entry.weight / 100 < 1
    assert wanted[-1] == 0
    assert max(value for _, value in told.pools["pool_weight_wanted_ratio", "cpu-a"]) == 1
    last = max(time for points in found.told.checks.values() for time, _ in points)
    assert last == entry.ended_at.timestamp()


def _read(world: Scraped, life: Any) -> Told:
    from samplerctl.report_source import read, source

    with store(world.series) as address:
        return read(source(address, None, None), ("demo", "chat"), life.began, world.now)


def test_a_promoted_release_has_its_verdict_and_its_bounds(tmp_path: Path, promoted: Scraped) -> None:
    answer, page = make(tmp_path, promoted)
    assert answer.exit_code == 0, answer.output
    assert "passes below 2 %" in page
    assert "cpu-a: below, " in drawings(page)["Bound of errors"]
    assert ">full traffic<" in page
    assert "Baking" in page


def test_a_release_is_chosen_by_its_hash(tmp_path: Path, promoted: Scraped) -> None:
    first = promoted.status.history[-1].release
    _, page = make(tmp_path, promoted, "--release", first)
    assert f"<h1>Release {first}</h1>" in page
    answer, _ = make(tmp_path, promoted, "--release", "0123456789")
    assert answer.exit_code == 2
    assert "status has no rollout of release 0123456789: it knows" in answer.stderr


def test_what_is_under_way_has_the_numbers_of_status(tmp_path: Path) -> None:
    world = tried(end=False)
    answer, page = make(tmp_path, world)
    assert answer.exit_code == 0, answer.output
    assert "<h2>Under way</h2>" in page
    assert "Limits are those of the plan that is followed. Numbers are the last that status has." in page
    assert "not known" in page


def test_without_a_metrics_source_the_page_says_what_is_missing(tmp_path: Path, rolled_back: Scraped) -> None:
    answer, page = make(tmp_path, rolled_back, metrics=False)
    assert answer.exit_code == 0, answer.output
    assert drawings(page) == {}
    for text in ("Weights over time are not known", "Evidence over time is not known", "no metrics source was named"):
        assert text in page
    assert "no metrics source was named" in answer.stderr
    assert rolled_back.status.history[0].message in unescape(page)


def test_a_source_without_the_operators_metrics_is_told(tmp_path: Path, rolled_back: Scraped) -> None:
    empty = Scraped(rolled_back.spec, raw_status=rolled_back.raw_status, now=rolled_back.now)
    _, page = make(tmp_path, empty)
    assert "it has no series of the operator&#x27;s own metrics" in page


def test_a_source_that_does_not_answer_is_told(tmp_path: Path, rolled_back: Scraped) -> None:
    answer, page = make(tmp_path, rolled_back, "--metrics", "http://127.0.0.1:1", metrics=False)
    assert answer.exit_code == 0, answer.output
    assert "no connection to the source" in page


def test_events_that_may_not_be_listed_are_left_out(tmp_path: Path, rolled_back: Scraped) -> None:
    answer, page = make(tmp_path, rolled_back, events=(403, {"message": "events is forbidden"}))
    assert answer.exit_code == 0, answer.output
    assert "events is forbidden; the report is without Events" in answer.stderr
    assert "The API server has none of this time." in page


def test_whatever_the_cluster_and_the_source_say_is_escaped(tmp_path: Path, rolled_back: Scraped) -> None:
    body = rolled_back.body()
    status = {**body["status"], "history": [{**one} for one in body["status"]["history"]]}
    status["history"][0] |= {"message": HOSTILE, "changes": HOSTILE, "reason": HOSTILE, "release": HOSTILE}
    status["history"][0]["pools"] = [{"name": HOSTILE, "revision": HOSTILE}]
    status["conditions"] = [{**one, "message": HOSTILE} for one in status["conditions"]]
    hostile = Scraped(body["spec"], now=rolled_back.now)
    for labels, points in rolled_back.series.items():
        own = {key: HOSTILE if key in ("pool", "check", "reason") else value for key, value in labels}
        hostile.series[tuple(sorted(own.items()))] = points
    note = {"eventTime": "2026-11-23T12:10:00Z", "type": HOSTILE, "reason": HOSTILE, "note": HOSTILE}
    events = (200, {"items": [{"metadata": {}, **note}, {"metadata": {}, "eventTime": "never"}]})
    answer, page = make(tmp_path, hostile, events=events, body={**body, "status": status})
    assert answer.exit_code == 0, answer.output
    assert "<script" not in page
    assert page.count("&lt;script") > 10
    assert len(drawings(page)) > 1


def test_an_address_that_is_none_and_a_file_that_cannot_be_written(tmp_path: Path, rolled_back: Scraped) -> None:
    answer, _ = make(tmp_path, rolled_back, "--metrics", "prometheus:9090", metrics=False)
    assert answer.exit_code == 2
    assert "--metrics: must be an address such as" in answer.stderr
    answer, _ = make(tmp_path, rolled_back, "-o", str(tmp_path / "no" / "where.html"), metrics=False)
    assert answer.exit_code == 2
    assert "--output:" in answer.stderr


def test_a_line_is_broken_where_nothing_is_known(rolled_back: Scraped) -> None:
    life = core.chosen(rolled_back.body(), "")
    origin = life.began.timestamp()
    times = [*range(0, 100, 10), *range(400, 500, 10)]
    told = Told({("pool_weight_wanted_ratio", "cpu-a"): [(origin + at, float(at)) for at in times]}, {})
    back = timedelta(seconds=600)
    found = core.gather(rolled_back.body(), life, (), told, life.began + back, back)
    parts = list(report_lines._parts(found, found.told.pools["pool_weight_wanted_ratio", "cpu-a"]))
    assert [(part[0][0], part[-1][0]) for part in parts] == [(0, 90), (400, 490)]


def test_thinning_keeps_changes_the_highest_and_the_end() -> None:
    flat = [(float(at), 1.0) for at in range(1000)]
    assert thinned(flat) == [flat[0], flat[-1]]
    many = [(float(at), float(at % 7)) for at in range(10_000)]
    many[5000] = (5000.0, 99.0)
    found = thinned(many)
    assert len(found) <= 600
    assert (5000.0, 99.0) in found
    assert found[-1] == many[-1]
