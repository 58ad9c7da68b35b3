"""The specs of scenarios: short times, so that a whole story is a few minutes of simulated time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Obj = dict[str, Any]
POOLS = ("cpu",)
STEPS: Sequence[Any] = (25, 50)
HOLD = "Hold"
STANDARD = "standard"


def image(build: str) -> str:
    """An image by digest; a build is one hex digit."""
    return f"sampler@sha256:{build * 64}"


def build_of(image_: str) -> str:
    """The build of an image."""
    return image_[-1]


def classes_of(wanted: Obj) -> list[str]:
    """The context classes of a spec."""
    named = (wanted.get("routing") or {}).get("contextClasses") or [{"name": STANDARD}]
    return [one["name"] for one in named]


def step(weight: Any, seconds: int) -> Obj:
    """A weight, or ``pause``."""
    return {"pause": {}} if weight == "pause" else {"weight": weight, "minDuration": f"{seconds}s"}


def spec(
    build: str = "a",
    *,
    pools: Sequence[str] = POOLS,
    builds: dict[str, str] | None = None,
    replicas: int | None = 4,
    waves: Sequence[Sequence[str]] | None = None,
    steps: Sequence[Any] = STEPS,
    step_seconds: int = 15,
    progress_deadline: int = 60,
    deadline: int = 300,
    bake: int = 20,
    on_inconclusive: str = HOLD,
    scope: str = "",
    paused: bool = False,
    retry: int = 0,
    preflight: Obj | None = None,
    gateway: str = "",
    shares: dict[str, str] | None = None,
    classes: dict[str, str] | None = None,
    warm: int | None = None,
    budget: int | None = None,
    template: str = "",
) -> Obj:
    """A whole spec; ``builds`` gives single pools another build than the rest; ``shares``: the route table;
    ``classes``: the context class of each pool, the one that is named first being where requests without a class go;
    ``template``: the admin's, of which one more check is; without ``replicas`` an autoscaler owns them.
    """
    images = dict.fromkeys(pools, build) | (builds or {})
    strategy: Obj = {
        "steps": [step(weight, step_seconds) for weight in steps],
        "progressDeadline": f"{progress_deadline}s",
        "deadline": f"{deadline}s",
        "bakeTime": f"{bake}s",
    }
    if preflight is not None:
        strategy["preflight"] = preflight
    if waves is not None:
        strategy["waves"] = [list(wave) for wave in waves]
    routing: Obj = {"gateway": {"parentRefs": [{"name": gateway}]}} if gateway else {}
    if shares is not None:
        to = [{"pool": pool, "share": share} for pool, share in shares.items()]
        routing["routes"] = [{"contextClass": STANDARD, "to": to}]
    if classes is not None:
        named = dict.fromkeys(classes[pool] for pool in pools)
        routing["contextClasses"] = [{"name": one, "maxTokens": 1000 * n} for n, one in enumerate(named, 1)]
    checks: list[Obj] = [{"name": "unexpected-script", "maxRate": "5%"}]
    checks += [{"name": "own", "template": template, "maxRate": "5%"}] if template else []
    of_pool: Obj = {"disruptionBudget": {"maxUnavailable": budget}} if budget else {}
    of_class = {name: {"contextClass": classes[name]} if classes else {} for name in pools}
    of_pool |= {} if replicas is None else {"replicas": replicas}
    of_each = {name: {"name": name, "image": image(images[name])} for name in pools}
    return ({"routing": routing} if routing else {}) | {
        "pools": [of_each[name] | of_pool | of_class[name] for name in pools],
        "strategy": strategy,
        "quality": {"designEffect": "1", "checks": checks},
        "rollback": {"drainTimeout": "5s", "onInconclusive": on_inconclusive}
        | ({"scope": scope} if scope else {})
        | ({} if warm is None else {"warmReplicas": warm}),
        "paused": paused,
        "retryGeneration": retry,
    }
