"""The part of a SamplerRollout's spec that says which requests are for which pools, and how they get there."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.pool import Label
from sampler_rollouts.domain.routes_spec import ClassRoutes
from sampler_rollouts.domain.rules import DNS_LABEL, DNS_SUBDOMAIN, Rule, Strict, each, matching
from sampler_rollouts.domain.scalars import ObjectName

Namespace = Annotated[
    str,
    Field(min_length=1, max_length=63),
    matching(f"^{DNS_LABEL}$", "must be a namespace's name: lower-case letters, digits and dashes"),
]
Hostname = Annotated[
    str,
    Field(min_length=1, max_length=253),
    matching(
        f"^([*][.])?{DNS_SUBDOMAIN}$",
        "must be a host name in lower case without port, such as api.example.com or *.example.com",
    ),
]


class ContextClass(Strict):
    """Requests of one size: a client says the class in a header to the gateway, or calls ``<rollout>-<name>``."""

    name: Label
    """Of the Service of its clients."""
    max_tokens: Annotated[
        int, Field(ge=1, le=2**31 - 1, description="The most tokens of prompt that a request of this class has.")
    ]


def _alike(classes: list[ContextClass]) -> list[str]:
    return [
        one.name
        for one in classes
        if sum(other.name == one.name or other.max_tokens == one.max_tokens for other in classes) > 1
    ]


class ParentRef(Strict):
    """A Gateway, or one listener of it, as in an HTTPRoute."""

    name: ObjectName
    """Of the Gateway."""
    namespace: Namespace | None = Field(None, description="The SamplerRollout's own by default.")
    section_name: ObjectName | None = Field(None, description="One listener; all of the Gateway's by default.")


class Gateway(Strict):
    """The Gateways to which the operator attaches the rollout's HTTPRoute."""

    parent_refs: Annotated[list[ParentRef], Field(min_length=1, max_length=limits.PARENTS)]
    """The Gateways, or listeners of them, by which requests come."""
    # No default: what the server adds nobody owns, so that an empty gateway would stay when its owner takes it away.
    hostnames: Annotated[list[Hostname], Field(max_length=limits.HOSTNAMES)] | None = None
    """The host names of requests that are meant; all that the listeners take, by default."""
    rules: ClassVar = (
        Rule(
            "self.parentRefs.all(p, self.parentRefs.exists_one(q, q == p))",
            "parentRefs must differ: remove the duplicate",
            lambda gateway: limits.unique((one.namespace, one.name, one.section_name) for one in gateway.parent_refs),
            "parentRefs",
        ),
    )


class Session(Strict):
    """How requests of one session stay together."""

    affinity: Annotated[
        Literal["Cookie"],
        Field(
            description="The gateway pins a session to a server by a cookie. Needs the Gateway API's experimental CRDs."
        ),
    ]


class Routing(Strict):
    """Which requests are for which pools."""

    context_classes: (
        Annotated[
            list[ContextClass], Field(min_length=1, max_length=limits.CLASSES, json_schema_extra=limits.map_by("name"))
        ]
        | None
    ) = None
    gateway: Gateway | None = Field(None, description="Without one, clients call the Service of their class.")
    routes: (
        Annotated[
            list[ClassRoutes],
            Field(min_length=1, max_length=limits.CLASSES, json_schema_extra=limits.map_by("contextClass")),
        ]
        | None
    ) = Field(None, description="The route table; a class that it does not name goes by its pools' replicas.")
    session: Session | None = Field(None, description="Without it each request goes by the weights alone.")
    rules: ClassVar = (
        each(
            "self.contextClasses",
            "self.contextClasses.exists_one(d, d.name == one.name || d.maxTokens == one.maxTokens)",
            "contextClasses must differ in name and in maxTokens: remove the duplicate",
            lambda routing: _alike(routing.context_classes or []),
            "contextClasses",
            noun="class",
            when="has(self.contextClasses)",
        ),
        Rule(
            "!has(self.routes) || has(self.gateway)",
            "routes are for a gateway: add routing.gateway, or remove them (without one ready pods share alike)",
            lambda routing: routing.routes is None or routing.gateway is not None,
            "routes",
        ),
        Rule(
            "!has(self.routes) || self.routes.all(r, self.routes.exists_one(s, s.contextClass == r.contextClass))",
            "routes must differ in contextClass: remove the duplicate",
            lambda routing: limits.unique(one.context_class for one in routing.routes or []),
            "routes",
        ),
        Rule(
            "!has(self.session) || has(self.gateway)",
            "session is for a gateway: add routing.gateway, or remove it",
            lambda routing: routing.session is None or routing.gateway is not None,
            "session",
        ),
    )
