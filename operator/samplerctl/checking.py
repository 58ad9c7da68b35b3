"""What the API server and the operator would refuse of a file: each problem with its field and the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from sampler_rollouts.crd import definition
from sampler_rollouts.domain import check_template
from sampler_rollouts.domain.resource import API_VERSION, KIND

from samplerctl.errors import InputError
from samplerctl.metadata import metadata_problems
from samplerctl.rollout_file import manifests_of
from samplerctl.wording import spec_problems, template_problems, unknown

Body = dict[str, Any]
Node = Mapping[str, Any]
_BOTH: Final = ("apiVersion", "kind", "metadata", "spec")
MEMBERS: Final = {KIND: (*_BOTH, "status"), check_template.KIND: _BOTH}


def check_file(path: Path) -> dict[str, Any]:
    """SamplerRollouts and ClusterCheckTemplates of a file with what is wrong with them; InputError if it has none."""
    found = manifests_of(path, KIND, check_template.KIND)
    rollouts, templates = (
        [{"name": _name(body), "problems": list(_problems(body))} for body in found if body["kind"] == kind]
        for kind in (KIND, check_template.KIND)
    )
    if not rollouts and not templates:
        raise InputError(f"{path}: holds no object of kind {KIND} or {check_template.KIND}: give a file with one")
    valid = not any(one["problems"] for one in [*rollouts, *templates])
    return {"file": str(path), "valid": valid, "rollouts": rollouts, "checkTemplates": templates}


def _name(body: Body) -> str:
    metadata = body.get("metadata")
    return str(metadata.get("name") or "") if isinstance(metadata, dict) else ""


def _problems(body: Body) -> Iterator[str]:
    kind, name, raw = body["kind"], _name(body), body.get("spec")
    yield from (f"{key}: {unknown(key, MEMBERS[kind])}" for key in body if key not in MEMBERS[kind])
    if body.get("apiVersion") != API_VERSION:
        yield f"apiVersion: is {body.get('apiVersion')}: write {API_VERSION}"
    if not name:
        yield "metadata.name: is required: add it"
    if isinstance(body.get("metadata"), dict):
        yield from metadata_problems(body["metadata"])
    if isinstance(body.get("status"), dict) and kind == KIND:
        yield from _unknown("status", body["status"], _status_schema())
    if raw is None:
        yield "spec: is required: add it"
    elif not isinstance(raw, dict):
        yield "spec: must be a map of fields"
    else:
        yield from spec_problems(raw, name) if kind == KIND else template_problems(raw, name)


@cache
def _status_schema() -> Node:
    (version,) = definition()["spec"]["versions"]
    found: Node = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    return found


def _unknown(place: str, value: Any, node: Node) -> Iterator[str]:
    """The operator writes the status, and the API server stores none that comes with the spec: but it must know it."""
    if isinstance(value, list) and "items" in node:
        for index, one in enumerate(value):
            yield from _unknown(f"{place}[{index}]", one, node["items"])
    properties = node.get("properties", {})
    for key, one in value.items() if isinstance(value, dict) and properties else ():
        if key in properties:
            yield from _unknown(f"{place}.{key}", one, properties[key])
        else:
            yield f"{place}.{key}: unknown field: leave the status out, which another version of the operator wrote"
