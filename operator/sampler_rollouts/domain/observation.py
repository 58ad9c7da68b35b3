"""What the API server shows of one SamplerRollout's children, reduced to what the decision needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from sampler_rollouts.domain.plan import OutsideEdit
    from sampler_rollouts.domain.preflight import PreflightResult

from sampler_rollouts.domain.check_template import CheckTemplate
from sampler_rollouts.domain.together import Together

Verb = Literal["apply", "scale", "delete"]
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
Place = tuple[str, str]
"""Namespace and name of a SamplerRollout."""
Found = tuple[datetime, Place, str]
"""When something failed, in which SamplerRollout, and as which release."""
REFUSED: Final = "refused: "
"""Begins why pods have not started, where the cluster does not make them."""


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod of one revision.

    ``blocked`` is the infrastructure's reason why it has not started, or empty (``Unschedulable``, ``ErrImagePull``,
    ``ImagePullBackOff``, ``InvalidImageName``, ``CreateContainerConfigError``, ...); ``restarts`` counts
    the exits of its containers.
    """

    name: str
    pool: str
    revision: str
    created_at: datetime
    ready: bool
    terminating: bool = False
    restarts: int = 0
    blocked: str = ""
    message: str = ""
    address: str = ""
    """Its IP address; empty while it has none."""
    attempt: str = ""
    """Of a pod that examines: the try of the preflight that made it."""
    standby: bool = False
    """It is of a Deployment that stands by."""
    held: bool = False
    """It stands by and has not been let serve: whatever its containers do, it is not ready."""
    able: bool = False
    """All its containers are ready."""
    unready_since: datetime | None = None
    """Since when it has run without being ready; None where that is not known, or does not hold."""
    ready_since: datetime | None = None
    """Since when it has been ready; None where that is not known, or does not hold."""

    def unready_for(self, now: datetime) -> float:
        """Seconds for which it has run and not been ready, at the most since it was created."""
        return max(0.0, (now - (self.unready_since or self.created_at)).total_seconds())


@dataclass(frozen=True, slots=True)
class Ended:
    """A pod that has ended for good (evicted, refused by its node, shut down with it); why, in the kubelet's words."""

    created_at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class WorkloadState:
    """The replicas a Deployment is told to have, and why the cluster refuses its pods (admission, quota)."""

    pool: str
    revision: str
    replicas: int
    refused: str = ""
    made: bool = True
    """Whether the Deployment exists; otherwise it could not be made."""
    stable: bool = False
    """Whether it was stable's when it was last written."""
    ended: Ended | None = None
    """The newest of its pods that have ended, and still lie about."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A write of a child that the cluster did not take: ``verb`` is ``apply``, ``scale`` (to no pods) or ``delete``."""

    kind: str
    name: str
    pool: str
    revision: str
    verb: Verb
    message: str


@dataclass(frozen=True, slots=True)
class PreflightState:
    """The Deployment that examines one pool's revision before any of its servers, and its pods."""

    pool: str
    revision: str
    refused: str = ""
    pods: tuple[PodState, ...] = ()
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What one pod said of its preflight: a result, or why there is none (``Running``, ``NoAnswer``, ``Refused``)."""

    pod: str
    pool: str
    revision: str
    result: PreflightResult | None = None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A build or a setting that a failed release had and stable had not, and when it failed."""

    release: str
    what: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sibling:
    """What another SamplerRollout says: the release that serves well there, and what failed."""

    place: Place
    serves: str
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Siblings:
    """What all SamplerRollouts of some namespaces say, by what failed: there may be thousands, and each look asks."""

    within: Together
    failed: Mapping[str, tuple[Found, ...]]
    serves: Mapping[Place, str]

    @classmethod
    def of(cls, within: Together, every: Iterable[Sibling]) -> Siblings:
        """What serves where it had failed has passed there since."""
        failed: dict[str, list[Found]] = {}
        serves: dict[Place, str] = {}
        for one in every:
            serves[one.place] = one.serves
            for mark in one.marks:
                if mark.release != one.serves:
                    failed.setdefault(mark.what, []).append((mark.at or LONG_AGO, one.place, mark.release))
        return cls(within, {what: tuple(found) for what, found in failed.items()}, serves)


@dataclass(frozen=True, slots=True)
class RouteState:
    """The rollout's HTTPRoute as it is, and what its gateways say of it."""

    weights: Mapping[str, int] = field(default_factory=dict)
    """By Service: those that it sends requests to."""
    named: frozenset[str] = frozenset()
    """Services that it names, also in rules that no request goes by."""
    arms: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By what a backend of its own tells its requests and by Service: while requests go by two tables."""
    idle_arms: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """The same of rules that no request goes by: before that, and after it."""
    current: bool = False
    """All its gateways have accepted it as it is now: it is what traffic follows."""
    problem: str = ""
    """Why a gateway does not accept it, or why it could not be read; empty while one has yet to look at it."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One consistent-enough look at the children; the decision tolerates a stale one."""

    pods: tuple[PodState, ...] = ()
    workloads: tuple[WorkloadState, ...] = ()
    standbys: tuple[WorkloadState, ...] = ()
    """Deployments whose pods stand by, apart from a revision's own."""
    templates: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """Recorded pod templates by ``<pool>-<revision>``, from the ControllerRevisions."""
    live_templates: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """The templates of the Deployments as they are, by the same key: what a lost record is made from anew."""
    services: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What each of our Services selects, by name."""
    budgets: bool = False
    """Whether disruption budgets of ours are there, or may be."""
    scales: bool = False
    """The same of SamplerPools."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many servers a pool's SamplerPool asks for, as far as they could be read."""
    route: RouteState | None = None
    """None if there is no HTTPRoute of ours, or nobody comes through one."""
    calls: tuple[OutsideEdit, ...] = ()
    """Routes of others that send requests to our Services."""
    refusals: tuple[Refused, ...] | None = ()
    """What was refused at the last look; None if this operator has not written anything yet."""
    preflights: tuple[PreflightState, ...] = ()
    readings: tuple[Reading, ...] = ()
    """What the pods of ``preflights`` said when they were asked."""

    check_templates: Mapping[str, CheckTemplate | None] = field(default_factory=dict)
    """The admin's templates that the spec's checks name. None: there is none that the operator may read. Of what is not
    here nobody can say now."""
    siblings: Siblings | None = None
    """All SamplerRollouts that are heeded, and this one; None where nobody can say now."""

    def of_object_created(self, at: datetime | None) -> Observation:
        """Without the pods of an earlier object of the same name, which the garbage collector has yet to reach.

        Both times are the API server's, in whole seconds: a pod of the same second may be ours.
        """
        if at is None:
            return self
        examined = tuple(replace(one, pods=_since(one.pods, at)) for one in self.preflights)
        return replace(self, pods=_since(self.pods, at), preflights=examined)


def _since(pods: tuple[PodState, ...], at: datetime) -> tuple[PodState, ...]:
    return tuple(pod for pod in pods if pod.created_at >= at)
