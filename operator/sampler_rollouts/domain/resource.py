"""The spec of a SamplerRollout: what an author may write, with its bounds and defaults.

``parse_spec(raw, name)`` is the one way in. The CRD is generated from these models (``sampler_rollouts.crd``), so the
same rules hold offline and at the API server. Durations and ratios stay strings, as written; ``quantities`` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, ValidationError
from quality_contract import CHECK_MISROUTED, CHECK_REPLAY_AUDIT

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.evidence.samples import AUDITED
from sampler_rollouts.domain.pool import DrainTimeout, Pool
from sampler_rollouts.domain.quality_spec import Quality
from sampler_rollouts.domain.quantities import ratio, seconds
from sampler_rollouts.domain.routes_spec import CLASSED as _CLASSED
from sampler_rollouts.domain.routes_spec import ROUTE_RULES, ClassRoutes
from sampler_rollouts.domain.routing import Gateway, Routing
from sampler_rollouts.domain.rules import (
    Rule,
    Strict,
    cel_is_duration,
    cel_is_ratio,
    cel_ratio,
    each,
    matching,
    violations,
)
from sampler_rollouts.domain.strategy_spec import Strategy

GROUP: Final = "samplerrollouts.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "SamplerRollout"
ACT_PREFIX: Final = f"{GROUP}/"
"""Of the annotations by which people act: ``promote``, ``abort`` and so on."""
PROMOTE_ANNOTATION: Final = f"{ACT_PREFIX}promote"


class Rollback(Strict):
    """What happens when a release is not to stay."""

    scope: Literal["Release", "Pool"] = "Release"
    """What a failure in one pool takes back: the release from every pool, or from that pool alone."""
    on_inconclusive: Literal["Hold", "Rollback"] = "Hold"
    """What a deadline without a verdict leads to: a person is asked, or the release is rolled back."""
    drain_timeout: DrainTimeout = "60s"
    """How long a pod lets requests in flight finish; applies to new revisions."""
    warm_replicas: Annotated[int, Field(ge=0, le=limits.REPLICAS)] = 0
    """Pods of each pool that are kept ready, without traffic, of the release that a rollback would bring back."""


_STEP_SECONDS = (
    "self.strategy.steps.filter(s, has(s.minDuration)).map(s, duration(s.minDuration).getSeconds()).sum()"
    " * (has(self.strategy.waves) ? size(self.strategy.waves) : size(self.pools))"
)
_READABLE_TIMES = (
    f"self.strategy.steps.all(s, !has(s.minDuration) || {cel_is_duration('s.minDuration')})"
    f" && {cel_is_duration('self.strategy.deadline')}"
)
_IN_WAVES = "self.strategy.waves.map(w, w.filter(n, n == one.name).size()).sum()"
_DECIDES = "(!has(c.mode) || c.mode != 'Report')"
_IS_A_POOL = "self.pools.exists(p, p.name == n)"


class Spec(Strict):
    """The whole spec."""

    routing: Routing | None = Field(None, description="Context classes (one, named standard, by default) and gateway.")
    pools: Annotated[list[Pool], Field(min_length=1, max_length=limits.POOLS, json_schema_extra=limits.map_by("name"))]
    """Sets of identical servers; image, sampler, template, platform and context class make a pool's revision."""
    strategy: Strategy = Field(default_factory=Strategy)
    quality: Quality
    rollback: Rollback = Field(default_factory=Rollback)
    paused: bool = False
    """Nothing starts or progresses; abort conditions still hold."""
    retry_generation: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(
        0, description="Raise it to try a held release again."
    )
    allow_image_tags: bool = Field(False, description="For development only: allow images that are not by digest.")
    rules: ClassVar = (
        Rule(
            "self.pools.all(p, self.pools.exists_one(q, q.name == p.name))",
            "pools must have different names: remove the duplicate",
            lambda spec: limits.unique(pool.name for pool in spec.pools),
            "pools",
        ),
        each(
            "self.pools",
            f"{_CLASSED} ? has(one.contextClass) && "
            "self.routing.contextClasses.exists(c, c.name == one.contextClass) : !has(one.contextClass)",
            "contextClass of a pool must be one of routing.contextClasses: correct it, add the class, or remove both",
            lambda spec: [
                pool.name
                for pool in spec.pools
                if (pool.context_class not in spec.class_sizes if spec.class_sizes else pool.context_class is not None)
            ],
            "pools",
            noun="pool",
        ),
        each(
            "self.routing.contextClasses",
            "self.pools.exists(p, has(p.contextClass) && p.contextClass == one.name)",
            "a context class has no pool: add a pool with that contextClass, or remove the class",
            lambda spec: limits.without(spec.class_sizes, {pool.context_class for pool in spec.pools}),
            "routing.contextClasses",
            noun="class",
            when=_CLASSED,
        ),
        *ROUTE_RULES,
        Rule(
            f"{_CLASSED} || !self.quality.checks.exists(c, c.name == '{CHECK_MISROUTED}')",
            f"{CHECK_MISROUTED} is a check of context classes: add routing.contextClasses, or remove the check",
            lambda spec: bool(spec.class_sizes) or all(c.name != CHECK_MISROUTED for c in spec.quality.checks),
            "quality.checks",
        ),
        each(
            "self.pools",
            "one.image.contains('@sha256:')",
            "image must be by digest (name@sha256:<64 hex digits>): what a tag means can change under a release; "
            "for development only, set spec.allowImageTags: true",
            lambda spec: [
                pool.name for pool in spec.pools if not spec.allow_image_tags and "@sha256:" not in pool.image
            ],
            "pools",
            noun="pool",
            when="!self.allowImageTags",
        ),
        Rule(
            "self.allowImageTags || !has(self.quality.probes) || !has(self.quality.probes.image) "
            "|| self.quality.probes.image.contains('@sha256:')",
            "the prober's image must be by digest (name@sha256:<64 hex digits>); for development only, set "
            "spec.allowImageTags: true",
            lambda spec: spec.allow_image_tags or "@sha256:" in (spec.probe_image or "@sha256:"),
            "quality.probes.image",
        ),
        each(
            "self.strategy.waves",
            f"one.all(n, {_IS_A_POOL})",
            "waves name an unknown pool: use names from spec.pools",
            lambda spec: limits.without(spec.wave_names, {pool.name for pool in spec.pools}),
            "strategy.waves",
            name=f".filter(n, !({_IS_A_POOL}))[0]",
            when="has(self.strategy.waves)",
        ),
        each(
            "self.pools",
            f"{_IN_WAVES} == 1",
            "waves must hold every pool exactly once: add the missing pool or remove the duplicate",
            lambda spec: [
                pool.name for pool in spec.pools if spec.strategy.waves and spec.wave_names.count(pool.name) != 1
            ],
            "strategy.waves",
            noun="pool",
            when="has(self.strategy.waves)",
        ),
        Rule(
            f"!self.pools.all(p, {cel_is_ratio('p.sampler.auditShare')}) || "
            f"self.pools.all(p, {cel_ratio('p.sampler.auditShare')} > 0.0) || "
            f"self.quality.checks.exists(c, {_DECIDES} && !(c.name in {sorted(AUDITED)}))",
            f"of the checks that decide there are only {' and '.join(sorted(AUDITED, reverse=True))}, which an "
            "auditShare of 0 turns off, so nothing could pass there: add a check, take mode: Report away from one, or "
            "raise auditShare",
            lambda spec: (
                all(ratio(pool.sampler.audit_share) for pool in spec.pools)
                or any(check.name not in AUDITED for check in spec.quality.deciding)
            ),
            "quality.checks",
        ),
        Rule(
            f"self.quality.checks.exists(c, {_DECIDES}) || "
            f"!self.quality.checks.exists(c, c.name == '{CHECK_REPLAY_AUDIT}')",
            "all checks have mode: Report, so nothing could pass: take it away from one",
            lambda spec: bool(spec.quality.deciding) or all(c.name != CHECK_REPLAY_AUDIT for c in spec.quality.checks),
            "quality.checks",
        ),
        Rule(
            f"!({_READABLE_TIMES}) || {_STEP_SECONDS} <= duration(self.strategy.deadline).getSeconds()",
            "deadline is shorter than all steps of all waves together: raise it or shorten the steps",
            lambda spec: spec.least_seconds <= seconds(spec.strategy.deadline),
            "strategy.deadline",
        ),
        Rule(
            "",
            f"has more than {limits.SPEC} bytes of JSON, which leaves too little room for the status: move "
            "what its env and args say into the image, or split the pools over two SamplerRollouts",
            lambda spec: len(spec.model_dump_json(by_alias=True, exclude_none=True).encode()) <= limits.SPEC,
        ),
    )

    @property
    def waves(self) -> list[list[str]]:
        """The waves as written, or one pool a wave in order."""
        return self.strategy.waves or [[pool.name] for pool in self.pools]

    @property
    def probe_image(self) -> str | None:
        """The image of the prober, if the spec names one."""
        return self.quality.probes.image if self.quality.probes else None

    @property
    def class_sizes(self) -> dict[str, int]:
        """Most prompt tokens of each context class; empty where the spec names none."""
        classes = (self.routing.context_classes if self.routing else None) or []
        return {item.name: item.max_tokens for item in classes}

    @property
    def routes(self) -> dict[str, ClassRoutes]:
        """The route table as written, by context class."""
        return {one.context_class: one for one in (self.routing.routes if self.routing else None) or []}

    @property
    def routed_pools(self) -> set[str]:
        """The pools that it names."""
        return {to.pool for one in self.routes.values() for to in one.to}

    @property
    def gateway(self) -> Gateway | None:
        """The gateway through which users come; None where they call Services."""
        return self.routing.gateway if self.routing else None

    @property
    def sticks(self) -> bool:
        """Whether the gateway pins sessions to a server."""
        return self.routing is not None and self.routing.session is not None

    @property
    def wave_names(self) -> list[str]:
        """The pools of the waves as written, in order, duplicates kept."""
        return [name for wave in self.strategy.waves or [] for name in wave]

    @property
    def least_seconds(self) -> int:
        """What the steps of all waves take at the least."""
        return len(self.waves) * sum(seconds(step.min_duration or "0s") for step in self.strategy.steps)

    def pool(self, name: str) -> Pool | None:
        """The pool of that name."""
        return next((pool for pool in self.pools if pool.name == name), None)


