"""The entry: from a look at the world to what is to be done about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sampler_rollouts.domain.decision import (
    aborts,
    acts,
    adopt,
    after_bake,
    bake_alarm,
    baking,
    check_data,
    entrance,
    faults,
    feasible,
    feasible_bake,
    memory,
    one_pool,
    preflight,
    progress,
    removed,
    scaling,
    share,
    suspects,
    table,
)
from sampler_rollouts.domain.decision.conditions import write_conditions
from sampler_rollouts.domain.decision.context import ResourceMeta, Turn, Wish
from sampler_rollouts.domain.decision.gateway import note_gateway
from sampler_rollouts.domain.decision.leave import finish_leaving
from sampler_rollouts.domain.decision.numbers import as_said
from sampler_rollouts.domain.decision.objects import manifests
from sampler_rollouts.domain.decision.question import on_watch
from sampler_rollouts.domain.decision.refused import remember_refusals
from sampler_rollouts.domain.decision.remains import note_remains, remains_are_new
from sampler_rollouts.domain.decision.replicas import wanted
from sampler_rollouts.domain.decision.report import write_pools
from sampler_rollouts.domain.decision.stages import FORWARD, LEAVING, STARTING
from sampler_rollouts.domain.decision.start import choose
from sampler_rollouts.domain.decision.verdicts import remember_verdicts
from sampler_rollouts.domain.decision.warm import warm
from sampler_rollouts.domain.limits import clip
from sampler_rollouts.domain.outcome import Outcome
from sampler_rollouts.domain.plan import Release, ReleasePool
from sampler_rollouts.domain.records import trusted
from sampler_rollouts.domain.release import release_hash, revisions
from sampler_rollouts.domain.resource import SpecError, parse_spec
from sampler_rollouts.domain.status import Stage, Status
from sampler_rollouts.domain.tables import table_digest, tables_of

if TYPE_CHECKING:
    from sampler_rollouts.domain.evidence.look import Evidence
    from sampler_rollouts.domain.observation import Observation

POLICIES: Final[tuple[Callable[[Turn], None], ...]] = (
    scaling.note_counts,
    table.note_table,
    note_gateway,
    share.note_shares,
    check_data.find_data,
    memory.remember,
    removed.forget_removed,
    preflight.remember_results,
    baking.run_clock,
    remember_verdicts,
    # R7: abort conditions, then deadlines, then progress. A new wish does not hide that the last one has failed (R6).
    aborts.abort_on_failed_check,
    bake_alarm.abort_while_baking,
    after_bake.hear_alarm,
    aborts.abort_on_crashes,
    preflight.abort_on_failed_preflight,
    # A person takes nothing back that a rule has already taken back.
    acts.hear,
    adopt.adopt,
    choose,
    suspects.note_suspects,
    aborts.fail_on_progress_deadline,
    preflight.fail_on_preflight_deadline,
    aborts.heed_shared_degradation,
    aborts.hold_or_roll_back_on_deadline,
    aborts.resume_when_pods_start,
    preflight.resume_when_answered,
    preflight.let_through,
    progress.start_serving,
    progress.hear_person,
    progress.next_step,
    one_pool.finish_taking_back,
    finish_leaving,
    faults.test_while_baking,
    faults.take_fault_away,
    baking.verify,
    after_bake.watch_on,
    feasible.note_forecast,
    feasible_bake.note_bake_forecast,
    preflight.forget_results,
)
ROUNDS: Final = 32
"""More than any chain of transitions that one look can set off."""
LOOK_SECONDS: Final = 3.0
WAITING_SECONDS: Final = 15.0
"""Between two looks at what waits for a person, where no data are asked for: what ends that is watched, as a rule."""


def decide(
    meta: ResourceMeta,
    spec: Mapping[str, Any],
    status: Status,
    observation: Observation,
    evidence: Evidence | None,
    now: datetime,
    beside: Evidence | None = None,
) -> Outcome:
    """What to write to status, and which children there are to be. ``beside``: the answer to ``question_beside``."""
    turn = _turn(meta, spec, status, observation, evidence, now)
    turn.beside = beside
    if meta.deleting:
        return Outcome(status=turn.status, objects=(), hands_off=True)
    remember_refusals(turn)
    memory.repair(turn.status)
    for _ in range(ROUNDS):
        # Until nothing moves any more: deciding again on the same look then changes nothing.
        turn.moved = False
        for policy in POLICIES:
            policy(turn)
        if not turn.moved:
            break
    outcome = _outcome(turn)
    return replace(outcome, status=as_said(status, outcome.status))


def _turn(
    meta: ResourceMeta,
    spec: Mapping[str, Any],
    status: Status,
    observation: Observation,
    evidence: Evidence | None,
    now: datetime,
) -> Turn:
    wish, problem = None, ""
    try:
        wish = replace(_wish(spec, meta, now.replace(microsecond=0)), templates=observation.check_templates)
    except SpecError as error:
        problem = clip(str(error))
    return Turn(
        meta=meta,
        wish=wish,
        problem=problem,
        status=Status.load(status.model_dump()),
        seen=trusted(meta.owner, observation.of_object_created(meta.created_at)),
        evidence=evidence,
        # Status holds whole seconds, as Kubernetes does.
        now=now.replace(microsecond=0),
    )


def _wish(raw: Mapping[str, Any], meta: ResourceMeta, now: datetime) -> Wish:
    spec = parse_spec(raw, meta.name)
    if beyond := meta.allowed.problems(spec):
        raise SpecError(beyond)
    by_pool = revisions(spec)
    pools = [
        # How many there are to be of an autoscaler's pool is noted with all others (scaling.py).
        ReleasePool(name=pool.name, revision=by_pool[pool.name], image=pool.image, replicas=pool.replicas or 0)
        for pool in spec.pools
    ]
    routes = tables_of(spec)
    made = Release(
        hash=release_hash(by_pool, table_digest(routes)),
        since=now,
        pools=pools,
        gateway=spec.gateway is not None,
        routes=routes,
    )
    return Wish(spec, made)


def _outcome(turn: Turn) -> Outcome:
    plan = wanted(turn)
    write_pools(turn, plan)
    unknown = adopt.lost(turn)
    beside = warm(turn, plan)
    note_remains(turn, [*plan, *beside.kept, *beside.standbys], unknown=unknown)
    write_conditions(turn)
    turn.status.observed_generation = turn.meta.generation
    objects, keep = manifests(turn, plan, beside)
    return Outcome(
        status=turn.status,
        objects=objects,
        events=tuple(turn.events),
        keep=keep,
        let_serve=beside.let_serve,
        hands_off=unknown or (turn.wish is None and not plan),
        requeue_after=_due(turn),
    )


def _due(turn: Turn) -> float | None:
    """When to look again at the latest."""
    status = turn.status
    waits = _waits(turn)
    if remains_are_new(turn) or (status.stage in FORWARD | LEAVING and not waits):
        return LOOK_SECONDS
    if status.stable and entrance.missing(turn)[0] and not entrance.refused(turn)[0]:
        return LOOK_SECONDS  # Services are not watched, routes not everywhere.
    # It waits for samples alone: between two scrapes there are none. A person's pause does not stop an alarm (R9).
    unasked = WAITING_SECONDS if waits else LOOK_SECONDS
    next_scrape = max(LOOK_SECONDS, turn.evidence.scrape_interval if turn.evidence else unasked)
    if status.rollout is not None:
        return next_scrape
    well = status.stable is not None and status.stable.fault is None
    if status.bake is not None and status.stage is Stage.SERVING and well:
        left = status.bake.seconds - status.bake.clock.elapsed(turn.now)
        return next_scrape if turn.paused else max(1.0, min(left, next_scrape))
    if any(pool.unready for pool in status.pools):
        return LOOK_SECONDS
    return max(after_bake.LOOK_SECONDS, next_scrape) if on_watch(status) else None


def _waits(turn: Turn) -> bool:
    """Whether nothing goes on by itself: no clock runs, or what starts does not come up. A check may still fail."""
    rollout, stage = turn.status.rollout, turn.status.stage
    if rollout is None or stage not in FORWARD:
        return False
    return not memory.clocks_run(turn) or (stage in STARTING and bool(rollout.failure or rollout.hold))
