"""What a run of the demo saw: everything that the report, the final table and the checks are made of.

Times are Unix seconds. Written to ``out/recording.json``; ``python -m local.demo.report`` draws the report anew.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """Base: closed and plain."""

    model_config = ConfigDict(extra="forbid")


class CheckPoint(Part):
    """One look at one check in one pool. ``log_e`` and ``log_threshold`` are natural logarithms."""

    at: float
    pool: str
    check: str
    checked: int
    bad: int
    max_rate: float
    upper_bound: float
    log_e: float
    log_threshold: float
    verdict: str
    reason: str = ""


class PoolPoint(Part):
    """One pool as the status showed it. Weights are in percent; ``observed`` is the share of its ready pods.

    ``candidate_ready`` and ``stable_ready`` are counted among its pods; None where nothing is tried, or nothing stable.
    """

    name: str
    revision: str = ""
    wanted: float = 0.0
    observed: float = 0.0
    candidate_ready: int | None = None
    stable_ready: int | None = None
    verdict: str = ""
    check: str = ""
    checked: int = 0
    worst: str = ""
    passed_at: float | None = None


class ConditionPoint(Part):
    """One condition."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    observed_generation: int = 0
    changed_at: str = ""


class EndPoint(Part):
    """How a rollout ended, from the operator's own history."""

    at: float
    result: str
    reason: str = ""
    sentence: str = ""
    weight: int = 0
    exposed: int = 0
    total: int = 0


class StatusPoint(Part):
    """The status of the SamplerRollout at one moment."""

    at: float
    generation: int
    observed_generation: int
    phase: str = ""
    conditions: list[ConditionPoint] = Field(default_factory=list)
    pools: list[PoolPoint] = Field(default_factory=list)
    stable: dict[str, str] = Field(default_factory=dict)
    candidate: dict[str, str] = Field(default_factory=dict)
    last_end: EndPoint | None = None
    verified: dict[str, str] = Field(default_factory=dict)

    def condition(self, kind: str) -> ConditionPoint | None:
        """The condition of that type, if the status has it."""
        return next((c for c in self.conditions if c.type == kind), None)

    def is_true(self, kind: str) -> bool:
        """Whether the condition says ``True``, and of the newest generation."""
        found = self.condition(kind)
        return found is not None and found.status == "True" and found.observed_generation >= self.generation


class EventPoint(Part):
    """One Kubernetes Event."""

    at: float
    type: str
    reason: str
    message: str


class Pair(Part):
    """Two answers to one request of the load generator's own. ``remark`` says what makes the bad one bad."""

    prompt: str
    drawn: str
    bad: str
    good: str
    good_release: str
    remark: str


class PoolAnswer(Part):
    """What one pool said: its tokens as text, with bytes that are no whole character as ``\\xe0``."""

    pool: str
    devices: int
    fingerprint: str
    tokens: list[str]

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.tokens)


class Agreement(Part):
    """One request, asked of every pool by itself. ``devices`` is how many each said its vocabulary is split over."""

    prompt: str
    drawn: str
    answers: list[PoolAnswer]

    @property
    def same(self) -> bool:
        """Whether all pools drew the same tokens."""
        return all(answer.tokens == self.answers[0].tokens for answer in self.answers)


class TrafficSummary(Part):
    """A stretch of the load generator's traffic; latencies in seconds."""

    requests: int = 0
    answered: int = 0
    failed: int = 0
    failures: dict[str, int] = Field(default_factory=dict)
    throttled: int = 0
    tokens: int = 0
    p50: float = 0.0
    p95: float = 0.0
    per_second: float = 0.0


class ReleaseRecord(Part):
    """One release of the story. ``expected_check`` names the check that should stop it; empty if none should."""

    number: int
    title: str
    what: str
    image: str
    expected: str
    expected_check: str = ""
    applied_at: float = 0.0
    ended_at: float = 0.0
    first_candidate_at: float | None = None
    full_traffic_at: float | None = None
    decided_at: float | None = None
    outcome: str = ""
    sentence: str = ""
    end: EndPoint | None = None
    revisions: dict[str, str] = Field(default_factory=dict)
    highest_wanted: float = 0.0
    highest_observed: float = 0.0
    answered_by_it: int = 0
    answered_since_applied: int = 0
    answered_beside: int = 0
    answered_until_decision: int = 0
    answered_by_it_until_decision: int = 0
    traffic: TrafficSummary = Field(default_factory=TrafficSummary)
    own_traffic: TrafficSummary = Field(default_factory=TrafficSummary)
    statuses: list[StatusPoint] = Field(default_factory=list)
    evidence: list[CheckPoint] = Field(default_factory=list)
    evidence_note: str = ""
    events: list[EventPoint] = Field(default_factory=list)
    pair: Pair | None = None
    after_problems: list[str] = Field(default_factory=list)

    @property
    def should_stay(self) -> bool:
        """Whether the story expects it to be promoted."""
        return self.expected != "rolled back"

    @property
    def seconds_to_decision(self) -> float | None:
        """From the first answer of the candidate to the operator's decision."""
        if self.decision_shown_at is None or self.first_candidate_at is None:
            return None
        return self.decision_shown_at - self.first_candidate_at

    @property
    def decision_shown_at(self) -> float | None:
        """When the decision is said to have been taken: the operator's time has whole seconds, its evidence does not.

        It was taken within the second that status names, and not before the evidence of that second that it rests on.
        """
        if self.decided_at is None:
            return None
        verdict, decisive = ("Passed", max) if self.should_stay else ("Failed", min)
        found: dict[tuple[str, str], float] = {}
        for point in self.evidence:
            if point.verdict == verdict:
                found.setdefault((point.pool, point.check), point.at)
        at = decisive(found.values(), default=self.decided_at)
        return at if self.decided_at < at <= self.decided_at + 1 else self.decided_at

    @property
    def share_exposed(self) -> float:
        """Share of all answers, from its apply to its own last answer, that were its own."""
        return self.answered_by_it / self.answered_since_applied if self.answered_since_applied else 0.0


class ResourceRow(Part):
    """One component's use. Memory in MiB, CPU in cores; None where nothing was measured."""

    component: str
    processes: int = 1
    rest_mib: float | None = None
    rest_cores: float | None = None
    load_mib: float | None = None
    load_cores: float | None = None
    peak_mib: float | None = None


class TrafficBucket(Part):
    """Requests that ended in one slice of time: answered by release (its number, as text), and failed."""

    at: float
    seconds: float
    by_release: dict[str, int]
    failed: int = 0


class Recording(Part):
    """One run."""

    started_at: float
    ended_at: float = 0.0
    model: str = ""
    machine: str = ""
    workers: int = 0
    manifest_quality: str = ""
    releases: list[ReleaseRecord] = Field(default_factory=list)
    agreement: Agreement | None = None
    traffic: TrafficSummary = Field(default_factory=TrafficSummary)
    failures_by_phase: dict[str, dict[str, int]] = Field(default_factory=dict)
    buckets: list[TrafficBucket] = Field(default_factory=list)
    resources: list[ResourceRow] = Field(default_factory=list)
    deviations: list[str] = Field(default_factory=list)
    stages: dict[str, float] = Field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(self.model_dump_json(indent=1), encoding="utf-8")
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read what ``save`` wrote."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))
