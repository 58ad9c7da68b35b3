"""What the API server and the operator would refuse of a file: each problem with its field and the remedy."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from sampler_rollouts.domain.resource import API_VERSION, KIND, Spec, SpecError, parse_spec

from samplerctl.errors import InputError
from samplerctl.rollout_file import rollouts_of

Body = dict[str, Any]
MEMBERS: Final = ("apiVersion", "kind", "metadata", "spec", "status")
METADATA: Final = (
    *("name", "namespace", "labels", "annotations", "generateName", "finalizers", "ownerReferences"),
    # What the API server adds, and `kubectl get -o yaml` shows.
    *("creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields"),
    *("resourceVersion", "selfLink", "uid"),
)
_MAPS: Final = ("labels", "annotations")
_UNKNOWN: Final = "unknown field: remove it, or correct its name"


def check_file(path: Path) -> dict[str, Any]:
    """Every SamplerRollout of a file with what is wrong with it; InputError if the file holds none."""
    rollouts = rollouts_of(path)
    if not rollouts:
        raise InputError(f"{path}: holds no object of kind {KIND}: give a file with one")
    checked = [{"name": _name(body), "problems": list(_problems(body))} for body in rollouts]
    return {"file": str(path), "valid": not any(one["problems"] for one in checked), "rollouts": checked}


def _name(body: Body) -> str:
    metadata = body.get("metadata")
    return str(metadata.get("name") or "") if isinstance(metadata, dict) else ""


def _problems(body: Body) -> Iterator[str]:
    yield from (f"{key}: {_UNKNOWN}" for key in body if key not in MEMBERS)
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
    yield from _of_spec(raw, name)


def _of_metadata(metadata: Mapping[str, Any]) -> Iterator[str]:
    for key, value in metadata.items():
        here = f"metadata.{key}"
        if key not in METADATA:
            yield f"{here}: {_UNKNOWN}"
        elif key in ("name", "namespace") and _is_no_text(value):
            yield f"{here}: {_quoted(value)}"
        elif key in _MAPS and isinstance(value, dict):
            yield from (f"{here}.{one}: {_quoted(text)}" for one, text in value.items() if _is_no_text(text))
        elif key in _MAPS and value is not None:
            yield f"{here}: must be a map of texts, such as {{team: chat}}"


def _of_spec(raw: Body, name: str) -> Iterator[str]:
    """What can be put right in one way only is told and put right, so that it hides no rule over the whole spec."""
    righted, told = _righted(raw)
    problems: tuple[str, ...] = ()
    try:
        parse_spec(righted, name)
    except SpecError as error:
        problems = error.problems
    for path, wrong in told.items():
        rules = [one.removeprefix(f"{path}: ") for one in problems if one.startswith(f"{path}: ")]
        # Where it would be wrong as a text too, quotation marks are no remedy.
        yield f"{path}: {wrong.instead}: {'; '.join(rules)}" if rules else f"{path}: {wrong.remedy}"
    yield from (one for one in problems if not one.startswith(tuple(f"{path}: " for path in told)))


@dataclass(frozen=True, slots=True)
class _Wrong:
    """A value of the wrong type: what to write, and what to say before the rule that it would break even then."""

    remedy: str
    instead: str = ""


def _righted(raw: Body) -> tuple[Body, dict[str, _Wrong]]:
    """The spec with numbers as texts and texts as numbers where those are asked for, and without unknown fields.

    What was wrong comes beside it, by path.
    """
    told: dict[str, _Wrong] = {}
    righted = copy.deepcopy(raw)
    try:
        Spec.model_validate(raw)
    except ValidationError as error:
        for detail in error.errors():
            path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])
            wrong = _right(righted, detail["loc"], detail["type"])
            if wrong is not None:
                told[f"spec{path}"] = wrong
    return righted, told


def _right(spec: Body, loc: tuple[int | str, ...], kind: str) -> _Wrong | None:
    """Put one value right; None where there is no single way to."""
    holder: Any = spec
    try:
        for part in loc[:-1]:
            holder = holder[part]
        value = holder[loc[-1]]
    except (KeyError, IndexError, TypeError):  # it is about a key, or about what is not there
        return None
    if kind == "string_type" and _is_no_text(value):
        holder[loc[-1]] = _text(value)
        return _Wrong(_quoted(value), f"write a text, not {_text(value)}")
    if kind == "int_type" and isinstance(value, str) and value.isdecimal() and value.isascii():
        holder[loc[-1]] = int(value)
        return _Wrong(f"write it without quotation marks: {value}", f"write a number, not {value!r}")
    if kind == "extra_forbidden":
        del holder[loc[-1]]
        return _Wrong(_UNKNOWN)
    return None


def _is_no_text(value: Any) -> bool:
    return isinstance(value, int | float)  # a bool is an int


def _text(value: float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(value: float) -> str:
    if isinstance(value, bool):  # YAML's yes, no, on and off too: which of the words it was is not known
        return "YAML reads it as true or false: write it in quotation marks"
    return f'write it in quotation marks: "{_text(value)}"'
