"""What status remembers of the route table, of its own wave, and of the gateway (R11)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.loose import Count, Label, Loose, Name


class PoolPart(Loose):
    """What part of a class's requests a pool has, in millionths."""

    pool: Label
    parts: Count


class ClassTable(Loose):
    """Where requests of one context class go. A class without a table goes by its pools' replicas."""

    context_class: Label
    to: Annotated[list[PoolPart], Field(max_length=limits.SHARES)] = Field(default_factory=list)


class TableMove(Loose):
    """The route table's own wave, behind those of the pools (R11)."""

    pools: Annotated[list[Label], Field(max_length=limits.POOLS)] = Field(default_factory=list)
    """Pools that the new table names in a class that changes: each has an arm of the new table."""
    silent: Annotated[list[Label], Field(max_length=limits.POOLS)] = Field(default_factory=list)
    """Pools that move and that no request reaches before this wave."""
    since: AwareDatetime | None = None
    """When it began; absent before."""
    route_hash: Label = ""
    """Of the new table, as servers count by it; ``stable_hash`` of the old one."""
    stable_hash: Label = ""
    known: bool = False
    """Whether servers may have counted by the new one before: then not from zero."""
    settled_since: AwareDatetime | None = None
    """Since when the gateways have followed the arms' weights as they are."""
    prepared: bool = False
    """The gateways know the backends of both tables, by which no request goes yet."""
    entered: bool = False
    """Requests go by both tables."""
    closing: bool = False
    """The new table has passed: requests go by it alone again."""
    gone: bool = False
    """No request has gone by both tables for a while: their backends may be named no more."""


class Parent(Loose):
    """A Gateway, or one listener of it."""

    name: Name
    namespace: Name = ""
    section_name: Name = ""


class GatewayPlan(Loose):
    """What the spec last said of the gateway: a rollback must be routed also when the spec cannot be read."""

    parent_refs: Annotated[list[Parent], Field(max_length=limits.PARENTS)] = Field(default_factory=list)
    hostnames: Annotated[list[Name], Field(max_length=limits.HOSTNAMES)] = Field(default_factory=list)
    classes: Annotated[list[Label], Field(max_length=limits.CLASSES)] = Field(default_factory=list)
    """Requests without a class go to the first: the spec's first, unless stable serves the one that had them before."""
    sticky: bool = False
    """Whether requests of a session stay with the server that had its first one."""
    epoch: Count = 0
    """When the last rollout started, in seconds: servers of both arms forget sessions together when it rises."""
    told: Annotated[list[Label], Field(max_length=limits.TOLD)] = Field(default_factory=list)
    """Route hashes by which servers have counted requests, newest first."""
    ended: bool = False
    """Nobody comes through it any more, and its route is on its way out."""
    behind_since: AwareDatetime | None = None
    """Since when a gateway has not taken over the route as it is."""
