"""The chart's files: equal copies of the CRD, and values that are known and explained."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from sampler_rollouts.crd import definition, pool_definition, template_definition
from sampler_rollouts.domain import limits
from sampler_rollouts.domain.allowed import Allowed
from sampler_rollouts.domain.notices.notice import NoticeType
from sampler_rollouts.domain.receivers import Format, Notifications, Receiver
from sampler_rollouts.domain.resource import GROUP
from sampler_rollouts.metrics.config import ConfigError, MetricsSource, parse_sources

from tests.support import pages
from tests.unit.operator.chart.values_table import MAKER, README, table, values

ROOT = Path(__file__).parents[4]
CHART = ROOT / "charts" / "sampler-rollouts"


@pytest.mark.parametrize("folder", [CHART / "files", ROOT / "kustomize" / "base"], ids=["chart", "kustomize"])
def test_the_copies_of_the_crd_are_the_generated_one(folder: Path) -> None:
    """After a change: make crds"""
    generated = {path.name: path.read_text() for path in (ROOT / "crds").glob("*.yaml")}

    assert generated
    assert {path.name: path.read_text() for path in folder.glob(f"*.{GROUP}.yaml")} == generated


def test_the_kustomize_base_lists_every_crd() -> None:
    base = ROOT / "kustomize" / "base"
    listed = yaml.safe_load((base / "kustomization.yaml").read_text())["resources"]

    assert sorted(listed) == sorted(["operator.yaml", *(path.name for path in (ROOT / "crds").glob("*.yaml"))])


def test_the_schema_knows_every_value_and_every_setting_of_a_source() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    fields = {field.alias or name for name, field in MetricsSource.model_fields.items()}
    fields |= {"bearerTokenSecret", "caSecret", "caConfigMap"}  # the chart's own: mounted, and told as files

    assert set(values) == set(schema["properties"]) - {"global"}
    assert set(schema["properties"]["metricsSources"]["additionalProperties"]["properties"]) == fields
    allowed = {field.alias or name for name, field in Allowed.model_fields.items()}
    assert set(schema["properties"]["authors"]["properties"]) == allowed


def test_the_schema_knows_every_setting_of_a_receiver() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["notifications"]["properties"]
    receiver = schema["receivers"]["additionalProperties"]["properties"]
    fields = {field.alias or name for name, field in Receiver.model_fields.items()}
    own = {f"{one}Secret" for one in ("url", "signingKey", "routingKey", "bearerToken", "ca")} | {"caConfigMap"}

    assert set(schema) == {field.alias or name for name, field in Notifications.model_fields.items()}
    assert set(receiver) == fields | own
    assert receiver["format"]["enum"] == [form.value for form in Format]
    assert receiver["types"]["items"]["enum"] == [kind.value for kind in NoticeType]
    assert schema["receivers"]["maxProperties"] == limits.RECEIVERS


DURATIONS = [
    *(f"{count}s" for count in (0, 1, 9, 10, 15, 59, 60, 61, 90, 99, 100, 199, 299, 300, 301, 999, 3000)),
    "0m", "0m0s", "0m30s", "1m", "1m0s", "1m1s", "1m30s", "2m59s", "4m59s", "5m", "5m0s", "5m1s", "6m", "10m",
    "1h", "1h5m", "", "s", "m", "5", "5 s", "5s ", "-5s", "1.5s", "5d", "soon", "5s\n", "30s1m",
    "7s", "8s", "0m7s", "0m8s", 7.5, 7.6, 8,
    "59m", "60m", "99m", "999m", "9999m", "24h", "167h", "168h", "169h", "0h", "604800s", 604800, 604801, 59.9,
    "1h30m", "1h0m0s", "1h30s", "167h59m59s", "168h0m0s", "168h1m", "168h1s", "9999m59s",
    "604799s", "604801s", "610000s",
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


@pytest.mark.parametrize("field", ["timeout", "deadline"])
@pytest.mark.parametrize("value", DURATIONS, ids=repr)
def test_the_schema_takes_no_time_of_a_receiver_that_the_operator_refuses(field: str, value: Any) -> None:
    """It may be narrower: a deadline of more than 9999 minutes is written in hours or seconds."""
    pager = {"format": "PagerDuty", "routingKeyFile": "/key", field: value}
    given = {"metricsSources": {"default": {"url": "http://p"}}, "notifications": {"receivers": {"pager": pager}}}
    place = "properties.notifications.properties.receivers.additionalProperties"
    if schema_takes(field, value, place):
        parse_sources(json.dumps(given))
    elif field == "timeout":
        with pytest.raises(ConfigError):
            parse_sources(json.dumps(given))


WRITTEN = [("deadline", value) for value in ("1h30m", "90s", "3600s", "604800s", "167h59m59s", "168h0m0s", "1m30s")]


@pytest.mark.parametrize(
    ("field", "value"), [("timeout", "10s"), ("timeout", 60), ("deadline", "24h"), ("deadline", "30m"), *WRITTEN]
)
def test_the_schema_takes_the_usual_times_of_a_receiver(field: str, value: Any) -> None:
    assert schema_takes(field, value, "properties.notifications.properties.receivers.additionalProperties")


def schema_takes(field: str, value: Any, place: str = "properties.metricsSources.additionalProperties") -> bool:
    """What JSON Schema says, for the few of its words that these fields use."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    owner = schema
    for part in place.split("."):
        owner = owner[part]
    place = owner["properties"][field]["$ref"]
    text, number = schema["definitions"][place.removeprefix("#/definitions/")]["oneOf"]
    assert (text.pop("type"), text.keys()) == ("string", {"pattern"})
    assert (number.pop("type"), number.keys()) == ("number", {"minimum", "maximum"})
    if isinstance(value, str):
        # In Go's expressions $ is the very end of the text.
        return re.search(text["pattern"].replace("$", r"\Z"), value) is not None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and number["minimum"] <= value <= number["maximum"]


