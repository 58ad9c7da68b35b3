"""``samplerctl validate``: which files are read, and what is said of values of the wrong type."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samplerctl.app import app
from typer.testing import CliRunner

from tests.unit.operator.domain.world import World
from tests.unit.operator.gitops import makings
from tests.unit.samplerctl.manifests import MANIFESTS, Manifest

BODY: dict[str, Any] = {
    "apiVersion": "samplerrollouts.io/v1alpha1",
    "kind": "SamplerRollout",
    "metadata": {"name": "chat"},
    "spec": {
        "pools": [{"name": "cpu-a", "replicas": 2, "image": "registry.example.com/sampler@sha256:" + "0" * 64}],
        "quality": {"designEffect": "1"},
    },
}


def changed(**values: Any) -> dict[str, Any]:
    """A right object but for ``values``, by path with ``__`` between its parts."""
    body = copy.deepcopy(BODY)
    for path, value in values.items():
        *above, last = path.split("__")
        holder: Any = body
        for part in above:
            holder = holder[int(part)] if part.isdecimal() else holder.setdefault(part, {})
        holder[last] = value
    return body


def written(folder: Path, *bodies: Any, name: str = "rollout.yaml") -> str:
    path = folder / name
    path.write_text("\n---\n".join(json.dumps(body) for body in bodies), encoding="utf-8")
    return str(path)


def validate(*words: str, typed: str = "") -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["validate", *words], input=typed)
    return answer.exit_code, " ".join(answer.output.split())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"spec__quality__designEffect": 1}, 'chat: spec.quality.designEffect: write it in quotation marks: "1"'),
        ({"spec__quality__falseRollbackRate": 0.01}, 'falseRollbackRate: write it in quotation marks: "0.01"'),
        ({"spec__strategy__deadline": 90}, "spec.strategy.deadline: write a text, not 90: must be a duration of at"),
        ({"spec__strategy__deadline": True}, "spec.strategy.deadline: write a text, not true: must be a duration"),
        ({"spec__pools__0__name": True}, "spec.pools[0].name: YAML reads it as true or false: write it in quotation"),
        ({"spec__pools__0__replicas": "2"}, "spec.pools[0].replicas: write it without quotation marks: 2"),
        ({"spec__pools__0__replicas": "-1"}, "spec.pools[0].replicas: must be an integer"),
        ({"spec__pauzed": True}, "spec.pauzed: unknown field: write paused"),
        ({"spec__xyz": True}, "spec.xyz: unknown field: remove it, or correct its name"),
        ({"spec__pools__0__Replica": 1}, "spec.pools[0].Replica: unknown field: write replicas"),
        ({"spec__pools__0__sampler": {"vocabShard": 2}}, "sampler.vocabShard: unknown field: write vocabShards"),
        ({"spec__strategy__steps": [{"wieght": 5}]}, "spec.strategy.steps[0].wieght: unknown field: write weight"),
        ({"spc": {}}, "chat: spc: unknown field: write spec"),
        ({"metadata__lables": {}}, "chat: metadata.lables: unknown field: write labels"),
        ({"metadata__namespace": 5}, 'metadata.namespace: write it in quotation marks: "5"'),
        ({"metadata__labels": {"build": 5}}, 'metadata.labels.build: write it in quotation marks: "5"'),
        ({"metadata__annotations": ["a"]}, "metadata.annotations: must be a map of texts"),
    ],
)
def test_what_is_of_the_wrong_type_or_unknown_is_told_with_the_remedy(
    tmp_path: Path, values: dict[str, Any], said: str
) -> None:
    code, output = validate(written(tmp_path, changed(**values)))
    assert (code, said in output) == (2, True), output


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest.name)
def test_it_agrees_with_kubectl_and_the_api_server(tmp_path: Path, manifest: Manifest) -> None:
    """tests/cluster/test_validate.py asks these of a real server."""
    path = tmp_path / "manifest.yaml"
    path.write_text(manifest.text, encoding="utf-8")
    code, output = validate(str(path))
    assert (code, manifest.said in output) == (0 if manifest.taken else 2, True), output


def test_a_wrong_type_hides_no_rule(tmp_path: Path) -> None:
    wrong = {"spec__quality__designEffect": 1, "spec__pools__0__image": "registry.example.com/sampler:v1", "spec__x": 1}
    _, output = validate(written(tmp_path, changed(**wrong)), "--json")
    (told,) = json.loads(output)["rollouts"]
    fields = [problem.split(": ")[0] for problem in told["problems"]]
    assert sorted(fields) == ["spec.pools", "spec.quality.designEffect", "spec.x"]
    assert "image must be by digest" in " ".join(told["problems"])


def test_what_the_api_server_adds_is_known(tmp_path: Path) -> None:
    added = {"uid": "1", "resourceVersion": "7", "generation": 2, "creationTimestamp": "2026-01-05T12:00:00Z"}
    body = changed(metadata={**BODY["metadata"], **added, "managedFields": []}, status={"stage": "Serving"})
    assert validate(written(tmp_path, body)) == (0, "chat: valid")


@pytest.mark.parametrize("made", [makings.rolled_back, makings.promoted, makings.shared_fault, makings.paused_midway])
def test_what_the_operator_writes_is_known(tmp_path: Path, made: Callable[[], World]) -> None:
    """`kubectl get srl -o yaml | samplerctl validate -`."""
    body = makings.rollout_object(made())
    assert validate(written(tmp_path, body | {"metadata": {"name": "chat"}})) == (0, "chat: valid")


@pytest.mark.parametrize("kind", ["List", "SamplerRolloutList"])
def test_lists_are_unfolded(tmp_path: Path, kind: str) -> None:
    items = [BODY, {"kind": "Service"}, changed(metadata={"name": "two"}, spec__pauzed=True)]
    code, output = validate(written(tmp_path, {"apiVersion": "v1", "kind": kind, "items": items}))
    assert (code, output.startswith("chat: valid two: spec.pauzed")) == (2, True), output


TEMPLATE: dict[str, Any] = {
    "apiVersion": "samplerrollouts.io/v1alpha1",
    "kind": "ClusterCheckTemplate",
    "metadata": {"name": "eval-score"},
    "spec": {"gauge": "eval_score", "runsMetric": "eval_runs_total"},
}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"gauge": "eval_score"}, "gauge and runsMetric belong together: give both, or neither"),
        ({**TEMPLATE["spec"], "largst": 5}, "spec.largst: unknown field: write largest"),
        ({**TEMPLATE["spec"], "largest": "5"}, "spec.largest: write it without quotation marks: 5"),
        ({**TEMPLATE["spec"], "gauge": "sum(x)"}, "spec.gauge: must be the name of a metric"),
        ({"badWhere": {"label": "a", "value": ["b"]}}, "spec.badWhere.value: unknown field: write values"),
    ],
)
def test_check_templates_are_checked_too(tmp_path: Path, spec: dict[str, Any], said: str) -> None:
    assert validate(written(tmp_path, TEMPLATE, BODY)) == (0, "chat: valid eval-score: valid")
    code, output = validate(written(tmp_path, {**TEMPLATE, "spec": spec}))
    assert (code, f"eval-score: {said}" in output or said in output) == (2, True), output


def test_standard_input_is_read() -> None:
    assert validate("-", typed=json.dumps(BODY)) == (0, "chat: valid")


def test_several_files_are_told_apart(tmp_path: Path) -> None:
    right, wrong = written(tmp_path, BODY, name="a.yaml"), written(tmp_path, changed(spc={}), name="b.yaml")
    assert validate(right, right) == (0, f"{right}: chat: valid {right}: chat: valid")
    code, output = validate(right, wrong, str(tmp_path / "none.yaml"))
    assert code == 2
    for said in (f"{right}: chat: valid", f"{wrong}: chat: spc: unknown", "none.yaml: cannot be read"):
        assert said in output
    code, output = validate(right, wrong, "--json")
    found = json.loads(output)
    assert (code, found["valid"], [one["valid"] for one in found["files"]]) == (2, False, [True, False])


def test_replicas_that_an_autoscaler_owns_are_right(tmp_path: Path) -> None:
    body = copy.deepcopy(BODY)
    del body["spec"]["pools"][0]["replicas"]
    assert validate(written(tmp_path, body)) == (0, "chat: valid")
