"""How a story begins, what is seen of it, and how it ends. What is waited for has a limit in simulated seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sampler_rollouts.domain.release import revisions
from sampler_rollouts.domain.render import LABEL_POOL, LABEL_REVISION, LABEL_ROLLOUT
from sampler_rollouts.domain.resource import parse_spec
from sampler_rollouts.domain.tables import hash_of

from tests.support.kube.controllers import is_over, is_ready
from tests.support.scenarios.specs import build_of, classes_of, spec
from tests.support.scenarios.world import NAME, NAMESPACE, World

Obj = dict[str, Any]
PATIENCE = 120.0
REST = 65
"""Longer than a resync: what waits for the next look has had one."""
PLURALS = {
    "deployments": "apis/apps/v1",
    "services": "api/v1",
    "controllerrevisions": "apis/apps/v1",
    "poddisruptionbudgets": "apis/policy/v1",
    "httproutes": "apis/gateway.networking.k8s.io/v1",
    "samplerpools": "apis/samplerrollouts.io/v1alpha1",
}
_served: dict[str, World] = {}


class Story:
    """One SamplerRollout in one world, and what it was asked for."""

    def __init__(self, world: World, name: str = NAME) -> None:
        self.world = world
        self.name = name
        self.asked: dict[str, Any] = {}
        self.builds: dict[str, str] = {}
        """By release hash, what was asked for."""
        self.on_beginning: Callable[[], None] = lambda: None

    @property
    def status(self) -> Obj:
        """What a person sees."""
        return self.world.status(self.name)

    def ask(self, **changes: Any) -> None:
        """The spec as it was, with changes."""
        self.asked |= changes
        wanted = spec(**self.asked)
        made = hash_of(parse_spec(wanted, self.name))
        self.builds[made] = _short(build_of(pool["image"]) for pool in wanted["pools"])
        self.world.declare(wanted, self.name)

    def wait(self, what: str, probe: Callable[[], object], within: float = PATIENCE) -> None:
        """Time passes until it is so."""
        waited = 0.0
        while not probe():
            assert waited < within, f"not within {within:g} s: {what}; {self.told()}"
            self.world.tick()
            waited += 1

    def told(self) -> str:
        """Where it stands, for a failure's message."""
        words = ", ".join(f"{c['type']}={c['status']}({c['reason']})" for c in self.status.get("conditions") or [])
        message = self.condition("Ready")[2]
        pods = {place: n for place, n in self.pods().items() if n}
        return f"{self.status.get('stage')}, {self.status.get('progress')}, pods {pods}, {words}: {message}"

    def condition(self, kind: str) -> tuple[str, str, str]:
        """Status, reason and message; empty ones where it is absent."""
        every = self.status.get("conditions") or []
        found: Obj = next((one for one in every if one["type"] == kind), {})
        return found.get("status", ""), found.get("reason", ""), found.get("message", "")

    def build(self, release: Obj | None) -> str:
        """The builds of a release's pools, as in ``builds``."""
        return _short(build_of(item["image"]) for item in (release or {}).get("pools") or [])

    def pods(self, *, ready: bool = True) -> dict[tuple[str, str], int]:
        """How many there are, by pool and build."""
        found: dict[tuple[str, str], int] = {}
        for pod in self.own("pods").values():
            if LABEL_POOL not in pod["metadata"]["labels"]:
                continue  # it examines a build, and serves nobody
            there = "deletionTimestamp" not in pod["metadata"] and not is_over(pod)
            if there and (is_ready(pod) or not ready):
                place = pod["metadata"]["labels"][LABEL_POOL], build_of(pod["spec"]["containers"][0]["image"])
                found[place] = found.get(place, 0) + 1
        return found

    @property
    def classes(self) -> list[str]:
        """The context classes that the spec asks for."""
        return classes_of((self.world.rollout(self.name) or {}).get("spec") or {})

    def by_route(self, context_class: str = "") -> dict[str, int]:
        """What the proxy sends to each build, in whole percent of a class's requests."""
        found: dict[str, int] = {}
        for service, share in (self.world.gateways.shares(self.name, context_class) or {}).items():
            deployment = self.own("deployments").get(service)
            image = deployment["spec"]["template"]["spec"]["containers"][0]["image"] if deployment else "?"
            found[build_of(image)] = found.get(build_of(image), 0) + round(100 * share)
        return found

    def by_pool(self, context_class: str = "") -> dict[str, float]:
        """What the proxy sends to each pool, in percent of a class's requests."""
        found: dict[str, float] = {}
        for service, share in (self.world.gateways.shares(self.name, context_class) or {}).items():
            labels = self.own("services")[service]["metadata"]["labels"] if service in self.own("services") else {}
            pool = labels.get(LABEL_POOL, "?")
            found[pool] = round(found.get(pool, 0.0) + 100 * share, 3)
        return found

    def own(self, plural: str) -> dict[str, Obj]:
        """Objects with this rollout's label, by name."""
        every = self.world.api.kinds(plural).items()
        return {n: o for n, o in every if (o["metadata"].get("labels") or {}).get(LABEL_ROLLOUT) == self.name}

    def child(self, plural: str, build: str, pool: str) -> str:
        """The path of a revision's child."""
        wanted = spec(**(self.asked | {"build": build, "builds": None}))
        revision = revisions(parse_spec(wanted, self.name))[pool]
        mine = {LABEL_POOL: pool, LABEL_REVISION: revision}.items()
        name = next(n for n, o in self.own(plural).items() if mine <= o["metadata"]["labels"].items())
        return f"/{PLURALS[plural]}/namespaces/{NAMESPACE}/{plural}/{name}"

    def end(self) -> Obj:
        """Rest, and what a user would notice of where it all ended, without times and identities."""
        status = self.status
        if status.get("stage") == "Serving" and status.get("bake") and self._bakes():
            self.wait("verified", lambda: self.condition("Verified")[0] == "True" or not self._bakes())
        for _ in range(REST):
            self.world.tick()
        status = self.status
        pods = {"/".join(place): count for place, count in sorted(self.pods(ready=False).items())}
        return {
            "stage": status.get("stage"),
            "stable": self.build(status.get("stable")),
            "candidate": self.build(status.get("candidate")),
            "verified": self.build(status.get("verified")),
            "failed": [self.builds.get(item["hash"]) for item in status.get("failed") or []],
            "history": [(self.builds.get(i["release"]), i["result"]) for i in status.get("history") or []],
            "conditions": sorted((c["type"], c["status"], c["reason"]) for c in status.get("conditions") or []),
            "pods": pods,
            "children": {
                plural: {
                    name: (obj.get("spec") or {}).get("replicas") for name, obj in sorted(self.own(plural).items())
                }
                for plural in PLURALS
            },
        }

    def _bakes(self) -> bool:
        stable = self.status.get("stable") or {}
        paused = (self.world.rollout(self.name) or {"spec": {}})["spec"].get("paused")
        up = not self.world.traffic.down and self.world.traffic.scraping
        asked = self.builds.get(stable.get("hash", "")) is not None
        return bool(asked and up and not stable.get("fault") and not paused)


