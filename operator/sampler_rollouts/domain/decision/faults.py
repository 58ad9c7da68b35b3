"""What is known against a release that serves without a better one to go back to, and its test while it bakes (R10).

A fault belongs to the release, whatever is tried beside it or after it: it goes only when all checks have passed, in a
test that ``retryGeneration`` asked for or in the steps of a later rollout.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain.decision.context import Turn, Wish, moving
from sampler_rollouts.domain.decision.memory import clear_pools
from sampler_rollouts.domain.decision.quality import quality_plan
from sampler_rollouts.domain.limits import clip
from sampler_rollouts.domain.loose import Clock
from sampler_rollouts.domain.plan import Bake, Fault, Release, Rollout
from sampler_rollouts.domain.quantities import seconds
from sampler_rollouts.domain.status import Stage

if TYPE_CHECKING:
    from sampler_rollouts.domain.status import Status

FIRST_RELEASE_FAILED: Final = "FirstReleaseFailed"


def as_candidate(turn: Turn, wish: Wish) -> Release:
    """The release that the spec asks for, with what is known against it."""
    return wish.release.model_copy(update={"since": turn.now, "fault": known_fault(turn.status, wish.release)})


def known_fault(status: Status, release: Release) -> Fault | None:
    """A release with the very pods that were found bad is not well either, whatever else it changes."""
    for known in _remembered(status):
        fault = known.fault
        if fault and (known.hash == release.hash or _same_pods(known, release, fault.pool)):
            return fault.model_copy()
    return None


def _same_pods(one: Release, other: Release, pool: str) -> bool:
    return one.revision(pool) == other.revision(pool) != ""


def _remembered(status: Status) -> Iterator[Release]:
    leftovers = status.rollout.leftovers if status.rollout else []
    yield from (release for release in (status.stable, status.previous, status.candidate, *leftovers) if release)


def retry_faults(turn: Turn) -> None:
    """``retryGeneration`` has risen: what the spec asks for is tested anew as soon as it serves."""
    for release in _remembered(turn.status):
        if release.fault and release.hash == turn.target:
            release.fault.retried = True
    if turn.status.watch and turn.status.watch.release == turn.target:
        turn.status.watch = None  # a person has looked: it is watched anew, without what was found
        turn.forget_evidence()


def note_fault(turn: Turn, reason: str, pool: str, check: str, why: str) -> None:
    """R10: there is nothing to go back to, so it stays. The test is over: what it has shown is remembered."""
    status = turn.status
    if status.stable is None:
        return
    message = clip(f"Release {status.stable.hash} is not well: pool {pool}: {why}; there is nothing to go back to.")
    status.stable.fault = fault = Fault(reason=reason, message=message, at=turn.now, pool=pool, check=check)
    if status.candidate and _same_pods(status.candidate, status.stable, pool):
        # It may become stable in this very turn, or keep that pool for ever.
        status.candidate.fault = fault.model_copy()
    if status.stage is Stage.SERVING:
        status.rollout = None  # that of its test; a candidate that has no pod yet goes on
    if status.bake:
        status.bake.test = None
    turn.moved = True
    turn.note(FIRST_RELEASE_FAILED, message, warning=True)


def test_while_baking(turn: Turn) -> None:
    """A release that came without a gate is under its absolute checks while it bakes, and no candidate is tried.

    A candidate takes the test's place in status; once it has left, the test begins anew: later samples only.
    """
    status, stable = turn.status, turn.status.stable
    if status.stage is not Stage.SERVING or stable is None:
        return
    _hear_retry(turn, stable)
    bake = status.bake
    if bake is None or bake.test is None or bake.release != stable.hash or status.rollout is not None:
        return
    status.rollout = Rollout(
        release=stable.hash,
        first=True,
        started_at=turn.now,
        quality=bake.test,
        waves=[stable.names()],
        weight=100,
        clock=Clock(since=turn.now),
    )
    clear_pools(turn)
    turn.moved = True


def _hear_retry(turn: Turn, stable: Release) -> None:
    """A retry has the whole bake time before it, and is planned as the spec is now (R3)."""
    status, wish = turn.status, turn.wish
    under_test = status.bake is not None and status.bake.test is not None
    if wish is None or stable.hash != turn.target or under_test or not (stable.fault and stable.fault.retried):
        return
    status.bake = Bake(
        release=stable.hash,
        clock=Clock(since=turn.now),
        seconds=seconds(wish.spec.strategy.bake_time),
        test=quality_plan(wish.spec, stable.names(), wish.templates),
    )


def take_fault_away(turn: Turn) -> None:
    """All checks have passed in every pool, in a test that a person asked for: affirmative, or it stays (R12)."""
    status, rollout = turn.status, turn.status.rollout
    stable = status.stable
    if status.stage is not Stage.SERVING or stable is None or stable.fault is None or rollout is None:
        return
    if all(turn.pool(name).passed_at is not None for name in moving(rollout)):
        stable.fault = None
        turn.moved = True
        turn.note("Recovered", f"All checks of release {stable.hash} passed in every pool: it is well.")


def said_of_stable(status: Status) -> str:
    """What a message on something else has to add on the release that serves; empty if it is well."""
    stable = status.stable
    if stable is None or stable.fault is None:
        return ""
    return f" Stable release {stable.hash} is not well either: {stable.fault.message}"
