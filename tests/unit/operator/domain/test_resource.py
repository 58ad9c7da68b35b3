"""What a spec may say, offline: the same rules as at the API server."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import yaml
from sampler_rollouts.domain import quantities
from sampler_rollouts.domain.resource import SpecError, parse_spec

from tests.unit.operator.crd.bad import Bad, good, two_pools
from tests.unit.operator.crd.bad_specs import BAD, UNKNOWN

ROOT = Path(__file__).parents[4]
NAME = "demo-of-the-crd"


@pytest.mark.parametrize("bad", BAD + UNKNOWN, ids=lambda bad: bad.name)
def test_bad_specs_are_refused_with_field_and_remedy(bad: Bad) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(bad.spec(), NAME)
    assert bad.field in str(caught.value)
    assert bad.remedy in str(caught.value)


@pytest.mark.parametrize(
    ("share", "checks"),
    [
        ("0", [{"name": "errors"}, {"name": "unexpected-script", "mode": "Report"}]),
        ("1%", [{"name": "errors", "mode": "Report"}]),
        ("1%", [{"name": "replay-audit", "mode": "Report"}, {"name": "errors"}]),
    ],
)
def test_one_check_that_decides_is_enough(share: str, checks: list[dict[str, str]]) -> None:
    """The replay audit decides without being named."""
    spec = good() | {"quality": {"designEffect": "1", "checks": checks}}
    spec["pools"][0]["sampler"] = {"auditShare": share}
    assert parse_spec(spec).quality.deciding or share != "0"


def test_defaults() -> None:
    spec = parse_spec(good(), NAME)
    assert [check.name for check in spec.quality.checks] == ["errors", "unexpected-script", "replay-audit"]
    assert [check.rate_text for check in spec.quality.checks] == ["1%", "0.5%", "0.1%"]
    assert spec.rollback.on_inconclusive == "Hold"
    assert not spec.paused
    assert spec.strategy.deadline == "6h"


def test_one_pool_a_wave_unless_waves_are_named() -> None:
    assert parse_spec(two_pools()).waves == [["cpu-a"], ["cpu-b"]]
    together = two_pools() | {"strategy": {"waves": [["cpu-b", "cpu-a"]]}}
    assert parse_spec(together).waves == [["cpu-b", "cpu-a"]]


def test_nulls_are_absent_fields() -> None:
    assert parse_spec(good() | {"strategy": None, "paused": None}) == parse_spec(good())


def test_every_problem_is_reported_at_once() -> None:
    spec = good() | {"strategy": {"steps": [{"weight": 9}], "waves": [["x"]]}}
    with pytest.raises(SpecError) as caught:
        parse_spec(spec)
    assert len(caught.value.problems) == 3


def test_waves_that_nobody_wrote_are_not_blamed_for_two_pools_of_one_name() -> None:
    spec = two_pools()
    spec["pools"][1]["name"] = spec["pools"][0]["name"]
    with pytest.raises(SpecError) as caught:
        parse_spec(spec)
    assert caught.value.problems == ("spec.pools: pools must have different names: remove the duplicate",)


def test_names_of_children_are_bounded_by_both_names() -> None:
    parse_spec(good(), "a" * 46)
    with pytest.raises(SpecError, match="51 characters together"):
        parse_spec(good(), "a" * 47)


@pytest.mark.parametrize("name", ["1st", "has.dots", "Upper", "end-"])
def test_names_that_cannot_name_a_service(name: str) -> None:
    with pytest.raises(SpecError, match=r"metadata\.name"):
        parse_spec(good(), name)


@pytest.mark.parametrize("raw", [{}, {"pools": 1}, {"pools": [None]}, {"pools": [{}]}, {"quality": []}])
def test_nonsense_is_a_spec_error(raw: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        parse_spec(raw)


def test_resources_may_be_numbers() -> None:
    spec = good()
    spec["pools"][0]["template"] = {"resources": {"requests": {"cpu": 1, "memory": "1Gi"}}}
    assert parse_spec(spec).pools[0].template.resources.requests == {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("0s", 0), ("1h1s", 3601), ("90m", 5400)]
)
def test_durations(text: str, seconds: int) -> None:
    assert quantities.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "1d", "5m1h", "1.5h", "٣s", "5m ", " 5m", "5M"])
def test_not_durations(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        quantities.seconds(text)


@pytest.mark.parametrize(
    ("text", "value"), [("3%", 0.03), ("0.03", 0.03), ("100%", 1.0), ("0.05%", 0.0005), ("1", 1.0)]
)
def test_ratios(text: str, value: float) -> None:
    assert quantities.ratio(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "%", "-1%", "1e-3", "0,5", "1 %", "NaN", ".5", "٣%"])
def test_not_ratios(text: str) -> None:
    with pytest.raises(ValueError, match="not a ratio"):
        quantities.ratio(text)


@pytest.mark.parametrize("total", [0, 1, 59, 60, 3600, 5400, 86399, 360000])
def test_duration_text_is_read_back(total: int) -> None:
    assert quantities.seconds(quantities.duration_text(total)) == total


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_examples_are_valid(path: Path) -> None:
    for body in yaml.safe_load_all(path.read_text()):
        if body["kind"] == "SamplerRollout":
            parse_spec(body["spec"], body["metadata"]["name"])


def test_the_smallest_useful_manifest_is_ten_lines() -> None:
    text = (ROOT / "examples" / "minimal.yaml").read_text()
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) == 10
    body = yaml.safe_load(text)
    spec = parse_spec(body["spec"], body["metadata"]["name"])
    assert (spec.pools[0].platform, len(spec.strategy.steps), len(spec.quality.checks)) == ("cpu", 2, 3)


@pytest.mark.parametrize(
    ("requests", "limits"),
    [
        ({"cpu": 2, "memory": "1Gi"}, {"cpu": "2000m", "memory": "1024Mi"}),
        ({"cpu": "0.5"}, {"memory": "1Gi"}),
        ({"ephemeral-storage": "1M"}, {"ephemeral-storage": "1000k"}),
        ({}, {"vendor.example/device": 1}),
        ({"vendor.example/device": 1}, {"vendor.example/device": "1"}),
    ],
)
def test_resources_that_a_pod_can_have(requests: dict[str, object], limits: dict[str, object]) -> None:
    spec = good()
    spec["pools"][0]["template"] = {"resources": {"requests": requests, "limits": limits}}
    assert parse_spec(spec)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("100m", Fraction(1, 10)), ("1k", 1000), ("1Ki", 1024), ("1.5Gi", 3 * 2**29), ("2P", 2 * 10**15)],
)
def test_quantities(text: str, value: Fraction) -> None:
    assert quantities.quantity(text) == value
