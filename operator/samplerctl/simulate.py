"""Whole rollouts, many at once: simulated requests, the operator's own evidence, the operator's own decision.

Each run is a SamplerRollout whose stable release is well and whose candidate has an incident, or none. At every scrape
the evidence is looked at and ``decide`` is asked, and a cluster does what it says, until the candidate is promoted,
rolled back, from one pool perhaps, or held. A pause is ended at once, as by a person who waits for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from quality_contract import CHECK_REPLAY_AUDIT
from sampler_rollouts.domain.decision import ResourceMeta, decide, question
from sampler_rollouts.domain.decision.context import narrowed
from sampler_rollouts.domain.decision.quality import quality_plan
from sampler_rollouts.domain.evidence.grid import BoolArray, FloatArray, IntArray
from sampler_rollouts.domain.evidence.look import Evidence
from sampler_rollouts.domain.evidence.samples import Question
from sampler_rollouts.domain.quantities import ratio, seconds
from sampler_rollouts.domain.release import revisions
from sampler_rollouts.domain.resource import PROMOTE_ANNOTATION
from sampler_rollouts.domain.status import Stage, Status

from samplerctl.errors import InputError
from samplerctl.incidents import Incident, need_check, simulated_plans, usual_rates
from samplerctl.progress import Tell, untold
from samplerctl.rollout_file import RolloutFile
from samplerctl.simulated_cluster import SimulatedCluster
from samplerctl.simulated_evidence import Courses, Layout
from samplerctl.traffic import Bursty, Diurnal, Independent, Load, Random, Sticky, Traffic

START = datetime(2026, 1, 5, 12, 0, 0, tzinfo=UTC)
DAY, HOUR = 86400.0, 3600.0
SESSION_SECONDS, SESSION_REQUESTS = 300.0, 5.0
"""A sticky session: how long it lasts and how many requests it has on average."""
TRAFFIC = ("independent", "sticky", "bursty", "diurnal")
DEFAULT_TRAFFIC = TRAFFIC[1:]
"""What users have."""
TOGETHER = 50
"""Runs simulated side by side in one process."""
LONGER = timedelta(hours=1)
"""How long after its deadline a rollout that has not ended is told as unfinished."""
LOOKS_A_TIME = 100
"""A look comes with each scrape at first, later with each hundredth of the time gone: at most 1 % too late."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is simulated. ``rps`` is each pool's checked requests a second, ``tokens`` those of an answer."""

    file: RolloutFile
    incident: Incident
    traffic: str
    rps: float
    runs: int
    seed: int
    scrape: float = 15.0
    ready_after: float = 60.0
    tokens: float = 300.0
    usual: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ending:
    """How one run ended, after so many seconds, and how many requests each release had answered."""

    outcome: str
    """``promoted``, ``rolled back``, ``held`` or ``unfinished``."""
    seconds: float
    exposed: int
    requests: int
    weight: int
    reason: str = ""
    message: str = ""


def simulate(setting: Setting, jobs: int | None = None, tell: Tell = untold) -> list[Ending]:
    """Run all rollouts, and ``tell`` of those that ended; InputError where the file cannot be simulated.

    Equal settings give equal endings.
    """
    if setting.file.spec.paused:
        raise InputError("spec.paused: a paused rollout never starts: set it to false")
    some = [
        replace(setting, runs=min(TOGETHER, setting.runs - first), seed=setting.seed + first)
        for first in range(0, setting.runs, TOGETHER)
    ]
    if len(some) == 1:
        return _together(some[0], tell)
    found: list[Ending] = []
    with ProcessPoolExecutor(min(len(some), jobs or os.cpu_count() or 1)) as pool:
        for endings in pool.map(_together, some):
            found += endings
            tell(len(endings))
    return found


def simulate_kinds(
    setting: Setting, kinds: Sequence[str], jobs: int | None = None, tell: Tell = untold
) -> tuple[dict[str, list[Ending]], dict[str, float]]:
    """Endings by kind of traffic, those that users have unless others are named, and both releases' usual rates."""
    for kind in kinds:
        if kind not in TRAFFIC:
            raise InputError(f"--traffic: {kind!r} is not simulated: write one of {', '.join(TRAFFIC)}")
    rates = _Simulation(replace(setting, runs=1)).rates
    found = {kind: simulate(replace(setting, traffic=kind), jobs, tell) for kind in kinds or DEFAULT_TRAFFIC}
    return found, rates


def _together(setting: Setting, tell: Tell = untold) -> list[Ending]:
    return _Simulation(setting).run(tell)


def sessions(scrape: float) -> Sticky:
    """Sticky sessions at that scrape interval."""
    return Sticky(life=max(1, round(SESSION_SECONDS / scrape)), size=SESSION_REQUESTS)