class SpecError(ValueError):
    """The spec breaks rules; ``problems`` names each field and its remedy."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Keep the list, and show it as one line."""
        super().__init__("; ".join(problems))
        self.problems = problems


_FITS_CHILDREN: Final = f"size(self.metadata.name) + size(one.name) <= {limits.CHILD_NAMES}"


def _too_long(name: str, part: str) -> bool:
    return len(name) + len(part) > limits.CHILD_NAMES


NAME_RULES: Final = (
    Rule(
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "metadata.name must be lower-case letters, digits and dashes, beginning with a letter: it names Services",
        lambda named: matching("^[a-z]([-a-z0-9]*[a-z0-9])?$", "").holds(named[0]),
    ),
    each(
        "self.spec.pools",
        _FITS_CHILDREN,
        f"metadata.name and a pool's name may have {limits.CHILD_NAMES} characters together: shorten one of them",
        lambda named: [pool.name for pool in named[1].pools if _too_long(named[0], pool.name)],
        noun="pool",
    ),
    each(
        "self.spec.routing.contextClasses",
        _FITS_CHILDREN,
        f"metadata.name and a class's name may have {limits.CHILD_NAMES} characters together: shorten one of them",
        lambda named: [name for name in named[1].class_sizes if _too_long(named[0], name)],
        noun="class",
        when="has(self.spec.routing) && has(self.spec.routing.contextClasses)",
    ),
)
"""Rules over the object's name and its spec; ``holds`` takes the pair of both."""


