"""Given, when, then: the words in which scenarios are told. What is waited for has a limit in simulated seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from sampler_rollouts.domain.evidence.samples import Series
from sampler_rollouts.domain.release import release_hash, revisions
from sampler_rollouts.domain.render import LABEL_POOL, LABEL_REVISION, LABEL_ROLLOUT
from sampler_rollouts.domain.resource import PROMOTE_ANNOTATION, parse_spec

from tests.support.kube.controllers import is_ready
from tests.support.kube.lives import WELL, Life
from tests.support.scenarios.specs import build_of, image, spec
from tests.support.scenarios.world import NAME, NAMESPACE, World

Obj = dict[str, Any]
PATIENCE = 120.0
REST = 65
"""Longer than a resync: what waits for the next look has had one."""
PLURALS = {"deployments": "apis/apps/v1", "services": "api/v1", "controllerrevisions": "apis/apps/v1"}
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
        made = release_hash(revisions(parse_spec(wanted, self.name)))
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
            if "deletionTimestamp" not in pod["metadata"] and (is_ready(pod) or not ready):
                place = pod["metadata"]["labels"][LABEL_POOL], build_of(pod["spec"]["containers"][0]["image"])
                found[place] = found.get(place, 0) + 1
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
        if key not in _served:
            first = Story(World(), story.name)
            first.ask(**story.asked)
            first.wait("a first release", lambda: first.condition("Verified")[0] == "True")
            assert first.world.watching.breaches == []
            _served[key] = first.world
        story.world.become(_served[key])
        made = (story.world.rollout(story.name) or {})["spec"]
        story.builds[release_hash(revisions(parse_spec(made, story.name)))] = _short(
            build_of(pool["image"]) for pool in made["pools"]
        )
        self._begin()

    def _begin(self) -> None:
        self._story.world.watching.forget()
        self._story.on_beginning()


class When:
    """What happens: people, builds, the cluster, the metrics source, the operator's own misfortunes."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._world = story.world

    def spec_asks_for(self, build: str, **changes: Any) -> None:
        """Another build in every pool, and whatever else changes with it."""
        self._story.ask(build=build, **({"builds": None} | changes))

    def spec_changes(self, **changes: Any) -> None:
        """The same build."""
        self._story.ask(**changes)

    def retry_generation_rises(self) -> None:
        """A person wants it tried again."""
        self._story.ask(retry=self._story.asked.get("retry", 0) + 1)

    def person_lets_it_go_on(self, why: str = "") -> None:
        """The promote annotation with the candidate's hash."""
        release = self._story.status["candidate"]["hash"]
        self._world.annotate(PROMOTE_ANNOTATION, release + (f":{why}" if why else ""), self._story.name)

    def answers_of(self, build: str, are: str = "bad", check: str = "unexpected-script", rate: float = 0.5) -> None:
        """From now on they are bad, or good."""
        if are == "bad":
            self._world.traffic.bad(build, check, rate)
        else:
            self._world.traffic.good(build)

    def answers_of_one_pod_of(self, build: str) -> None:
        """They are bad, those of the others are not."""
        self._world.traffic.bad_pods.add(self._a_pod_of(build))

    def _a_pod_of(self, build: str) -> str:
        pods = self._story.own("pods").items()
        return next(n for n, pod in pods if pod["spec"]["containers"][0]["image"] == image(build))

    def pods_of(self, build: str, fare: Life = WELL) -> None:
        """From now on, those that are there too."""
        self._world.controllers.lives[image(build)] = fare

    def one_pod_of(self, build: str, fares: Life) -> None:
        """A single one."""
        self._world.controllers.fates[self._a_pod_of(build)] = fares

    def pods_are_refused(self, build: str, why: str = 'exceeded quota "gpu"') -> None:
        """Admission or a quota does not take them; no more if ``why`` is empty."""
        if why:
            self._world.controllers.refused[image(build)] = why
        else:
            self._world.controllers.refused.pop(image(build), None)

    def somebody_scales(self, build: str, replicas: int, pool: str = "cpu") -> None:
        """A person, or an autoscaler."""
        self._world.scale(self._story.child("deployments", build, pool), replicas)

    def somebody_deletes(self, plural: str, build: str, pool: str = "cpu") -> None:
        """A child of ours."""
        self._world.delete(self._story.child(plural, build, pool))

    def somebody_deletes_the_service(self) -> None:
        """The one that users call."""
        self._world.delete(f"/api/v1/namespaces/{NAMESPACE}/services/{self._story.name}-standard")

    def rollout_is_deleted(self, policy: str = "Background") -> None:
        """``kubectl delete samplerrollout``."""
        self._world.delete(self._world.path(self._story.name), policy)

    def metrics_source_is(self, down: str = "") -> None:
        """Why it gives no answer; empty if it answers."""
        self._world.traffic.down, self._world.traffic.breaks = down, False

    def metrics_source_breaks(self) -> None:
        """By an error of a kind that the port does not know."""
        self._world.traffic.breaks = True

    def store_makes(self, distortion: Callable[[Series], list[Series]]) -> None:
        """From now on, of every series."""
        self._world.traffic.distort = distortion

    def scraping_stops(self) -> None:
        """The store answers, with older samples only."""
        self._world.traffic.scraping = False

    def scraping_goes_on(self) -> None:
        """Again."""
        self._world.traffic.scraping = True

    def users_ask(self, per_second: float) -> None:
        """So often."""
        self._world.traffic.per_second = per_second

    def operator_is_away(self, seconds: float) -> None:
        """Killed, and not started again for so long."""
        self._world.kill(seconds)
        self.time_passes(seconds)

    def operator_dies(self, for_seconds: float) -> None:
        """Killed; what else happens, happens meanwhile."""
        self._world.kill(for_seconds)

    def operators_clock_jumps(self, seconds: float) -> None:
        """Its machine's, not the cluster's."""
        self._world.clock.skew += timedelta(seconds=seconds)

    def reads_are_older(self, plural: str, seconds: int) -> None:
        """A cache lags behind; 0 if it does no more."""
        self._world.lags[plural] = seconds

    def right_is_taken(self, method: str, plural: str) -> None:
        """RBAC says 403."""
        self._world.api.denied.add((method, plural))

    def right_is_given(self, method: str, plural: str) -> None:
        """Again."""
        self._world.api.denied.discard((method, plural))

    def webhook_refuses(self, method: str, plural: str) -> None:
        """An admission policy says no."""
        self._world.api.protected.add((method, plural))

    def webhook_lets_pass(self, method: str, plural: str) -> None:
        """Again."""
        self._world.api.protected.discard((method, plural))

    def status_is_wiped(self) -> None:
        """Somebody took the operator's memory."""
        self._world.api.edit(self._world.path(self._story.name), lambda obj: obj.update(status={}), "somebody")

    def time_passes(self, seconds: float) -> None:
        """And nothing else happens."""
        for _ in range(int(seconds)):
            self._world.tick()

    def weight_is(self, weight: int, pool: str = "cpu", ready: bool = True, within: float = PATIENCE) -> None:
        """As soon as the candidate has so much of a pool by status, its pods are ready and stable has made room."""

        def there() -> bool:
            rows = {row["name"]: row for row in self._story.status.get("pools") or []}
            row, candidate = rows.get(pool, {}), self._story.status.get("candidate")
            count = row.get("candidateReplicas", 0)
            build = next((build_of(i["image"]) for i in (candidate or {}).get("pools", []) if i["name"] == pool), "")
            here = row.get("weight") == weight and candidate is not None and count > 0
            share = row.get("observedWeight") == weight and self._story.pods().get((pool, build), 0) >= count
            return here and (share or not ready)

        self._story.wait(f"weight {weight} in pool {pool}", there, within)

    def stage_is(self, stage: str, within: float = PATIENCE) -> None:
        """As soon as it is."""
        self._story.wait(f"stage {stage}", lambda: self._story.status.get("stage") == stage, within)


