"""A small world around the reconcile: an API server in memory, pods that start when told to, a clock, and traffic."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from typing import Any

from quality_contract import AUDIT_MISMATCH, AUDIT_TOKENS, BAD, CHECK_ERRORS, CHECK_REPLAY_AUDIT, CHECKED
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.domain.evidence.samples import Question, SampleSet, Series
from sampler_rollouts.reconcile.reconciler import Reconciler, Result
from sampler_rollouts.reconcile.sampling import BoundedMetrics

from tests.support.kube.api import MemoryApi, Write
from tests.support.kube.fields import copied
from tests.unit.operator.cluster.builders import PODS, ROLLOUT_PATH, labelled, owner, ready

KEY = RolloutKey("serving", "chat")
PATH = f"{ROLLOUT_PATH}/chat"
REQUESTS_A_SECOND = 20.0
TOKENS = 12
SCRAPE = 2.0
Obj = dict[str, Any]


def image(letter: str) -> str:
    """An image by digest."""
    return f"sampler@sha256:{letter * 64}"


def spec(letter: str = "a", **changes: Any) -> Obj:
    """A spec with one pool, one step and a short bake time."""
    return {
        "pools": [{"name": "cpu", "replicas": 2, "image": image(letter)}],
        "strategy": {
            "steps": [{"weight": 50, "minDuration": "10s"}],
            "progressDeadline": "60s",
            "deadline": "30m",
            "bakeTime": "20s",
        },
        "quality": {"designEffect": "1", "checks": [{"name": "unexpected-script", "maxRate": "3%"}]},
        "rollback": {"drainTimeout": "5s"},
        **changes,
    }


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Traffic:
    """Counters of every pod there has been, as a scraper would hold them: some builds are bad."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.bad_images: set[str] = set()
        self.broken: Exception | None = None
        self.questions: list[Question] = []

    def fetch(self, question: Question, now: datetime) -> SampleSet:
        """Raw samples of all pods, a sample each two seconds from birth on."""
        self.questions.append(question)
        if self.broken:
            raise self.broken
        pods = list(self._world.pods_ever.values())
        checks = {CHECK_ERRORS, *(plan.name for plan in question.checks)}
        series = [line for pod in pods for check in checks for line in self._lines(pod, check, now)]
        return SampleSet(series=tuple(series), asked_at=now, scrape_interval=SCRAPE)

    def _lines(self, pod: Obj, check: str, now: datetime) -> list[Series]:
        born = datetime.fromisoformat(pod["metadata"]["creationTimestamp"]).timestamp()
        end = min(now.timestamp(), pod.get("goneAt", now.timestamp()))
        times = tuple(born + SCRAPE * n for n in range(int(max(0.0, end - born) / SCRAPE) + 1))
        audit = check == CHECK_REPLAY_AUDIT
        checked = tuple(REQUESTS_A_SECOND * (TOKENS if audit else 1) * (moment - born) // 1 for moment in times)
        rate = 0.3 if pod["image"] in self.bad_images and check == "unexpected-script" else 0.0
        bad = tuple(count * rate // 1 for count in checked)
        names = (AUDIT_TOKENS, AUDIT_MISMATCH) if audit else (CHECKED, BAD)
        labels = pod["metadata"]["labels"]
        if "samplerrollouts.io/pool" not in labels:
            return []  # the prober's
        where = (labels["samplerrollouts.io/pool"], labels["samplerrollouts.io/revision"])
        return [
            Series(name, pod["metadata"]["name"], *where, {"check": check, "route_hash": "none"}, times, values)
            for name, values in zip(names, (checked, bad), strict=True)
        ]


class Inline(Executor):
    """No threads: a scenario of hundreds of reconciles is to be quick."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Do it now."""
        future: Future[Any] = Future()
        try:
            future.set_result(call(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


class World:
    """Everything outside the operator's process, which can be killed and started again."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.api = MemoryApi(self.clock)
        self.traffic = Traffic(self)
        self.pods_ever: dict[str, Obj] = {}
        self.start()

    def start(self) -> None:
        """A new process of the operator: it remembers nothing."""
        metrics = BoundedMetrics(self.traffic, ["default"], time_limit=1.0)
        metrics._threads = {"": Inline()}  # type: ignore[dict-item]
        self.reconciler = Reconciler(KubernetesCluster(self.api), metrics, Inline(), self.clock)

    def twin(self) -> World:
        """The same world again, to go another way from here."""
        other = World()
        other.api.objects = copied(self.api.objects)
        other.api.skip_names(1000)
        other.pods_ever = copied(self.pods_ever)
        other.clock.now = self.clock.now
        other.traffic.bad_images = set(self.traffic.bad_images)
        return other

    def declare(self, wanted: Obj, name: str = "chat") -> None:
        """What a person or GitOps applies."""
        known = self.api.objects.get(PATH)
        made = copied(known) if known else {"metadata": {"name": name, "namespace": "serving", "generation": 0}}
        made |= {"apiVersion": "samplerrollouts.io/v1alpha1", "kind": "SamplerRollout", "spec": wanted}
        made["metadata"]["generation"] += 1
        self.api.put(PATH, made)

    @property
    def status(self) -> Obj:
        """What a person sees."""
        found: Obj = self.api.objects[PATH].get("status") or {}
        return found

    async def reconcile(self) -> Result:
        """Once."""
        return await self.reconciler.reconcile(KEY)

    async def turn(self, seconds: float = 2.0) -> None:
        """One reconcile, then the cluster does its part, then time passes."""
        try:
            await self.reconcile()
        finally:
            self.run_pods()
            self.clock.now += timedelta(seconds=seconds)

    async def settle(self, turns: int = 60) -> None:
        """Many turns."""
        for _ in range(turns):
            await self.turn()

    def run_pods(self) -> None:
        """Deployment controller, kubelet and garbage collector in one."""
        wanted: dict[str, Obj] = {}
        for name, deployment in self.api.kinds("deployments").items():
            for number in range(deployment["spec"]["replicas"]):
                wanted[f"{name}-{number}"] = deployment
        for name in self.api.kinds("pods").keys() - wanted.keys():
            gone = self.api.objects.pop(f"{PODS}/{name}")
            self.pods_ever[gone["metadata"]["uid"]]["goneAt"] = self.clock.now.timestamp()
        for name in wanted.keys() - self.api.kinds("pods").keys():
            self._create_pod(name, wanted[name])

    def _create_pod(self, name: str, deployment: Obj) -> None:
        labels = deployment["metadata"]["labels"]
        place = [labels.get(f"samplerrollouts.io/{part}", "") for part in ("pool", "revision")]
        metadata = {
            "name": name,
            "namespace": "serving",
            "labels": labelled(*place) if all(place) else dict(labels),  # the prober's pod has no place
            "creationTimestamp": self.clock.now.isoformat(),
            "ownerReferences": owner("uid-rs", "ReplicaSet", "rs"),
        }
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        pod = {"metadata": metadata, "status": ready(), "image": container["image"]}
        self.api.put(f"{PODS}/{name}", pod)
        self.pods_ever[pod["metadata"]["uid"]] = copied(pod)  # type: ignore[index]

    def end_state(self) -> Obj:
        """What a user would notice of where it all ended, without times and identities."""
        status = self.status
        return {
            "stage": status.get("stage"),
            "stable": (status.get("stable") or {}).get("hash"),
            "verified": (status.get("verified") or {}).get("hash"),
            "failed": [item["hash"] for item in status.get("failed") or []],
            "history": [(item["release"], item["result"]) for item in status.get("history") or []],
            "conditions": sorted((c["type"], c["status"], c["reason"]) for c in status.get("conditions") or []),
            "deployments": {n: d["spec"]["replicas"] for n, d in self.api.kinds("deployments").items()},
            "services": sorted(self.api.kinds("services")),
            "records": sorted(self.api.kinds("controllerrevisions")),
        }


async def established(world: World, letter: str = "a") -> str:
    """A first release that serves; its hash."""
    world.declare(spec(letter))
    await world.settle(20)
    assert world.status["stage"] == "Serving"
    return str(world.status["stable"]["hash"])


def condition(world: World, name: str) -> tuple[str, str, str]:
    """Status, reason and message; empty ones where the condition is absent."""
    found: list[Obj] = [one for one in world.status["conditions"] if one["type"] == name]
    return (found[0]["status"], found[0]["reason"], found[0]["message"]) if found else ("", "", "")


def events(world: World) -> list[str]:
    """The reasons of what was said."""
    return [event["reason"] for event in world.api.kinds("events").values()]


def refusing(world: World, plural: str, error: Exception, method: str = "PATCH") -> None:
    """From now on writes of one kind of child are answered with an error."""

    def refuse(write: Write) -> None:
        if write[0] == method and f"/{plural}/" in write[1]:
            raise error

    world.api.before_write = refuse


async def begin_bad(world: World) -> None:
    """A bad candidate whose pods are about to start."""
    await established(world)
    world.traffic.bad_images.add(image("b"))
    world.declare(spec("b"))
    while len(world.api.kinds("deployments")) < 2:
        await world.turn()
