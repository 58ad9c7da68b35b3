"""What status remembers of releases and of the rollout under way (R3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.births import WithBirths
from sampler_rollouts.domain.loose import (
    Clock,
    Count,
    Failure,
    Figure,
    Label,
    Loose,
    Name,
    Reason,
    Sentence,
    Suspect,
    Text,
)
from sampler_rollouts.domain.observation import Verb
from sampler_rollouts.domain.route_plan import ClassTable, TableMove

Metric = Annotated[str, Field(max_length=limits.METRIC)]
Scope = Literal["Release", "Pool"]


class Fault(Failure):
    """What a check has shown of a release that serves without a better one to go back to (R10)."""

    pool: Label = ""
    """Where it showed."""
    check: Label = ""
    retried: bool = False
    """``retryGeneration`` has risen since: it is tested anew, and ``Passed`` of all checks takes the fault away."""


class ReleasePool(Loose):
    """One pool in a release."""

    name: Label
    revision: Label
    image: Annotated[str, Field(max_length=limits.IMAGE)] = ""
    replicas: Count = 0
    """Wanted when the spec last had the pool, outside the hash: a pool that comes back has as many again."""


class Release(Loose):
    """A release by its hash; ``since`` is when it took its present role."""

    hash: Label
    since: AwareDatetime
    pools: Annotated[list[ReleasePool], Field(max_length=limits.POOLS)] = Field(default_factory=list)
    gateway: bool = False
    """Whether users come to it through a gateway, as its servers are told."""
    routes: Annotated[list[ClassTable], Field(max_length=limits.CLASSES)] = Field(default_factory=list)
    """Its route table, as far as the spec wrote one down."""
    fault: Fault | None = None
    """Why it is not well, whatever role it has: it is neither ready nor ever verified with it."""

    def revision(self, pool: str) -> str:
        """This release's revision of a pool, or an empty string."""
        return next((item.revision for item in self.pools if item.name == pool), "")

    def with_pools(self, others: Iterable[ReleasePool]) -> Release:
        """The same, but for pools that are among ``others``: as they are there."""
        there = {item.name: item for item in others}
        return self.model_copy(update={"pools": [there.get(item.name, item) for item in self.pools]})

    def names(self) -> list[str]:
        """Names of its pools, in order."""
        return [item.name for item in self.pools]


class HeldRelease(Loose):
    """A release that was rolled back: not tried again unless ``retryGeneration`` rises (R6)."""

    hash: Label
    at: AwareDatetime
    reason: Reason
    message: Text = ""
    suspects: Annotated[list[Suspect], Field(max_length=limits.SUSPECTS)] = Field(default_factory=list)
    """Images and sampler settings that it had and stable had not, if a check failed: other rollouts heed them (R23)."""


class Suspicion(Loose):
    """Something that is used here failed in another SamplerRollout."""

    rollout: Name
    """Where it failed last, as far as is known; with its namespace where that is another one."""
    release: Label
    what: Suspect
    since: AwareDatetime
    failed_at: AwareDatetime | None = None
    """When it failed last."""
    others: Count = 0
    """In how many more SamplerRollouts it has failed."""
    cleared: bool = False
    """A person has looked, and it has not failed anywhere since."""


class CheckSpec(Loose):
    """A check as it was when the rollout started."""

    name: Label
    max_rate: Figure = ""
    """Empty where only stable is the measure; so are the other two where nothing is compared with stable."""
    max_ratio: Figure = ""
    ignore_below: Figure = ""
    slower_than: Figure = ""
    """Empty unless it is about latency."""
    max_bias_nats: Figure = ""
    """Of calibration alone."""
    template: Label = ""
    """The ClusterCheckTemplate that said where its data are."""
    metrics: Annotated[list[Metric], Field(max_length=2)] = Field(default_factory=list)
    """As that one said when the rollout started: checked and bad, or the score and its runs."""
    bad_label: Metric = ""
    """Of one counter that tells bad requests by a label: the label, and which of its values."""
    bad_values: Annotated[list[Metric], Field(max_length=8)] = Field(default_factory=list)
    max_drop: Figure = ""
    """Of scores alone."""
    largest: Annotated[int, Field(ge=1)] = 1
    """The best score."""
    report: bool = False
    """It is shown, and decides nothing."""
    problem: Sentence = ""
    """Why nobody knows where its data are."""


