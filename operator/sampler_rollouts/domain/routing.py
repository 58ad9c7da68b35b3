"""The part of a SamplerRollout's spec that says which requests are for which pools."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.pool import Label
from sampler_rollouts.domain.rules import Rule, Strict


class ContextClass(Strict):
    """Requests of one size: clients of a class use the Service ``<rollout>-<name>``."""

    name: Label
    """Of the Service of its clients."""
    max_tokens: Annotated[
        int, Field(ge=1, le=2**31 - 1, description="The most tokens of prompt that a request of this class has.")
    ]


class Routing(Strict):
    """Which requests are for which pools."""

    context_classes: Annotated[
        list[ContextClass], Field(min_length=1, max_length=limits.CLASSES, json_schema_extra=limits.map_by("name"))
    ]
    rules: ClassVar = (
        Rule(
            "self.contextClasses.all(c, "
            "self.contextClasses.exists_one(d, d.name == c.name || d.maxTokens == c.maxTokens))",
            "contextClasses must differ in name and in maxTokens: remove the duplicate",
            lambda routing: (
                limits.unique(item.name for item in routing.context_classes)
                and limits.unique(item.max_tokens for item in routing.context_classes)
            ),
            "contextClasses",
        ),
    )
