"""The specs of scenarios: short times, so that a whole story is a few minutes of simulated time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Obj = dict[str, Any]
POOLS = ("cpu",)
STEPS: Sequence[Any] = (25, 50)
HOLD = "Hold"


def image(build: str) -> str:
    """An image by digest; a build is one hex digit."""
    return f"sampler@sha256:{build * 64}"


def build_of(image_: str) -> str:
    """The build of an image."""
    return image_[-1]


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
    paused: bool = False,
    retry: int = 0,
    preflight: Obj | None = None,
    gateway: str = "",
    shares: dict[str, str] | None = None,
    warm: int | None = None,
    budget: int | None = None,
) -> Obj:
    """A whole spec; ``builds`` gives single pools another build than the rest; ``shares``: the route table; without
    ``replicas`` an autoscaler owns them."""
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
    routing: Obj = {"routing": {"gateway": {"parentRefs": [{"name": gateway}]}}} if gateway else {}
    if shares is not None:
        to = [{"pool": pool, "share": share} for pool, share in shares.items()]
        routing["routing"]["routes"] = [{"contextClass": "standard", "to": to}]
    of_pool: Obj = {"disruptionBudget": {"maxUnavailable": budget}} if budget else {}
    of_pool |= {} if replicas is None else {"replicas": replicas}
    return routing | {
        "pools": [{"name": name, "image": image(images[name])} | of_pool for name in pools],
        "strategy": strategy,
        "quality": {"designEffect": "1", "checks": [{"name": "unexpected-script", "maxRate": "5%"}]},
        "rollback": {"drainTimeout": "5s", "onInconclusive": on_inconclusive}
        | ({} if warm is None else {"warmReplicas": warm}),
        "paused": paused,
        "retryGeneration": retry,
    }
