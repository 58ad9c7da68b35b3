"""The benchmark of many rollouts can fail: its goals are held against what was found, late decisions among it."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sampler_rollouts.domain.evidence.samples import Arm, CheckPlan, Question
from sampler_rollouts.metrics.config import MetricsSource

from benchmarks.scale import longer, samples, statuses
from benchmarks.scale_decided import asked, sufficed
from benchmarks.scale_goals import DECIDED, MEGABYTES, P99, ROLLOUTS, Decision, Row, table
from benchmarks.scale_source import SCRAPE, Source
from tests.unit.operator.domain.story import rolling
from tests.unit.operator.domain.world import passing

WELL = Row(ROLLOUTS, 60.0, cores=0.9, rss=350, peak=MEGABYTES, looks=33, slow=0.01, decisions=[Decision(DECIDED, 3, 3)])
MISSES = {
    "cores": {"cores": 1.0},
    "memory": {"peak": MEGABYTES + 1},
    "p99": {"slow": 0.011},
    "decided": {"decisions": [Decision(1.0, 3, 3), Decision(DECIDED + 0.1, 4, 3)]},
}


def test_what_meets_its_goals_is_not_marked() -> None:
    assert list(WELL.missed()) == []
    assert "MISSED" not in table([WELL])
    assert list(replace(WELL, count=ROLLOUTS + 1, cores=2.0).missed()) == [], "more is not asked for"


@pytest.mark.parametrize("what", MISSES)
def test_each_goal_can_be_missed_and_is_marked(what: str) -> None:
    row = replace(WELL, **MISSES[what])  # type: ignore[arg-type]
    assert list(row.missed()) == [what]
    assert table([row]).count("MISSED") == 1
    assert list(replace(row, count=5).missed()) == [what], "fewer rollouts excuse nothing"


@pytest.mark.parametrize("decisions", [[], [Decision(math.inf)], [Decision(math.nan, 4)], [Decision(0.1, 3, 3)] * 2])
def test_a_rollback_that_did_not_come_or_was_not_tried_is_missed(decisions: list[Decision]) -> None:
    late = decisions[:1] != [Decision(0.1, 3, 3)]
    row = replace(WELL, decisions=decisions)
    assert list(row.missed()) == (["decided"] if late else [])
    assert table([row]).count("MISSED") == late


def test_no_look_is_not_a_fast_one() -> None:
    assert list(replace(WELL, looks=0.0, slow=0.0).missed()) == ["p99"]


def test_longer_looks_are_counted_by_the_operators_own_buckets() -> None:
    text = "\n".join(f'x_bucket{{le="{bound}"}} {count}' for bound, count in (("0.5", 90), ("1.0", 98), ("+Inf", 100)))
    buckets = Counter({dict(labels)["le"]: value for (_, labels), value in samples(text, ("x",)).items()})
    assert longer(buckets, P99) == pytest.approx(0.02)


def test_statuses_are_counted_where_they_are_written() -> None:
    line = 'apiserver_request_total{code="%s",resource="samplerrollouts",subresource="%s",verb="%s"} 7'
    kinds = (("200", "status", "PUT"), ("409", "status", "PUT"), ("200", "", "PUT"), ("200", "status", "GET"))
    assert statuses(samples("\n".join(line % kind for kind in kinds), ("apiserver",))) == 7


def pods(source: Source, bad: bool) -> tuple[Question, list[float]]:
    """One of the candidate and one of stable, ten minutes ago, and what is asked of them; the candidate's scrapes."""
    born = time.time() - 600
    for revision, wrong in (("new", bad), ("old", False)):
        labels = {"namespace": "team-0", "rollout": "model-0", "pool": "gpu", "revision": revision, "pod": revision}
        source.born(labels, wrong)
    for pod in source.pods("model-0"):
        pod.born = born
    at = datetime.fromtimestamp(int(born), UTC)
    arm = Arm("gpu", "new", {"new": at}, "old", frozenset({"new"}), compared=True)
    checks = (CheckPlan("unexpected-script", 0.01),)
    found = Question("team-0", "model-0", "default", at, (arm,), checks, 0.005, 0.95, 1.0, 1)
    every = [stamp for pod in source.pods("model-0") for stamp in pod.scrapes(0, born + 300)]
    return found, sorted(every)


def test_the_scrape_that_suffices_is_found_by_the_operators_own_evaluation() -> None:
    source = Source(1)
    about, scrapes = pods(source, bad=True)
    config = MetricsSource(url=source.url, scrapeInterval=SCRAPE)
    enough = sufficed(config, about, scrapes)
    assert enough is not None
    assert scrapes.index(enough) < len(scrapes) / 2
    assert sufficed(config, about, scrapes[: scrapes.index(enough)]) is None
    assert sufficed(config, about, reversed(scrapes)) == enough


def test_no_scrape_of_a_good_build_suffices() -> None:
    source = Source(1)
    about, scrapes = pods(source, bad=False)
    assert sufficed(MetricsSource(url=source.url, scrapeInterval=SCRAPE), about, scrapes) is None


def test_what_is_asked_follows_from_the_status_alone() -> None:
    world = rolling()
    meta = {"namespace": "default", "name": world.name, "uid": "1"}
    found = asked({"metadata": meta, "spec": world.spec, "status": world.raw_status})
    assert found is not None
    assert found.checks == world.asked(world.status).checks  # type: ignore[union-attr]
    world.judge = passing
    world.until("Serving")
    assert asked({"metadata": meta, "spec": world.spec, "status": world.raw_status}) is None
