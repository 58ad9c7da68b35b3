"""The status of a SamplerRollout: all that the operator remembers (R2, R3).

``Status.load(raw)`` reads what the API server stored and never raises; ``status.dump()`` is the JSON to write (replace
the whole status: lists here are not merged). Numbers with a fraction are strings, as the API conventions ask. Stages
and their transitions: docs/rollout.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, ValidationError

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.act import Act, Acts
from sampler_rollouts.domain.ended import EndedPool
from sampler_rollouts.domain.loose import Clock, Count, Figure, Label, Loose, Name, Reason, Sentence, Text
from sampler_rollouts.domain.notices.notice import Notice
from sampler_rollouts.domain.plan import (
    Bake,
    HeldRelease,
    OutsideEdit,
    RefusedWrite,
    Release,
    Remains,
    RemovedPool,
    Rollout,
    Suspicion,
    Watch,
)
from sampler_rollouts.domain.preflight import PreflightResult
from sampler_rollouts.domain.route_plan import GatewayPlan


class Stage(StrEnum):
    """Where the whole SamplerRollout stands."""

    IDLE = "Idle"
    ESTABLISHING = "Establishing"
    SERVING = "Serving"
    PROGRESSING = "Progressing"
    HOLDING = "Holding"
    RESTORING = "Restoring"
    ROLLING_BACK = "RollingBack"
    WITHDRAWING = "Withdrawing"


class Result(StrEnum):
    """How a rollout ended."""

    ESTABLISHED = "Established"
    PROMOTED = "Promoted"
    RESTORED = "Restored"
    ROLLED_BACK = "RolledBack"
    WITHDRAWN = "Withdrawn"


Detail = Annotated[str, Field(max_length=limits.DETAIL)]


class Condition(Loose):
    """A standard condition. Reconciling and Stalled are present only while they are true."""

    type: Annotated[str, Field(max_length=64)]
    status: Literal["True", "False", "Unknown"]
    observed_generation: int = 0
    last_transition_time: AwareDatetime
    reason: Reason
    message: Text = ""


class CheckNumbers(Loose):
    """What a look found of one check in one pool. Its limits are in the plan that is tested."""

    name: Label
    verdict: Literal["Passed", "Failed", "Inconclusive"]
    reason: Annotated[str, Field(max_length=limits.LABEL)] = ""
    checked: Count = 0
    """Of calibration and the replay audit tokens, of scores runs, of any other check requests."""
    bad: Count = 0
    bias_nats: Figure = ""
    """Of calibration alone: positive where tokens are more surprising than the logits say."""
    drop: Figure = ""
    """Of scores alone: how much lower than stable's they are, as a part of the best score."""
    upper_bound: Figure = ""
    """Of the rate; of calibration of the bias' size, in nats; of scores of the drop."""
    log_e: Figure = ""
    log_threshold: Figure = ""
    detail: Detail = ""


class CheckStatus(CheckNumbers):
    """One check with its limits, for who reads nothing else."""

    detail: Text = ""
    max_rate: Figure = ""
    max_ratio: Figure = ""
    slower_than: Figure = ""
    """Of a latency check: a request that took longer is bad."""
    max_bias_nats: Figure = ""
    """Of calibration alone."""
    max_drop: Figure = ""
    """Of scores alone."""


class Requests(Loose):
    """Requests that ended since the release's first pod was created."""

    exposed: Count = 0
    total: Count = 0


class Unaccounted(Loose):
    """Requests that the gateway sent and no pod accounts for."""

    lost: Count = 0
    """At least so many."""
    sent: Count = 0
    """Of so many."""
    unknown: Annotated[str, Field(max_length=limits.UNKNOWN)] = ""
    """Why there may be more: ``NotConfigured``, ``NotCounted``, ``NoSamples``, or why the source did not say."""


