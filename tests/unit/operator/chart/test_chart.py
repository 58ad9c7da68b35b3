"""The chart's files: equal copies of the CRD, and values that are known and explained."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from sampler_rollouts.metrics.config import ConfigError, MetricsSource, parse_sources

ROOT = Path(__file__).parents[4]
CHART = ROOT / "charts" / "sampler-rollouts"


def test_the_charts_crd_is_the_generated_one() -> None:
    """After a change: cp crds/* charts/sampler-rollouts/files/"""
    generated = {path.name: path.read_text() for path in (ROOT / "crds").glob("*.yaml")}
    copied = {path.name: path.read_text() for path in (CHART / "files").glob("*.yaml")}

    assert generated
    assert copied == generated


def test_the_schema_knows_every_value_and_every_setting_of_a_source() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    fields = {field.alias or name for name, field in MetricsSource.model_fields.items()}

    assert set(values) == set(schema["properties"]) - {"global"}
    assert set(schema["properties"]["metricsSources"]["additionalProperties"]["properties"]) == fields


DURATIONS = [
    *(f"{count}s" for count in (0, 1, 9, 10, 15, 59, 60, 61, 90, 99, 100, 199, 299, 300, 301, 999, 3000)),
    "0m", "0m0s", "0m30s", "1m", "1m0s", "1m1s", "1m30s", "2m59s", "4m59s", "5m", "5m0s", "5m1s", "6m", "10m",
    "1h", "1h5m", "", "s", "m", "5", "5 s", "5s ", "-5s", "1.5s", "5d", "soon", "5s\n", "30s1m",
    "7s", "8s", "0m7s", "0m8s", 7.5, 7.6, 8,
    0, 0.05, 0.1, 0.5, 1, 60, 60.1, 61, 300, 300.5, 301, -1, True, False, None, [], {},
]  # fmt: skip


@pytest.mark.parametrize("field", ["timeout", "scrapeInterval"])
@pytest.mark.parametrize("value", DURATIONS, ids=repr)
def test_the_schema_takes_the_times_that_the_operator_takes(field: str, value: Any) -> None:
    """Otherwise helm installs an operator that does not start."""
    given = json.dumps({"metricsSources": {"default": {"url": "http://p", field: value}}})
    try:
        parse_sources(given)
        taken = True
    except ConfigError:
        taken = False
    assert schema_takes(field, value) is taken


def schema_takes(field: str, value: Any) -> bool:
    """What JSON Schema says, for the few of its words that these fields use."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    place = schema["properties"]["metricsSources"]["additionalProperties"]["properties"][field]["$ref"]
    text, number = schema["definitions"][place.removeprefix("#/definitions/")]["oneOf"]
    assert (text.pop("type"), text.keys()) == ("string", {"pattern"})
    assert (number.pop("type"), number.keys()) == ("number", {"minimum", "maximum"})
    if isinstance(value, str):
        # In Go's expressions $ is the very end of the text.
        return re.search(text["pattern"].replace("$", r"\Z"), value) is not None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and number["minimum"] <= value <= number["maximum"]


def test_every_value_is_explained() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    silent = {"serviceAccount", "log", "crds", "rbac", "nameOverride", "fullnameOverride", "resources"}
    silent |= {"priorityClassName", "nodeSelector", "tolerations", "affinity", "podAnnotations", "podLabels"}
    silent |= {"extraVolumeMounts", "topologySpreadConstraints"}
    for before, line in itertools.pairwise(lines):
        if (match := re.match(r"(\w+):", line)) and match[1] not in silent:
            assert before.lstrip().startswith("#"), line
