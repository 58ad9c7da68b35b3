"""A few stories on a real API server, and what must be the same of each whatever befell the operator at one write."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self

from sampler_rollouts.cluster.errors import ConflictError, NotFoundError
from sampler_rollouts.cluster.kinds import CONTROLLER_REVISION, DEPLOYMENT, POD, ROLLOUT, SERVICE
from sampler_rollouts.cluster.transport import KubernetesApi, listed
from sampler_rollouts.domain.render import LABEL_ROLLOUT
from sampler_rollouts.domain.resource import PROMOTE_ANNOTATION, parse_spec
from sampler_rollouts.domain.tables import hash_of

from tests.support.crashing.plane import MERGE, PATIENCE, Nodes
from tests.support.endpoints import Endpoints, taken_away
from tests.support.scenarios.specs import build_of, spec
from tests.support.watched import Watched

Obj = dict[str, Any]
NAME: Final = "chat"
CHILDREN: Final = (DEPLOYMENT, SERVICE, CONTROLLER_REVISION)
SHORT: Final[dict[str, Any]] = {"replicas": 2, "steps": [50], "step_seconds": 3, "bake": 5, "deadline": 600}
REST: Final = 8.0
"""Seconds in which nothing changes at the end: longer than a bake, and than a look takes to come."""


class Case:
    """One SamplerRollout in a namespace of its own, and what is seen of it."""

    def __init__(self, api: KubernetesApi, nodes: Nodes, namespace: str) -> None:
        self.api = api
        self.nodes = nodes
        self.namespace = namespace
        self.path = ROLLOUT.path(namespace, NAME)
        self.asked: dict[str, Any] = {}
        self.builds: dict[str, str] = {}
        """By release hash."""
        self.weights: list[tuple[str, int]] = []
        """Builds that were tried, with the weights that status told of them."""
        self.deleted = False
        self.endpoints = Endpoints(namespace, f"{NAME}-standard")
        self._watching = ExitStack()

    def __enter__(self) -> Self:
        """``a`` serves, and is verified."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        with suppress(ConflictError):
            self.api.request("POST", "/api/v1/namespaces", body=body)
        self.nodes.bad.clear()
        self.ask("a", **SHORT)
        self.wait("a first release", lambda: self.condition("Verified")[0] == "True")
        self._watching.enter_context(Watched(ROLLOUT.path(self.namespace), self._note))
        self._watching.enter_context(self.endpoints)
        self.weights.clear()
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing of it is left to be looked after."""
        self._watching.close()
        self.delete()
        self.wait("nothing left", lambda: not self.rollout() and not any(self.children().values()))

    def ask(self, build: str, **changes: Any) -> None:
        """The spec as it was, with changes; applied as GitOps does."""
        self.asked |= {"build": build, **changes}
        wanted = spec(**self.asked)
        self.builds[hash_of(parse_spec(wanted, NAME))] = build
        metadata = {"name": NAME, "namespace": self.namespace}
        body = {"apiVersion": ROLLOUT.api_version, "kind": ROLLOUT.kind, "metadata": metadata, "spec": wanted}
        query = {"fieldManager": "gitops", "force": "true"}
        self.api.request("PATCH", self.path, query=query, body=body, content_type="application/apply-patch+yaml")

    def annotate(self, key: str, value: str) -> None:
        """``kubectl annotate``."""
        self.api.request("PATCH", self.path, body={"metadata": {"annotations": {key: value}}}, content_type=MERGE)

    def delete(self) -> None:
        """``kubectl delete``: the garbage collector does the rest."""
        self.deleted = True
        with suppress(NotFoundError):
            self.api.request("DELETE", self.path, body={"propagationPolicy": "Background"})

    def rollout(self) -> Obj:
        """The object, or nothing."""
        try:
            return self.api.request("GET", self.path)
        except NotFoundError:
            return {}

    @property
    def status(self) -> Obj:
        """As people see it."""
        return self.rollout().get("status") or {}

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason."""
        found: Obj = next((one for one in self.status.get("conditions") or [] if one["type"] == kind), {})
        return found.get("status", ""), found.get("reason", "")

    def wait(self, what: str, probe: Callable[[], object], within: float = PATIENCE) -> None:
        """Until it is so."""
        end = time.monotonic() + within
        while not probe():
            if time.monotonic() > end:
                said = next(
                    (one["message"] for one in self.status.get("conditions") or [] if one["type"] == "Ready"), ""
                )
                raise AssertionError(f"not within {within:g} s: {what}; {said}; {self.state()}")
            time.sleep(0.2)

    def stable(self, build: str) -> None:
        """It serves alone, and is verified."""

        def alone() -> bool:
            status = self.status
            return self._build(status.get("stable")) == build and not status.get("candidate")

        self.wait(f"stable {build} alone", alone)
        self.wait("verified", lambda: self.condition("Verified")[0] == "True")

    def rolled_back(self, build: str) -> None:
        """It is held, and what was before it serves."""
        self.wait(f"{build} held", lambda: build in self.state()["failed"])
        self.wait("it serves", lambda: self.status.get("stage") == "Serving")
        self.wait("the sentence", lambda: self.condition("Stalled") == ("True", "RolledBack"))

    def weight_is(self, weight: int) -> None:
        """As soon as the candidate has so much by status, and traffic shows it."""

        def there() -> bool:
            (row,) = self.status.get("pools") or [{}]
            return row.get("weight") == row.get("observedWeight") == weight and bool(self.status.get("candidate"))

        self.wait(f"weight {weight}", there)

    def _build(self, release: Obj | None) -> str:
        pools = (release or {}).get("pools") or []
        return build_of(pools[0]["image"]) if pools else ""

    def _note(self, objects: Mapping[str, Obj]) -> None:
        status = (objects.get(NAME) or {}).get("status") or {}
        candidate, stable = ((status.get(role) or {}).get("pools") or [{}] for role in ("candidate", "stable"))
        for row in status.get("pools") or []:
            new = candidate[0].get("revision")
            if new and new != stable[0].get("revision") and row["revision"] == new:
                seen = build_of(candidate[0]["image"]), int(row["weight"])
                if self.weights[-1:] != [seen]:
                    self.weights.append(seen)

    def children(self) -> dict[str, dict[str, Any]]:
        """By kind and name, of Deployments how many pods they are to have."""
        query = {"labelSelector": f"{LABEL_ROLLOUT}={NAME}"}
        found = {kind.plural: list(listed(self.api, kind.path(self.namespace), query)) for kind in CHILDREN}
        return {
            plural: {one["metadata"]["name"]: (one.get("spec") or {}).get("replicas") for one in every}
            for plural, every in found.items()
        }

    def state(self) -> Obj:
        """What a user would notice, without times and identities."""
        status = self.status
        pods = listed(self.api, POD.path(self.namespace), {"labelSelector": f"{LABEL_ROLLOUT}={NAME}"})
        alive = (pod for pod in pods if "deletionTimestamp" not in pod["metadata"])
        return {
            "stage": status.get("stage"),
            **{role: self._build(status.get(role)) for role in ("stable", "candidate", "verified")},
            "failed": [self.builds.get(one["hash"]) for one in status.get("failed") or []],
            "history": [(self.builds.get(one["release"]), one["result"]) for one in status.get("history") or []],
            "conditions": sorted((c["type"], c["status"], c["reason"]) for c in status.get("conditions") or []),
            "pods": dict(sorted(Counter(build_of(pod["spec"]["containers"][0]["image"]) for pod in alive).items())),
            "children": self.children(),
        }

    def rest(self, like: Obj | None = None) -> Obj:
        """Its state, once nothing of it has changed for a while; as it is to be, if it comes to be ``like`` that."""
        state, since, end = self.state(), time.monotonic(), time.monotonic() + PATIENCE
        while time.monotonic() - since < REST or (like not in (None, state) and time.monotonic() < end):
            time.sleep(0.5)
            if (now := self.state()) != state:
                state, since = now, time.monotonic()
        return state

    def without_servers(self) -> list[str]:
        """When users had nobody to answer them, after they had; not of what was deleted."""
        assert self.endpoints.watching
        assert any(one.ready for one in self.endpoints.seen)
        return [] if self.deleted else [f"{one.at:.1f}" for one in taken_away(self.endpoints.seen, [])]


