"""A SamplerRollout from a file, as `kubectl apply` would read it."""

from __future__ import annotations

import copy
import sys
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml
from sampler_rollouts.domain import check_template
from sampler_rollouts.domain.quality_spec import Quality
from sampler_rollouts.domain.resource import KIND, Spec, parse_spec

from samplerctl.as_kubectl import documents
from samplerctl.errors import InputError
from samplerctl.wording import quality_problems, spec_problems

STANDARD_INPUT: Final = Path("-")
LISTS: Final = ("List", f"{KIND}List", f"{check_template.KIND}List")
"""What `kubectl get -o yaml` and the API server make of several objects."""


@dataclass(frozen=True, slots=True)
class RolloutFile:
    """What the file says. ``raw`` is the spec as written, ``spec`` as understood."""

    name: str
    raw: dict[str, Any]
    spec: Spec
    left_out: tuple[str, ...] = ()
    """Fields, and names of checks, that ``raw`` and ``spec`` lack because they are not simulated."""

    def before(self) -> RolloutFile:
        """The release before it: another image in every pool, verified as soon as it serves."""
        raw = copy.deepcopy(self.raw)
        for pool in raw["pools"]:
            pool["image"] = _other_image(str(pool["image"]))
        raw["strategy"] = {**(raw.get("strategy") or {}), "bakeTime": "0s"}
        raw["paused"] = False
        return replace(self, raw=raw, spec=parse_spec(raw, self.name))


def _other_image(image: str) -> str:
    name, at, digest = image.partition("@sha256:")
    if not at:
        return f"{name.rpartition(':')[0] or name}:before"
    return f"{name}{at}{'0' if digest[0] != '0' else '1'}{digest[1:]}"


def read_rollout(path: Path) -> RolloutFile:
    """The one SamplerRollout of a file; InputError names the field that cannot be used, and the remedy."""
    rollouts = objects_of(path, KIND)
    if len(rollouts) != 1:
        raise InputError(f"{path}: holds {len(rollouts)} objects of kind {KIND}: give a file with one")
    body = rollouts[0]
    metadata, raw = body.get("metadata"), body.get("spec")
    name = str(metadata.get("name", "")) if isinstance(metadata, dict) else ""
    if not name:
        raise InputError(f"{path}: metadata.name: is required: add it")
    if not isinstance(raw, dict):
        raise InputError(f"{path}: spec: is required: add it")
    if problems := list(spec_problems(raw, name)):
        raise InputError(f"{path}: {'; '.join(problems)}")
    return RolloutFile(name, raw, parse_spec(raw, name))


def read_quality(path: Path) -> Quality:
    """The quality block of a file: alone, under its key, or as a whole SamplerRollout has it."""
    documents = _documents(path)
    rollouts = list(_objects(documents, (KIND,)))
    if len(rollouts) > 1:
        raise InputError(f"{path}: holds {len(rollouts)} objects of kind {KIND}: give a file with one")
    found = rollouts[0].get("spec") if rollouts else documents[0] if len(documents) == 1 else None
    block = found.get("quality", None if rollouts else found) if isinstance(found, dict) else None
    if not isinstance(block, dict):
        raise InputError(
            f"{path}: holds no quality block: write designEffect and checks as in the resource, or give a {KIND}"
        )
    if problems := list(quality_problems(block)):
        raise InputError(f"{path}: {'; '.join(problems)}")
    return Quality.model_validate(block)


def _documents(path: Path) -> list[Any]:
    try:
        text = sys.stdin.read() if path == STANDARD_INPUT else path.read_text(encoding="utf-8")
        return documents(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise InputError(f"{path}: cannot be read: maps and lists are too deep in one another") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def objects_of(path: Path, *kinds: str) -> list[dict[str, Any]]:
    """Every object of some kinds in a file, in lists too; InputError if it cannot be read."""
    return list(_objects(_documents(path), kinds))


def manifests_of(path: Path, *kinds: str) -> list[dict[str, Any]]:
    """The same of a file that holds objects alone: InputError if there are such, and beside them what is none."""
    documents = _documents(path)
    found = list(_objects(documents, kinds))
    for number, document in enumerate(documents, start=1):
        if found and document is not None and not (isinstance(document, dict) and document.get("kind")):
            raise InputError(f"{path}: document {number}: kind: is required: add it, or remove the document")
    return found


def _objects(documents: Iterable[Any], kinds: Container[str]) -> Iterator[dict[str, Any]]:
    for document in documents:
        if not isinstance(document, dict):
            continue
        if document.get("kind") in kinds:
            yield document
        elif document.get("kind") in LISTS and isinstance(document.get("items"), list):
            yield from _objects(document["items"], kinds)