def _short(builds: Iterable[str]) -> str:
    """One letter if all pools have the same build, else one for each pool."""
    every = "".join(builds)
    return every if len(set(every)) > 1 else every[:1]


class Given:
    """How a story begins. What comes after it is what the story is about."""

    def __init__(self, story: Story) -> None:
        self._story = story

    def nothing(self, build: str = "a", **wanted: Any) -> None:
        """Nothing serves yet; the spec is not there."""
        self._story.asked = {"build": build, **wanted}
        self._begin()

    def serving(self, build: str = "a", **wanted: Any) -> None:
        """A verified release serves."""
        story = self._story
        story.asked = {"build": build, **wanted}
        key = repr(sorted(story.asked.items())) + story.name
        if story.world.api.lasting and key not in _served:
            _served[key] = self._first()
        story.world.become(_served[key] if story.world.api.lasting else self._first())
        made = (story.world.rollout(story.name) or {})["spec"]
        story.builds[hash_of(parse_spec(made, story.name))] = _short(build_of(pool["image"]) for pool in made["pools"])
        self._begin()

    def _first(self) -> World:
        """A world in which a first release of what is asked for has been verified."""
        first = Story(self._story.world.another(), self._story.name)
        first.ask(**self._story.asked)
        first.wait("a first release", lambda: first.condition("Verified")[0] == "True")
        assert not first.world.watching.breaches, first.world.watching.breaches
        return first.world

    def _begin(self) -> None:
        self._story.world.watching.begin()
        self._story.on_beginning()
