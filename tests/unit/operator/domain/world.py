"""A tiny cluster with a clock: pods become ready after a while, metrics say what the test tells them to.

``World.tick`` is one reconcile of the operator: observe, ask, decide, write status, apply, prune.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sampler_rollouts.domain.decision import ResourceMeta, decide, question, question_beside
from sampler_rollouts.domain.evidence.look import CheckLook, Evidence, Verdict
from sampler_rollouts.domain.evidence.samples import Question
from sampler_rollouts.domain.observation import Observation, PodState, Refused, Sibling, Siblings, Verb, WorkloadState
from sampler_rollouts.domain.outcome import EventNote, Outcome
from sampler_rollouts.domain.render import LABEL_POOL, LABEL_REVISION, ROLE, is_marked_stable, recorded_template
from sampler_rollouts.domain.status import Status
from sampler_rollouts.domain.together import ALONE, Suspects

from tests.unit.operator.domain.arrivals import Arrivals
from tests.unit.operator.domain.bakes import Baked
from tests.unit.operator.domain.examining import Examining
from tests.unit.operator.domain.pods import Pod

START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
Judge = Callable[[str, str, Question], tuple[Verdict, str]]


def image(letter: str) -> str:
    """An image by digest."""
    return f"registry.example.com/sampler@sha256:{letter * 64}"


def pool(name: str, letter: str = "a", replicas: int = 2, **more: Any) -> dict[str, Any]:
    """A pool of the spec."""
    return {"name": name, "replicas": replicas, "image": image(letter), **more}


def spec(
    letter: str = "a", pools: tuple[str, ...] = ("cpu-a", "cpu-b"), replicas: int = 2, **more: Any
) -> dict[str, Any]:
    """A whole spec: one wave of all pools, one step of weight 50."""
    base: dict[str, Any] = {
        "pools": [pool(name, letter, replicas) for name in pools],
        "strategy": {
            "waves": [list(pools)],
            "steps": [{"weight": 50, "minDuration": "30s"}],
            "progressDeadline": "2m",
            "deadline": "30m",
            "bakeTime": "5m",
        },
        "quality": {"designEffect": "1"},
    }
    for key, value in more.items():
        base[key] = {**base.get(key, {}), **value} if isinstance(value, dict) else value
    return base


def inconclusive(pool: str, check: str, asked: Question) -> tuple[Verdict, str]:
    return Verdict.INCONCLUSIVE, "TooFewRequests"


def passing(pool: str, check: str, asked: Question) -> tuple[Verdict, str]:
    return Verdict.PASSED, ""


def failing(bad_check: str = "unexpected-script", bad_pool: str = "cpu-a") -> Judge:
    def judge(pool: str, check: str, asked: Question) -> tuple[Verdict, str]:
        bad = (pool, check) == (bad_pool, bad_check)
        return (Verdict.FAILED, "") if bad else (Verdict.INCONCLUSIVE, "TooFewRequests")

    return judge


@dataclass
class World:
    """The cluster, the metrics source and one SamplerRollout."""

    spec: dict[str, Any]
    now: datetime = START
    name: str = "demo"
    annotations: dict[str, str] = field(default_factory=dict)
    raw_status: dict[str, Any] = field(default_factory=dict)
    generation: int = 1
    created: datetime = START
    children: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    pods: list[Pod] = field(default_factory=list)
    judge: Judge = inconclusive
    metrics_up: bool = True
    ready_after: float = 10
    ends_after: float = 5
    collected_after: float = 60
    """Seconds until the garbage collector reaches pods whose owner is gone."""
    never_ready: set[str] = field(default_factory=set)
    """Revisions whose pods never become ready."""
    crashing: set[str] = field(default_factory=set)
    unready: set[str] = field(default_factory=set)
    """Pods, by name, that have been ready and are not now."""
    scrape_interval: float = 0
    examining: Examining = field(default_factory=Examining)
    baked: Baked = field(default_factory=Baked)
    arrivals: Arrivals = field(default_factory=Arrivals)
    blocked: dict[str, str] = field(default_factory=dict)
    """Revision to the infrastructure's reason why its pods do not start."""
    running: set[str] = field(default_factory=set)
    """Pods, by name, that have started although others of their revision could not; they are not ready yet."""
    siblings: tuple[Sibling, ...] | None = None
    """What other SamplerRollouts say that are heeded."""
    suspects: Suspects = ALONE
    """The administrator's word on which are."""
    undeletable: bool = False
    """The cluster refuses every deletion."""
    left_behind: bool = False
    """Whether the operator has gone on although pods did not go."""
    scales_readable: bool = True
    """Whether the API server lets SamplerPools be read."""
    unscalable: bool = False
    """The cluster refuses to scale what is to be deleted."""
    rejected: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    """Pool and revision of each of a release's pods, for releases that were rolled back."""
    refused: tuple[Refused, ...] | None = None
    """What this process of the operator was refused at its last look; None if it has only just started."""
    events: list[EventNote] = field(default_factory=list)
    check: Callable[[World, Outcome], None] | None = None
    loaded: Status | None = None
    """The status, while it is looked at and nothing changes it."""
    serial: int = 0
    faulty: set[str] = field(default_factory=set)
    """Hashes of releases of which a check has failed while they served, and that have passed nothing since."""
    stale_word: str = ""
    """The promote annotation that was there when the last rollout started, or was used last."""

    def update(self, new: Mapping[str, Any]) -> None:
        self.spec, self.generation = copy.deepcopy(dict(new)), self.generation + 1

    def wipe(self) -> None:
        """Somebody took the status away, and with it what was known of faults and rejected releases."""
        self.raw_status, self.faulty, self.rejected = {}, set(), {}

    def unmark(self) -> None:
        """No Deployment says that it is stable's, as an older operator has left them."""
        for body in self.children.values():
            body["metadata"].get("annotations", {}).pop(ROLE, None)

    def recreate(self) -> None:
        """The SamplerRollout is deleted and created again under its name; its pods are still there."""
        self.raw_status, self.children, self.annotations = {}, {}, {}
        self.faulty = set()
        self.generation, self.created = 1, self.now
        for one in self.pods:
            one.orphaned = one.orphaned or self.now

    @property
    def meta(self) -> ResourceMeta:
        return ResourceMeta(
            "default", self.name, "uid-1", self.generation, dict(self.annotations), created_at=self.created
        )

    @property
    def status(self) -> Status:
        return self.loaded or Status.load(self.raw_status)

    def observe(self) -> Observation:
        deployments = self._servers()
        services = [body for (kind, _), body in self.children.items() if kind == "Service"]
        records = [body for (kind, _), body in self.children.items() if kind == "ControllerRevision"]
        return Observation(
            pods=tuple(self._state(pod) for pod in self.pods),
            workloads=tuple(
                WorkloadState(*_child(body), body["spec"]["replicas"], stable=is_marked_stable(body))
                for body in deployments
            ),
            templates={"-".join(_child(body)): recorded_template(body) or {} for body in records},
            services={body["metadata"]["name"]: body["spec"]["selector"] for body in services},
            refusals=self.refused,
            preflights=self.examining.states(self),
            readings=self.examining.readings(self),
            siblings=self._heeded(),
            scales=bool(self._scales()),
            counts={labels[LABEL_POOL]: count for labels, count in self._scales()} if self.scales_readable else {},
        )

    def _heeded(self) -> Siblings | None:
        if self.siblings is None:
            return None
        within = self.suspects.together(self.meta.namespace)
        return Siblings.of(within, [one for one in self.siblings if one.place[0] in within])

    def _scales(self) -> list[tuple[dict[str, str], int]]:
        """Labels and count of each SamplerPool."""
        found = [body for (kind, _), body in self.children.items() if kind == "SamplerPool"]
        return [(body["metadata"]["labels"], body["spec"]["replicas"]) for body in found]

    def scale(self, name: str, count: int) -> None:
        """An autoscaler asks for so many servers of a pool, if it has a SamplerPool."""
        if found := self.children.get(("SamplerPool", f"{self.name}-{name}")):
            found["spec"] = {"replicas": count}

    def _servers(self) -> list[dict[str, Any]]:
        """Deployments of servers: the prober's is none, and nor is its pod."""
        found = [body for (kind, _), body in self.children.items() if kind == "Deployment"]
        return [body for body in found if LABEL_POOL in body["metadata"]["labels"]]

    def _state(self, pod: Pod) -> PodState:
        return PodState(
            name=pod.name,
            pool=pod.pool,
            revision=pod.revision,
            created_at=pod.created,
            ready=self.is_ready(pod),
            terminating=pod.terminating_since is not None,
            restarts=pod.restarts,
            blocked="" if self.is_ready(pod) else self._blocked(pod),
            unready_since=pod.unready_since,
            ready_since=pod.ready_since,
        )

    def _blocked(self, pod: Pod) -> str:
        return "" if pod.name in self.running else self.blocked.get(pod.revision, "")

    def is_ready(self, pod: Pod) -> bool:
        if pod.name in self.unready:
            return False
        able = pod.revision not in self.never_ready | self.crashing and pod.revision not in self.blocked
        old = (self.now - pod.created).total_seconds() >= self.ready_after
        return (able or pod.was_ready) and old and pod.terminating_since is None and pod.revision not in self.crashing

    def evidence(self, asked: Question | None) -> Evidence | None:
        if asked is None:
            return None
        if not self.metrics_up:
            return Evidence(False, "SourceUnreachable", "connection refused")
        arms = [arm for arm in asked.arms if arm.births]
        return Evidence(
            available=True,
            looks={
                (arm.pool, plan.name): self._look(arm.pool, plan.name, asked) for arm in arms for plan in asked.checks
            },
            traffic={arm.pool: self.arrivals.traffic(arm) for arm in asked.arms},
            fresh={arm.pool: bool(arm.serving) for arm in arms},
            scrape_interval=self.scrape_interval,
        )

    def _look(self, pool: str, check: str, asked: Question) -> CheckLook:
        verdict, reason = self.judge(pool, check, asked)
        return CheckLook(pool, check, verdict, reason, 31, 9, 0.03, 0.2, 7.0, 6.68, self.now)

    def asked(self, status: Status) -> Question | None:
        """What a look asks of the metrics source."""
        return question(self.meta, self.spec, status, self.now)

    def decide(self, status: Status | None = None) -> Outcome:
        status = status or self.status
        asked = self.asked(status)
        beside = self.evidence(question_beside(self.meta, status))
        return decide(self.meta, self.spec, status, self.observe(), self.evidence(asked), self.now, beside)

    def tick(self, seconds: float = 5, *, writes: int | None = None) -> Outcome:
        """Time passes, then one reconcile. ``writes``: the operator is killed after so many writes."""
        ready = [(pod.pool, pod.revision) for pod in self.pods if self.is_ready(pod)]
        self.arrivals.answer(ready, self.status.candidate, seconds)
        self.now += timedelta(seconds=seconds)
        self._live()
        outcome = self.decide()
        if self.check and writes != 0:  # a decision that nobody wrote down was not taken
            self._checked(self.check, outcome)
        self.apply(outcome, writes)
        return outcome

    def _checked(self, check: Callable[[World, Outcome], None], outcome: Outcome) -> None:
        """Invariants only read: one reading of the status serves all of them, and reading is dear."""
        self.loaded = self.status
        try:
            check(self, outcome)
        finally:
            self.loaded = None

    def run(self, seconds: float) -> Outcome:
        step = 5 if seconds <= 400 else 25
        for _ in range(int(seconds / step)):
            outcome = self.tick(step)
        return outcome

    def until(self, stage: str, limit: float = 3600) -> Outcome:
        for _ in range(int(limit / 5)):
            outcome = self.tick()
            if outcome.status.stage == stage:
                return outcome
        raise AssertionError(f"never {stage}: {self.status.stage}, {self.condition('Ready')}")

    def apply(self, outcome: Outcome, writes: int | None = None) -> None:
        left = writes if writes is not None else 10**9
        if left > 0:
            self.raw_status = outcome.status.dump()
            self.events += outcome.events
        left -= 1
        if outcome.hands_off:
            return
        for body in outcome.objects:
            key = body["kind"], body["metadata"]["name"]
            if key[0] == "SamplerPool" and key in self.children:  # its count is its autoscaler's
                body = body | {"spec": self.children[key]["spec"]}  # noqa: PLW2901
            if left > 0 and self.children.get(key) != body:  # a copy is dear, and most are as they were
                self.children[key] = copy.deepcopy(body)
            left -= 1
        self.refused = None if writes is not None else ()
        if left > 0:
            names = {(body["kind"], body["metadata"]["name"]) for body in outcome.objects}
            for key in [key for key in self.children if key not in names and key[1] not in outcome.keep]:
                self._prune(key)
        self._scale()

    def _prune(self, key: tuple[str, str]) -> None:
        """As the reconcile does it: pods first, by scaling; a Deployment without pods at a later look."""
        body = self.children[key]
        if key[0] == "Deployment" and body["spec"]["replicas"] > 0 and not self.unscalable:
            body["spec"]["replicas"] = 0
            return
        if key[0] == "Deployment" and body["spec"]["replicas"] > 0:
            self._refuse(key, "scale")
        elif key[0] == "Deployment" and any(
            LABEL_POOL in body["metadata"]["labels"]
            and (one.pool, one.revision) == _child(body)
            and one.terminating_since is None
            for one in self.pods
        ):
            return
        if self.undeletable:
            self._refuse(key, "delete")
        else:
            del self.children[key]

    def _refuse(self, key: tuple[str, str], verb: Verb) -> None:
        if self.refused is not None:
            words = 'admission webhook "protect.example.com" denied the request'
            labels = self.children[key]["metadata"]["labels"]
            place = labels.get(LABEL_POOL, ""), labels.get(LABEL_REVISION, "")
            self.refused += (Refused(*key, *place, verb, words),)

    def _live(self) -> None:
        for one in self.pods:
            if one.revision in self.crashing and one.terminating_since is None:
                one.restarts += 1
            one.ready_since = (one.ready_since or self.now) if self.is_ready(one) else None
            if self.is_ready(one):
                one.unready_since = None
            elif self._blocked(one):
                one.unready_since = self.now  # it has not begun to run
            else:
                one.unready_since = one.unready_since or (self.now if one.was_ready else one.created)
            one.was_ready = one.was_ready or self.is_ready(one)
            if one.orphaned and (self.now - one.orphaned).total_seconds() >= self.collected_after:
                one.terminating_since = one.terminating_since or self.now
        self.pods = [
            one
            for one in self.pods
            if one.terminating_since is None or (self.now - one.terminating_since).total_seconds() < self.ends_after
        ]
        self._scale()

    def _scale(self) -> None:
        wanted = {_child(body): body["spec"]["replicas"] for body in self._servers()}
        alive: dict[tuple[str, str], list[Pod]] = {}
        for one in self.pods:
            if one.terminating_since is None and one.orphaned is None:
                alive.setdefault((one.pool, one.revision), []).append(one)
        for key in wanted.keys() | alive.keys():
            have, want = alive.get(key, []), wanted.get(key, 0)
            for one in sorted(have, key=self.is_ready)[: max(0, len(have) - want)]:
                one.terminating_since = self.now
            for _ in range(want - len(have)):
                self.serial += 1
                self.pods.append(Pod(f"{self.name}-{key[0]}-{key[1]}-{self.serial}", *key, self.now))

    def condition(self, kind: str) -> tuple[str, str] | None:
        found = next((item for item in self.status.conditions if item.type == kind), None)
        return (found.status, found.reason) if found else None

    def message(self, kind: str) -> str:
        return next((item.message for item in self.status.conditions if item.type == kind), "")

    def serving(self, revision: str | None = None) -> dict[str, int]:
        """Ready pods by pool."""
        found: dict[str, int] = {}
        for one in self.pods:
            if self.is_ready(one) and revision in (None, one.revision):
                found[one.pool] = found.get(one.pool, 0) + 1
        return found

    def revisions(self) -> set[str]:
        """All that have pods, or a role."""
        status = self.status
        roles = (status.stable, status.candidate, status.previous, status.verified)
        return {pod.revision for pod in self.pods} | {item.revision for role in roles if role for item in role.pools}

    def revision_of(self, which: str, pool: str = "cpu-a") -> str:
        release = getattr(self.status, which)
        return release.revision(pool) if release else ""


def _child(body: Mapping[str, Any]) -> tuple[str, str]:
    labels = body["metadata"]["labels"]
    return labels[LABEL_POOL], labels[LABEL_REVISION]


def established(letter: str = "a", **more: Any) -> World:
    """A world whose first release serves."""
    from tests.unit.operator.domain import invariants

    world = World(spec(letter, **more), check=invariants.check)
    world.until("Serving")
    return world
