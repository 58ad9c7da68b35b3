"""Manifests that break one rule each: fed to the models offline and to a real API server, which must agree."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DIGEST = "sha256:" + "a" * 64
IMAGE = f"registry.example.com/sampler@{DIGEST}"
Spec = dict[str, Any]


def good() -> Spec:
    """The smallest spec that is accepted."""
    return {"pools": [{"name": "cpu-a", "replicas": 2, "image": IMAGE}], "quality": {"designEffect": "1"}}


def two_pools() -> Spec:
    spec = good()
    spec["pools"].append({"name": "cpu-b", "replicas": 1, "image": IMAGE})
    return spec


@dataclass(frozen=True)
class Bad:
    """What is wrong, where it must be shown, and a part of the remedy that must be read in the message."""

    name: str
    change: Callable[[Spec], None]
    field: str
    remedy: str
    server_remedy: str = ""
    """Where the API server's own check speaks before ours: what it says."""
    base: Callable[[], Spec] = good

    def spec(self) -> Spec:
        spec = copy.deepcopy(self.base())
        self.change(spec)
        return spec


def _put(path: str, value: Any) -> Callable[[Spec], None]:
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]

    def change(spec: Spec) -> None:
        at: Any = spec
        for part in parents:
            at = at[part] if isinstance(part, int) else at.setdefault(part, {})
        at[last] = value

    return change


def _drop(path: str) -> Callable[[Spec], None]:
    def change(spec: Spec) -> None:
        *parents, last = path.split(".")
        at: Any = spec
        for part in parents:
            at = at[int(part)] if part.isdigit() else at[part]
        del at[last]

    return change


def _steps(*weights: int | None) -> list[dict[str, Any]]:
    return [{"pause": {}} if weight is None else {"weight": weight, "minDuration": "1m"} for weight in weights]


