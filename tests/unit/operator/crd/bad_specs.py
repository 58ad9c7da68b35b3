"""Manifests that break one rule each: fed to the models offline and to a real API server, which must agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.operator.crd.bad import DIGEST, Bad, Spec, classed, drop, put, steps, two_pools
from tests.unit.operator.crd.bad_gateways import BAD_GATEWAYS
from tests.unit.operator.crd.bad_platforms import AMOUNTS_OF_PLATFORMS, BAD_PLATFORMS

SHOWN = {"name": "errors", "mode": "Report"}
_TAG = "registry.example.com/sampler:v2"
Change = Callable[[Spec], None]


def _both(first: Change, second: Change) -> Change:
    def change(spec: Spec) -> None:
        first(spec)
        second(spec)

    return change


def _timed(change: Change) -> Change:
    """A change of a spec that has all durations with which rules compute."""
    return _both(put("strategy", {"preflight": {}, "steps": steps(10)}), change)


BAD = [
    Bad("weights fall", put("strategy.steps", steps(50, 10)), "strategy.steps", "rising weights"),
    Bad("weights equal", put("strategy.steps", steps(10, 10)), "strategy.steps", "remove equal ones"),
    Bad("no weight", put("strategy.steps", steps(None)), "strategy.steps", "at least one weight"),
    Bad("no steps", put("strategy.steps", []), "strategy.steps", "at least 1 item", "at least 1 items"),
    Bad("weight 100", put("strategy.steps", steps(100)), "strategy.steps[0].weight", "less than or equal to 99"),
    Bad(
        "pause with a time",
        put("strategy.steps", [*steps(5), {"pause": {"duration": "5m"}}]),
        "strategy.steps[1].pause",
        "pause takes no fields",
    ),
    Bad(
        "weight and pause",
        put("strategy.steps", [{"weight": 5, "minDuration": "1m", "pause": {}}]),
        "strategy.steps[0]",
        "either {weight: 10, minDuration: 5m} or {pause: {}}",
    ),
    Bad(
        "weight without time",
        put("strategy.steps", [{"weight": 5}]),
        "strategy.steps[0]",
        "either {weight: 10, minDuration: 5m} or {pause: {}}",
    ),
    Bad(
        "unknown pool in a wave",
        put("strategy.waves", [["cpu-a"], ["cpu-x"]]),
        "strategy.waves",
        "cpu-x: waves name an unknown pool: use names from spec.pools",
    ),
    Bad(
        "pool in no wave",
        put("strategy.waves", [["cpu-a"]]),
        "strategy.waves",
        "pool cpu-b: waves must hold every pool exactly once: add the missing pool",
        base=two_pools,
    ),
    Bad(
        "pool in two waves",
        put("strategy.waves", [["cpu-a"], ["cpu-b", "cpu-a"]]),
        "strategy.waves",
        "pool cpu-a: waves must hold every pool exactly once",
        base=two_pools,
    ),
    Bad(
        "preflight longer than its time-out",
        put("strategy.preflight", {"budget": "5m", "timeout": "5m"}),
        "strategy.preflight",
        "lower the budget or raise the timeout",
    ),
    Bad(
        "preflight longer than pods may take",
        put("strategy", {"preflight": {"budget": "10m"}, "progressDeadline": "5m"}),
        "strategy.preflight",
        "lower the budget or raise the timeout",
    ),
    Bad(
        "preflight without a budget",
        put("strategy.preflight", {"budget": "0s"}),
        "strategy.preflight.budget",
        "must be a duration of at least 1s",
    ),
    Bad(
        "empty wave",
        put("strategy.waves", [["cpu-a"], []]),
        "strategy.waves[1]",
        "at least 1 item",
        "at least 1 items",
    ),
    Bad(
        "two pools of one name",
        put("pools.1.name", "cpu-a"),
        "pools",
        "remove the duplicate",
        "Duplicate value",
        base=two_pools,
    ),
    Bad("no pool", put("pools", []), "pools", "at least 1 item", "at least 1 items"),
    Bad(
        "image by tag",
        put("pools.0.image", _TAG),
        "pools",
        "pool cpu-a: image must be by digest (name@sha256:<64 hex digits>): what a tag means can change under a "
        "release; for development only, set spec.allowImageTags: true",
    ),
    Bad(
        "both images by tag",
        _both(put("pools.0.image", _TAG), put("pools.1.image", _TAG)),
        "pools",
        "pool cpu-a: image must be by digest",
        base=two_pools,
    ),
    Bad(
        "one image of two by tag",
        put("pools.1.image", _TAG),
        "pools",
        "pool cpu-b: image must be by digest",
        base=two_pools,
    ),
    Bad(
        "image with spaces", put("pools.0.image", f"sam pler@{DIGEST}"), "pools[0].image", "must be an image reference"
    ),
    Bad("short digest", put("pools.0.image", "sampler@sha256:abc"), "pools[0].image", "<64 hex digits>"),
    Bad(
        "image in capitals", put("pools.0.image", f"reg.io/UPPER@{DIGEST}"), "pools[0].image", "its path in lower case"
    ),
    Bad(
        "image with an empty part",
        put("pools.0.image", f"a//b@{DIGEST}"),
        "pools[0].image",
        "must be an image reference",
    ),
    Bad("image of colons", put("pools.0.image", f"a:::/@{DIGEST}"), "pools[0].image", "must be an image reference"),
    Bad("image missing", drop("pools.0.image"), "pools[0].image", "is required", "Required value"),
    Bad(
        "pool name in capitals",
        put("pools.0.name", "CPU"),
        "pools[0].name",
        "must be lower-case letters, digits and dashes",
    ),
    Bad("pool name too long", put("pools.0.name", "a" * 41), "pools[0].name", "at most 40", "may not be more than 40"),
    Bad(
        "names too long together",
        put("pools.0.name", "a" * 38),
        "metadata.name",
        f"pool {'a' * 38}: metadata.name and a pool's name may have 51 characters together",
    ),
    Bad(
        "a budget that lets no pod go",
        put("pools.0.disruptionBudget", {"maxUnavailable": 0}),
        "pools[0].disruptionBudget.maxUnavailable",
        "greater than or equal to 1",
    ),
    Bad(
        "a budget that lets no pod go",
        put("pools.0.disruptionBudget", {"maxUnavailable": 0}),
        "pools[0].disruptionBudget.maxUnavailable",
        "greater than or equal to 1",
    ),
    Bad("no replicas", put("pools.0.replicas", 0), "pools[0].replicas", "greater than or equal to 1"),
    Bad("too many replicas", put("pools.0.replicas", 201), "pools[0].replicas", "less than or equal to 200"),
    Bad(
        "replicas as text",
        put("pools.0.replicas", "2"),
        "pools[0].replicas",
        "must be an integer",
        "must be of type integer",
    ),
    Bad("unknown platform", put("pools.0.platform", "npu"), "pools[0].platform", "'cpu'", 'supported values: "cpu"'),
    Bad("design effect missing", drop("quality.designEffect"), "quality.designEffect", "is required", "Required value"),
    Bad(
        "probes at no rate",
        put("quality.probes", {"requestsPerSecond": "-1"}),
        "quality.probes.requestsPerSecond",
        "must be a number below 1000",
    ),
    Bad("design effect below 1", put("quality.designEffect", "0.5"), "quality.designEffect", "at least 1"),
    Bad("quality missing", drop("quality"), "quality", "is required", "Required value"),
    Bad("rate above 1", put("quality.falseRollbackRate", "101%"), "quality.falseRollbackRate", "between 0 and 1"),
    Bad("rate of 0", put("quality.passConfidence", "0"), "quality.passConfidence", "between 0 and 1"),
    Bad("rate without digits", put("quality.passConfidence", "%"), "quality.passConfidence", "between 0 and 1"),
    Bad(
        "unknown check without a rate",
        put("quality.checks", [{"name": "my-check"}]),
        "quality.checks[0]",
        "maxRate or maxRatio is required",
    ),
    Bad(
        "check twice",
        put("quality.checks", [{"name": "errors"}, {"name": "errors"}]),
        "quality.checks",
        "remove the duplicate",
        "Duplicate value",
    ),
    Bad(
        "ratio below 1",
        put("quality.checks", [{"name": "errors", "maxRatio": "0.5"}]),
        "quality.checks[0].maxRatio",
        "at least 1",
    ),
    Bad(
        "nothing to soften",
        put("quality.checks", [{"name": "errors", "ignoreBelow": "0.1%"}]),
        "quality.checks[0]",
        "ignoreBelow softens maxRatio",
    ),
    Bad(
        "softer than the limit",
        put("quality.checks", [{"name": "x", "maxRate": "1%", "maxRatio": "2", "ignoreBelow": "0.02"}]),
        "quality.checks[0]",
        "ignoreBelow is above maxRate",
    ),
    Bad(
        "calibration without a margin",
        put("quality.checks", [{"name": "calibration"}]),
        "quality.checks[0]",
        "maxBiasNats is required for calibration",
    ),
    Bad(
        "nats of a rate",
        put("quality.checks", [{"name": "errors", "maxBiasNats": "0.05"}]),
        "quality.checks[0]",
        "maxBiasNats is only for calibration",
    ),
    Bad(
        "a rate of nats",
        put("quality.checks", [{"name": "calibration", "maxBiasNats": "0.05", "maxRate": "1%"}]),
        "quality.checks[0]",
        "remove maxRate and maxRatio",
    ),
    Bad(
        "nats of 0",
        put("quality.checks", [{"name": "calibration", "maxBiasNats": "0.0"}]),
        "quality.checks[0].maxBiasNats",
        "number of nats above 0 and at most 1",
    ),
    Bad(
        "too many nats",
        put("quality.checks", [{"name": "calibration", "maxBiasNats": "1.5"}]),
        "quality.checks[0].maxBiasNats",
        "number of nats above 0 and at most 1",
    ),
    Bad(
        "a drop without a template",
        put("quality.checks", [{"name": "my-eval", "maxDrop": "2%"}]),
        "quality.checks[0].maxDrop",
        "add template, or remove maxDrop",
    ),
    Bad(
        "a drop of a rate",
        put("quality.checks", [{"name": "my-eval", "template": "eval", "maxDrop": "2%", "maxRate": "1%"}]),
        "quality.checks[0].maxDrop",
        "remove maxRate and maxRatio",
    ),
    Bad(
        "no drop at all",
        put("quality.checks", [{"name": "my-eval", "template": "eval", "maxDrop": "0"}]),
        "quality.checks[0].maxDrop",
        "a ratio between 0 and 1",
    ),
    Bad(
        "a template of what is read by its name",
        put("quality.checks", [{"name": "latency", "slowerThan": "2.5s", "maxRate": "1%", "template": "eval"}]),
        "quality.checks[0].template",
        "remove template, or give the check another name",
    ),
    Bad(
        "what the prober finds, without a prober",
        put("quality.checks", [{"name": "probe-equality", "maxRate": "5%"}]),
        "quality.checks",
        "add probes",
    ),
    Bad(
        "a prober's image by tag",
        put("quality.probes", {"requestsPerSecond": "1", "image": "example.com/prober:latest"}),
        "quality.probes.image",
        "the prober's image must be by digest",
    ),
    Bad(
        "a template without a limit",
        put("quality.checks", [{"name": "my-eval", "template": "eval"}]),
        "quality.checks[0]",
        "maxRate or maxRatio is required for a check without a default",
    ),
    Bad(
        "a template's name",
        put("quality.checks", [{"name": "my-eval", "template": "../eval", "maxDrop": "2%"}]),
        "quality.checks[0].template",
        "lower-case letters, digits and dashes",
    ),
    Bad(
        "a mode of its own",
        put("quality.checks", [{"name": "errors", "mode": "Maybe"}]),
        "quality.checks[0].mode",
        "Decide",
    ),
    Bad(
        "an invariant has no ratio",
        put("quality.checks", [{"name": "replay-audit", "maxRatio": "2"}]),
        "quality.checks[0]",
        "remove maxRatio",
    ),
    *(
        Bad(
            f"{name} {said}",
            put("quality.checks", [{"name": name, "maxRatio": "2", **said}]),
            "quality.checks[0].slowerThan",
            remedy,
        )
        for name, said, remedy in (
            ("latency", {}, "one of the bounds that servers count by: 100ms, 200ms, 300ms,"),
            ("latency", {"slowerThan": "2600ms"}, "2s, 2.5s, 3s"),
            ("latency", {"slowerThan": "960s"}, "100ms, 200ms"),
            ("time-to-first-token", {"slowerThan": "0.5s"}, "400ms, 500ms"),
            ("time-per-output-token", {"slowerThan": "160s"}, "10ms, 15ms"),
            ("errors", {"slowerThan": "2.5s"}, "latency, time-to-first-token, time-per-output-token: remove it"),
        )
    ),
    Bad(
        "slow is no rate",
        put("quality.checks", [{"name": "latency", "slowerThan": "2.5s"}]),
        "quality.checks[0]",
        "maxRate or maxRatio is required",
    ),
    Bad("no check", put("quality.checks", []), "quality.checks", "at least 1 item", "at least 1 items"),
    Bad("duration of 0", put("strategy.deadline", "0s"), "strategy.deadline", "at least 1s such as 90s"),
    Bad(
        "negative duration", put("strategy.progressDeadline", "-5m"), "strategy.progressDeadline", "must be a duration"
    ),
    Bad("empty duration", put("strategy.bakeTime", ""), "strategy.bakeTime", "must be a duration"),
    Bad("no time to drain", put("rollback.drainTimeout", "4s"), "rollback.drainTimeout", "at least 5s"),
    Bad(
        "a negative number of warm pods",
        put("rollback.warmReplicas", -1),
        "rollback.warmReplicas",
        "greater than or equal to 0",
    ),
    Bad("duration in days", put("rollback.drainTimeout", "1d"), "rollback.drainTimeout", "must be a duration"),
    Bad(
        "duration as number",
        put("strategy.deadline", 60),
        "strategy.deadline",
        "must be a string",
        "must be of type string",
    ),
    Bad("endless duration", put("strategy.deadline", "9999h"), "strategy.deadline", "at most 2400h"),
    Bad("deadline too short", put("strategy.deadline", "10m"), "strategy.deadline", "raise it or shorten the steps"),
    *(
        Bad(
            f"{value} of {field}",
            _timed(put(field, value)),
            field.replace(".0.", "[0]."),
            "must be a duration",
        )
        for value in ("10 min", "", "1d")
        for field in (
            "strategy.deadline",
            "strategy.progressDeadline",
            "strategy.preflight.budget",
            "strategy.preflight.timeout",
            "strategy.steps.0.minDuration",
        )
    ),
    Bad(
        "an audit share in words",
        put("pools.0.sampler", {"auditShare": "some"}),
        "pools[0].sampler.auditShare",
        "must be a ratio from 0 to 1",
    ),
    Bad(
        "a rate to soften in words",
        put("quality.checks", [{"name": "x", "maxRate": "1%", "maxRatio": "2", "ignoreBelow": "some"}]),
        "quality.checks[0].ignoreBelow",
        "must be a ratio between 0 and 1",
    ),
    Bad(
        "a rate that is softened in words",
        put("quality.checks", [{"name": "x", "maxRate": "some", "maxRatio": "2", "ignoreBelow": "1%"}]),
        "quality.checks[0].maxRate",
        "must be a ratio between 0 and 1",
    ),
    Bad("unknown scope", put("rollback.scope", "Pod"), "rollback.scope", "'Pool'", '"Pool"'),
    Bad("unknown answer", put("rollback.onInconclusive", "Panic"), "rollback.onInconclusive", "'Hold'", '"Hold"'),
    Bad(
        "our variable",
        put("pools.0.template", {"env": [{"name": "SAMPLER_PRECISION", "value": "x"}]}),
        "pools[0].template.env[0].name",
        "use sampler.precision",
    ),
    Bad(
        "variable twice",
        put("pools.0.template", {"env": [{"name": "A"}, {"name": "A"}]}),
        "pools[0].template.env",
        "remove the duplicate",
        "Duplicate value",
    ),
    Bad(
        "odd variable",
        put("pools.0.template", {"env": [{"name": "1-A"}]}),
        "pools[0].template.env[0].name",
        "letters, digits and underscores",
    ),
    Bad(
        "odd resource",
        put("pools.0.template", {"resources": {"limits": {"brains": "1"}}}),
        "pools[0].template.resources",
        "brains: resources may name cpu, memory, ephemeral-storage",
    ),
    Bad(
        "odd quantity",
        put("pools.0.template", {"resources": {"limits": {"cpu": "lots"}}}),
        "pools[0].template.resources.limits.cpu",
        "match",
    ),
    Bad(
        "negative quantity",
        put("pools.0.template", {"resources": {"requests": {"memory": -1}}}),
        "pools[0].template.resources.requests.memory",
        "match",
        "greater than or equal to 0",
    ),
    Bad(
        "quantity beyond all machines",
        put("pools.0.template", {"resources": {"limits": {"memory": 10**15}}}),
        "pools[0].template.resources.limits.memory",
        "match",
        "less than or equal to 999999999999999",
    ),
    Bad(
        "device without a limit",
        put("pools.0.template", {"resources": {"requests": {"vendor.example/device": 1}}}),
        "pools[0].template.resources",
        "vendor.example/device: a device needs a limit",
    ),
    Bad("negative retry", put("retryGeneration", -1), "retryGeneration", "greater than or equal to 0"),
    Bad(
        "audit share above 1",
        put("pools.0.sampler", {"auditShare": "2"}),
        "pools[0].sampler.auditShare",
        "from 0 to 1",
    ),
    Bad(
        "no shard at all",
        put("pools.0.sampler", {"vocabShards": 0}),
        "pools[0].sampler.vocabShards",
        "greater than or equal to 1",
    ),
    Bad(
        "shards as a word",
        put("pools.0.sampler", {"vocabShards": "all"}),
        "pools[0].sampler.vocabShards",
        "integer",
    ),
    Bad(
        "nothing to check",
        _both(put("pools.0.sampler", {"auditShare": "0"}), put("quality.checks", [{"name": "replay-audit"}])),
        "quality.checks",
        "an auditShare of 0 turns off",
    ),
    Bad(
        "nothing decides without an audit",
        _both(put("pools.0.sampler", {"auditShare": "0"}), put("quality.checks", [SHOWN])),
        "quality.checks",
        "take mode: Report away from one",
    ),
    Bad(
        "nothing decides in one pool of two",
        _both(put("pools.1.sampler", {"auditShare": "0"}), put("quality.checks", [{"name": "calibration"}, SHOWN])),
        "quality.checks",
        "raise auditShare",
        base=two_pools,
    ),
    Bad(
        "nothing decides at all",
        put("quality.checks", [{"name": "replay-audit", "mode": "Report"}, SHOWN]),
        "quality.checks",
        "all checks have mode: Report",
    ),
]

BAD += [
    Bad(
        f"requests {requests} of {limits}",
        put("pools.0.template", {"resources": {"requests": requests, "limits": limits}}),
        "pools[0].template.resources",
        remedy,
    )
    for requests, limits, remedy in (
        ({"cpu": 2}, {"cpu": "1999m"}, "cpu: requests are above limits: lower the request or raise the limit"),
        ({"cpu": 2, "memory": "1Gi"}, {"cpu": 2, "memory": "1G"}, "memory: requests are above limits"),
        ({"cpu": "0.5"}, {"cpu": "499m"}, "lower the request or raise the limit"),
        ({}, {"vendor.example/device": "0.5"}, "vendor.example/device: a device's limit is a whole number"),
        ({}, {"vendor.example/device": "1500m"}, "whole number"),
        ({"vendor.example/device": 1}, {"vendor.example/device": 2}, "equal to its limit"),
    )
]
BAD += AMOUNTS_OF_PLATFORMS


def _classes(**sizes: int) -> list[dict[str, Any]]:
    return [{"name": name, "maxTokens": most} for name, most in sizes.items()]


_BOTH = _classes(standard=200, long=1000)
BAD += [
    Bad(
        "class without routing", put("pools.0.contextClass", "long"), "pools", "pool cpu-a: contextClass of a pool must"
    ),
    Bad("routing without a class", put("routing.contextClasses", _BOTH), "pools", "one of routing.contextClasses"),
    Bad(
        "unknown class",
        put("pools.0.contextClass", "short"),
        "pools",
        "one of routing.contextClasses",
        base=classed,
    ),
    Bad(
        "class without a pool",
        put("pools.0.contextClass", "standard"),
        "routing.contextClasses",
        "class long: a context class has no pool: add a pool with that contextClass",
        base=lambda: classed() | {"routing": {"contextClasses": _BOTH}},
    ),
    Bad(
        "two classes of one size",
        put("routing.contextClasses", _classes(standard=200, long=200)),
        "routing.contextClasses",
        "class standard: contextClasses must differ in name and in maxTokens",
        base=classed,
    ),
    Bad(
        "class without a size",
        put("routing.contextClasses", [{"name": "standard"}]),
        "routing.contextClasses[0].maxTokens",
        "is required",
        "Required value",
        base=classed,
    ),
    Bad(
        "misrouted without classes",
        put("quality.checks", [{"name": "misrouted", "maxRate": "1%"}]),
        "quality.checks",
        "add routing.contextClasses",
    ),
    *BAD_GATEWAYS,
    *BAD_PLATFORMS,
]

UNKNOWN = [
    Bad("top", put("traffic", {}), "traffic", "unknown field"),
    Bad("in a pool", put("pools.0.nodes", "long"), "pools[0].nodes", "unknown field"),
    Bad("null", put("pools.0.nodes", None), "pools[0].nodes", "unknown field"),
    Bad(
        "in a template",
        put("pools.0.template", {"hostNetwork": True}),
        "pools[0].template.hostNetwork",
        "unknown field",
    ),
    Bad(
        "in a variable",
        put("pools.0.template", {"env": [{"name": "A", "valueFrom": {}}]}),
        "pools[0].template.env[0].valueFrom",
        "unknown field",
    ),
    Bad("in the strategy", put("strategy.analysis", {}), "strategy.analysis", "unknown field"),
    Bad("in the preflight", put("strategy.preflight", {"seconds": 5}), "strategy.preflight.seconds", "unknown field"),
    Bad(
        "in a step",
        put("strategy.steps", [{"weight": 5, "minDuration": "1m", "max": 1}]),
        "strategy.steps[0].max",
        "unknown field",
    ),
    Bad(
        "in a check",
        put("quality.checks", [{"name": "errors", "query": "vector(1)"}]),
        "quality.checks[0].query",
        "unknown field",
    ),
    Bad("in the rollback", put("rollback.pools", "Pool"), "rollback.pools", "unknown field"),
]
