"""How pods fare, by script: what a kubelet and a scheduler would report of a build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]
SANDBOX = "NotTakenUp"


@dataclass(frozen=True)
class Life:
    """One build's pods. Times are seconds of a pod's age."""

    ready_after: float | None = 4.0
    """None: it runs and is never ready."""
    unready_after: float | None = None
    """From then on it is not ready any more."""
    crashes_every: float | None = None
    """Its container ends so often."""
    crashes_from: float = 0.0
    blocked: str = ""
    """Why it does not start: ``Unschedulable``, ``ErrImagePull``, ``NotTakenUp``."""
    creating_for: float = 0.0
    """Before its container runs."""
    evicted_after: float | None = None
    """It ends for good at that age, unless it is ready by then, and another takes its place."""

    def exits(self, age: float) -> int:
        """How often the container has ended."""
        if self.crashes_every is None or age < self.crashes_from:
            return 0
        return 1 + int((age - self.crashes_from) / self.crashes_every)

    def is_ready(self, age: float) -> bool:
        """Whether the readiness probe succeeds."""
        late = self.ready_after is None or age < self.ready_after
        over = self.unready_after is not None and age >= self.unready_after
        return not (late or over or self.blocked or self.exits(age))


WELL = Life()
CRASHING = Life(crashes_every=5)
NEVER_READY = Life(ready_after=None)
UNSCHEDULABLE = Life(blocked="Unschedulable")
NO_IMAGE = Life(blocked="ErrImagePull")
EVICTED = Life(ready_after=40, creating_for=3, evicted_after=20)
REJECTED = Life(evicted_after=0)


def status(life: Life, age: float, started: bool, address: str = "", gates: Sequence[Obj] = ()) -> Obj:
    """The pod's status. ``started``: it was ready before, and what keeps new pods from starting is none of its.

    ``gates`` are the conditions, kept as they are, without which it is not ready.
    """
    if life.evicted_after is not None and age >= life.evicted_after and not started:
        return _evicted()
    if (life.blocked or age < life.creating_for) and not started:
        return _blocked(life.blocked or "ContainerCreating")
    ready = life.is_ready(age) or (bool(life.blocked) and started)
    exits = life.exits(age)
    state: Obj = {"running": {}}
    last: Obj = {}
    if exits:
        state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}
        last = {"terminated": {"exitCode": 1, "reason": "Error"}}
    container = {"name": "sampler", "restartCount": max(0, exits - 1), "state": state, "lastState": last}
    served = ready and all(gate["status"] == "True" for gate in gates)
    said = [*_conditions(True, served), {"type": "ContainersReady", "status": str(ready)}, *gates]
    told: Obj = {"phase": "Running", "conditions": said, "containerStatuses": [container]}
    return told | ({"podIP": address} if address else {})


def _evicted() -> Obj:
    told = "The node was low on resource: ephemeral-storage."
    return {"phase": "Failed", "reason": "Evicted", "message": told, "conditions": _conditions(True, False)}


def _conditions(scheduled: bool, ready: bool, reason: str = "", message: str = "") -> list[Obj]:
    first: Obj = {"type": "PodScheduled", "status": str(scheduled)}
    first |= {"reason": reason, "message": message} if reason else {}
    return [first, {"type": "Ready", "status": str(ready)}]


def _blocked(reason: str) -> Obj:
    if reason == "Unschedulable":
        told = "0/3 nodes are available: 3 Insufficient cpu."
        return {"phase": "Pending", "conditions": _conditions(False, False, reason, told)}
    if reason == SANDBOX:
        return {"phase": "Pending", "conditions": _conditions(True, False)}
    waiting = {"waiting": {"reason": reason, "message": "the registry does not know it"}}
    container = {"name": "sampler", "restartCount": 0, "state": waiting, "lastState": {}}
    return {"phase": "Pending", "conditions": _conditions(True, False), "containerStatuses": [container]}