BAD = [
    Bad("weights fall", _put("strategy.steps", _steps(50, 10)), "strategy.steps", "rising weights"),
    Bad("weights equal", _put("strategy.steps", _steps(10, 10)), "strategy.steps", "remove equal ones"),
    Bad("no weight", _put("strategy.steps", _steps(None)), "strategy.steps", "at least one weight"),
    Bad("no steps", _put("strategy.steps", []), "strategy.steps", "at least 1 item", "at least 1 items"),
    Bad("weight 100", _put("strategy.steps", _steps(100)), "strategy.steps[0].weight", "less than or equal to 99"),
    Bad(
        "pause with a time",
        _put("strategy.steps", [*_steps(5), {"pause": {"duration": "5m"}}]),
        "strategy.steps[1].pause",
        "pause takes no fields",
    ),
    Bad(
        "weight and pause",
        _put("strategy.steps", [{"weight": 5, "minDuration": "1m", "pause": {}}]),
        "strategy.steps[0]",
        "either {weight: 10, minDuration: 5m} or {pause: {}}",
    ),
    Bad(
        "weight without time",
        _put("strategy.steps", [{"weight": 5}]),
        "strategy.steps[0]",
        "either {weight: 10, minDuration: 5m} or {pause: {}}",
    ),
    Bad(
        "unknown pool in a wave",
        _put("strategy.waves", [["cpu-a"], ["cpu-x"]]),
        "strategy.waves",
        "unknown pool: use names from spec.pools",
    ),
    Bad(
        "pool in no wave",
        _put("strategy.waves", [["cpu-a"]]),
        "strategy.waves",
        "exactly once: add the missing pool",
        base=two_pools,
    ),
    Bad(
        "pool in two waves",
        _put("strategy.waves", [["cpu-a"], ["cpu-b", "cpu-a"]]),
        "strategy.waves",
        "exactly once",
        base=two_pools,
    ),
    Bad(
        "empty wave",
        _put("strategy.waves", [["cpu-a"], []]),
        "strategy.waves[1]",
        "at least 1 item",
        "at least 1 items",
    ),
    Bad(
        "two pools of one name",
        _put("pools.1.name", "cpu-a"),
        "pools",
        "remove the duplicate",
        "Duplicate value",
        base=two_pools,
    ),
    Bad("no pool", _put("pools", []), "pools", "at least 1 item", "at least 1 items"),
    Bad(
        "image by tag",
        _put("pools.0.image", "registry.example.com/sampler:v2"),
        "pools",
        "spec.allowImageTags: true",
    ),
    Bad(
        "image with spaces", _put("pools.0.image", f"sam pler@{DIGEST}"), "pools[0].image", "must be an image reference"
    ),
    Bad("short digest", _put("pools.0.image", "sampler@sha256:abc"), "pools[0].image", "<64 hex digits>"),
    Bad(
        "image in capitals", _put("pools.0.image", f"reg.io/UPPER@{DIGEST}"), "pools[0].image", "its path in lower case"
    ),
    Bad(
        "image with an empty part",
        _put("pools.0.image", f"a//b@{DIGEST}"),
        "pools[0].image",
        "must be an image reference",
    ),
    Bad("image of colons", _put("pools.0.image", f"a:::/@{DIGEST}"), "pools[0].image", "must be an image reference"),
    Bad("image missing", _drop("pools.0.image"), "pools[0].image", "is required", "Required value"),
    Bad(
        "pool name in capitals",
        _put("pools.0.name", "CPU"),
        "pools[0].name",
        "must be lower-case letters, digits and dashes",
    ),
    Bad("pool name too long", _put("pools.0.name", "a" * 41), "pools[0].name", "at most 40", "may not be more than 40"),
    Bad(
        "names too long together",
        _put("pools.0.name", "a" * 38),
        "metadata.name",
        "51 characters together",
        "51 characters together",
    ),
    Bad("no replicas", _put("pools.0.replicas", 0), "pools[0].replicas", "greater than or equal to 1"),
    Bad("too many replicas", _put("pools.0.replicas", 201), "pools[0].replicas", "less than or equal to 200"),
    Bad(
        "replicas as text",
        _put("pools.0.replicas", "2"),
        "pools[0].replicas",
        "valid integer",
        "must be of type integer",
    ),
    Bad("unknown platform", _put("pools.0.platform", "gpu"), "pools[0].platform", "'cpu'", 'supported values: "cpu"'),
    Bad(
        "design effect missing", _drop("quality.designEffect"), "quality.designEffect", "is required", "Required value"
    ),
    Bad("design effect below 1", _put("quality.designEffect", "0.5"), "quality.designEffect", "at least 1"),
    Bad("quality missing", _drop("quality"), "quality", "is required", "Required value"),
    Bad("rate above 1", _put("quality.falseRollbackRate", "101%"), "quality.falseRollbackRate", "between 0 and 1"),
    Bad("rate of 0", _put("quality.passConfidence", "0"), "quality.passConfidence", "between 0 and 1"),
    Bad("rate without digits", _put("quality.passConfidence", "%"), "quality.passConfidence", "between 0 and 1"),
    Bad(
        "unknown check without a rate",
        _put("quality.checks", [{"name": "my-check"}]),
        "quality.checks[0]",
        "maxRate or maxRatio is required",
    ),
    Bad(
        "check twice",
        _put("quality.checks", [{"name": "errors"}, {"name": "errors"}]),
        "quality.checks",
        "remove the duplicate",
        "Duplicate value",
    ),
    Bad(
        "ratio below 1",
        _put("quality.checks", [{"name": "errors", "maxRatio": "0.5"}]),
        "quality.checks[0].maxRatio",
        "at least 1",
    ),
    Bad(
        "nothing to soften",
        _put("quality.checks", [{"name": "errors", "ignoreBelow": "0.1%"}]),
        "quality.checks[0]",
        "ignoreBelow softens maxRatio",
    ),
    Bad(
        "softer than the limit",
        _put("quality.checks", [{"name": "x", "maxRate": "1%", "maxRatio": "2", "ignoreBelow": "0.02"}]),
        "quality.checks[0]",
        "ignoreBelow is above maxRate",
    ),
    Bad(
        "an invariant has no ratio",
        _put("quality.checks", [{"name": "replay-audit", "maxRatio": "2"}]),
        "quality.checks[0]",
        "remove maxRatio",
    ),
    Bad("no check", _put("quality.checks", []), "quality.checks", "at least 1 item", "at least 1 items"),
    Bad("duration of 0", _put("strategy.deadline", "0s"), "strategy.deadline", "at least 1s such as 90s"),
    Bad(
        "negative duration", _put("strategy.progressDeadline", "-5m"), "strategy.progressDeadline", "must be a duration"
    ),
    Bad("empty duration", _put("strategy.bakeTime", ""), "strategy.bakeTime", "must be a duration"),
    Bad("no time to drain", _put("rollback.drainTimeout", "4s"), "rollback.drainTimeout", "at least 5s"),
    Bad("duration in days", _put("rollback.drainTimeout", "1d"), "rollback.drainTimeout", "must be a duration"),
    Bad(
        "duration as number",
        _put("strategy.deadline", 60),
        "strategy.deadline",
        "valid string",
        "must be of type string",
    ),
    Bad("endless duration", _put("strategy.deadline", "9999h"), "strategy.deadline", "at most 2400h"),
    Bad("deadline too short", _put("strategy.deadline", "10m"), "strategy.deadline", "raise it or shorten the steps"),
    Bad("unknown answer", _put("rollback.onInconclusive", "Panic"), "rollback.onInconclusive", "'Hold'", '"Hold"'),
    Bad(
        "our variable",
        _put("pools.0.template", {"env": [{"name": "SAMPLER_PRECISION", "value": "x"}]}),
        "pools[0].template.env[0].name",
        "use sampler.precision",
    ),
    Bad(
        "variable twice",
        _put("pools.0.template", {"env": [{"name": "A"}, {"name": "A"}]}),
        "pools[0].template.env",
        "remove the duplicate",
        "Duplicate value",
    ),
    Bad(
        "odd variable",
        _put("pools.0.template", {"env": [{"name": "1-A"}]}),
        "pools[0].template.env[0].name",
        "letters, digits and underscores",
    ),
    Bad(
        "odd resource",
        _put("pools.0.template", {"resources": {"limits": {"brains": "1"}}}),
        "pools[0].template.resources",
        "cpu, memory, ephemeral-storage",
    ),
    Bad(
        "odd quantity",
        _put("pools.0.template", {"resources": {"limits": {"cpu": "lots"}}}),
        "pools[0].template.resources.limits.cpu",
        "match",
    ),
    Bad("negative retry", _put("retryGeneration", -1), "retryGeneration", "greater than or equal to 0"),
    Bad(
        "audit share above 1",
        _put("pools.0.sampler", {"auditShare": "2"}),
        "pools[0].sampler.auditShare",
        "from 0 to 1",
    ),
    Bad(
        "nothing to check",
        lambda spec: (
            _put("pools.0.sampler", {"auditShare": "0"})(spec),
            _put("quality.checks", [{"name": "replay-audit"}])(spec),
        )[0],
        "quality.checks",
        "an auditShare of 0 turns off",
    ),
]

UNKNOWN = [
    Bad("top", _put("routing", {}), "routing", "unknown field"),
    Bad("in a pool", _put("pools.0.contextClass", "long"), "pools[0].contextClass", "unknown field"),
    Bad(
        "in a template",
        _put("pools.0.template", {"hostNetwork": True}),
        "pools[0].template.hostNetwork",
        "unknown field",
    ),
    Bad(
        "in a variable",
        _put("pools.0.template", {"env": [{"name": "A", "valueFrom": {}}]}),
        "pools[0].template.env[0].valueFrom",
        "unknown field",
    ),
    Bad("in the strategy", _put("strategy.preflight", {}), "strategy.preflight", "unknown field"),
    Bad(
        "in a step",
        _put("strategy.steps", [{"weight": 5, "minDuration": "1m", "max": 1}]),
        "strategy.steps[0].max",
        "unknown field",
    ),
    Bad(
        "in a check",
        _put("quality.checks", [{"name": "errors", "slowerThan": "2s"}]),
        "quality.checks[0].slowerThan",
        "unknown field",
    ),
    Bad("in the rollback", _put("rollback.scope", "Pool"), "rollback.scope", "unknown field"),
]
