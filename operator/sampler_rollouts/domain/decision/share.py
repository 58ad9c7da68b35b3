"""R8: a weight is in force when pods give it and requests do not show another share.

Without a gateway users reach all ready pods: where stable's are not ready the candidate has more than its step is for.
What pods give is seen at once; what requests show is a matter of evidence.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain.decision import gateway
from sampler_rollouts.domain.decision.context import Turn
from sampler_rollouts.domain.decision.replicas import (
    compared,
    pods_settled,
    ready_pods,
    settled,
    share_at,
    share_is_off,
    step_pods,
)
from sampler_rollouts.domain.decision.stages import TESTED
from sampler_rollouts.domain.evidence.counters import FRESH_SCRAPES
from sampler_rollouts.domain.evidence.proportion import is_skewed, share_interval
from sampler_rollouts.domain.quantities import duration_text, ratio_text
from sampler_rollouts.domain.status import Requests, Share

if TYPE_CHECKING:
    from datetime import datetime

    from sampler_rollouts.domain.evidence.look import Evidence
    from sampler_rollouts.domain.plan import Rollout

SKEWED: Final = "Skewed"


def _tested(turn: Turn) -> Rollout | None:
    """The rollout whose candidate is under test; nobody asks after a weight otherwise."""
    return turn.status.rollout if turn.status.stage in TESTED else None


def in_force(turn: Turn, name: str) -> bool:
    """Whether a step's time counts in a pool: pods give the weight, and requests do not show another share."""
    return settled(turn, name) and not skew(turn, name)


def skew(turn: Turn, name: str) -> str:
    """How a pool's share differs from what its step is for, in words with both numbers; empty if it does not.

    Where stable has had too few ready pods for ``progressDeadline`` the pods give the nearest share that there is, and
    waiting protects nobody: that is said (``stable_short``), and the release goes on by its checks alone.
    """
    rollout = _tested(turn)
    if rollout is None or name not in compared(turn, rollout):
        return ""
    share = turn.pool(name).share
    if share and _for_good(turn, rollout, share.alone_since):
        return ""
    if gateway.routed(turn) and share_is_off(turn, name) and pods_settled(turn, name):
        return _by_route(turn, rollout, name)
    said = _short(turn, rollout, name)
    if said and share_is_off(turn, name):
        return "" if share and _for_good(turn, rollout, share.short_since) else said
    if share is None or not share.skewed:
        return ""
    return (
        f"in pool {name} release {rollout.release} answered {share.requests.exposed} of {share.requests.total} checked "
        f"requests ({share.observed}, 95% interval {share.low} to {share.high}), its step is for {share.wanted}"
    )


def _by_route(turn: Turn, rollout: Rollout, name: str) -> str:
    """The route gives another share than the step's, or no gateway has taken it over."""
    share = gateway.observed_share(turn, name)
    has = "what traffic follows is not known" if share is None else f"it has {ratio_text(share)} by the route"
    live = turn.seen.route
    why = f": {live.problem}" if live and live.problem else ""
    return f"in pool {name} the step of release {rollout.release} is for {rollout.weight}%, and {has}{why}"


def _for_good(turn: Turn, rollout: Rollout, since: datetime | None) -> bool:
    """Whether something has lasted for longer than pods may take."""
    return since is not None and (turn.now - since).total_seconds() >= rollout.progress_deadline


def stable_short(turn: Turn) -> str:
    """Where fewer of stable's pods are ready than a step counts on, in words with numbers; empty if nowhere."""
    rollout = _tested(turn)
    if rollout is None:
        return ""
    return "; ".join(said for name in compared(turn, rollout) if (said := _short(turn, rollout, name)))


def _short(turn: Turn, rollout: Rollout, name: str) -> str:
    count, stable = step_pods(turn, rollout, name)
    new, old = ready_pods(turn, name)
    if old >= stable:
        return ""
    if gateway.routed(turn):
        return f"in pool {name} {old} of {stable} stable pods are ready, and the route sends them the same share"
    share = ratio_text(new / (new + old)) if new else "0%"
    limit = duration_text(rollout.progress_deadline)
    later = f"; when that has lasted for {limit}, checks alone decide" if not old or share_is_off(turn, name) else ""
    return (
        f"in pool {name} {old} of {stable} stable pods are ready, so that release {rollout.release} has {new} of "
        f"{new + old} ready pods ({share}), its step is for {ratio_text(count / (count + stable))}{later}"
    )


def note_shares(turn: Turn) -> None:
    """Count what both arms answered while the weight was in force; other time says nothing about it."""
    rollout = _tested(turn)
    names = compared(turn, rollout) if rollout else []
    for pool in turn.status.pools:
        if pool.name not in names:
            pool.share = None
    if rollout:
        for name in names:
            _note(turn, rollout, name)


def _note(turn: Turn, rollout: Rollout, name: str) -> None:
    _, stable = step_pods(turn, rollout, name)
    wanted, pool = share_at(turn, name, rollout.weight), turn.pool(name)
    share = pool.share
    if share is None or (share.weight, share.wanted) != (rollout.weight, ratio_text(wanted)):
        alone, short = (share.alone_since, share.short_since) if share else (None, None)
        share = Share(weight=rollout.weight, wanted=ratio_text(wanted), alone_since=alone, short_since=short)
        pool.share = share
    _, stable_there = ready_pods(turn, name)
    share.alone_since = None if stable_there else share.alone_since or turn.now
    short_now = stable_there < stable and share_is_off(turn, name)
    share.short_since = (share.short_since or turn.now) if short_now else None
    if not settled(turn, name) or share_is_off(turn, name):
        share.in_force_since = share.counted_to = None
        return
    share.in_force_since = share.in_force_since or turn.now
    if turn.evidence and _all_since(turn, turn.evidence, share, name):
        _count(turn.evidence, share, name)
        _judge(rollout, share, wanted)


def _all_since(turn: Turn, evidence: Evidence, share: Share, name: str) -> bool:
    """Whether what the counts have gained since the last look was gained while the weight was in force.

    Counters are seen at scrapes: what was answered before, every pod has shown by the third scrape.
    """
    seen = evidence.available and evidence.fresh.get(name, False) and name in evidence.traffic
    in_force = (turn.now - share.in_force_since).total_seconds() if share.in_force_since else 0.0
    return seen and in_force >= FRESH_SCRAPES * evidence.scrape_interval


def _count(evidence: Evidence, share: Share, name: str) -> None:
    traffic = evidence.traffic[name]
    new, old = max(0, traffic.candidate), max(0, traffic.stable)
    if share.counted_to:
        before = share.counted_to
        exposed, rest = max(0, new - before.exposed), max(0, old - (before.total - before.exposed))
        share.requests = Requests(exposed=share.requests.exposed + exposed, total=share.requests.total + exposed + rest)
    share.counted_to = Requests(exposed=new, total=new + old)


def _judge(rollout: Rollout, share: Share, wanted: float) -> None:
    seen = share.requests
    interval = share_interval(seen.exposed, seen.total, _design_effect(rollout))
    share.observed = ratio_text(seen.exposed / seen.total) if seen.total else ""
    share.low, share.high = (ratio_text(end) for end in interval)
    share.skewed = is_skewed(interval, wanted)


def _design_effect(rollout: Rollout) -> float:
    """As declared; 1 if a stranger has written what cannot be read, for then nothing is asked and nothing passes."""
    try:
        declared = float(rollout.quality.design_effect)
    except ValueError:
        return 1.0
    return declared if 1 <= declared < math.inf else 1.0
