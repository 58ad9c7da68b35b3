"""Progress: R7's last. Steps, waves, a person's word, full traffic, the bake (R9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampler_rollouts.domain.decision.acts import promoted
from sampler_rollouts.domain.decision.context import (
    Turn,
    begun,
    gated,
    heard,
    table_wave,
    tested_pools,
    this_wave,
    untried,
)
from sampler_rollouts.domain.decision.examined import pending, waits_for
from sampler_rollouts.domain.decision.leave import settle
from sampler_rollouts.domain.decision.memory import clear_pools, let_go_on, restart_readiness, use_word, word_for
from sampler_rollouts.domain.decision.one_pool import taken_back
from sampler_rollouts.domain.decision.replicas import needed_still, pods_settled, rejected_serve, settled
from sampler_rollouts.domain.decision.share import skew
from sampler_rollouts.domain.decision.steps import Placed, ahead
from sampler_rollouts.domain.decision.suspects import stopped
from sampler_rollouts.domain.decision.table import begin_table, close_table, table_waits_for
from sampler_rollouts.domain.decision.transitions import Trigger, move
from sampler_rollouts.domain.decision.verdicts import above_limit, fresh, known_against_stable, shared_checks
from sampler_rollouts.domain.evidence.look import SHARED_DEGRADATION
from sampler_rollouts.domain.loose import Clock
from sampler_rollouts.domain.quantities import duration_text, seconds
from sampler_rollouts.domain.status import Result, Stage

if TYPE_CHECKING:
    from sampler_rollouts.domain.evidence.look import CheckLook
    from sampler_rollouts.domain.plan import Rollout


def start_serving(turn: Turn) -> None:
    """A first or a restored release is at full traffic once its pods are ready: no gate (R10, R20)."""
    rollout, stage = turn.status.rollout, turn.status.stage
    if rollout is None or turn.paused or stage not in (Stage.ESTABLISHING, Stage.RESTORING):
        return
    if pending(rollout):
        return
    others = needed_still(turn) or rejected_serve(turn, rollout)
    if all(settled(turn, pool) for pool in begun(rollout)) and not others:
        settle(turn, Trigger.PODS_READY, Result.ESTABLISHED if rollout.first else Result.RESTORED)


def hear_person(turn: Turn) -> None:
    """The promote annotation continues past ``pause: {}``, and gives a rollout that holds its deadline anew."""
    rollout = turn.status.rollout
    if rollout is None or turn.paused or not let_go_on(turn, rollout.release):
        return
    overdue = turn.status.stage is Stage.HOLDING
    if not overdue and not (turn.status.stage is Stage.PROGRESSING and rollout.waiting):
        return
    promoted(turn, rollout)
    use_word(turn)
    turn.note("Continued", f"A person let release {rollout.release} go on.")
    if overdue:
        rollout.excused = list(dict.fromkeys([*rollout.excused, *shared_checks(turn, rollout)]))
        rollout.hold = None
        rollout.clock = Clock(since=turn.now)
        restart_readiness(turn, rollout)
        move(turn, Trigger.PERSON)
    else:
        # The step before the pause has done its time. What else ends a step (fresh data, pods) still holds.
        rollout.waiting, rollout.min_duration = False, 0
        turn.moved = True


def how_to_continue(turn: Turn, rollout: Rollout) -> str:
    """The annotation to set, for the message that people read."""
    return word_for(turn, rollout.release, f"{rollout.wave}.{rollout.step}")


def next_step(turn: Turn) -> None:
    """End a step that has done its time at observed weight with fresh data and no failed check."""
    rollout = turn.status.rollout
    if rollout is None or turn.status.stage is not Stage.PROGRESSING or turn.paused or rollout.waiting or stopped(turn):
        return
    if rollout.waves and pending(rollout):
        return
    if blocker(turn, rollout) == "":
        if rollout.weight == 100 or not gated(rollout):
            _next_wave(turn, rollout)
        else:
            _next_step(turn, rollout)


def blocker(turn: Turn, rollout: Rollout) -> str:
    """What the present step waits for, or nothing. Where no pods change there is nothing to test."""
    if back := taken_back(turn):
        return back
    if gated(rollout) and rollout.weight == 0:
        return stopped(turn) or waits_for(turn) or table_waits_for(turn, rollout) or _not_well_so_far(turn, rollout)
    pods = stopped(turn) or waits_for(turn) or _missing_pods(turn, rollout)
    if pods and gated(rollout) and _blind(turn):
        # First: what is said of pods may be long, and a message is cut at its end.
        return f"fresh data ({turn.evidence_reason}); and for {pods}"
    return pods or (_missing_evidence(turn, rollout) if gated(rollout) else "")


def _not_well_so_far(turn: Turn, rollout: Rollout) -> str:
    """What a wave's first weight waits for: that all is well in the pools of the waves before (R9, R13)."""
    moved = [name for wave in rollout.waves[: rollout.wave] for name in wave]
    missing = next((name for name in moved if not settled(turn, name)), "")
    if missing:
        return f"pods of pool {missing}"
    asked = heard(rollout, moved)
    if asked and not fresh(turn, asked):
        return f"fresh data ({turn.evidence_reason or 'StaleData'})"
    above = above_limit(turn, rollout) if asked else None
    return _said_of(above) if above is not None else ""


def _blind(turn: Turn) -> bool:
    """Whether the metrics source gives no answer: that is said beside whatever else a step waits for."""
    return turn.evidence is not None and not turn.evidence.available