@dataclass
class Played:
    """What came of a story."""

    end: Obj
    weights: list[tuple[str, int]]
    writes: int
    breaches: list[str] = field(default_factory=list)


def promotion(one: Case) -> None:
    """A good release."""
    one.ask("b")
    one.stable("b")


def rollback(one: Case) -> None:
    """A bad one, at its step."""
    one.nodes.bad.add("b")
    one.ask("b")
    one.rolled_back("b")


def third(one: Case) -> None:
    """Another one in mid-rollout."""
    one.ask("b")
    one.weight_is(50)
    one.ask("c")
    one.stable("c")


def deletion(one: Case) -> None:
    """Of the SamplerRollout, in a step."""
    one.ask("b")
    one.weight_is(50)
    one.delete()
    one.wait("nothing left", lambda: not any(one.children().values()))


def retry(one: Case) -> None:
    """Of what was bad, and is good now."""
    one.nodes.bad.add("b")
    one.ask("b")
    one.rolled_back("b")
    one.nodes.bad.clear()
    one.ask("b", retry=1)
    one.stable("b")


def pause(one: Case) -> None:
    """A step that waits for a person."""
    one.ask("b", steps=[50, "pause"])
    one.wait("a person", lambda: one.condition("Reconciling") == ("True", "WaitingForPerson"))
    one.annotate(PROMOTE_ANNOTATION, one.status["candidate"]["hash"])
    one.stable("b")


STORIES: Final[Mapping[str, Callable[[Case], None]]] = {
    told.__name__: told for told in (promotion, rollback, third, deletion, retry, pause)
}
