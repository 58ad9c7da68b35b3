"""The route table in a spec: which part of a context class's requests each pool has (R11)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from pydantic import Field
from quality_contract import PROBE_CHECKS
from quality_contract.latency import HISTOGRAMS

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.evidence.samples import AUDITED
from sampler_rollouts.domain.pool import STANDARD, Label, Pool, cel_class
from sampler_rollouts.domain.rules import Rule, Scalar, Strict, each

if TYPE_CHECKING:
    from sampler_rollouts.domain.resource import Spec

SHARE_PATTERN: Final = "^[0-9]{1,3}([.][0-9]{1,4})?%$"
_CEL_PERCENT: Final = "double({0}.substring(0, size({0}) - 1))"
Share = Annotated[
    str,
    Field(max_length=9),
    Scalar(
        cel=f"self.matches('{SHARE_PATTERN}') && {_CEL_PERCENT.format('self')} > 0.0 && "
        f"{_CEL_PERCENT.format('self')} <= 100.0",
        message='must be above 0% and at most 100%, with at most four decimals: "70%" or "99.2%"',
        holds=lambda text: re.fullmatch(SHARE_PATTERN, text) is not None and 0 < float(text[:-1]) <= 100,
    ),
]
_PARTS: Final = f"self.to.map(t, int({_CEL_PERCENT.format('t.share')} * 10000.0 + 0.5)).sum()"


class PoolShare(Strict):
    """One pool's part of a class."""

    pool: Label
    """One of spec.pools, of whatever class."""
    share: Share
    """Of the class's requests, in percent."""


class ClassRoutes(Strict):
    """To which pools requests of one context class go."""

    context_class: Label
    """One of contextClasses; standard where there are none."""
    to: Annotated[
        list[PoolShare], Field(min_length=1, max_length=limits.SHARES, json_schema_extra=limits.map_by("pool"))
    ]
    """Shares, 100 % together."""
    rules: ClassVar = (
        Rule(
            f"!self.to.all(t, t.share.matches('{SHARE_PATTERN}')) || {_PARTS} == 1000000",
            "shares of a class must be 100% together: correct them",
            lambda routes: sum(round(float(to.share[:-1]) * 10000) for to in routes.to) == 1_000_000,
            "to",
        ),
        Rule(
            "self.to.all(t, self.to.exists_one(s, s.pool == t.pool))",
            "to must name each pool once: remove the duplicate",
            lambda routes: limits.unique(to.pool for to in routes.to),
            "to",
        ),
    )


CLASSED: Final = "has(self.routing) && has(self.routing.contextClasses)"
_ROUTED: Final = "has(self.routing) && has(self.routing.routes)"
NOT_BY_ROUTE: Final = sorted({*AUDITED, *HISTOGRAMS, *PROBE_CHECKS})
"""Checks that servers count without the route hash, and what the prober judges: it comes by no route."""


def _of_class(spec: Spec, pool: Pool) -> int:
    """How many pools share its class behind a gateway; 0 without one."""
    return sum(one.context_class == pool.context_class for one in spec.pools) if spec.gateway else 0


ROUTE_RULES: Final = (
    each(
        "self.routing.routes",
        f"{CLASSED} ? self.routing.contextClasses.exists(c, c.name == one.contextClass) : "
        "one.contextClass == 'standard'",
        "contextClass of routes must be one of routing.contextClasses (standard without them): correct it",
        lambda spec: limits.without(spec.routes, spec.class_sizes or {STANDARD}),
        "routing.routes",
        noun="class",
        name=".contextClass",
        when=_ROUTED,
    ),
    each(
        "self.routing.routes",
        "one.to.all(t, self.pools.exists(p, p.name == t.pool))",
        "routes name an unknown pool: use names from spec.pools",
        lambda spec: [
            name for name, one in spec.routes.items() if not {to.pool for to in one.to} <= {p.name for p in spec.pools}
        ],
        "routing.routes",
        noun="class",
        name=".contextClass",
        when=_ROUTED,
    ),
    each(
        "self.pools",
        "self.routing.routes.exists(r, r.to.exists(t, t.pool == one.name)) || "
        f"!self.routing.routes.exists(r, r.contextClass == {cel_class('one')})",
        "a pool's class has routes, and none of them names the pool: give it a share, or remove it",
        lambda spec: [
            pool.name
            for pool in spec.pools
            if pool.name not in spec.routed_pools and (pool.context_class or STANDARD) in spec.routes
        ],
        "routing.routes",
        noun="pool",
        when=_ROUTED,
    ),
    each(
        "self.pools",
        f"self.pools.filter(p, {cel_class('p')} == {cel_class('one')}).size() <= {limits.ROUTED_POOLS}",
        f"behind a gateway a context class has {limits.ROUTED_POOLS} pools at most, as a rule of the route names two "
        "revisions of each and has room for 16: make fewer and larger pools, or give some a class of their own",
        lambda spec: [pool.name for pool in spec.pools if _of_class(spec, pool) > limits.ROUTED_POOLS],
        "pools",
        noun="pool",
        when="has(self.routing) && has(self.routing.gateway)",
    ),
    Rule(
        f"!({_ROUTED}) || self.quality.checks.exists(c, !has(c.template) && !(c.name in {NOT_BY_ROUTE}) && "
        "(!has(c.mode) || c.mode != 'Report'))",
        "routes are tested by checks that servers count by route: add errors or misrouted to quality.checks",
        lambda spec: (
            not spec.routes
            or any(not c.template and c.name not in NOT_BY_ROUTE and c.mode != "Report" for c in spec.quality.checks)
        ),
        "quality.checks",
    ),
)
"""Rules over the whole spec."""
