"""The chart's files: equal copies of the CRD, and values that are known and explained."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import yaml
from sampler_rollouts.metrics.config import MetricsSource

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


def test_every_value_is_explained() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    silent = {"serviceAccount", "log", "crds", "rbac", "nameOverride", "fullnameOverride", "resources"}
    silent |= {"priorityClassName", "nodeSelector", "tolerations", "affinity", "podAnnotations", "podLabels"}
    silent |= {"extraVolumeMounts"}
    for before, line in itertools.pairwise(lines):
        if (match := re.match(r"(\w+):", line)) and match[1] not in silent:
            assert before.lstrip().startswith("#"), line
