"""A SamplerRollout from a file, as `kubectl apply` would read it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from sampler_rollouts.domain.resource import API_VERSION, KIND, Spec, SpecError, parse_spec

from samplerctl.errors import InputError


@dataclass(frozen=True, slots=True)
class RolloutFile:
    """What the file says. ``raw`` is the spec as written, ``spec`` as understood."""

    name: str
    raw: dict[str, Any]
    spec: Spec

    def before(self) -> RolloutFile:
        """The release before it: another image in every pool, verified as soon as it serves."""
        raw = copy.deepcopy(self.raw)
        for pool in raw["pools"]:
            pool["image"] = _other_image(str(pool["image"]))
        raw["strategy"] = {**raw.get("strategy", {}), "bakeTime": "0s"}
        raw["paused"] = False
        return replace(self, raw=raw, spec=parse_spec(raw, self.name))


def _other_image(image: str) -> str:
    name, at, digest = image.partition("@sha256:")
    if not at:
        return f"{name.rpartition(':')[0] or name}:before"
    return f"{name}{at}{'0' if digest[0] != '0' else '1'}{digest[1:]}"


def read_rollout(path: Path) -> RolloutFile:
    """The one SamplerRollout of a file; InputError names the field that cannot be used, and the remedy."""
    rollouts = list(_rollouts(_documents(path)))
    if len(rollouts) != 1:
        raise InputError(f"{path}: holds {len(rollouts)} objects of kind {KIND}: give a file with one")
    body = rollouts[0]
    metadata, raw = body.get("metadata"), body.get("spec")
    name = str(metadata.get("name", "")) if isinstance(metadata, dict) else ""
    if not isinstance(raw, dict) or not name:
        raise InputError(f"{path}: needs metadata.name and spec")
    try:
        return RolloutFile(name, raw, parse_spec(raw, name))
    except SpecError as error:
        raise InputError(f"{path}: {error}") from None


def check_file(path: Path) -> dict[str, Any]:
    """Every SamplerRollout of a file with what is wrong with it; InputError if the file holds none."""
    rollouts = list(_rollouts(_documents(path)))
    if not rollouts:
        raise InputError(f"{path}: holds no object of kind {KIND}: give a file with one")
    checked = [{"name": _name(body), "problems": list(_problems(body))} for body in rollouts]
    return {"file": str(path), "valid": not any(one["problems"] for one in checked), "rollouts": checked}


def _name(body: dict[str, Any]) -> str:
    metadata = body.get("metadata")
    return str(metadata.get("name") or "") if isinstance(metadata, dict) else ""


def _problems(body: dict[str, Any]) -> Iterator[str]:
    if body.get("apiVersion") != API_VERSION:
        yield f"apiVersion: is {body.get('apiVersion')}: write {API_VERSION}"
    name, raw = _name(body), body.get("spec")
    if not name:
        yield "metadata.name: is required: add it"
    if not isinstance(raw, dict):
        yield "spec: is required: add it"
        return
    try:
        parse_spec(raw, name)
    except SpecError as error:
        yield from error.problems


class _OnceLoader(yaml.SafeLoader):
    """YAML as the API server's clients read it: a key that stands twice in a map is refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            line = node.start_mark.line + 1
            raise InputError(f"{twice}: stands twice in the map of line {line}: remove one")
        return super().construct_mapping(node, deep)


def _documents(path: Path) -> list[Any]:
    try:
        # A subclass of the safe loader: it makes plain data only.
        return list(yaml.load_all(path.read_text(encoding="utf-8"), Loader=_OnceLoader))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _rollouts(documents: list[Any]) -> Iterator[dict[str, Any]]:
    for document in documents:
        if isinstance(document, dict) and document.get("kind") == KIND:
            yield document