@dataclass(slots=True)
class _Run:
    status: Status
    cluster: SimulatedCluster
    annotations: dict[str, str] = field(default_factory=dict)
    ending: Ending | None = None


class _Simulation:
    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.now = START
        self.random: Random = np.random.default_rng(setting.seed)
        spec = setting.file.spec
        self.pools = tuple(name for wave in spec.waves for name in wave)
        quality = quality_plan(spec, list(self.pools))
        need_check(setting.incident, quality, list(self.pools))
        plans = simulated_plans(quality)
        self.rates = usual_rates(plans, setting.usual)
        self.layout = Layout(
            setting.runs,
            self.pools,
            tuple(plan for plan in plans if plan.name != CHECK_REPLAY_AUDIT),
            next((plan for plan in plans if plan.name == CHECK_REPLAY_AUDIT), None),
            frozenset(quality.unaudited),
        )
        if not self.layout.plans:
            raise InputError("spec.quality.checks: add a check of a rate, such as errors: requests are counted by it")
        self.courses = Courses(self.layout)
        self.traffic = _traffic(setting, self.random, self.layout)
        self.most = max(spec_pool.replicas or 1 for spec_pool in spec.pools)
        self.stable, self.candidate = revisions(setting.file.before().spec), revisions(spec)
        self.limit = timedelta(seconds=seconds(spec.strategy.deadline)) + LONGER
        self.runs: list[_Run] = []

    def run(self, tell: Tell) -> list[Ending]:
        """How each run ends."""
        first = _established(self)
        self.runs = [_Run(first.status, first.cluster.copy()) for _ in range(self.setting.runs)]
        began = looked = self.now
        self._decide(dict.fromkeys(range(len(self.runs))))
        while (active := self._active()).size and self.now - began < self.limit:
            self._serve(active)
            self.now += timedelta(seconds=self.setting.scrape)
            if (self.now - looked) * LOOKS_A_TIME >= self.now - began:
                looked = self.now
                self._decide(self._look(active))
                for place in active:
                    self._end(int(place), began)
                tell(active.size - self._active().size)
        tell(self._active().size)  # those that come to no end
        return [run.ending or self._ended(place, "unfinished", began) for place, run in enumerate(self.runs)]

    def _active(self) -> IntArray:
        return np.array([place for place, run in enumerate(self.runs) if run.ending is None], dtype=np.int64)

    def _ready(self, which: Mapping[str, str], active: IntArray) -> IntArray:
        """Pods of a release that serve, (runs, pools); 0 for runs that have ended."""
        found = np.zeros((len(self.runs), len(self.pools)), dtype=np.int64)
        for place in active:
            cluster = self.runs[place].cluster
            found[place] = [cluster.ready((pool, which[pool]), self.now) for pool in self.pools]
        return found

    def _serve(self, active: IntArray) -> None:
        """What comes until the next scrape: users reach every ready pod alike, as without a gateway."""
        candidate, stable = self._ready(self.candidate, active), self._ready(self.stable, active)
        slots = np.arange(self.most)[:, None, None]
        there = np.concatenate([slots < candidate, slots < stable]).astype(np.float64)  # (pods, runs, pools)
        shares = there / np.maximum(candidate + stable, 1)
        checks = len(self.layout.plans)
        per_stream = np.repeat(shares[..., None], checks, axis=3).reshape(2 * self.most, -1)
        requests = np.full(self.layout.streams, self.setting.rps * self.setting.scrape)
        cell = self.traffic.cell(self.random, Load(requests, per_stream, self._bad_rates()))
        self.courses.add(cell, self.most, active)
        users = cell[0].reshape(2 * self.most, len(self.runs), len(self.pools), checks)[..., 0]
        self.courses.add_traffic(users, self.most, active)
        self._audit(users[: self.most])

    def _bad_rates(self) -> FloatArray:
        """The chance that a checked request is bad, (pods, streams)."""
        incident, plans = self.setting.incident, self.layout.plans
        usual = np.array([self.rates[plan.name] for plan in plans])
        shape = (self.most, len(self.runs), len(self.pools), len(plans))
        both = np.concatenate([np.broadcast_to(usual, shape), np.broadcast_to(usual, shape)])
        for place, plan in enumerate(plans):
            if plan.name == incident.check:
                both[: self.most, ..., place] = np.where(self._shows(shape[:3]), incident.rate, usual[place])
        return both.reshape(2 * self.most, -1)

    def _shows(self, shape: tuple[int, ...]) -> BoolArray:
        return self.random.random(shape) < self.setting.incident.seldom

    def _audit(self, requests: IntArray) -> None:
        """Some tokens of every answer are drawn again; (pods, runs, pools)."""
        incident, audit = self.setting.incident, self.layout.audit
        if audit is None:
            return
        spec = self.setting.file.spec
        share = np.array([ratio(pool.sampler.audit_share) for name in self.pools if (pool := spec.pool(name))])
        tokens = self.random.poisson(requests * self.setting.tokens * share)
        rate = np.full(requests.shape, self.rates[audit.name])
        if incident.check == audit.name:
            rate = np.where(self._shows(requests.shape), incident.rate, rate)
        self.courses.add_audit(tokens, self.random.binomial(tokens, rate))

    def _look(self, active: IntArray) -> dict[int, Evidence | None]:
        """The evidence of each run that asks for it."""
        questions = {int(place): self._question(self.runs[place]) for place in active}
        asking = [place for place, asked in questions.items() if asked is not None]
        found: dict[int, Evidence | None] = dict.fromkeys(questions)
        if asking:
            runs = np.array(asking, dtype=np.int64)
            compared = np.array([_compared(questions[place], self.pools) for place in asking])
            ready = self._ready(self.candidate, runs)[runs]
            asked = next(one for one in questions.values() if one is not None)
            looks = self.courses.looks(asked, runs, compared, ready, self.setting.scrape, self.now)
            found |= dict(zip(asking, looks, strict=True))
        return found

    def meta(self, run: _Run, generation: int = 2) -> ResourceMeta:
        return ResourceMeta("default", self.setting.file.name, "simulated", generation, dict(run.annotations))

    def _question(self, run: _Run) -> Question | None:
        return question(self.meta(run), self.setting.file.raw, run.status, self.now)

    def _decide(self, looks: Mapping[int, Evidence | None]) -> None:
        for place, evidence in looks.items():
            run = self.runs[place]
            seen = run.cluster.observe(self.now)
            outcome = decide(self.meta(run), self.setting.file.raw, run.status, seen, evidence, self.now)
            run.status = outcome.status
            run.cluster.apply(outcome, self.now)
            rollout = run.status.rollout
            if rollout and rollout.waiting:  # a value counts once
                run.annotations[PROMOTE_ANNOTATION] = f"{rollout.release}:{rollout.wave}.{rollout.step}"

    def _end(self, place: int, began: datetime) -> None:
        status = self.runs[place].status
        outcomes = {Stage.SERVING: "promoted", Stage.ROLLING_BACK: "rolled back", Stage.HOLDING: "held"}
        if narrowed(status):  # what is asked is whether a build is caught, and an honest one is not: in any pool
            self.runs[place].ending = self._ended(place, "rolled back", began)
        elif status.stage in outcomes:
            self.runs[place].ending = self._ended(place, outcomes[status.stage], began)

    def _ended(self, place: int, outcome: str, began: datetime) -> Ending:
        status, courses = self.runs[place].status, self.courses
        rollout = status.rollout
        held = status.held(rollout.release) if rollout else None
        why = (rollout.failure or held or rollout.hold) if rollout else None
        exposed, stable = int(courses.exposed[place].sum()), int(courses.stable[place].sum())
        return Ending(
            outcome,
            (self.now - began).total_seconds(),
            exposed,
            exposed + stable,
            status.history[0].weight if narrowed(status) else rollout.weight if rollout else 100,
            why.reason if why else "",
            why.message if why else "",
        )


