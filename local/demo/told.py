"""Whether all went as told. Every answer is a list of sentences about what did not; an empty list means it did."""

from __future__ import annotations

from collections.abc import Iterator

from local.demo.cast import ROLLED_BACK
from local.demo.recording import Recording, ReleaseRecord, StatusPoint
from local.demo.report import words

# The story's one step. The operator must never have wanted more for a build that it rolled back.
CANARY_WEIGHT = 50.0


def deviations(recording: Recording) -> list[str]:
    """All that was not as told."""
    found = [problem for release in recording.releases for problem in of_release(release, recording)]
    found += [*_one_answer(recording), *_failures(recording)]
    return found


def other_end(status: StatusPoint, expected: str) -> str:
    """Why a release can no longer end as expected; empty while it can."""
    if expected == ROLLED_BACK and status.is_true("Ready"):
        return "it was promoted"
    back, stalled = status.condition("RolledBack"), status.condition("Stalled")
    if expected != ROLLED_BACK and back is not None and status.is_true("RolledBack"):
        return f"it was rolled back: {back.message}"
    if stalled is not None and status.is_true("Stalled") and stalled.reason != "RolledBack":
        return f"it is stalled, {stalled.reason}: {stalled.message}"
    return ""


def of_release(release: ReleaseRecord, recording: Recording) -> list[str]:
    """What was not as told of one release."""
    if not release.statuses:
        return [f"release {release.number}: the operator never showed a status for it"]
    judge = _rolled_back if release.expected == ROLLED_BACK else _stays
    problems = [*_ended(release), *judge(release, recording)]
    return [f"release {release.number}: {problem}" for problem in problems]


def _ended(release: ReleaseRecord) -> Iterator[str]:
    if release.outcome != release.expected:
        yield f"expected it to be {release.expected}, but the operator's history says {release.outcome or 'nothing'}"


def _stays(release: ReleaseRecord, _: Recording) -> Iterator[str]:
    last = release.statuses[-1]
    if not last.is_true("Ready"):
        yield f"expected Ready=True, but it is {_shown(last, 'Ready')}"
    if release.number > 1 and not last.is_true("Verified"):
        yield f"expected Verified=True after the bake time, but it is {_shown(last, 'Verified')}"
    if last.is_true("RolledBack") or last.is_true("Stalled"):
        yield "a good build was rolled back or stalled"
    if last.stable != release.revisions or not release.revisions:
        yield "not all pools serve it"
    if release.number > 1 and release.answered_by_it == 0:
        yield "no request was ever answered by it"
    if release.number > 1:
        yield from _passes(release)


def _passes(release: ReleaseRecord) -> Iterator[str]:
    """It was promoted because every check had passed in every pool; the drawing must show that."""
    asked = {(point.pool, point.check) for point in release.evidence}
    passed = {(point.pool, point.check) for point in release.evidence if point.verdict == "Passed"}
    if not asked:
        yield f"there is no evidence to draw: {release.evidence_note or 'nothing was checked'}"
    for pool, check in sorted(asked - passed):
        yield f"the evidence drawn of {check} in pool {pool} never passes"


def _rolled_back(release: ReleaseRecord, recording: Recording) -> Iterator[str]:
    last = release.statuses[-1]
    for kind in ("RolledBack", "Stalled"):
        if not last.is_true(kind):
            yield f"expected {kind}=True, but it is {_shown(last, kind)}"
    ready = last.condition("Ready")
    if ready is None or (ready.status, ready.reason) != ("False", "RolledBack"):
        yield f"expected Ready=False with reason RolledBack, but it is {_shown(last, 'Ready')}"
    if release.highest_wanted > CANARY_WEIGHT:
        yield f"it was given {release.highest_wanted:g} % of the traffic, more than the canary's {CANARY_WEIGHT:g} %"
    if release.highest_observed > CANARY_WEIGHT:
        yield f"{release.highest_observed:g} % of a pool's ready pods were its, above the canary's {CANARY_WEIGHT:g}"
    if release.expected_check not in release.sentence:
        yield f"the sentence does not name the check {release.expected_check}: {release.sentence or '(none)'}"
    if not any(point.check == release.expected_check and point.verdict == "Failed" for point in release.evidence):
        yield f"the evidence drawn of {release.expected_check} never fails {release.evidence_note}".rstrip()
    if release.answered_by_it == 0:
        yield "it never answered a request, so nothing was shown"
    if release.pair is None:
        yield "no answer of its own could be shown beside a good one"
    yield from _stable_again(release, recording)


def _stable_again(release: ReleaseRecord, recording: Recording) -> Iterator[str]:
    good = next((r for r in reversed(recording.releases) if r.number < release.number and r.should_stay), None)
    if good is not None and release.statuses[-1].stable != good.revisions:
        yield f"release {good.number} is not what serves after the rollback"
    yield from release.after_problems


def _one_answer(recording: Recording) -> Iterator[str]:
    """Whether pools of different layouts drew the same tokens."""
    found = recording.agreement
    if found is None:
        yield "the pools' answers to one request could not be compared"
        return
    if not found.same:
        yield words.agreement(found)
    if not min(a.devices for a in found.answers) < max(a.devices for a in found.answers):
        yield f"every pool has its vocabulary on {found.answers[0].devices} device(s): nothing was split"


def _failures(recording: Recording) -> Iterator[str]:
    for phase, kinds in recording.failures_by_phase.items():
        told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        yield f"requests without an answer in the phase {phase!r}: {told}"


def _shown(status: StatusPoint, kind: str) -> str:
    found = status.condition(kind)
    if found is None:
        return "absent"
    stale = "" if found.observed_generation >= status.generation else ", of an older generation"
    return f"{found.status} ({found.reason}{stale})"
