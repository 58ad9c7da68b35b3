"""What must come of it."""

from __future__ import annotations

from typing import Any

from sampler_rollouts.cluster.translate import stands_by
from sampler_rollouts.domain.render import LABEL_POOL

from tests.support.scenarios.specs import build_of
from tests.support.scenarios.story import PATIENCE, REST, Story


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

    def other(self, build: str, failed: bool = False, within: float = PATIENCE) -> None:
        """What serves alone in the other SamplerRollout, and whether it has a failed release."""

        def there() -> bool:
            status = self._story.world.status("other")
            alone = self._story.build(status.get("stable")) == build and not status.get("candidate")
            return alone and bool(status.get("failed")) is failed

        self._story.wait(f"{build} alone in the other one", there, within)

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

    def asked_of_deployments(self, pool: str = "cpu", within: float = PATIENCE, **counts: int) -> None:
        """How many pods the Deployment of each build is to have: what others have changed of it is put back at once."""

        def there() -> bool:
            mine = [one["spec"] for one in self._story.own("deployments").values() if _pool_of(one) == pool]
            found = {build_of(one["template"]["spec"]["containers"][0]["image"]): one["replicas"] for one in mine}
            return all(found.get(build, 0) == count for build, count in counts.items())

        self._story.wait(f"Deployments of {counts} in {pool}", there, within)

    def kept_warm(self, build: str, count: int, pool: str = "cpu", within: float = PATIENCE) -> None:
        """So many of its pods are ready to serve, as status says, and none has traffic."""

        def there() -> bool:
            row = next((one for one in self._story.status.get("pools") or [] if one["name"] == pool), {})
            told = row.get("warm") or {}
            return (told.get("replicas"), told.get("ready")) == (count, count) == (count, self._warm(build, pool))

        self._story.wait(f"{count} pods of {build} kept warm in {pool}", there, within)

    def nothing_kept_warm(self, build: str, pool: str = "cpu", within: float = PATIENCE) -> None:
        """No pod stands by, and no Deployment that stands by is left."""

        def gone() -> bool:
            row = next((one for one in self._story.status.get("pools") or [] if one["name"] == pool), {})
            deployments = self._story.own("deployments").values()
            return not (row.get("warm") or self._warm(build, pool) or any(stands_by(one) for one in deployments))

        self._story.wait(f"no pod of {build} kept warm in {pool}", gone, within)

    def scale(self, replicas: int | None, there: int | None = None, pool: str = "cpu") -> None:
        """What the pool's SamplerPool asks for, and how many servers it says there are; None: there is no such one."""

        def told() -> bool:
            found = self._story.own("samplerpools").get(f"{self._story.name}-{pool}")
            if found is None or replicas is None:
                return found is None and replicas is None
            has = (found.get("status") or {}).get("replicas")
            return found["spec"]["replicas"] == replicas and there in (None, has)

        self._story.wait(f"a SamplerPool of {replicas} in {pool}, with {there}", told)

    def budgets(self, within: float = PATIENCE, **most: int) -> None:
        """How many pods of each build evictions may take at once; no other build has a disruption budget."""

        def there() -> bool:
            budgets, deployments = self._story.own("poddisruptionbudgets"), self._story.own("deployments")
            found = {}
            for name, one in budgets.items():
                template = deployments[name]["spec"]["template"] if name in deployments else None
                build = build_of(template["spec"]["containers"][0]["image"]) if template else name
                found[build] = one["spec"]["maxUnavailable"]
                assert template is None or one["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
            return found == most

        self._story.wait(f"budgets {most}", there, within)

    def _warm(self, build: str, pool: str) -> int:
        """Pods whose containers are ready, and that no Service of users and no route sends anything to."""
        pods = self._story.own("pods").values()
        mine = (pod for pod in pods if pod["metadata"]["labels"].get(LABEL_POOL) == pool)
        alive = (pod for pod in mine if "deletionTimestamp" not in pod["metadata"] and _able(pod))
        here = {pod["metadata"]["name"] for pod in alive if build_of(pod["spec"]["containers"][0]["image"]) == build}
        traffic = self._story.world.traffic
        return len(here - {pod for one in self._story.classes for pod in traffic.reached(self._story.name, one)})

    def history(self, *results: tuple[str, str]) -> None:
        """How rollouts ended, newest first."""
        every = self._story.status.get("history") or []
        found = [(self._story.builds.get(item["release"]), item["result"]) for item in every]
        assert found[: len(results)] == list(results), found

    def ends(self, result: str, within: float = PATIENCE) -> None:
        """The rollout under way has ended so, and what is left serves."""

        def there() -> bool:
            every = self._story.status.get("history") or []
            return self._story.status.get("stage") == "Serving" and bool(every) and every[0]["result"] == result

        self._story.wait(f"ended as {result}", there, within)

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

    def nobody_fights_over_it(self, seconds: float, commits: int) -> None:
        """Once all rests neither spec nor child changes for so long: a generation for each commit, no more."""
        world, path = self._story.world, self._story.world.path(self._story.name)
        self.stays(REST)
        before = self._written()
        self.stays(seconds)
        assert self._written() == before
        assert world.api.objects[path]["metadata"]["generation"] == commits

    def _written(self) -> list[tuple[str, str]]:
        """The operator's writes, but for those that only tell."""
        return [
            write for write in self._story.world.api.writes if "/events" not in write[1] and "/status" not in write[1]
        ]

    def weights(self, *expected: tuple[str, int], pool: str = "cpu") -> None:
        """All that were seen of candidates in a pool, from the beginning of the story."""
        seen = self._story.world.watching.weights.get(f"{self._story.name}/{pool}", [])
        assert seen == list(expected), seen

    def never_ready(self, build: str, pool: str = "cpu") -> None:
        """No user ever got an answer of it."""
        assert self._story.world.watching.ready.get(f"{self._story.name}/{pool}/{build}", [0]) == [0]

    def nothing_is_left(self, within: float = PATIENCE) -> None:
        """No child, no pod, no endpoint."""
        kinds = ("deployments", "replicasets", "pods", "services", "endpoints", "controllerrevisions", "httproutes")
        kinds += ("samplerpools",)
        self._story.wait("nothing left", lambda: not any(self._story.world.api.kinds(kind) for kind in kinds), within)

    def service_is_there(self) -> None:
        """The one that users call."""
        assert f"{self._story.name}-standard" in self._story.own("services")

    def service_is_gone(self, within: float = PATIENCE) -> None:
        """Nobody calls it any more."""
        gone = f"{self._story.name}-standard"
        self._story.wait("no Service", lambda: gone not in self._story.own("services"), within)

    def route_is_there(self) -> None:
        """The one that a gateway follows."""
        assert self._story.own("httproutes")

    def route_is_gone(self, within: float = PATIENCE) -> None:
        """Nobody comes by it any more."""
        self._story.wait("no HTTPRoute", lambda: not self._story.own("httproutes"), within)

    def goes_by_route(self, within: float = PATIENCE, of_class: str = "", **percent: int) -> None:
        """What the proxy sends to each build, in whole percent of a class's requests."""
        self._story.wait(f"{percent} by the route", lambda: self._story.by_route(of_class) == percent, within)

    def goes_to_pools(self, within: float = PATIENCE, of_class: str = "", **percent: float) -> None:
        """What the proxy sends to each pool, in percent of a class's requests."""
        self._story.wait(f"{percent} by the route", lambda: self._story.by_pool(of_class) == percent, within)

    def an_edit_is_told(self, kind: str, by: str) -> None:
        """In status and as an Event, once, by a field manager that is not the operator's."""
        assert [(one["kind"], one["by"]) for one in self._story.status["edits"]] == [(kind, by)]
        events = self._story.world.api.kinds("events").values()
        told = [event["note"] for event in events if event["type"] == "Warning" and by in event["note"]]
        assert [note.split(" ")[:3] for note in told] == [[by, "changed", kind]], told

    def says_as_event(self, reason: str) -> None:
        """An Event was recorded."""
        events = self._story.world.api.kinds("events").values()
        assert reason in {event["reason"] for event in events}, sorted({event["reason"] for event in events})


def _pool_of(obj: Any) -> str:
    found: str = obj["metadata"]["labels"].get(LABEL_POOL, "")
    return found


def _able(pod: Any) -> bool:
    """Whether its containers are ready."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one["type"] == "ContainersReady" and one["status"] == "True" for one in conditions)
