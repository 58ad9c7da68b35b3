"""What holds of a candidate's share of users at every decision (R8)."""

from __future__ import annotations

import math

from sampler_rollouts.domain.outcome import Outcome
from sampler_rollouts.domain.render import LABEL_POOL, LABEL_REVISION
from sampler_rollouts.domain.status import Stage, Status

from tests.unit.operator.domain.arrivals import Tally
from tests.unit.operator.domain.pods import Pod
from tests.unit.operator.domain.world import World

TRYING = (Stage.PROGRESSING, Stage.HOLDING)


def check(world: World, outcome: Outcome) -> None:
    """All of it."""
    a_candidate_has_no_more_pods_than_its_share_allows(world, outcome)
    no_weight_is_raised_while_the_share_is_another(world, outcome)


def _arms(world: World, status: Status, pool: str) -> tuple[int, int]:
    """Ready pods of the candidate and of stable."""
    old = [one.revision(pool) for one in (status.candidate, status.stable) if one]
    found = [world.serving(revision).get(pool, 0) for revision in old]
    return found[0], found[1]


def _at_a_step(status: Status) -> list[str]:
    """Pools in which a step gives a part of the users to the candidate."""
    rollout = status.rollout
    if rollout is None or status.stage not in TRYING or not 0 < rollout.weight < 100 or status.stable is None:
        return []
    return [pool for pool in rollout.waves[rollout.wave] if status.stable.revision(pool)]


def _step(status: Status, pool: str) -> tuple[int, int]:
    """The design's rule without a gateway: c = max(1, round(w r / 100)), stable max(1, r - c)."""
    found = status.pool(pool)
    assert found is not None
    assert status.rollout is not None
    count = max(1, math.floor(status.rollout.weight * found.replicas / 100 + 0.5))
    return count, max(1, found.replicas - count)


def a_candidate_has_no_more_pods_than_its_share_allows(world: World, outcome: Outcome) -> None:
    """But for the last pod, up to half of the pool, and alone: decisions/2026-11-25-stable-not-ready-in-a-step.md."""
    for pool in _at_a_step(outcome.status):
        assert outcome.status.candidate is not None
        revision, found = outcome.status.candidate.revision(pool), outcome.status.pool(pool)
        told = next(
            (
                body["spec"]["replicas"]
                for body in outcome.objects
                if body["kind"] == "Deployment"
                and (body["metadata"]["labels"][LABEL_POOL], body["metadata"]["labels"][LABEL_REVISION])
                == (pool, revision)
            ),
            0,
        )
        assert found is not None
        _, stable = _arms(world, outcome.status, pool)
        count, rest = _step(outcome.status, pool)
        within = told * (count + rest) <= count * (told + stable)
        assert within or told <= 1 or not stable or 2 * (told + stable) <= found.replicas + 1, (
            f"{told} beside {stable} of {pool}"
        )


def no_weight_is_raised_while_the_share_is_another(world: World, outcome: Outcome) -> None:
    """Neither when pods give another one, nor when requests have plainly shown another one.

    But where stable has had no ready pod for progressDeadline, or so few that the pods gave another share for as long,
    there is no share to hold to.
    """
    before, raised = world.status, _raised(world.status, outcome.status)
    world.arrivals.forget_all_but(_at_a_step(before))
    for pool in _at_a_step(before):
        assert before.rollout is not None
        count, rest = _step(before, pool)
        new, old = _arms(world, before, pool)
        tally = _tally(world, before, pool)
        within = 3 * count * (new + old) <= 4 * new * (count + rest) <= 5 * count * (new + old)
        exact = (new, old) == (count, rest) and sum(_lives(pod, pool) for pod in world.pods) == new + old
        tally.unclear = tally.unclear or (within and not exact)
        alone = world.arrivals.alone_for(pool, bool(old), world.now)
        short = world.arrivals.short_for(pool, old < rest and not within, world.now)
        if world.metrics_up or not within:
            tally.count(exact, world.arrivals.of(pool, before.candidate), world.arrivals.of(pool, before.stable))
        if raised and max(alone, short) < before.rollout.progress_deadline:
            assert within, f"{new} of {new + old} ready pods of {pool}"
            assert tally.unclear or not _plainly_another(tally, count / (count + rest)), tally


def _lives(pod: Pod, pool: str) -> bool:
    return pod.pool == pool and pod.terminating_since is None


def _tally(world: World, status: Status, pool: str) -> Tally:
    assert status.rollout is not None
    key = (pool, status.rollout.release, status.rollout.started_at, status.rollout.weight)
    return world.arrivals.tallies.setdefault(key, Tally())


def _plainly_another(tally: Tally, wanted: float) -> bool:
    """Far beyond the evidence that is needed: n KL(k/n, bound) - ln(n + 1) is a lower bound of the mixture's."""
    if not tally.total:
        return False
    share = tally.exposed / tally.total
    bound = 1.25 * wanted if share > wanted else 0.75 * wanted
    beyond = share > bound if share > wanted else share < bound
    if not beyond or bound >= 1:
        return False
    terms = [(share, bound), (1 - share, 1 - bound)]
    divergence = sum(one * math.log(one / other) for one, other in terms if one > 0)
    return tally.total * divergence - math.log(tally.total + 1) > math.log(20) + 5


def _raised(before: Status, after: Status) -> bool:
    if before.rollout is None:
        return False
    same = after.rollout is not None and after.rollout.started_at == before.rollout.started_at
    if not same or after.rollout is None or after.stage not in TRYING:
        return after.stage is Stage.SERVING and after.candidate is None and after.stable == before.candidate
    return (after.rollout.wave, after.rollout.weight) > (before.rollout.wave, before.rollout.weight)