def parse_spec(raw: Mapping[str, Any], name: str = "") -> Spec:
    """Read a spec as the API server would, or raise SpecError. ``name`` is the object's, where known."""
    try:
        spec = Spec.model_validate(dict(raw))
    except ValidationError as error:
        raise SpecError(tuple(problem(detail) for detail in error.errors())) from None
    problems = [*violations(spec, "spec")]
    named = (name, spec)
    problems += [f"metadata.name: {rule.said(named)}" for rule in NAME_RULES if name and not rule.holds(named)]
    if problems:
        raise SpecError(tuple(problems))
    return spec


def problem(detail: Mapping[str, Any]) -> str:
    """One of Pydantic's findings about a spec: the field, and what is wrong, in the API server's words where it has
    some."""
    path = "spec"
    for part in detail["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    said = _SAID.get(detail["type"], "").format(**detail.get("ctx", {}))
    return f"{path}: {said or detail['msg']}"


_INTEGER: Final = "must be an integer: a number without quotes, point or sign behind it"
_SAID: Final[Mapping[str, str]] = {
    "extra_forbidden": "unknown field: remove it",
    "missing": "is required: add it",
    "model_type": "must be a map of fields",
    "dict_type": "must be a map",
    "list_type": "must be a list",
    "string_type": "must be a string: put it in quotes",
    "bool_type": "must be true or false",
    "int_type": _INTEGER,
    "int_from_float": _INTEGER,
    "greater_than_equal": "must be greater than or equal to {ge}",
    "less_than_equal": "must be less than or equal to {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}
"""What Pydantic finds, in the words of the API server as far as it has some."""
