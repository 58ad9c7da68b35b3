"""A SamplerRollout from a file, as `kubectl apply` would read it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from sampler_rollouts.domain.resource import KIND, Spec, SpecError, parse_spec

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
    try:
        found = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    rollouts = list(_rollouts(found))
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


def _rollouts(documents: list[Any]) -> Iterator[dict[str, Any]]:
    for document in documents:
        if isinstance(document, dict) and document.get("kind") == KIND:
            yield document
