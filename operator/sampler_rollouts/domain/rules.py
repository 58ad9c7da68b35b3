"""Validation rules that hold twice: offline (here) and at the API server (as CEL in the generated CRD).

A rule is written once, with both forms side by side, so that they are changed together; ``tests/cluster/test_crd.py``
feeds the same bad manifests to both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError, core_schema

from sampler_rollouts.domain import quantities

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

CEL_KEY = "x-kubernetes-validations"
DNS_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
"""A part of a name of Kubernetes, as a pattern without anchors (RFC 1123); lengths are bounded beside it."""
DNS_SUBDOMAIN: Final = f"{DNS_LABEL}([.]{DNS_LABEL})*"


@dataclass(frozen=True)
class Rule:
    """One rule over an object. ``message`` names the field and the remedy; ``field`` is where the error is shown.

    ``cel`` is empty where CEL cannot tell: then the operator alone refuses the spec (``InvalidSpec``).
    """

    cel: str
    message: str
    holds: Callable[[Any], bool]
    field: str = ""

    def schema(self) -> dict[str, str]:
        """The rule as an entry of ``x-kubernetes-validations``."""
        entry = {"rule": self.cel, "message": self.message}
        return entry | {"fieldPath": f".{self.field}"} if self.field else entry

    def said(self, model: Any) -> str:  # noqa: ARG002 - EachRule looks at it
        """What is said of a ``model`` that breaks the rule."""
        return self.message


@dataclass(frozen=True)
class EachRule(Rule):
    """A rule over each of many. A field path ends at their list, so that the message begins with the first at fault."""

    noun: str = ""
    first: str = ""
    """CEL for the name of the first at fault; empty as ``cel`` is."""
    at_fault: Callable[[Any], Iterable[str]] = lambda _: ()

    def schema(self) -> dict[str, str]:
        """Beside ``message``, which the API server falls back on, the expression of the whole one."""
        begins, ends = json.dumps(self._begins), json.dumps(f": {self.message}")
        return super().schema() | {"messageExpression": f"{begins} + {self.first} + {ends}"}

    def said(self, model: Any) -> str:
        """The same words as the API server's."""
        return f"{self._begins}{next(iter(self.at_fault(model)))}: {self.message}"

    @property
    def _begins(self) -> str:
        return f"{self.noun} " if self.noun else ""


def each(
    items: str,
    fits: str,
    message: str,
    at_fault: Callable[[Any], Iterable[str]],
    field: str = "",
    *,
    noun: str = "",
    name: str = ".name",
    when: str = "",
) -> EachRule:
    """The rule that each of ``items`` fits, where ``when`` holds: all three in CEL, which calls an item ``one``.

    ``at_fault`` gives the names of those that do not fit. ``name`` is CEL for the way from an item to its name, empty
    where items are the keys of a map.
    """
    # Only the first is named, and by its place in the list: texts that CEL has filtered or mapped have no bound, which
    # the API server's estimate of a message's cost does not allow. Keys of maps have a bound, and no place.
    first = f"{items}[{items}.map(one, {fits}).indexOf(false)]{name}" if name else f"{items}.filter(one, !({fits}))[0]"
    return EachRule(
        cel=f"!({when}) || {items}.all(one, {fits})" if when else f"{items}.all(one, {fits})",
        message=message,
        holds=lambda model: not list(at_fault(model)),
        field=field,
        noun=noun,
        first=first,
        at_fault=at_fault,
    )


@dataclass(frozen=True)
class Scalar:
    """One rule over a value, for use in ``Annotated``."""

    cel: str
    message: str
    holds: Callable[[Any], bool]

    def check(self, value: Any) -> Any:
        """Return ``value`` or raise the error that pydantic shows at its field."""
        if not self.holds(value):
            # The message goes in as a value: it may hold braces, which a template would read as a field.
            raise PydanticCustomError("rule", "{message}", {"message": self.message})
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Check after the type, length and pattern are right."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Carry the CEL form into the JSON schema, from where the CRD generator takes it."""
        inner = handler(schema)
        return inner | {CEL_KEY: [*inner.get(CEL_KEY, []), {"rule": self.cel, "message": self.message}]}


def matching(pattern: str, message: str) -> Scalar:
    """A string rule that is only a pattern, but with a message that a person can act on."""
    compiled = re.compile(pattern.removesuffix("$") + r"\Z")
    return Scalar(f"self.matches('{pattern}')", message, lambda text: compiled.match(text) is not None)


class Strict(BaseModel):
    """Base of every object in the spec: no unknown field, no conversion that the API server would not make."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, alias_generator=to_camel, use_attribute_docstrings=True
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, value: Any) -> Any:
        """The API server prunes a null where the field may not be null, and knows the field; so do we."""
        if isinstance(value, dict):
            known = {field.alias or name for name, field in cls.model_fields.items()}
            return {key: item for key, item in value.items() if item is not None or key not in known}
        return value


NULLS_DROPPED: Final = BeforeValidator(
    lambda value: {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value
)
"""The same of the values of a map, for use in ``Annotated``: last, so that it comes before what is said of the map."""


def violations(model: BaseModel, path: str) -> Iterator[str]:
    """All broken rules of ``model`` and of the objects in it, each as ``path: message``."""
    for rule in getattr(model, "rules", ()):
        if not rule.holds(model):
            yield f"{path}.{rule.field}: {rule.said(model)}" if rule.field else f"{path}: {rule.said(model)}"
    for name, field in type(model).model_fields.items():
        value, here = getattr(model, name), f"{path}.{field.alias or name}"
        if isinstance(value, BaseModel):
            yield from violations(value, here)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from violations(item, f"{here}[{index}]")


# A rule that computes on a text first asks whether it can be read: its own field's rule says so where it cannot, and an
# error of CEL, which has no words for people and another path, would come before that.
def cel_is_duration(expression: str) -> str:
    """CEL for whether ``duration()`` can read a text."""
    return f"({expression}.matches('{quantities.DURATION_PATTERN}') && size({expression}) > 1)"


def cel_is_ratio(expression: str) -> str:
    """CEL for whether ``cel_ratio`` can read a text."""
    return f"{expression}.matches('{quantities.RATIO_PATTERN}')"


def cel_ratio(expression: str) -> str:
    """CEL for the number that a ratio string means."""
    percent = f"double({expression}.substring(0, size({expression}) - 1)) / 100.0"
    return f"({expression}.endsWith('%') ? {percent} : double({expression}))"


def duration_rule(least: int) -> Scalar:
    """A duration string of at least ``least`` seconds."""
    bound = f" of at least {least}s" if least else ""
    return Scalar(
        cel=(
            f"{cel_is_duration('self')} && "
            f"duration(self) >= duration('{least}s') && duration(self) <= duration('{quantities.LONGEST_DURATION}s')"
        ),
        message=f"must be a duration{bound} such as 90s, 5m or 1h30m, at most 2400h",
        holds=lambda text: quantities.is_duration(text, least=least),
    )


OPEN_RATIO = Scalar(
    cel=f"{cel_is_ratio('self')} && {cel_ratio('self')} > 0.0 && {cel_ratio('self')} < 1.0",
    message='must be a ratio between 0 and 1 (both excluded), as a string such as "3%" or "0.03"',
    holds=quantities.is_open_ratio,
)
CLOSED_RATIO = Scalar(
    cel=f"{cel_is_ratio('self')} && {cel_ratio('self')} <= 1.0",
    message='must be a ratio from 0 to 1, as a string such as "1%" or "0.01"',
    holds=quantities.is_closed_ratio,
)
