"""What happens in a story."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from quality_contract import BAD, CHECKED
from sampler_rollouts.cluster.errors import UnavailableError
from sampler_rollouts.domain.evidence.samples import Series
from sampler_rollouts.domain.render import LABEL_POOL
from sampler_rollouts.domain.resource import ACT_PREFIX, PROMOTE_ANNOTATION
from sampler_rollouts.domain.together import Suspects

from tests.support.kube.lives import CRASHING, WELL, Life
from tests.support.scenarios.reports import PASSES, Report
from tests.support.scenarios.specs import build_of, image, spec
from tests.support.scenarios.story import PATIENCE, PLURALS, Story
from tests.support.scenarios.world import NAMESPACE

OTHER = "other"


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

    def spec_cannot_be_read(self) -> None:
        """It has a field of a later version, whose definition let it pass."""

        def change(rollout: Any) -> None:
            rollout["spec"]["later"] = {}
            rollout["metadata"]["generation"] += 1

        self._world.api.edit(self._world.path(self._story.name), change, "somebody")

    def git_is_applied_again_and_again(self) -> None:
        """A GitOps tool makes the spec what was last asked for, each second; what is asked for is a commit."""
        self._world.gitops = self._story.ask

    def retry_generation_rises(self) -> None:
        """A person wants it tried again."""
        self._story.ask(retry=self._story.asked.get("retry", 0) + 1)

    def person_lets_it_go_on(self, why: str = "") -> None:
        """The promote annotation with the candidate's hash."""
        release = self._story.status["candidate"]["hash"]
        self._world.annotate(PROMOTE_ANNOTATION, release + (f":{why}" if why else ""), self._story.name)

    def person_lets_it_come_without_steps(self) -> None:
        """The same with the hash of what the spec asks for."""
        asked = next(reversed(self._story.builds))
        self._world.annotate(PROMOTE_ANNOTATION, asked, self._story.name)

    def another_rollout_asks_for(self, build: str, namespace: str = NAMESPACE, **changes: Any) -> None:
        """A second SamplerRollout, ``other``."""
        self._world.namespaces[OTHER] = namespace
        self._world.declare(spec(build=build, **changes), OTHER)

    def admin_lets_suspicion_cross(self, *namespaces: str) -> None:
        """Among these, or none any more; the chart starts the operator anew for it."""
        self._world.suspects = Suspects(across_namespaces=namespaces)
        self._world.kill()

    def person_says(self, act: str, role: str = "candidate", why: str = "") -> None:
        """The annotation of an act, for the release that has a role: ``candidate``, ``stable``, ``failed``."""
        found = self._story.status[role]
        release = (found[0] if isinstance(found, list) else found)["hash"]
        self._world.annotate(ACT_PREFIX + act, release + (f":{why}" if why else ""), self._story.name)

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

    def preflight_of(self, build: str, says: Report = PASSES, pool: str = "") -> None:
        """What its pods say from now on, in one pool or in all."""
        self._world.reports.says[build, pool] = says

    def pods_examine(self) -> list[str]:
        """As soon as there is a pod that examines a build: the names of all that do."""

        def there() -> list[str]:
            pods = self._story.own("pods").items()
            return [name for name, pod in pods if LABEL_POOL not in pod["metadata"]["labels"]]

        self._story.wait("a pod that examines", there)
        return there()

    def pods_that_examine_hang(self) -> None:
        """Those that are there now, for good; those that come after them do not."""
        self._world.reports.hangs |= set(self.pods_examine())

    def pods_that_examine_crash(self) -> None:
        """Those that are there now, and again and again; those that come after them do not."""
        self._world.controllers.fates |= dict.fromkeys(self.pods_examine(), CRASHING)

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

    def autoscaler_asks_for(self, replicas: int, pool: str = "cpu") -> None:
        """As a HorizontalPodAutoscaler does, through the scale subresource of the pool's SamplerPool."""
        path = f"{self._scale_of(pool)}/scale"
        body = self._world.api.answer("GET", path) | {"spec": {"replicas": replicas}}
        self._world.api.answer("PUT", path, query={"fieldManager": "kube-controller-manager"}, body=body)

    def somebody_deletes_the_scale(self, pool: str = "cpu") -> None:
        """The SamplerPool."""
        self._world.delete(self._scale_of(pool))

    def _scale_of(self, pool: str) -> str:
        return f"/{PLURALS['samplerpools']}/namespaces/{NAMESPACE}/samplerpools/{self._story.name}-{pool}"

    def definition_is_there(self, plural: str, there: bool = True) -> None:
        """Whether the API server knows a kind."""
        (self._world.api.unserved.discard if there else self._world.api.unserved.add)(plural)

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

    def reads_break(self, plural: str) -> None:
        """The API server is up, and breaks down on those of one kind."""

        def breaks(call: tuple[str, str]) -> None:
            if f"/{plural}" in call[1]:
                raise UnavailableError(f"{call[0]} {call[1]}: 503 for a test")

        self._world.api.before_read = breaks

    def reads_go_well(self) -> None:
        """Again."""
        self._world.api.before_read = lambda _: None

    def admin_creates_a_template(self, name: str) -> None:
        """Of the counters by which servers count their own checks, all together."""
        spec = {"checkedMetric": CHECKED, "badMetric": BAD}
        path = f"/apis/samplerrollouts.io/v1alpha1/clusterchecktemplates/{name}"
        self._world.api.put(path, {"metadata": {"name": name}, "spec": spec})

    def webhook_refuses(self, method: str, plural: str) -> None:
        """An admission policy says no."""
        self._world.api.protected.add((method, plural))

    def webhook_lets_pass(self, method: str, plural: str) -> None:
        """Again."""
        self._world.api.protected.discard((method, plural))

    def pods_of_a_build_are_protected(self, build: str, pool: str = "cpu") -> None:
        """A policy lets nobody change or delete its Deployment."""
        self._world.api.untouchable.add(self._story.child("deployments", build, pool))

    def protection_is_lifted(self) -> None:
        """Of everything."""
        self._world.api.untouchable.clear()

    def _route(self) -> str:
        return f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes/{self._story.name}"

    def somebody_deletes_the_route(self) -> None:
        """The one that a gateway follows."""
        self._world.delete(self._route())

    def stranger_adds_a_backend(self, service: str) -> None:
        """To the first rule, with as much weight as all others."""

        def add(route: Any) -> None:
            backends = route["spec"]["rules"][0]["backendRefs"]
            backends.append({**backends[0], "name": service, "weight": sum(one["weight"] for one in backends)})
            route["metadata"]["generation"] += 1

        self._world.api.edit(self._route(), add, "somebody")

    def table_is_at(self, weight: int, within: float = PATIENCE) -> None:
        """As soon as the route table's own wave is under way at a weight and the gateways follow."""

        def there() -> bool:
            rollout = self._story.status.get("rollout") or {}
            table = rollout.get("table") or {}
            return rollout.get("weight") == weight and bool(table.get("entered") and table.get("settledSince"))

        self._story.wait(f"the table at weight {weight}", there, within)

    def answers_by_the_new_table(self, rate: float = 0.5) -> None:
        """From now on requests that come by it are answered badly, whichever build answers."""
        self._world.traffic.bad(self._story.status["rollout"]["table"]["routeHash"], rate=rate)

    def gateway_is_down(self, down: bool = True) -> None:
        """Its controller; the proxy goes on as it was last told."""
        self._world.gateways.up = not down

    def proxy_does_not_follow(self, deaf: bool = True) -> None:
        """The controller says that it took routes over, and the proxy goes on as it was last told."""
        self._world.gateways.deaf = deaf

    def gateway_refuses(self, why: str = "") -> None:
        """Routes of this namespace; none any more if ``why`` is empty."""
        self._world.gateways.refusal = why

    def status_is_wiped(self) -> None:
        """Somebody took the operator's memory."""
        self._world.api.edit(self._world.path(self._story.name), lambda obj: obj.update(status={}), "somebody")

    def marks_are_taken_off(self, *builds: str, pool: str = "cpu") -> None:
        """Their Deployments do not say any more which of them is stable's."""
        for build in builds:
            path = self._story.child("deployments", build, pool)
            self._world.api.edit(path, lambda obj: obj["metadata"].pop("annotations", None), "somebody")

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