class QualityPlan(Loose):
    """The quality block as it was when the rollout started."""

    metrics_source: Label
    false_rollback_rate: Figure
    pass_confidence: Figure
    design_effect: Figure
    checks: Annotated[list[CheckSpec], Field(max_length=limits.CHECKS + 1)]
    """The spec's, and the replay audit."""
    tests: Count
    """Statistical tests that share the false-alarm rate: fixed at the start."""
    unaudited: Annotated[list[Label], Field(max_length=limits.POOLS)] = Field(default_factory=list)
    """Pools with an audit share of 0: replay audit and calibration say nothing about them, and are not asked."""
    probes: Figure = ""
    """Synthetic probes a second; empty where none counts as evidence."""


class Forecast(Loose):
    """What the checks can show before the deadline (R16), as it was last said; said anew when a reader would notice."""

    feasible: Literal["True", "False", "Unknown"]
    reason: Reason
    message: Text = ""
    pool: Label = ""
    check: Label = ""
    """The one that takes longest."""
    rate: Figure = ""
    """Requests a second in that pool, on which the sentence rests."""
    needed: Figure = ""
    """Requests that it needs."""


class FirstPod(Loose):
    """The first pod of a pool's preflight that ran in this try."""

    pool: Label
    pod: Label


class PreflightPlan(Loose):
    """The preflight as it was asked for when the rollout started, and what it waits for."""

    budget: Count
    timeout: Count
    """Seconds within which each pool is to have a result."""
    compare_with_stable: bool = True
    clock: Clock
    """Runs from when the pods that are to examine it could start."""
    first_pods: Annotated[list[FirstPod], Field(max_length=limits.POOLS, json_schema_extra=limits.map_by("pool"))] = (
        Field(default_factory=list)
    )
    """Of each pool that could start: what takes the place of one that has ended gets no time anew."""
    blocked: Text = ""
    """The infrastructure's reason why one of them has not."""
    missed: bool = False
    """The time was up for a Deployment that was not there, and which got its time once more."""
    tried_at: AwareDatetime | None = None
    """When it was begun, or last begun anew: its pods carry it, and what those of an earlier try say is not heard."""
    passed_at: AwareDatetime | None = None
    """When every pool had passed and none differed: needed once, before any traffic."""


class Rollout(WithBirths):
    """The plan and the position of the rollout under way, copied from the spec when it started (R3)."""

    release: Label
    first: bool = False
    """A release without a gate: nothing to compare with, nothing to go back to (R10). It is tested while it bakes."""
    started_at: AwareDatetime
    quality: QualityPlan
    waves: Annotated[list[Annotated[list[Label], Field(max_length=limits.POOLS)]], Field(max_length=limits.POOLS)]
    """Pools that move, wave by wave."""
    progress_deadline: Count = 0
    deadline: Count = 0
    bake_time: Count = 0
    on_inconclusive: Literal["Hold", "Rollback"] = "Hold"
    scope: Scope = "Release"
    wave: Count = 0
    step: int = -1
    """Index into spec.strategy.steps; -1 before the first, the number of steps at full traffic."""
    weight: Annotated[int, Field(ge=0, le=100)] = 0
    min_duration: Count = 0
    waiting: bool = False
    """At ``pause: {}``."""
    pauses: Count = 0
    """Pauses that it has come to at its present weight."""
    clock: Clock
    """The whole rollout's clock, against ``deadline``."""
    seen_at: AwareDatetime | None = None
    """When it was last looked at while that clock ran, to some minutes: time in which nobody looked does not count."""
    ready_at: AwareDatetime | None = None
    """When a pod of it was first seen ready: before, no request can have reached it."""
    retried_at: AwareDatetime | None = None
    """When its pods that were there were tried anew: at its start, or when a person had a first release tried again."""
    exits: Count = 0
    """The most that a container of theirs had exited by then: of those pods as many count no more."""
    step_clock: Clock | None = None
    """Runs while the step's weight is observed."""
    changes: Annotated[list[Text], Field(max_length=limits.CHANGES)] = Field(default_factory=list)
    """What differs from stable, in words."""
    preflight: PreflightPlan | None = None
    """Absent where none was asked for."""
    table: TableMove | None = None
    """Absent where the route table stays as it is."""
    hold: Failure | None = None
    """Why the rollout holds."""
    excused: Annotated[list[Label], Field(max_length=limits.CHECKS + 1)] = Field(default_factory=list)
    """Checks by which stable was not well before the candidate's first traffic, or that a person has let pass. Above
    their limit in both releases they only stop the weight, until they have passed in all pools."""
    forecast: Forecast | None = None
    failure: Failure | None = None
    leftovers: Annotated[list[Release], Field(max_length=limits.LEFTOVERS)] = Field(default_factory=list)
    """Releases whose place a release without a gate takes: what serves of them stays until it need not. In a rollout by
    steps what leaves of this one, in pools from which alone it is taken back."""
    instead_of: Label = ""
    """The stable release in whose place it comes, because that one's pods did not come up."""


