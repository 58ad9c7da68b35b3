"""A stable that does not come up although a candidate leaves: bad answers or none, until a person helps."""

from __future__ import annotations

from typing import Final

from sampler_rollouts.domain.decision import gateway
from sampler_rollouts.domain.decision.context import Turn, leaving, revision_in
from sampler_rollouts.domain.decision.memory import unready_for, word_for
from sampler_rollouts.domain.decision.replicas import in_place_of, wanted
from sampler_rollouts.domain.decision.route_rules import class_parts
from sampler_rollouts.domain.decision.stages import LEAVING, TESTED

STABLE_NOT_READY: Final = "StableNotReady"


def stable_away(turn: Turn) -> str:
    """Why a candidate must go on serving although stable has had its time to come up; empty if it need not."""
    stable, rollout = turn.status.stable, turn.status.rollout
    pools, stays = _stands_in(turn)
    late = [name for name in pools if rollout and unready_for(turn.pool(name), turn) >= rollout.progress_deadline]
    if stable is None or not late:
        return ""
    where = ", ".join(place(turn, name) for name in late)
    return (
        f"Stable release {stable.hash} does not come up in {where}: {stays}. "
        f"To help, mend what keeps stable's pods from being ready, or {_other_way(turn)}."
    )


def _other_way(turn: Turn) -> str:
    """How another release comes in stable's place."""
    well = well_without(turn)
    if not asks_for_news(turn) or not well:
        return "ask for another release: it comes without steps" + (
            " when a person has said so too, for stable serves well in other pools" if well else ""
        )
    return (
        f"have release {turn.target} come without steps, also in pool {', '.join(well)}, where stable serves well: set "
        f"the annotation {word_for(turn, turn.target, 'without-steps')}"
    )


def asks_for_news(turn: Turn) -> bool:
    """Whether the spec asks for a release that is neither stable nor held."""
    stable = turn.status.stable
    return bool(turn.target) and (stable is None or stable.hash != turn.target) and not turn.status.held(turn.target)


def well_without(turn: Turn) -> list[str]:
    """Stable's pools that serve, and whose users would get the pods of another release untested."""
    stable, new = turn.status.stable, turn.wish.release if turn.wish and asks_for_news(turn) else None
    return [
        item.name
        for item in (stable.pools if stable else [])
        if (new is None or new.revision(item.name) != item.revision)
        and 2 * turn.ready(item.name, item.revision) >= turn.replicas(item.name)
    ]


def still_serves(turn: Turn) -> str:
    """That a candidate which leaves still serves where nothing of stable does; empty if it does not."""
    pools, stays = _stands_in(turn)
    gone = [name for name in pools if not turn.ready(name, revision_in(turn.status.stable, name))]
    return f" No pod of stable is ready yet in pool {', '.join(gone)}: {stays} until then." if gone else ""


def _stands_in(turn: Turn) -> tuple[list[str], str]:
    """Stable's pools for which a candidate that leaves them still serves, and how it does, in words."""
    status, rollout = turn.status, turn.status.rollout
    if status.stage not in LEAVING | TESTED or rollout is None or status.stable is None:
        return [], ""
    children = leaving(status)
    if status.stage in TESTED and not children:
        return [], ""
    plan = wanted(turn)
    pools = [item.name for child in children if child in plan for item in in_place_of(turn, child)]
    lending = gateway.lends(turn, plan)
    stays = f"pods of {rollout.release} must stay"
    if not pools:
        stays = f"requests of class {', '.join(lending)} go on by the route table of {rollout.release}"
    pools += [pool for name in lending for pool in class_parts(turn, status.stable, name)]
    return list(dict.fromkeys(pools)), stays


def place(turn: Turn, name: str) -> str:
    """A pool, and what keeps its pods from starting, if that is known."""
    blocked = turn.pool(name).blocked
    return f"pool {name}" + (f" ({blocked})" if blocked else "")