class Share(Loose):
    """What requests show of a step's weight (R8): the candidate's share of those counted while it was in force."""

    weight: Annotated[int, Field(ge=0, le=100)]
    wanted: Figure
    """The effective weight: the candidate's share of the step's pods."""
    observed: Figure = ""
    low: Figure = ""
    """Lower end of the 95 % interval, which holds at all looks at once."""
    high: Figure = ""
    skewed: bool = False
    """The interval lies wholly outside 0.75 to 1.25 times the wanted share."""
    requests: Requests = Field(default_factory=Requests)
    alone_since: AwareDatetime | None = None
    """Since when no pod of stable has been ready in the pool."""
    short_since: AwareDatetime | None = None
    """Since when the pods give another share because pods of stable are not ready."""
    in_force_since: AwareDatetime | None = None
    """Since when pods have given the weight; absent while they do not."""
    counted_to: Requests | None = None
    """The rollout's counts up to which ``requests`` holds; absent until they are all of this time in force."""


class WarmPods(Loose):
    """Pods that are kept ready, without traffic, of what a rollback would bring back."""

    revision: Name
    replicas: Count = 0
    ready: Count = 0


class PoolStatus(Loose):
    """One pool."""

    name: Label
    replicas: Count = 0
    """Wanted when that last could be read: by the spec, or by the pool's autoscaler."""
    autoscaled: bool = False
    """The spec gives no number: an autoscaler's SamplerPool does."""
    covered: Annotated[int, Field(ge=0, le=limits.REPLICAS)] = 0
    """Of more servers than before, as many as have been ready: what must not be lost meanwhile; 0 once all have."""
    ready: Count = 0
    max_unavailable: Annotated[int, Field(ge=0, le=limits.REPLICAS)] = 0
    """Of its disruption budget, when the spec last could be read; 0 is none."""
    revision: Label = ""
    """The revision that the pool is moving to, or serves."""
    candidate_replicas: Count = 0
    """Candidate pods wanted now; while a candidate leaves this never rises."""
    stable_replicas: Count = 0
    weight: Annotated[int, Field(ge=0, le=100)] = 0
    observed_weight: Annotated[int, Field(ge=0, le=100)] = 0
    warm: WarmPods | None = None
    share: Share | None = None
    requests: Requests | None = None
    unaccounted: Unaccounted | None = None
    """Of the release under test; absent without a gateway, and for pods that are older than what is asked."""
    verdict: Literal["", "Passed", "Failed", "Inconclusive"] = ""
    reason: Reason = ""
    passed_at: AwareDatetime | None = None
    """When all checks had passed in one look: needed once, before full traffic (R9, R12)."""
    worst_check: CheckStatus | None = None
    checks: Annotated[
        list[CheckNumbers], Field(max_length=limits.CHECKS + 1, json_schema_extra=limits.map_by("name"))
    ] = Field(default_factory=list)
    """All checks that are tested or watched here, as they were last found: written anew when a reader would notice."""
    unready: Clock | None = None
    """Runs while wanted pods are missing or not ready; begins anew when those that could not start have started."""
    replacing: Clock | None = None
    """Runs while some of them run and are not ready; begins anew when one has become ready, and not when one has ended
    and another has taken its place."""
    blocked: Sentence = ""
    """The infrastructure's reason why pods have not started."""

    def forget_readiness(self) -> None:
        """Its pods have their whole time before them."""
        self.unready, self.replacing, self.blocked = None, None, ""

    def forget_verdict(self) -> None:
        """What was found says nothing about the release that the pool serves from now on."""
        self.verdict, self.reason, self.passed_at, self.worst_check, self.checks = "", "", None, None, []
        self.unaccounted = None


class HistoryEntry(Loose):
    """How one rollout ended."""

    release: Label
    result: Result
    reason: Reason = ""
    message: Text = ""
    started_at: AwareDatetime
    ended_at: AwareDatetime
    weight: Annotated[int, Field(ge=0, le=100)] = 0
    requests: Requests = Field(default_factory=Requests)
    born_at: AwareDatetime | None = None
    """When its first pod was created; absent where none was."""
    changes: Detail = ""
    """What was different in it, in words, as far as they fit."""
    route_hash: Label = ""
    """Of its route table, as fingerprints have it once it serves."""
    pools: Annotated[list[EndedPool], Field(max_length=limits.POOLS)] = Field(default_factory=list)
    """All pools of the release."""