class FailedCheck(Loose):
    """A check in a pool."""

    pool: Label
    check: Label


class Alarm(Failure):
    """What a check has shown of a release that was verified (R22)."""

    pool: Label
    check: Label
    others: Annotated[list[FailedCheck], Field(max_length=limits.ALARMS)] = Field(default_factory=list)
    """What has failed since, and has not passed again."""


class Watch(WithBirths):
    """How what serves is looked at after its bake: one window of time after the other, each a test of its own."""

    release: Label
    since: AwareDatetime
    """When this window began."""
    seconds: Count
    quality: QualityPlan
    """The checks, as the spec was when it began."""
    alarm: Alarm | None = None


class OutsideEdit(Loose):
    """A child that somebody else has changed, which is put back; or an object of theirs that sends requests to ours."""

    kind: Label
    name: Name
    by: Name
    """The field manager, as the API server has it: ``kubectl-edit``, a controller's name."""
    at: AwareDatetime
    services: Sentence = ""
    """Services of the SamplerRollout that an HTTPRoute of somebody else names; that one stays as it is."""
    adds: Name = ""
    """What somebody else has added to the pods of a Deployment: fields that the operator does not name, which stay."""


class RefusedWrite(Loose):
    """A write of a child that the cluster refused when it was tried last."""

    kind: Label
    name: Name
    pool: Label = ""
    revision: Label = ""
    verb: Verb
    message: Sentence = ""
    """The cluster's own words."""


class Remains(Loose):
    """A pool's revision that is there although nothing asks for it."""

    pool: Label
    revision: Label
    peopled: bool = False
    """Whether it has pods."""
    since: AwareDatetime
    """When it began to be so."""


class RemovedPool(Loose):
    """A pool of a release that served, which the one that serves now has no more."""

    pool: Label
    revision: Label
    release: Label


class FailedInBake(FailedCheck):
    """What failed, and its numbers."""

    message: Text


class Bake(WithBirths):
    """The time after full traffic until a release is verified."""

    release: Label
    clock: Clock
    seconds: Count
    scope: Scope = "Release"
    test: QualityPlan | None = None
    """The absolute checks of a release that came without a gate; none for one that has passed, or failed them."""
    watch: QualityPlan | None = None
    """The checks whose data must come for the clock to run, where there is no test: as the spec was when it began."""
    forecast: Forecast | None = None
    """What the checks can show in the bake time (R16), as it was last said."""
    seen_at: AwareDatetime | None = None
    """When the data were last found valid, to some minutes."""
    failed: FailedInBake | None = None
    """A check has failed while a candidate was under way: what serves is taken back as soon as that one has left."""