def test_the_readme_has_the_table_of_values() -> None:
    assert pages.part(README, MAKER) == pages.made(table()), f"run {MAKER}"


def test_every_value_is_explained() -> None:
    explained = {one.path for one in values() if one.text}
    assert {one.path for one in values()} == explained
    for path in leaves(yaml.safe_load((CHART / "values.yaml").read_text())):
        assert any(path == one or path.startswith(f"{one}.") for one in explained), path


def leaves(node: Any, path: str = "") -> Iterator[str]:
    if not isinstance(node, dict) or not node:
        yield path
        return
    for name, child in node.items():
        yield from leaves(child, f"{path}.{name}" if path else name)


def test_the_table_reads_a_value_as_yaml_does() -> None:
    """The table is made from the lines of the file; what YAML makes of them is the same."""
    content = yaml.safe_load((CHART / "values.yaml").read_text())
    for one in values():
        if one.default is not None:
            found = content
            for name in one.path.split("."):
                found = found[name]
            assert yaml.safe_load(one.default) == found, one.path


def about() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())
    return found


def annotation(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(about()["annotations"][f"artifacthub.io/{name}"])
    return found


def test_what_the_chart_says_of_the_resources_is_right() -> None:
    """Artifact Hub shows it; nothing else would notice that it is out of date."""
    made = [definition(), pool_definition(), template_definition()]
    told = [(one["kind"], one["version"], one["name"], one["description"]) for one in annotation("crds")]

    assert len(made) == len(list((ROOT / "crds").glob("*.yaml")))
    assert told == [
        (one["spec"]["names"]["kind"], version["name"], one["metadata"]["name"], schema["description"])
        for one in made
        for version in one["spec"]["versions"]
        for schema in [version["schema"]["openAPIV3Schema"]]
    ]


def test_its_examples_are_those_of_the_repository() -> None:
    rollout, template = annotation("crdsExamples")

    assert rollout == yaml.safe_load((ROOT / "examples" / "minimal.yaml").read_text())
    assert template in yaml.safe_load_all((ROOT / "examples" / "check-templates" / "vllm.yaml").read_text())


def test_its_changes_have_the_form_that_is_shown() -> None:
    for one in annotation("changes"):
        assert one.keys() == {"kind", "description"}
        assert one["kind"] in {"added", "changed", "deprecated", "removed", "fixed", "security"}


def test_its_icon_is_the_file_and_asks_nobody_for_anything() -> None:
    kind, _, encoded = about()["icon"].partition(";base64,")
    file = (CHART / "icon.svg").read_bytes()

    assert (kind, base64.b64decode(encoded)) == ("data:image/svg+xml", file), "write the file's base64 into Chart.yaml"
    root = ElementTree.fromstring(file)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not re.search(rb"href|url\(|<script|<image|@import", file)


OPEN = {"", "global", "volume.csi", "volume.downwardAPI", "volume.ephemeral", "volume.projected"}
"""Objects whose members nobody here knows: other charts' values, and drivers' own."""


def test_every_object_of_the_schema_is_closed() -> None:
    """Otherwise a field that is spelt wrong is silently nothing."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    found = {".".join(path) for path, node in objects(schema) if "additionalProperties" not in node}

    assert found <= OPEN


def objects(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Of a schema, by names of definitions and properties."""
    if not isinstance(node, dict):
        return
    if node.get("type") == "object":
        yield path, node
    for word in ("definitions", "properties"):
        for name, child in node.get(word, {}).items():
            yield from objects(child, (*path, name))
    for word in ("items", "additionalProperties"):
        yield from objects(node.get(word), path)