class Status(Loose):
    """The whole status."""

    observed_generation: int = 0
    stage: Stage = Stage.IDLE
    progress: Annotated[str, Field(max_length=128)] = ""
    """Where the rollout stands, for people: ``wave 1/2, step 2/3, 50%``."""
    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=limits.map_by("type"))] = Field(
        default_factory=list
    )
    stable: Release | None = None
    candidate: Release | None = None
    verified: Release | None = None
    previous: Release | None = None
    """The release that stable replaced, until stable is verified."""
    failed: Annotated[list[HeldRelease], Field(max_length=limits.HELD)] = Field(default_factory=list)
    retry_generation: Count = 0
    """spec.retryGeneration as last seen."""
    promoted_by: Name = ""
    """The promote annotation's value that was used last, or was there when a rollout started: it counts no more."""
    preflights: Annotated[list[PreflightResult], Field(max_length=limits.PREFLIGHTS)] = Field(default_factory=list)
    """What preflights found, of the releases that may serve or come back."""
    pause: Act | None = None
    """A person paused the release: in force while the spec asks for it."""
    acts: Annotated[list[Act], Field(max_length=len(Acts), json_schema_extra=limits.map_by("act"))] = Field(
        default_factory=list
    )
    """The last word of each kind, newest first."""
    suspicions: Annotated[list[Suspicion], Field(max_length=limits.SUSPICIONS)] = Field(default_factory=list)
    rollout: Rollout | None = None
    bake: Bake | None = None
    watch: Watch | None = None
    """Of the release that serves, once its bake is over; in pools that a candidate touches it rests."""
    gateway: GatewayPlan | None = None
    refusals: Annotated[list[RefusedWrite], Field(max_length=limits.REFUSALS)] = Field(default_factory=list)
    """What the cluster refused at the last look: an operator that has just started has tried nothing itself."""
    edits: Annotated[list[OutsideEdit], Field(max_length=limits.EDITS)] = Field(default_factory=list)
    """What others have changed of the children, and their own routes to these, newest first."""
    remains: Annotated[list[Remains], Field(max_length=limits.REMAINS)] = Field(default_factory=list)
    """What should have gone, and is still there."""
    budgets: bool = False
    """Disruption budgets are wanted, or still there: without any nobody needs the right to them."""
    scales: bool = False
    """The same of SamplerPools."""
    removed: Annotated[list[RemovedPool], Field(max_length=limits.REMAINS)] = Field(default_factory=list)
    """Pools that stable has no more, while something of them is there: the last servers of a class never go."""
    pools: Annotated[list[PoolStatus], Field(max_length=2 * limits.POOLS, json_schema_extra=limits.map_by("name"))] = (
        Field(default_factory=list)
    )
    history: Annotated[list[HistoryEntry], Field(max_length=limits.HISTORY)] = Field(default_factory=list)
    """Newest first."""
    notices: Annotated[list[Notice], Field(max_length=limits.NOTICES, json_schema_extra=limits.map_by("id"))] = Field(
        default_factory=list
    )
    """Notifications that some receiver has not been told of yet, oldest first."""

    @classmethod
    def load(cls, raw: Mapping[str, Any] | None) -> Status:
        """Read a stored status. A member that cannot be read is left out: the rest is still true."""
        data = dict(raw or {})
        while True:
            try:
                return cls.model_validate(data)
            except ValidationError as error:
                bad = {detail["loc"][0] for detail in error.errors() if detail["loc"]} & data.keys()
                if not bad:
                    return cls()
                data = {key: value for key, value in data.items() if key not in bad}

    def dump(self) -> dict[str, Any]:
        """The status as JSON."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @property
    def routed(self) -> bool:
        """Whether users come through a gateway, by an HTTPRoute of ours."""
        return self.gateway is not None and not self.gateway.ended

    def kept(self) -> list[Release]:
        """Every release that serves, or may serve or come back."""
        return [one for one in (self.stable, self.candidate, self.verified, self.previous) if one]

    def held(self, release: str) -> HeldRelease | None:
        """The hold on a release, if it was rolled back."""
        return next((item for item in self.failed if item.hash == release), None)

    def preflight(self, pool: str, revision: str) -> PreflightResult | None:
        """What the preflight of a pool's revision found, if there was one."""
        return next((item for item in self.preflights if (item.pool, item.revision) == (pool, revision)), None)

    def act(self, act: Acts) -> Act | None:
        """The last word of that kind."""
        return next((item for item in self.acts if item.act is act), None)

    def pool(self, name: str) -> PoolStatus | None:
        """The status of one pool."""
        return next((item for item in self.pools if item.name == name), None)
