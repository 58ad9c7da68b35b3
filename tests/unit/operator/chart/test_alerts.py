"""The chart's alerts speak of what the operator exposes, and each has a page that helps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sampler_rollouts.domain.decision import aborts
from sampler_rollouts.domain.decision.preflight import PREFLIGHT_UNAVAILABLE
from sampler_rollouts.domain.evidence.look import SHARED_DEGRADATION
from sampler_rollouts.domain.status import Stage

from tests.unit.operator.chart.exposed import of_operator, unseen_beginnings

ROOT = Path(__file__).parents[4]
ALERTS = ROOT / "charts" / "sampler-rollouts" / "alerts" / "alerts.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
]
SELECTOR = re.compile(r"(sampler_rollouts_\w+)(?:\{([^}]*)\})?")


def selectors() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Alert, metric and the labels that it is chosen by."""
    for rule in RULES:
        for metric, chosen in SELECTOR.findall(rule["expr"]):
            yield rule["alert"], metric, dict(re.findall(r'(\w+)="([^"]*)"', chosen))


@pytest.fixture
async def exposed() -> dict[str, list[dict[str, str]]]:
    """The label sets of every series, by name."""
    return await of_operator()


async def test_every_alert_asks_for_series_that_the_operator_exposes(exposed: dict[str, list[dict[str, str]]]) -> None:
    asked = list(selectors())
    assert {alert for alert, _, _ in asked} == {rule["alert"] for rule in RULES}
    for alert, metric, chosen in asked:
        assert metric in exposed, f"{alert}: no metric {metric}"
        for labels in exposed[metric]:
            assert chosen.keys() <= labels.keys(), f"{alert}: {metric} has no such labels"


async def test_every_condition_and_stage_that_an_alert_names_exists(exposed: dict[str, list[dict[str, str]]]) -> None:
    conditions = {labels["condition"] for labels in exposed["sampler_rollouts_rollout_condition"]}
    stages = {stage.value for stage in Stage}
    for alert, _, chosen in selectors():
        assert chosen.get("condition", "Ready") in conditions, alert
        assert chosen.get("stage", "Serving") in stages, alert
        assert chosen.get("status", "True") in {"True", "False", "Unknown"}, alert


def test_every_alert_sees_what_happens_once() -> None:
    """An increase alone misses the first event of a series that begins with it."""
    for rule in RULES:
        assert not unseen_beginnings(rule["expr"]), rule["alert"]


async def test_a_sentence_uses_only_labels_that_the_alert_has(exposed: dict[str, list[dict[str, str]]]) -> None:
    for rule in RULES:
        (metric, _), *_ = SELECTOR.findall(rule["expr"])
        used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        assert all(used <= labels.keys() for labels in exposed[metric]), rule["alert"]


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    pages = {path.stem: path.read_text() for path in RUNBOOKS.glob("*.md")}

    assert sorted(pages) == sorted(rule["alert"] for rule in RULES)
    for name, text in pages.items():
        assert text.startswith(f"# {name}\n")
        assert "**What it means.**" in text
        assert "**It ends**" in text


def test_each_alert_says_how_grave_it_is() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in {"warning", "critical"}, rule["alert"]
        assert {"summary", "description"} <= rule["annotations"].keys(), rule["alert"]


def test_the_check_of_a_runbook_finds_what_it_needs_in_the_environment() -> None:
    """Arguments would be those of one installation."""
    commands = [
        line.partition(" -- ")[2]
        for page in RUNBOOKS.glob("*.md")
        for line in page.read_text().replace("\\\n", "").splitlines()
        if line.startswith("kubectl") and " exec " in line
    ]
    assert set(commands) == {"python3 -m sampler_rollouts --check"}


CAMEL = re.compile(r"`((?:[A-Z][a-z]+){2,})`")


@pytest.mark.parametrize(
    ("condition", "page"), [("RolledBack", "SamplerRolloutRolledBack"), ("Degraded", "SamplerRolloutDegraded")]
)
def test_a_runbook_knows_every_reason_of_its_condition(condition: str, page: str) -> None:
    """docs/rollout.md lists them, in the row of the condition."""
    rows = (ROOT / "docs" / "rollout.md").read_text().splitlines()
    (row,) = (line for line in rows if line.startswith(f"| `{condition}` |"))
    reasons = set(CAMEL.findall(row)) - {condition}
    assert reasons
    assert reasons <= set(CAMEL.findall((RUNBOOKS / f"{page}.md").read_text()))


def test_the_runbook_of_a_hold_knows_every_reason_that_is_inconclusive() -> None:
    """`onInconclusive: Rollback` takes back for the same reasons that otherwise hold."""
    held = {aborts.PODS_NOT_STARTED, aborts.DEADLINE_EXCEEDED, SHARED_DEGRADATION, PREFLIGHT_UNAVAILABLE}
    rows = re.findall(r"^\| `(\w+)` \|", (RUNBOOKS / "SamplerRolloutHeld.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(held)
