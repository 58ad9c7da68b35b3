"""The generated CRD: in step with the models, structural, bounded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sampler_rollouts import crd
from sampler_rollouts.domain.resource import parse_spec
from sampler_rollouts.domain.rules import CEL_KEY
from sampler_rollouts.domain.status import Stage, Status

from tests.unit.operator.crd.bad import good

ROOT = Path(__file__).parents[4]
Node = dict[str, Any]


def schema() -> Node:
    version = crd.definition()["spec"]["versions"][0]
    found: Node = version["schema"]["openAPIV3Schema"]
    return found


def nodes(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in node:
        yield from nodes(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from nodes(node["additionalProperties"], f"{path}{{}}")


def ours() -> list[tuple[str, Node]]:
    return [(path, node) for path, node in nodes(schema()) if path.startswith((".spec", ".status"))]


def test_the_committed_file_is_up_to_date() -> None:
    assert (ROOT / crd.DEFAULT_PATH).read_text() == crd.text(), "run python -m sampler_rollouts.crd"


def test_the_committed_file_of_templates_is_up_to_date() -> None:
    assert (ROOT / crd.TEMPLATE_PATH).read_text() == crd.template_text(), "run python -m sampler_rollouts.crd"
    assert yaml.safe_load(crd.template_text()) == crd.template_definition()


def test_the_schema_of_templates_is_bounded_and_holds_nothing_that_a_structural_one_may_not() -> None:
    version = crd.template_definition()["spec"]["versions"][0]
    found = list(nodes(version["schema"]["openAPIV3Schema"]["properties"]["spec"]))
    assert len(found) == 12
    for _, node in found:
        assert "type" in node
        assert node["type"] != "string" or "maxLength" in node
        assert not node.keys() & {"$ref", "title", "anyOf", "allOf", "oneOf", "const"}
    assert crd.template_definition()["spec"]["scope"] == "Cluster"


def test_check_finds_drift_of_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert crd.main(["--check"]) == 1
    assert crd.main([]) == 0
    assert crd.main(["--check"]) == 0
    crd.TEMPLATE_PATH.write_text("")
    assert crd.main(["--check"]) == 1


def test_check_finds_drift(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "crd.yaml"
    assert crd.main([str(path), "--check"]) == 1
    assert crd.main([str(path)]) == 0
    assert crd.main([str(path), "--check"]) == 0
    path.write_text(path.read_text() + "\n")
    assert crd.main([str(path), "--check"]) == 1
    assert "out of date" in capsys.readouterr().err


def test_the_file_is_plain_yaml_of_the_definition() -> None:
    assert yaml.safe_load(crd.text()) == crd.definition()
    assert "&id" not in crd.text()


def test_every_node_is_typed() -> None:
    untyped = [path for path, node in ours() if "type" not in node and not node.get("x-kubernetes-int-or-string")]
    assert untyped == []


@pytest.mark.parametrize("word", ["$ref", "$defs", "title", "anyOf", "allOf", "oneOf", "const", "propertyNames"])
def test_nothing_that_a_structural_schema_may_not_hold(word: str) -> None:
    assert [path for path, node in ours() if word in node] == []


def test_no_field_escapes_pruning() -> None:
    assert "preserve-unknown" not in crd.text()


def test_every_list_map_and_string_is_bounded() -> None:
    lists = [path for path, node in ours() if node.get("type") == "array" and "maxItems" not in node]
    maps = [path for path, node in ours() if "additionalProperties" in node and "maxProperties" not in node]
    strings = [
        path
        for path, node in ours()
        if node.get("type") == "string" and not node.keys() & {"maxLength", "enum", "format"}
    ]
    assert (lists, maps, strings) == ([], [], [])


def test_lists_of_named_things_are_maps() -> None:
    keys = {path: node.get("x-kubernetes-list-map-keys") for path, node in ours() if node.get("type") == "array"}
    assert keys[".spec.pools"] == ["name"]
    assert keys[".spec.quality.checks"] == ["name"]
    assert keys[".spec.pools[].template.env"] == ["name"]
    assert keys[".status.conditions"] == ["type"]
    assert keys[".status.pools"] == ["name"]


def test_required_fields_have_no_default_and_the_reverse() -> None:
    for path, node in nodes(schema()["properties"]["spec"], ".spec"):
        for name in node.get("required", []):
            assert "default" not in node["properties"][name], f"{path}.{name}"


def test_of_the_status_only_that_nobody_has_seen_it_is_a_default() -> None:
    """kstatus takes a resource without a status for done; with this one it waits for the operator."""
    defaults = {path: node["default"] for path, node in ours() if path.startswith(".status") and "default" in node}
    assert defaults == {".status": {"observedGeneration": -1}}
    assert Status.load(defaults[".status"]).stage is Stage.IDLE


def test_defaults_are_what_the_models_fill_in() -> None:
    filled = parse_spec(good()).model_dump(by_alias=True, exclude_none=True)
    spec = schema()["properties"]["spec"]["properties"]
    for name in ("strategy", "rollback", "paused", "retryGeneration", "allowImageTags"):
        assert filled[name] == spec[name]["default"], name
    assert filled["quality"]["checks"] == spec["quality"]["properties"]["checks"]["default"]


def test_every_rule_has_a_message_for_people() -> None:
    rules = [rule for _, node in nodes(schema()) for rule in node.get(CEL_KEY, [])]
    assert len(rules) > 20
    assert all(len(rule["message"]) > 15 and "\n" not in rule["rule"] for rule in rules)


def test_several_rules_on_one_string_are_all_kept() -> None:
    names = dict(ours())[".spec.pools[].template.env[].name"][CEL_KEY]
    assert len(names) == 3


def test_subresource_names_and_columns() -> None:
    spec = crd.definition()["spec"]
    version = spec["versions"][0]
    assert spec["names"]["shortNames"] == ["srl"]
    assert spec["names"]["categories"] == ["samplers"]
    assert version["subresources"] == {"status": {}}
    columns = [column["name"] for column in version["additionalPrinterColumns"]]
    assert columns[:4] == ["Ready", "Reason", "Stable", "Candidate"]
    assert columns[-1] == "Age"


def test_the_status_schema_knows_every_field_that_is_written() -> None:
    known = set(schema()["properties"]["status"]["properties"])
    assert {field.alias for field in Status.model_fields.values()} == known
