"""Raw counter samples, as the metrics adapter hands them over and the evidence reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from quality_contract import CHECK_CALIBRATION, CHECK_FEEDBACK, CHECK_REPLAY_AUDIT, PROBE_CHECKS, PROBE_ROUTE_HASH

if TYPE_CHECKING:
    from sampler_rollouts.domain.evidence.grid import FloatArray
    from sampler_rollouts.domain.evidence.intervals import Folded

Place: TypeAlias = tuple[str, str, str, str]
"""Pool, revision, pod, and what is counted: the name of a check, ``TRAFFIC`` or ``BEGUN``."""
TRAFFIC = ""
TEMPLATE_MISSING: Final = "TemplateMissing"
TEMPLATE_UNREAD: Final = "TemplateUnread"
"""An admin's check of which nobody knows where its data are; or nobody can say yet."""
BEGUN = ":begun"
"""All that a pod has answered or is answering, in a Place: no check's name holds a colon."""


def probed(check: str) -> str:
    """What is counted of a check's probes, in a Place: no check's name holds a colon."""
    return f"{PROBE_ROUTE_HASH}:{check}"


@dataclass(frozen=True, slots=True)
class Series:
    """One counter series of one pod: the raw samples inside the asked-for window, oldest first.

    ``times`` are Unix seconds, ``values`` what the store holds (NaN and infinities included: the evidence judges them).
    ``labels`` are the metric's own labels (``check``, ``route_hash``, ``kind``, ...) without the target labels.
    """

    metric: str
    pod: str
    pool: str
    revision: str
    labels: Mapping[str, str]
    times: Sequence[float] | FloatArray
    values: Sequence[float] | FloatArray

    def with_samples(self, times: FloatArray, values: FloatArray) -> Series:
        """The same counter with other samples."""
        return Series(self.metric, self.pod, self.pool, self.revision, self.labels, times, values)


Pod: TypeAlias = tuple[str, str, str]
"""Pool, revision and name."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What gateways count for a pod's address, a series for each gateway's process.

    ``first`` and ``last``: when the pod's own samples at that address begin and end, in Unix milliseconds.
    """

    first: int
    last: int
    series: tuple[Series, ...] = ()


@dataclass(frozen=True, slots=True)
class SampleSet:
    """The answer to one question to the metrics source.

    ``unavailable`` is a CamelCase reason (``SourceUnreachable``, ``SourceTimeout``, ``PartialAnswer``, ...) when the
    source gave no complete answer; then ``series`` is empty and the data neither pass nor fail (R13).
    ``folded`` stands for older samples than ``series`` holds (``fold``): with it the evidence is the very same.
    """

    series: tuple[Series, ...] = ()
    asked_at: datetime | None = None
    scrape_interval: float = 15.0
    unavailable: str = ""
    message: str = ""
    folded: Mapping[Place, Folded] = field(default_factory=dict)
    sent: Mapping[Pod, Sent] | None = None
    """What gateways count of the requests that they sent to the candidate's pods; None where the source names no such
    counter."""
    sent_problem: str = ""
    """Why that could not be read on: a CamelCase reason, as ``unavailable``."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What is asked of the metrics source for one pool: the candidate's pods by name, and stable's revision.

    Candidate pods were created by the rollout, so their counters count from zero (R14); ``births`` maps pod name to the
    time at which the operator first saw it. Stable counts from the first sample after ``since``.
    """

    pool: str
    revision: str
    births: Mapping[str, datetime]
    stable_revision: str = ""
    serving: frozenset[str] | None = None
    """Candidate pods that are ready and not terminating now: they must have fresh samples before anything passes. None:
    all of ``births``, so that a pod that is gone for good keeps the pool from being fresh."""
    compared: bool = False
    """Whether stable serves beside the candidate. Without it only absolute limits are tested."""
    route: str = ""
    """The value of ``route_hash`` by which the candidate's requests are counted, where a route table is tested: then
    both arms are of the same pods. Empty: all requests of its pods."""
    stable_route: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """All that one look needs: a function of the resource and its status alone, so that it can be recomputed (R3)."""

    namespace: str
    rollout: str
    source: str
    since: datetime
    arms: tuple[Arm, ...]
    checks: tuple[CheckPlan, ...]
    alpha: float
    """False-alarm probability for the whole rollout, before Bonferroni: half of ``falseRollbackRate``, the other half
    being the bake time's. The caller halves; the evidence divides by ``tests`` and nothing else."""
    pass_confidence: float
    design_effect: float
    tests: int
    """Statistical tests that share ``alpha`` (checks with a test times pools), fixed when the rollout starts:
    ``count_tests``."""
    probes: bool = False
    """Whether synthetic probes count as evidence beside users' requests. Otherwise they are not read."""
    routed: bool = False
    """Whether users come through a gateway: then what it has sent can be compared with what pods account for."""
    bake_intervals: int = 0
    """Of a release at full traffic: the minutes of its bake time, and ``since`` is when they began. 0 before."""
    beside: bool = False
    """A second question of the rollout's: about what serves where a candidate does not."""

    @property
    def alone(self) -> bool:
        """Whether nothing serves beside what is asked about: it is tested against limits alone, minute by minute."""
        return self.bake_intervals > 0 and not any(arm.compared for arm in self.arms)


