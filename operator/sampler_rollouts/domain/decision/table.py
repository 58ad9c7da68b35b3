"""The route table's own wave: how its arm comes in, is tested and leaves (R11).

A gateway drops what a route names no more before its proxies stop asking for it. So a second rule with both tables'
backends stands for a while before requests go by it, and for a while after; the rule of one table stands beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision.context import table_wave
from sampler_rollouts.domain.decision.gateway import arms_in_force, routed
from sampler_rollouts.domain.decision.replicas import wanted
from sampler_rollouts.domain.decision.route_rules import arms, changed_classes, class_parts, route_hash, without_pods
from sampler_rollouts.domain.decision.stages import LEAVING
from sampler_rollouts.domain.pool import STANDARD
from sampler_rollouts.domain.route_plan import TableMove

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn, Wish
    from sampler_rollouts.domain.plan import Release, Rollout

SETTLE: Final = 2.0
"""Seconds from what gateways say until their proxies surely do it: a matter of milliseconds, measured."""
NEEDS_ROUTE: Final = "the gateway to take over the route with both tables"
NEEDS_ONE: Final = "the gateway to take over the route with the new table alone"


def move_of(turn: Turn, wish: Wish, stable: Release) -> TableMove | None:
    """The table's wave of a release whose table is another one; None where there is none to compare with."""
    new = wish.release
    if not (stable.gateway and new.gateway) or new.routes == stable.routes:
        return None
    changed = changed_classes(stable, new)
    named = [pool for name in changed if class_parts(turn, stable, name) for pool in class_parts(turn, new, name)]
    if not named:
        return None  # classes that only one of them has come with their pools
    written = {one.context_class for one in stable.routes}
    silent = [
        pool.name
        for pool in wish.spec.pools
        if not stable.revision(pool.name) and (pool.context_class or STANDARD) in written
    ]
    return TableMove(
        pools=list(dict.fromkeys(named)),
        silent=silent,
        route_hash=route_hash(turn, new),
        stable_hash=route_hash(turn, stable),
    )


def begin_table(turn: Turn, rollout: Rollout) -> None:
    """All pools have moved: what was found of them says nothing about the table."""
    table, plan = rollout.table, turn.status.gateway
    if table is None:
        return
    table.since = turn.now
    if plan is not None:
        table.known = table.route_hash in plan.told
        others = [one for one in plan.told if one not in (table.route_hash, table.stable_hash)]
        plan.told = [table.route_hash, table.stable_hash, *others][: limits.TOLD]
    for name in table.pools:
        row = turn.pool(name)
        row.forget_verdict()
        row.requests = None
    turn.forget_evidence()


def note_table(turn: Turn) -> None:
    """Note since when the arms have been as they are wanted, and what that allows."""
    table = arms(turn)
    if table is None:
        return
    leaves = table.closing or turn.status.stage in LEAVING
    if not routed(turn):
        table.gone = leaves  # nobody comes by the route any more
        return
    plan, rollout = wanted(turn), turn.status.rollout
    # Where one table has all requests for want of the other's pods the weight is not in force.
    apart = rollout is not None and not leaves and without_pods(turn, plan, rollout.weight)
    if apart or not arms_in_force(turn, plan):
        table.settled_since = None
        return
    table.settled_since = min(table.settled_since or turn.now, turn.now)
    if not _settled(turn, table):
        return
    if leaves:
        table.gone = turn.moved = True
    elif not table.prepared:
        table.prepared = turn.moved = True
        table.settled_since = None
    elif not table.entered:
        table.entered = turn.moved = True


def close_table(rollout: Rollout) -> bool:
    """Let requests go by the new table alone, once it has passed; whether they do, and its comparison is gone."""
    table = rollout.table
    if table is None or not table_wave(rollout) or table.gone:
        return True
    table.closing, table.settled_since = True, None
    return False


def _settled(turn: Turn, table: TableMove) -> bool:
    since = table.settled_since
    return since is not None and (turn.now - since).total_seconds() >= SETTLE


def table_in_force(turn: Turn, rollout: Rollout) -> bool:
    """Whether a step's time counts in the table's wave (R8)."""
    return rollout.table is not None and _settled(turn, rollout.table) and arms_in_force(turn, wanted(turn))


def table_waits_for(turn: Turn, rollout: Rollout) -> str:
    """What keeps the arms from their weights, in words; empty outside the table's wave."""
    if rollout.table is None or not table_wave(rollout):
        return ""
    if rollout.table.closing:
        return "" if rollout.table.gone else NEEDS_ONE
    if missing := without_pods(turn, wanted(turn), rollout.weight):
        return f"a ready pod of {missing}, without which it has no requests"
    return "" if rollout.table.entered and table_in_force(turn, rollout) else NEEDS_ROUTE


def arms_leave(turn: Turn) -> bool:
    """Whether the route still has to name a table that goes, for a while."""
    return turn.status.stage in LEAVING and arms(turn) is not None