class Then:
    """What must come to be, within a time, or stay so for one."""

    def __init__(self, story: Story) -> None:
        self._story = story

    def stage(self, stage: str, within: float = PATIENCE) -> None:
        """Where it stands."""
        self._story.wait(f"stage {stage}", lambda: self._story.status.get("stage") == stage, within)

    def stable(self, build: str, within: float = PATIENCE) -> None:
        """What serves, and that nothing else is tried."""
        self._story.wait(f"stable {build} alone", lambda: self._alone(build), within)

    def _alone(self, build: str) -> bool:
        status = self._story.status
        return self._story.build(status.get("stable")) == build and not status.get("candidate")

    def candidate(self, build: str, within: float = PATIENCE) -> None:
        """What is tried."""
        self._story.wait(
            f"candidate {build}", lambda: self._story.build(self._story.status.get("candidate")) == build, within
        )

    def stable_never_was(self, build: str) -> None:
        """It was not promoted by whatever happened."""
        assert self._story.build(self._story.status.get("stable")) != build, self._story.told()

    def is_(self, kind: str, reason: str, status: str = "True", within: float = PATIENCE) -> None:
        """A condition."""
        wanted = (status, reason)
        self._story.wait(f"{kind}={status}({reason})", lambda: self._story.condition(kind)[:2] == wanted, within)

    def says(self, kind: str, *parts: str) -> None:
        """What a condition's message holds."""
        message = self._story.condition(kind)[2]
        missing = [part for part in parts if part not in message]
        assert not missing, f"{kind} does not say {missing}: {message}"

    def ready(self, within: float = PATIENCE) -> None:
        """Ready, and verified when its time has come."""
        self.is_("Ready", "FullTraffic", within=within)

    def rolled_back(self, build: str, reason: str = "CheckFailed", within: float = PATIENCE) -> None:
        """It was rejected, is gone and is held."""
        self._story.wait(f"{build} held", lambda: build in self._held(), within)
        self._story.wait(f"no pod of {build}", lambda: not self._pods_of(build), within)
        self.stage("Serving", within)
        self.is_("Stalled", "RolledBack", within=within)
        self.is_("RolledBack", reason, within=within)

    def _held(self) -> list[str]:
        return [self._story.builds.get(item["hash"], "") for item in self._story.status.get("failed") or []]

    def _pods_of(self, build: str) -> int:
        return sum(count for (_, other), count in self._story.pods(ready=False).items() if other == build)

    def pods(self, pool: str = "cpu", within: float = PATIENCE, **counts: int) -> None:
        """How many of each build are ready."""

        def there() -> bool:
            found = self._story.pods()
            return all(found.get((pool, build), 0) == count for build, count in counts.items())

        self._story.wait(f"pods {counts} in {pool}", there, within)

    def history(self, *results: tuple[str, str]) -> None:
        """How rollouts ended, newest first."""
        every = self._story.status.get("history") or []
        found = [(self._story.builds.get(item["release"]), item["result"]) for item in every]
        assert found[: len(results)] == list(results), found

    def stays(self, seconds: float, **wanted: Any) -> None:
        """For so long: ``stage``, ``weight`` of the rollout, ``candidate``, ``stable``."""
        for _ in range(int(seconds)):
            self._story.world.tick()
            status = self._story.status
            found = {
                "stage": status.get("stage"),
                "weight": (status.get("rollout") or {}).get("weight"),
                "candidate": self._story.build(status.get("candidate")),
                "stable": self._story.build(status.get("stable")),
                "reason": self._story.condition("Ready")[1],
            }
            seen = {name: found[name] for name in wanted}
            assert seen == wanted, f"{seen} where {wanted} was to stay; {self._story.told()}"

    def weights(self, *expected: tuple[str, int], pool: str = "cpu") -> None:
        """All that were seen of candidates in a pool, from the beginning of the story."""
        seen = self._story.world.watching.weights.get(f"{self._story.name}/{pool}", [])
        assert seen == list(expected), seen

    def never_ready(self, build: str, pool: str = "cpu") -> None:
        """No user ever got an answer of it."""
        assert self._story.world.watching.ready.get(f"{self._story.name}/{pool}/{build}", [0]) == [0]

    def nothing_is_left(self, within: float = PATIENCE) -> None:
        """No child, no pod, no endpoint."""
        kinds = ("deployments", "replicasets", "pods", "services", "endpoints", "controllerrevisions")
        self._story.wait("nothing left", lambda: not any(self._story.world.api.kinds(kind) for kind in kinds), within)

    def says_as_event(self, reason: str) -> None:
        """An Event was recorded."""
        events = self._story.world.api.kinds("events").values()
        assert reason in {event["reason"] for event in events}, sorted({event["reason"] for event in events})
