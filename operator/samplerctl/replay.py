"""The operator's own looks, one after the other, over recorded counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sampler_rollouts.domain.decision.quality import check_plan, check_spec
from sampler_rollouts.domain.evidence.counters import milliseconds
from sampler_rollouts.domain.evidence.evaluate import count_tests, evaluate
from sampler_rollouts.domain.evidence.fold import fold
from sampler_rollouts.domain.evidence.look import CheckLook, Verdict
from sampler_rollouts.domain.evidence.reading import Reader, window_of
from sampler_rollouts.domain.evidence.samples import (
    Arm,
    CheckPlan,
    Question,
    SampleSet,
    is_calibration,
    is_compared,
    is_scored,
)
from sampler_rollouts.domain.quality_spec import Quality
from sampler_rollouts.domain.quantities import ratio

from samplerctl.progress import Tell, untold
from samplerctl.recording import CANDIDATE, STABLE, Recording

FOLD_SCRAPES, OVERLAP_SCRAPES = 40, 4
"""Old samples are folded now and then, as the operator does: a look then costs what is new."""


@dataclass(slots=True)
class Course:
    """One check in one pool over time. ``failed`` and ``passed`` are the first looks with that verdict."""

    points: list[tuple[float, CheckLook]] = field(default_factory=list)
    failed: tuple[float, CheckLook] | None = None
    passed: tuple[float, CheckLook] | None = None
    stable_dropped: Mapping[str, int] = field(default_factory=dict)
    """What of stable's samples was not believed, at the end, by reason."""
    stable_unusable: bool = False
    """Whether stable has rows, and no sample of them can be believed: nothing was compared with anything."""

    def add(self, time: float, look: CheckLook) -> None:
        """The next look."""
        self.points.append((time, look))
        if self.failed is None and look.verdict is Verdict.FAILED:
            self.failed = (time, look)
        if self.passed is None and look.verdict is Verdict.PASSED:
            self.passed = (time, look)

    @property
    def final(self) -> CheckLook:
        """What stands: a failure once found is not taken back (R3), whatever comes later."""
        return self.failed[1] if self.failed else self.points[-1][1]


def replay(recording: Recording, quality: Quality, tell: Tell = untold) -> dict[tuple[str, str], Course]:
    """Look at every scrape of the recording, and ``tell`` of each. By (check, pool), for each check of the block."""
    samples = SampleSet(series=recording.series, scrape_interval=recording.scrape)
    courses: dict[tuple[str, str], Course] = {
        (plan.name, pool): Course() for plan in looked_at(quality) for pool in recording.pools
    }
    for number, time in enumerate(recording.looks):
        asked = _question(recording, quality, time)
        looks = evaluate(asked, samples, _moment(time)).looks
        for (pool, check), look in looks.items():
            courses[check, pool].add(time, look)
        if number % FOLD_SCRAPES == FOLD_SCRAPES - 1:
            horizon = time - OVERLAP_SCRAPES * recording.scrape
            samples = fold(asked, samples, milliseconds(horizon), FOLD_SCRAPES // 2)
        tell(1)
    _note_stable(courses, _question(recording, quality, recording.looks[-1]), samples, recording.looks[-1])
    return courses


def _note_stable(courses: Mapping[tuple[str, str], Course], asked: Question, samples: SampleSet, now: float) -> None:
    """What of stable's samples was dropped: the evidence tells that of the candidate's alone."""
    reader = Reader(samples, window_of(asked, samples, _moment(now)))
    for arm in asked.arms:
        for plan in asked.checks:
            if arm.compared and is_compared(plan):
                found = reader.stable(arm, plan).values()
                course = courses[plan.name, arm.pool]
                course.stable_dropped = sum((one.drops for one in found), Counter())
                course.stable_unusable = all(one.newest is None for one in found)


def unknown_checks(recording: Recording, quality: Quality) -> list[str]:
    """Checks of the recording that the quality block does not name, and that are not looked at."""
    return sorted(set(recording.checks) - {check.name for check in quality.checks})


def unrecorded_checks(quality: Quality) -> list[str]:
    """Checks that a recording of counts cannot hold: calibration is about sums of nats, and a score is no count."""
    return [check.name for check in quality.checks if check.max_bias_nats is not None or check.max_drop is not None]


def looked_at(quality: Quality) -> tuple[CheckPlan, ...]:
    """What is recorded are two counters by the check's name, whatever histogram or template they are read from."""
    counted = (plan for plan in _plans(quality) if not (is_calibration(plan) or is_scored(plan)))
    return tuple(replace(plan, slower_than=0.0, metrics=(), problem="") for plan in counted)


def _plans(quality: Quality) -> tuple[CheckPlan, ...]:
    return tuple(check_plan(check_spec(check)) for check in quality.checks)


def first_failure(courses: Mapping[tuple[str, str], Course]) -> tuple[float, CheckLook] | None:
    """What would have rolled the release back."""
    failures = [course.failed for course in courses.values() if course.failed]
    return min(failures, key=lambda failure: failure[0], default=None)


def _question(recording: Recording, quality: Quality, now: float) -> Question:
    # Just before the candidate's first sample: stable's sample of that time is its base line.
    since = _moment(recording.start - 0.001)
    return Question(
        namespace="",
        rollout="",
        source="",
        since=since,
        arms=tuple(_arm(recording, pool, since, now) for pool in recording.pools),
        checks=looked_at(quality),
        alpha=ratio(quality.false_rollback_rate) / 2,
        pass_confidence=ratio(quality.pass_confidence),
        design_effect=float(quality.design_effect),
        tests=max(1, count_tests(_plans(quality), recording.pools)),
    )


def _arm(recording: Recording, pool: str, since: datetime, now: float) -> Arm:
    pods = [pod for name, pod in recording.last if name == pool]
    return Arm(
        pool,
        CANDIDATE,
        births=dict.fromkeys(pods, since),
        stable_revision=STABLE,
        # A pod whose recording has ended is gone, and is waited for no longer.
        serving=frozenset(pod for pod in pods if recording.last[pool, pod] >= now),
        compared=pool in recording.compared,
    )


def _moment(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)
