"""The dashboards ask for series that are there, by labels that they have, and Grafana can draw them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.operator.chart import exposed

FILES = sorted((Path(__file__).parents[4] / "charts" / "sampler-rollouts" / "dashboards").glob("*.json"))
BOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in FILES}
METRIC = re.compile(r"\b(sampler_\w+)(?:\{([^}]*)\})?")
GROUPING = re.compile(r"by \(([^)]*)\)")
TARGETS = {"namespace", "pod", "rollout", "pool", "revision", "le", "check", "kind"}
"""Labels that the scrape gives a sampler's series, or the sampler."""


def queries(board: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Whose, the query, and the text that is made of its labels."""
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]
    for one in board["annotations"]["list"]:
        yield one["name"], one["expr"], one["titleFormat"] + one["textFormat"]
    for one in board["templating"]["list"]:
        if one["type"] == "query":
            yield one["name"], one["definition"], ""


KNOWN: dict[str, list[exposed.Labels]] = {}


async def _exposed() -> dict[str, list[exposed.Labels]]:
    """Once for all queries."""
    if not KNOWN:
        KNOWN.update(await exposed.of_operator())
    return KNOWN


ALL = [pytest.param(*query, id=f"{name}: {query[0]}") for name, board in BOARDS.items() for query in queries(board)]


def test_there_are_dashboards_with_names_of_their_own() -> None:
    assert {"rollouts", "operator"} == set(BOARDS)
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)


@pytest.mark.parametrize(("whose", "query", "legend"), ALL)
async def test_it_asks_for_what_is_exposed(whose: str, query: str, legend: str) -> None:
    ours, samplers = await _exposed(), exposed.of_samplers()
    shown = {label for text in GROUPING.findall(query) for label in text.replace(" ", "").split(",")}
    shown |= set(re.findall(r"\{\{(\w+)\}\}", legend))
    metrics = METRIC.findall(query)
    assert metrics
    for metric, chosen in metrics:
        labels = set(re.findall(r"(\w+)=", chosen)) | shown
        if metric in samplers:
            assert labels <= TARGETS, (metric, labels)
            continue
        assert metric in ours, f"no metric {metric}"
        assert all(labels <= series.keys() for series in ours[metric]), metric


@pytest.mark.parametrize(("whose", "query", "legend"), ALL)
def test_it_sees_what_happens_once(whose: str, query: str, legend: str) -> None:
    """A first rollback is no increase: its series begins with it."""
    assert not exposed.unseen_beginnings(query), whose


def test_a_query_that_misses_the_first_event_is_known() -> None:
    missed = 'sum(increase(sampler_rollouts_rollbacks_total{namespace="a"}[1m])) > 0'
    assert exposed.unseen_beginnings(missed) == ["sampler_rollouts_rollbacks_total"]


async def test_a_rollback_is_marked_by_a_condition_that_is_exposed() -> None:
    (mark,) = (one for one in BOARDS["rollouts"]["annotations"]["list"] if one["name"] == "Rolled back")
    ((metric, chosen),) = METRIC.findall(mark["expr"])
    wanted = dict(re.findall(r'(\w+)="([^"]*)"', chosen))

    assert wanted
    assert any(wanted.items() <= series.items() for series in (await _exposed())[metric])


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_a_place_of_their_own(name: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in BOARDS[name]["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for cell in itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])):
            assert cell not in taken, f"{panel['title']} lies over {taken.get(cell)}"
            taken[cell] = panel["title"]
    ids = [panel["id"] for panel in BOARDS[name]["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", BOARDS)
def test_every_query_goes_to_the_chosen_source(name: str) -> None:
    """A dashboard that names a data source works on one machine."""
    uids = re.findall(r'"uid": "([^"]*)"', json.dumps(BOARDS[name]["panels"]))
    assert set(uids) == {"${source}"}
    assert BOARDS[name]["templating"]["list"][0]["name"] == "source"
