"""What is wrong with a spec, or with its quality block, in the words that every command has for it."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from sampler_rollouts.domain.check_template import NAME_RULE, CheckTemplate
from sampler_rollouts.domain.quality_spec import Quality
from sampler_rollouts.domain.resource import Spec, SpecError, parse_spec, problem
from sampler_rollouts.domain.rules import violations

Body = dict[str, Any]


def unknown(name: str, known: Iterable[str]) -> str:
    """What to do about a field that there is not, beside those that there are."""
    by_small = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), by_small, n=1, cutoff=0.7)
    return f"unknown field: write {by_small[near[0]]}" if near else "unknown field: remove it, or correct its name"


def spec_problems(raw: Body, name: str) -> Iterator[str]:
    """Each with its field and the remedy.

    What can be put right in one way only is told and put right, so that it hides no rule over the whole spec.
    """
    righted, told = _righted(Spec, raw)
    problems: tuple[str, ...] = ()
    try:
        parse_spec(righted, name)
    except SpecError as error:
        problems = error.problems
    yield from _told(told, problems)


def quality_problems(block: Body) -> Iterator[str]:
    """The same of a quality block alone, as it would stand in the spec."""
    righted, told = _righted(Spec, {"quality": block})
    problems: tuple[str, ...] = ()
    try:
        parse_spec(righted)  # other fields are missing, so it is the fields' types that are told
    except SpecError as error:
        problems = tuple(one for one in error.problems if one.startswith("spec.quality"))
    if not problems:
        problems = tuple(violations(Quality.model_validate(righted["quality"]), "spec.quality"))
    yield from _told({path: wrong for path, wrong in told.items() if path.startswith("spec.quality")}, problems)


def template_problems(raw: Body, name: str) -> Iterator[str]:
    """The same of a ClusterCheckTemplate's spec."""
    righted, told = _righted(CheckTemplate, raw)
    if name and not NAME_RULE.holds(name):
        yield NAME_RULE.message
    try:
        problems = tuple(violations(CheckTemplate.model_validate(righted), "spec"))
    except ValidationError as error:
        problems = tuple(problem(detail) for detail in error.errors())
    yield from _told(told, problems)


def _told(told: dict[str, _Wrong], problems: tuple[str, ...]) -> Iterator[str]:
    for path, wrong in told.items():
        rules = [one.removeprefix(f"{path}: ") for one in problems if one.startswith(f"{path}: ")]
        # Where it would be wrong as a text too, quotation marks are no remedy.
        yield f"{path}: {wrong.instead}: {'; '.join(rules)}" if rules and wrong.instead else f"{path}: {wrong.remedy}"
    yield from (one for one in problems if not one.startswith(tuple(f"{path}: " for path in told)))


@dataclass(frozen=True, slots=True)
class _Wrong:
    """A value of the wrong type: what to write, and what to say before the rule that it would break even then."""

    remedy: str
    instead: str = ""


def _righted(model: type[BaseModel], raw: Body) -> tuple[Body, dict[str, _Wrong]]:
    """The spec with numbers as texts and texts as numbers where those are asked for, and without unknown fields.

    What was wrong comes beside it, by path.
    """
    told: dict[str, _Wrong] = {}
    righted = copy.deepcopy(raw)
    try:
        model.model_validate(raw)
    except ValidationError as error:
        for detail in error.errors():
            path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])
            wrong = _right(model, righted, detail["loc"], detail["type"])
            if wrong is not None:
                told[f"spec{path}"] = wrong
    return righted, told


def _right(model: type[BaseModel], spec: Body, loc: tuple[int | str, ...], kind: str) -> _Wrong | None:
    """Put one value right; None where there is no single way to."""
    holder: Any = spec
    try:
        for part in loc[:-1]:
            holder = holder[part]
        value = holder[loc[-1]]
    except (KeyError, IndexError, TypeError):  # it is about a key, or about what is not there
        return None
    if kind == "string_type" and is_no_text(value):
        holder[loc[-1]] = _text(value)
        return _Wrong(quoted(value), f"write a text, not {_text(value)}")
    if kind == "int_type" and isinstance(value, str) and value.isdecimal() and value.isascii():
        holder[loc[-1]] = int(value)
        return _Wrong(f"write it without quotation marks: {value}", f"write a number, not {value!r}")
    if kind == "too_short" and value == []:
        return _Wrong("is empty: add one, or leave the field out for the default")
    if kind == "extra_forbidden":
        del holder[loc[-1]]
        return _Wrong(unknown(str(loc[-1]), _names(model, loc[:-1])))
    return None


def _names(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The fields that there are at a place of a spec."""
    there: Any = model
    for part in loc:
        found = _model(there)
        if found is not None:
            there = next(
                (one.annotation for name, one in found.model_fields.items() if part in (name, one.alias)), None
            )
        else:  # of a list its elements, of a map its values
            there = next(iter(get_args(_bare(there))[-1:]), None)
    at_last = _model(there)
    return [one.alias or name for name, one in at_last.model_fields.items()] if at_last else []


def _model(annotation: Any) -> type[BaseModel] | None:
    bare = _bare(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None


def _bare(annotation: Any) -> Any:
    """Without what says that it may be missing, and without its constraints."""
    while get_origin(annotation) not in (None, list, dict):
        annotation = next((one for one in get_args(annotation) if one is not type(None)), None)
    return annotation


def is_no_text(value: Any) -> bool:
    """Whether YAML reads it as a number, or as true or false."""
    return isinstance(value, int | float)  # a bool is an int


def _text(value: float) -> str:
    """As it was written."""
    return str(value).lower() if isinstance(value, bool) else str(getattr(value, "written", value))


def quoted(value: float) -> str:
    """The remedy for such a value where a text is asked for."""
    if isinstance(value, bool):  # YAML's y, yes, on, n, no and off too: which of the words it was is not known
        return "YAML reads it as true or false: write it in quotation marks"
    return f'write it in quotation marks: "{_text(value)}"'
