"""What is seen from outside at every moment, and what must never be seen."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sampler_rollouts.cluster.translate import stands_by
from sampler_rollouts.domain.render import LABEL_CLASS, LABEL_POOL, LABEL_REVISION, LABEL_ROLLOUT

from tests.support.headline import headline
from tests.support.kube.controllers import is_ready, ready_in
from tests.support.scenarios.specs import STANDARD, build_of, classes_of

if TYPE_CHECKING:
    from tests.support.scenarios.world import World

Obj = dict[str, Any]
Place = tuple[str, str]
"""Pool and build."""
UNDER_TEST = ("Progressing", "Holding")


class Watching:
    """Sequences of what users and readers see, without times; and every breach of what must hold."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.weights: dict[str, list[tuple[str, int]]] = {}
        """By rollout and pool, candidates and the weights that status told of them."""
        self.ready: dict[str, list[int]] = {}
        """By rollout, pool and build, the turning points of how many of its pods were ready."""
        self.stages: dict[str, list[str]] = {}
        """By rollout, the stages that status told of."""
        self.breaches: list[str] = []
        self.headlines: set[str] = set()
        """By what tools have judged a rollout, also before the story begins."""
        self.excused: set[str] = set()
        """What the story itself brings about: names of the checks below."""
        self._served: dict[str, set[tuple[str, str]]] = {}
        """By rollout's uid, the context classes that have a ready server now, and by which entrance."""

    def begin(self) -> None:
        """The story begins here: what was before is forgotten, and what is there now did not come in it."""
        self.weights, self.breaches, self._served, self.stages = {}, [], {}, {}
        self.ready = {}
        for name in self._world.api.kinds("samplerrollouts"):
            self.ready |= {place: [count] for place, count in self._counts(name).items()}
        self.look()

    def look(self) -> None:
        """Once a moment, when the controllers have done their part."""
        for name, rollout in self._world.api.kinds("samplerrollouts").items():
            pods = [pod for pod in self._pods(name) if is_ready(pod)]
            self.headlines.add(headline(rollout))
            self._note_stage(name, str((rollout.get("status") or {}).get("stage", "")))
            self._note_weights(name, rollout.get("status") or {})
            self._note_ready(name)
            self._never_two_candidates(name, rollout)
            self._never_more_than_its_weight(name, rollout, pods)
            self._never_a_route_to_nobody(name, rollout)
            self._never_more_by_route(name, rollout)
            self._never_a_route_to_what_is_kept_warm(name, rollout)
            self._never_a_class_without_a_server(name, rollout)
        self._never_an_endpoint_that_is_not_ready()

    def _pods(self, name: str) -> list[Obj]:
        every = self._world.api.kinds("pods").values()
        here = (pod for pod in every if "deletionTimestamp" not in pod["metadata"] and _is_server(pod))
        return [pod for pod in here if pod["metadata"]["labels"].get(LABEL_ROLLOUT) == name]

    def _note_stage(self, name: str, stage: str) -> None:
        seen = self.stages.setdefault(name, [])
        if seen[-1:] != [stage]:
            seen.append(stage)

    def _note_weights(self, name: str, status: Obj) -> None:
        candidate = status.get("candidate")
        for row in status.get("pools") or []:
            build = _build_in(candidate, row["name"])
            new, old = (_revision_in(release, row["name"]) for release in (candidate, status.get("stable")))
            if build and new != old and row["revision"] == new:
                seen = self.weights.setdefault(f"{name}/{row['name']}", [])
                if not seen or seen[-1] != (build, row["weight"]):
                    seen.append((build, row["weight"]))

    def _counts(self, name: str) -> dict[str, int]:
        return dict(Counter(f"{name}/{'/'.join(_place(pod))}" for pod in self._pods(name) if is_ready(pod)))

    def _note_ready(self, name: str) -> None:
        counts = self._counts(name)
        mine = {place for place in self.ready if place.startswith(f"{name}/")}
        for place in mine | counts.keys():
            _turn(self.ready.setdefault(place, [0]), counts.get(place, 0))

    def _breach(self, kind: str, said: str) -> None:
        if kind not in self.excused:
            self.breaches.append(f"{kind}, at {self._world.clock.now:%H:%M:%S}: {said}")

    def an_error_in_the_operator(self, said: str) -> None:
        """One that nobody foresaw: the operator logs it and tries again, which hides it from users, not from us."""
        self._breach("an error in the operator", said)

    def _never_two_candidates(self, name: str, rollout: Obj) -> None:
        status = rollout.get("status") or {}
        stable, rollout_ = status.get("stable"), status.get("rollout") or {}
        instead = rollout_.get("first") and rollout_.get("leftovers")
        if instead or status.get("stage") in (None, "Idle", "Establishing"):
            return
        warm = {(row["name"], row["warm"]["revision"]) for row in status.get("pools") or [] if row.get("warm")}
        pods = [pod for pod in self._pods(name) if _revision_of(pod) not in warm and not stands_by(pod)]
        for pool in {pod["metadata"]["labels"][LABEL_POOL] for pod in pods}:
            mine = [pod for pod in pods if pod["metadata"]["labels"][LABEL_POOL] == pool]
            found = {pod["metadata"]["labels"][LABEL_REVISION]: _place(pod)[1] for pod in mine}
            others = {build for revision, build in found.items() if revision != _revision_in(stable, pool)}
            if len(others) > 1:
                self._breach("two candidates", f"pool {pool} has pods of {', '.join(sorted(others))}")

    def _never_more_than_its_weight(self, name: str, rollout: Obj, pods: list[Obj]) -> None:
        status = rollout.get("status") or {}
        if status.get("stage") != "Progressing":
            return
        asked = {row["name"]: row["replicas"] for row in status.get("pools") or []}  # of an autoscaler, when last read
        replicas = {pool["name"]: pool.get("replicas", asked.get(pool["name"])) for pool in rollout["spec"]["pools"]}
        for row in status.get("pools") or []:
            revision = _revision_in(status.get("candidate"), row["name"])
            if not revision or revision == _revision_in(status.get("stable"), row["name"]):
                continue
            most = max(1, (row["weight"] * replicas.get(row["name"], 0) + 50) // 100) if row["weight"] else 0
            mine = [pod for pod in pods if pod["metadata"]["labels"][LABEL_REVISION] == revision]
            count = sum(pod["metadata"]["labels"][LABEL_POOL] == row["name"] for pod in mine)
            if count > most:
                self._breach("more than its weight", f"pool {row['name']}: {count} ready at weight {row['weight']}")

    def _never_a_route_to_nobody(self, name: str, rollout: Obj) -> None:
        """A gateway answers 503 for a backend without a ready server; once a release serves, there is another."""
        gateways = self._world.gateways
        named = {service for shares in self._by_route(name, rollout).values() for service in shares}
        empty = sorted(service for service in named if not gateways.servers(service))
        if empty and (rollout.get("status") or {}).get("stable"):
            self._breach("a route to nobody", ", ".join(empty))

    def _by_route(self, name: str, rollout: Obj) -> dict[str, dict[str, float]]:
        """By class, shares of Services of its requests."""
        found = {one: self._world.gateways.shares(name, one) for one in classes_of(rollout["spec"])}
        return {one: shares for one, shares in found.items() if shares is not None}

    def _never_more_by_route(self, name: str, rollout: Obj) -> None:
        status = rollout.get("status") or {}
        if status.get("stage") != "Progressing":
            return
        of_spec = {pool["name"]: pool.get("contextClass", STANDARD) for pool in rollout["spec"]["pools"]}
        for one, shares in self._by_route(name, rollout).items():
            served = any(_revision_in(status.get("stable"), pool) for pool in of_spec if of_spec[pool] == one)
            self._never_more_of_a_class(name, status, shares, served)

    def _never_more_of_a_class(self, name: str, status: Obj, shares: dict[str, float], served: bool) -> None:
        """Of one pool's requests; of its class's where the pool is new, which nobody can say of a class that is new."""
        for row in status.get("pools") or []:
            new, old = (_revision_in(status.get(role), row["name"]) for role in ("candidate", "stable"))
            pool = {service: share for service, share in shares.items() if f"{name}-{row['name']}-" in service}
            if not pool or new == old or not (old or served):
                continue
            share = 100 * pool.get(f"{name}-{row['name']}-{new}", 0.0) / sum((pool if old else shares).values())
            if share > row["weight"] + 0.5:
                self._breach("more by route", f"pool {row['name']}: {share:.1f}% at weight {row['weight']}")

    def _never_a_route_to_what_is_kept_warm(self, name: str, rollout: Obj) -> None:
        named = {service for shares in self._by_route(name, rollout).values() for service in shares}
        for row in (rollout.get("status") or {}).get("pools") or []:
            revision = (row.get("warm") or {}).get("revision")
            if revision and f"{name}-{row['name']}-{revision}" in named:
                self._breach("traffic to what is kept warm", f"pool {row['name']}")

    def _never_a_class_without_a_server(self, name: str, rollout: Obj) -> None:
        """One that has had a ready server keeps one, whoever takes pods away, by each entrance that its users have.

        A class that the spec names no more is kept as long as a release is tried.
        """
        if "deletionTimestamp" in rollout["metadata"]:
            return
        served = self._served.setdefault(rollout["metadata"]["uid"], set())
        stage = (rollout.get("status") or {}).get("stage")
        kept = {one for one, _ in served} if stage in UNDER_TEST else set()
        for one in [*classes_of(rollout["spec"]), *sorted(kept - {*classes_of(rollout["spec"])})]:
            asked, of_class = self._asked(name, one), self._of_class(name, one)
            found = {entrance: pods & of_class.keys() for entrance, pods in asked.items()}
            lost = {entrance for entrance, pods in found.items() if (one, entrance) in served and not pods}
            # Users move from the Service to the route, or back, when a release has done so for good.
            moved = any(found.values()) and stage not in UNDER_TEST
            for entrance in sorted(lost) if not moved else ():
                self._breach("a class without a server", f"{one} has none by its {entrance}")
            served -= {(one, entrance) for entrance in found}
            served |= {(one, entrance) for entrance, pods in found.items() if pods}
            self._never_a_server_of_another_class(one, asked, of_class, rollout)

    def _of_class(self, name: str, context_class: str) -> dict[str, Obj]:
        mine = (pod for pod in self._pods(name) if pod["metadata"]["labels"].get(LABEL_CLASS) == context_class)
        return {pod["metadata"]["name"]: pod for pod in mine if is_ready(pod)}

    def _asked(self, name: str, context_class: str) -> dict[str, set[str]]:
        """Pods that requests of a class may go to, by entrance."""
        gateways = self._world.gateways
        routed = gateways.shares(name, context_class) or {}
        return {
            "Service": set(gateways.servers(f"{name}-{context_class}")),
            "route": {pod for service in routed for pod in gateways.servers(service)},
        }

    def _never_a_server_of_another_class(
        self, one: str, asked: dict[str, set[str]], of_class: dict[str, Obj], rollout: Obj
    ) -> None:
        """But of a class that no release has served yet: its requests go where those without a class go."""
        stable = (rollout.get("status") or {}).get("stable")
        at_home = any(_revision_of(pod)[1] == _revision_in(stable, _revision_of(pod)[0]) for pod in of_class.values())
        others = set().union(*asked.values()) - of_class.keys()
        if at_home and others:
            self._breach("a server of another class", f"requests of {one} go to {', '.join(sorted(others))}")

    def _never_an_endpoint_that_is_not_ready(self) -> None:
        pods = self._world.api.kinds("pods")
        for name, endpoints in self._world.api.kinds("endpoints").items():
            for one in ready_in(endpoints):
                if one in pods and not is_ready(pods[one]):
                    self._breach("traffic to a pod that is not ready", f"{name}: {one}")
                if one in pods and not _is_server(pods[one]):
                    self._breach("traffic to a pod that is none of the servers", f"{name}: {one}")

    def scaled_away(self, pod: Obj) -> None:
        """A controller took a ready pod: was it the last one of its pool, which the spec still asks for?"""
        labels = pod["metadata"]["labels"]
        if not _is_server(pod):
            return
        rollout = self._world.rollout(labels.get(LABEL_ROLLOUT, ""))
        if rollout is None or labels[LABEL_POOL] not in {pool["name"] for pool in rollout["spec"]["pools"]}:
            return
        left = [one for one in self._pods(labels[LABEL_ROLLOUT]) if is_ready(one)]
        here = [one for one in left if one["metadata"]["labels"][LABEL_POOL] == labels[LABEL_POOL]]
        if not here:
            self._breach("no server left", f"pool {labels[LABEL_POOL]} lost its last ready server")


def _is_server(pod: Obj) -> bool:
    """Not one that only examines a build."""
    return LABEL_POOL in pod["metadata"]["labels"]


def _revision_of(pod: Obj) -> Place:
    return pod["metadata"]["labels"][LABEL_POOL], pod["metadata"]["labels"][LABEL_REVISION]


def _place(pod: Obj) -> Place:
    return pod["metadata"]["labels"][LABEL_POOL], build_of(pod["spec"]["containers"][0]["image"])


def _in_pool(release: Obj | None, pool: str) -> Obj:
    return next((item for item in (release or {}).get("pools") or [] if item["name"] == pool), {})


def _revision_in(release: Obj | None, pool: str) -> str:
    return str(_in_pool(release, pool).get("revision", ""))


def _build_in(release: Obj | None, pool: str) -> str:
    image = _in_pool(release, pool).get("image", "")
    return build_of(image) if image else ""


def _turn(points: list[int], count: int) -> None:
    """Keep turning points alone: what rises in one step or in two is the same to everybody."""
    if count == points[-1]:
        return
    if len(points) > 1 and (points[-1] > points[-2]) == (count > points[-1]):
        points[-1] = count
    else:
        points.append(count)
