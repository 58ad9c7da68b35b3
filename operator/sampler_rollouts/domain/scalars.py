"""Values that several parts of a spec have."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from sampler_rollouts.domain.rules import DNS_SUBDOMAIN, matching

ObjectName = Annotated[
    str,
    Field(min_length=1, max_length=253),
    matching(f"^{DNS_SUBDOMAIN}$", "must be an object's name: lower-case letters, digits, dashes and dots"),
]

_QUANTITY_PATTERN: Final = "^[0-9]{1,15}([.][0-9]{1,9})?(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi)?$"
Quantity = Annotated[
    str,
    BeforeValidator(lambda value: str(int(value)) if isinstance(value, int) and not isinstance(value, bool) else value),
    Field(max_length=32, pattern=_QUANTITY_PATTERN),
    WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "maxLength": 32, "pattern": _QUANTITY_PATTERN}
        # A pattern holds texts alone: these hold the numbers that it would.
        | {"minimum": 0, "maximum": 10**15 - 1}
    ),
]
"""An amount as Kubernetes writes it: ``500m``, ``2Gi``."""


def cel_amount(expression: str) -> str:
    """CEL for a quantity. As a text: the cost of a value that may be a number, too, would be estimated by megabytes."""
    return f"quantity(string({expression}))"