def _missing_pods(turn: Turn, rollout: Rollout) -> str:
    for pool in this_wave(rollout):
        if skewed := skew(turn, pool):
            return f"the weight to be in force: {skewed}"
        if not settled(turn, pool):
            blocked = turn.pool(pool).blocked
            if pods_settled(turn, pool):
                return f"the gateway to take over the route of pool {pool}"
            return f"pods of pool {pool}" + (f" ({blocked})" if blocked else "")
    if route := table_waits_for(turn, rollout):
        return route
    at_the_end = rollout.wave + 1 >= _waves(rollout) and (rollout.weight == 100 or not gated(rollout))
    needed = needed_still(turn) if at_the_end else ""
    return f"pods of pool {needed}, before another pool is removed" if needed else ""


def _missing_evidence(turn: Turn, rollout: Rollout) -> str:
    if rollout.step_clock is None or rollout.step_clock.elapsed(turn.now) < rollout.min_duration:
        return f"its time of {duration_text(rollout.min_duration)}"
    if not fresh(turn, heard(rollout, tested_pools(rollout))):
        return f"fresh data ({turn.evidence_reason or 'StaleData'})"
    above = above_limit(turn, rollout)
    if rollout.weight < 100 and above is not None:
        return _said_of(above)
    if rollout.weight < 100 and _following(turn, rollout) is None:
        return _unpassed(turn, rollout)
    return ""


def _said_of(above: CheckLook) -> str:
    """A check that is above its limit, and what it has to be."""
    wanted = "within its limit in both releases" if above.reason == SHARED_DEGRADATION else "compared with stable"
    return f"pool {above.pool}: check {above.check}, which is above its limit, to be {wanted} ({above.reason})"


def _unpassed(turn: Turn, rollout: Rollout) -> str:
    """Full traffic needs ``Passed`` of all checks in every pool of the wave, once (R12)."""
    for name in _to_pass(rollout):
        pool = turn.pool(name)
        if pool.passed_at is None:
            worst = f"check {pool.worst_check.name}" if pool.worst_check else "its checks"
            return f"pool {name}: {worst} to pass ({pool.reason})"
    return ""


def _to_pass(rollout: Rollout) -> list[str]:
    """The pools whose checks decide the wave."""
    return heard(rollout, tested_pools(rollout) if table_wave(rollout) else this_wave(rollout))


def _following(turn: Turn, rollout: Rollout) -> Placed | None:
    """The next step of the spec as it is now: a step not yet begun follows the spec (R3). No step lowers the weight."""
    steps = turn.wish.spec.strategy.steps if turn.wish else []
    later = ahead(rollout, steps)
    if later or rollout.weight:
        return later[0] if later else None
    # The spec lost the steps that were ahead; without any weight nothing could be learned.
    return next(((index, step) for index, step in enumerate(steps) if step.weight), None)


def _next_step(turn: Turn, rollout: Rollout) -> None:
    unheard = not _to_pass(rollout) and not table_wave(rollout)  # no request reaches it before the table's wave
    following = None if unheard else _following(turn, rollout)
    if following is None:
        _full_traffic(turn, rollout)
        return
    turn.moved, rollout.step_clock = True, None
    rollout.step, step = following
    if step.pause is not None:
        rollout.waiting, rollout.pauses = True, rollout.pauses + 1
        turn.note("WaitingForPerson", f"Release {rollout.release} waits; to continue: {how_to_continue(turn, rollout)}")
        return
    if untried(rollout):
        rollout.excused = known_against_stable(turn.status)
        clear_pools(turn)  # what was asked until now was about stable alone
    rollout.weight, rollout.min_duration, rollout.pauses = step.weight or 0, seconds(step.min_duration or "0s"), 0
    turn.note("StepStarted", f"Release {rollout.release}: {_where(turn, rollout)}.")


def _full_traffic(turn: Turn, rollout: Rollout) -> None:
    """Only after ``Passed`` in every pool of the wave, whichever way led here."""
    if any(turn.pool(name).passed_at is None for name in _to_pass(rollout)):
        return
    rollout.step = len(turn.wish.spec.strategy.steps) if turn.wish else rollout.step
    rollout.weight, rollout.min_duration, rollout.step_clock = 100, 0, None
    turn.moved = True
    turn.note("FullTraffic", f"Release {rollout.release}: all checks passed, {_where(turn, rollout)}.")


def _next_wave(turn: Turn, rollout: Rollout) -> None:
    turn.moved = True
    if not close_table(rollout):
        return
    if rollout.wave + 1 >= _waves(rollout):
        settle(turn, Trigger.FULL_TRAFFIC, Result.PROMOTED)
        return
    rollout.wave += 1
    rollout.step, rollout.weight, rollout.min_duration, rollout.step_clock = -1, 0, 0, None
    rollout.pauses = 0
    if table_wave(rollout):
        begin_table(turn, rollout)
        turn.note("TableStarted", f"Release {rollout.release}: all pools have moved, the route table follows.")
    else:
        _next_step(turn, rollout)


def _waves(rollout: Rollout) -> int:
    return len(rollout.waves) + (rollout.table is not None)


def _where(turn: Turn, rollout: Rollout) -> str:
    where = "of the route table" if table_wave(rollout) else f"in pool {', '.join(this_wave(rollout))}"
    return f"{position(turn, rollout)} {where}"


def position(turn: Turn, rollout: Rollout) -> str:
    """Where a rollout stands: ``wave 1/2, step 2/3, 50%``."""
    if not gated(rollout):
        return "no pods change"
    steps = len(turn.wish.spec.strategy.steps) if turn.wish else 0
    step = "full traffic" if rollout.weight == 100 else f"step {rollout.step + 1}/{max(steps, rollout.step + 1)}"
    step = "preflight" if pending(rollout) else step
    name = "route table" if table_wave(rollout) else "wave"
    return f"{name} {rollout.wave + 1}/{_waves(rollout)}, {step}, {rollout.weight}%"
