"""A Service's endpoints while a test goes on, from the API server: which pods there were when, and who took them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from tests.support.watched import Watched

Obj = dict[str, Any]
TAKEN_FOR_READY = 15.0
"""Seconds after a kubelet's end in which a server that is still starting may be asked. A kubelet that starts takes each
running container for ready until it has made its probes, some seconds later (kubernetes/kubernetes#135795), so that its
pod is put among the Service's for that long. Nobody but the kubelet can tell; clients are told to come back."""
LAG = 2.0
"""Seconds that a node's proxy may hear of it before us, or after us."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Names of pods from a moment (Unix seconds) on. ``unready`` are there, and not on their way out."""

    at: float
    ready: frozenset[str]
    unready: frozenset[str] = frozenset()


def seen_in(slices: Iterable[Obj], at: float) -> Seen:
    """What a Service's EndpointSlices say together. Readiness that is not said is taken for true, as clients do."""
    every = [one for part in slices for one in part.get("endpoints") or []]
    said = [((one.get("targetRef") or {}).get("name", ""), one.get("conditions") or {}) for one in every]
    ready = frozenset(name for name, conditions in said if conditions.get("ready", True))
    alive = frozenset(name for name, conditions in said if not conditions.get("terminating", False))
    return Seen(at, ready, alive - ready)


def taken_away(seen: Sequence[Seen], kubelets: Sequence[float]) -> list[Seen]:
    """When a Service that had ready pods had none any more, but for what a new kubelet did, at ``kubelets`` and just
    after: whose pods are all there still, and not ready for a moment.
    """

    def by_kubelet(before: Seen, after: Seen) -> bool:
        return before.ready <= after.unready and _is_near(after.at, kubelets)

    steps = itertools.pairwise(seen)
    return [after for before, after in steps if before.ready and not after.ready and not by_kubelet(before, after)]


def may_be_starting(at: float, seen: Sequence[Seen], kubelets: Sequence[float]) -> bool:
    """Whether a request of that moment may have gone to a pod that a new kubelet took for ready.

    Such a pod came among the ready ones after the kubelet had ended, and it is not alone: what answered before goes on.
    """
    if not _is_near(at, kubelets):
        return False
    return any(
        since - LAG <= at <= until + LAG and _is_near(since, kubelets) and beside
        for since, until, beside in _newcomers(seen)
    )


def _newcomers(seen: Sequence[Seen]) -> Iterable[tuple[float, float, bool]]:
    """From when until when each pod was ready that was not from the first, and whether others were at the beginning."""
    for number, (before, now) in enumerate(itertools.pairwise(seen), 1):
        for name in now.ready - before.ready:
            until = next((later.at for later in seen[number:] if name not in later.ready), float("inf"))
            yield now.at, until, bool(now.ready & before.ready)


def _is_near(at: float, kubelets: Sequence[float]) -> bool:
    return any(0 <= at - kubelet <= TAKEN_FOR_READY for kubelet in kubelets)


class Endpoints:
    """What is seen of one Service's while this is entered."""

    def __init__(self, namespace: str, service: str) -> None:
        path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        self._watched = Watched(path, self._note, f"kubernetes.io/service-name={service}")
        self.seen: list[Seen] = []

    @property
    def watching(self) -> bool:
        """Whether anything would still be seen."""
        return self._watched.alive

    def __enter__(self) -> Self:
        self._watched.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._watched.__exit__()

    def _note(self, slices: Mapping[str, Obj]) -> None:
        now = seen_in(slices.values(), time.time())
        if not self.seen or (now.ready, now.unready) != (self.seen[-1].ready, self.seen[-1].unready):
            self.seen.append(now)
