"""What a bad manifest is, and small changes that make one of a good one."""

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


def classed() -> Spec:
    spec = good()
    spec["pools"][0]["contextClass"] = "standard"
    return spec | {"routing": {"contextClasses": [{"name": "standard", "maxTokens": 200}]}}


@dataclass(frozen=True)
class Bad:
    """What is wrong, where it must be shown, and a part of the remedy that must be read in the message.

    A remedy with a name before it (``pool cpu-a: image must be``) asks for the name of who is at fault, too.
    """

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


def put(path: str, value: Any) -> Callable[[Spec], None]:
    """Set one field."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]

    def change(spec: Spec) -> None:
        at: Any = spec
        for part in parents:
            at = at[part] if isinstance(part, int) else at.setdefault(part, {})
        at[last] = value

    return change


def drop(path: str) -> Callable[[Spec], None]:
    """Leave one field out."""

    def change(spec: Spec) -> None:
        *parents, last = path.split(".")
        at: Any = spec
        for part in parents:
            at = at[int(part)] if part.isdigit() else at[part]
        del at[last]

    return change


def steps(*weights: int | None) -> list[dict[str, Any]]:
    return [{"pause": {}} if weight is None else {"weight": weight, "minDuration": "1m"} for weight in weights]