@dataclass(frozen=True, slots=True)
class CheckPlan:
    """One check as it was when the rollout started.

    ``max_rate`` in (0, 1) and ``max_ratio`` (a multiple of stable's rate, at least 1) are NaN where the check gives
    none; ``ignore_below`` in [0, 1) is a rate up to which no ratio matters.
    """

    name: str
    max_rate: float = math.nan
    labels: Mapping[str, str] = field(default_factory=dict)
    max_ratio: float = math.nan
    ignore_below: float = 0.0
    slower_than: float = 0.0
    """Of a latency check the seconds above which a request is bad, a bucket's bound; 0 of any other."""
    max_bias: float = math.nan
    """Of calibration alone: the largest bias that is still acceptable, in nats a token."""
    metrics: tuple[str, ...] = ()
    """Of an admin's check: checked and bad, or the score and its runs. None of one that is read by its name."""
    bad_label: str = ""
    """Where both metrics are one counter: the label by which it tells bad requests, and which of its values."""
    bad_values: frozenset[str] = frozenset()
    max_drop: float = math.nan
    """Of scores alone: by how much they may be lower than stable's, as a part of the best one."""
    largest: float = 1.0
    """The best score."""
    problem: str = ""
    """Why it cannot be read: nothing passes, and nothing fails."""
    unread: bool = False
    """That is not known for good: what says where its data are could not be read yet."""

    @property
    def unreadable(self) -> str:
        """The same as the reason of a verdict; empty of a check whose data are known."""
        return (TEMPLATE_UNREAD if self.unread else TEMPLATE_MISSING) if self.problem else ""


AUDITED: Final = frozenset({CHECK_REPLAY_AUDIT, CHECK_CALIBRATION})
"""Checks that are read from what the audit counts, of the candidate alone: its oracle is what they compare with."""


def is_compared(plan: CheckPlan) -> bool:
    """Whether a check is about a rate, which stable has too."""
    return plan.name not in AUDITED and not is_scored(plan)


def is_scored(plan: CheckPlan) -> bool:
    """Whether a check is about a mean of scores, which stable has too."""
    return not math.isnan(plan.max_drop)


def is_calibration(plan: CheckPlan) -> bool:
    """Whether a check is about the mean of surprisal less entropy."""
    return plan.name == CHECK_CALIBRATION


def is_judged(plan: CheckPlan) -> bool:
    """Whether a check is of what the prober found, and not the servers: then its data are those of the prober's pod."""
    return plan.name in PROBE_CHECKS and not plan.metrics


def has_users(plan: CheckPlan) -> bool:
    """Whether a check is about a rate of users' requests, to which probes may be added."""
    return is_compared(plan) and not is_judged(plan)


def counts_requests(plan: CheckPlan) -> bool:
    """Whether every request that is lost may have been a bad one of a check: what was lost was rated by nobody."""
    return has_users(plan) and plan.name != CHECK_FEEDBACK


def spends_alpha(plan: CheckPlan) -> bool:
    """Whether a check is a statistical test; the replay audit is an invariant."""
    return plan.name != CHECK_REPLAY_AUDIT
