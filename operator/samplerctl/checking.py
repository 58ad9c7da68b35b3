"""What the API server and the operator would refuse of a file: each problem with its field and the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from sampler_rollouts.domain import check_template
from sampler_rollouts.domain.resource import API_VERSION, KIND

from samplerctl.errors import InputError
from samplerctl.rollout_file import objects_of
from samplerctl.wording import is_no_text, quoted, spec_problems, template_problems, unknown

Body = dict[str, Any]
MEMBERS: Final = ("apiVersion", "kind", "metadata", "spec", "status")
METADATA: Final = (
    *("name", "namespace", "labels", "annotations", "generateName", "finalizers", "ownerReferences"),
    # What the API server adds, and `kubectl get -o yaml` shows.
    *("creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields"),
    *("resourceVersion", "selfLink", "uid"),
)
_MAPS: Final = ("labels", "annotations")


def check_file(path: Path) -> dict[str, Any]:
    """SamplerRollouts and ClusterCheckTemplates of a file with what is wrong with them; InputError if it has none."""
    found = objects_of(path, KIND, check_template.KIND)
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
    yield from (f"{key}: {unknown(key, MEMBERS)}" for key in body if key not in MEMBERS)
    if body.get("apiVersion") != API_VERSION:
        yield f"apiVersion: is {body.get('apiVersion')}: write {API_VERSION}"
    name, raw = _name(body), body.get("spec")
    if not name:
        yield "metadata.name: is required: add it"
    if isinstance(body.get("metadata"), dict):
        yield from _of_metadata(body["metadata"])
    if not isinstance(raw, dict):
        yield "spec: is required: add it"
        return
    yield from spec_problems(raw, name) if body["kind"] == KIND else template_problems(raw)


def _of_metadata(metadata: Mapping[str, Any]) -> Iterator[str]:
    for key, value in metadata.items():
        here = f"metadata.{key}"
        if key not in METADATA:
            yield f"{here}: {unknown(key, METADATA)}"
        elif key in ("name", "namespace") and is_no_text(value):
            yield f"{here}: {quoted(value)}"
        elif key in _MAPS and isinstance(value, dict):
            yield from (f"{here}.{one}: {quoted(text)}" for one, text in value.items() if is_no_text(text))
        elif key in _MAPS and value is not None:
            yield f"{here}: must be a map of texts, such as {{team: chat}}"