def _traffic(setting: Setting, random: Random, layout: Layout) -> Traffic:
    if setting.traffic == "sticky":
        return sessions(setting.scrape)
    if setting.traffic == "bursty":
        return Bursty(every=HOUR / setting.scrape, part=1.0 / setting.scrape)
    if setting.traffic == "diurnal":
        phase = np.repeat(random.random(layout.runs), layout.streams // layout.runs)
        return Diurnal(DAY / setting.scrape, phase)
    return Independent()


def _compared(asked: Question | None, pools: tuple[str, ...]) -> list[bool]:
    by_pool = {arm.pool: arm.compared for arm in asked.arms} if asked else {}
    return [by_pool.get(pool, False) for pool in pools]


def _established(simulation: _Simulation) -> _Run:
    """The stable release serves, and is verified."""
    run = _Run(Status(), SimulatedCluster(simulation.setting.ready_after))
    before, deadline = simulation.setting.file.before().raw, simulation.now + timedelta(hours=1)
    while run.status.verified is None:
        if simulation.now > deadline:
            raise InputError("spec: the release before it would never serve: what keeps its pods from being ready?")
        seen = run.cluster.observe(simulation.now)
        outcome = decide(simulation.meta(run, 1), before, run.status, seen, None, simulation.now)
        run.status = outcome.status
        run.cluster.apply(outcome, simulation.now)
        simulation.now += timedelta(seconds=simulation.setting.scrape)
    return run
