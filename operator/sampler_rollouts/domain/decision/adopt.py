"""A status that was lost: what serves is no first release, and is not to be put at risk by one without a gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision.changes import image_of
from sampler_rollouts.domain.decision.memory import use_word
from sampler_rollouts.domain.decision.quality import quality_plan
from sampler_rollouts.domain.decision.route_rules import name_of
from sampler_rollouts.domain.decision.transitions import Trigger, move
from sampler_rollouts.domain.loose import Clock
from sampler_rollouts.domain.plan import Bake, Release, ReleasePool
from sampler_rollouts.domain.quantities import seconds
from sampler_rollouts.domain.release import child_name, release_hash, revisions
from sampler_rollouts.domain.render import Child
from sampler_rollouts.domain.route_plan import ClassTable
from sampler_rollouts.domain.status import Stage
from sampler_rollouts.domain.tables import table_digest

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn, Wish

STATUS_LOST: Final = "StatusLost"


def lost(turn: Turn) -> bool:
    """Whether Deployments are there of which status knows nothing: it is written before any of them is made."""
    return turn.status.stage is Stage.IDLE and bool(_there(turn))


def ambiguity(turn: Turn) -> str:
    """Which pools have more than one revision, so that nobody knows which was stable, and what to do; or nothing."""
    if not lost(turn):
        return ""
    name = turn.meta.name
    several = {pool: found for pool, found in _there(turn).items() if len(found) > 1}
    if not several:
        return ""
    where = "; ".join(
        f"pool {pool} has Deployments {' and '.join(child_name(name, pool, one) for one in found)}"
        for pool, found in sorted(several.items())
    )
    return (
        f"The status was lost in mid-rollout, and it is not known which revision was stable: {where}. All of them "
        "serve on as they are, untested. Scale the one that is to be stable to the whole pool, then delete the other: "
        "what remains is taken as stable, and what the spec asks for comes with steps."
    )


def adopt(turn: Turn) -> None:
    """What serves becomes stable where there is one revision of each pool; anything else has to pass the steps.

    The spec's own release that is not whole is established as ever: it is the same pods.
    """
    if turn.wish is None or not lost(turn) or ambiguity(turn):
        return
    release = _release(turn, {pool: found[0] for pool, found in _there(turn).items()})
    whole = all(turn.ready(item.name, item.revision) >= turn.replicas(item.name) for item in release.pools)
    if release.hash == turn.target and not whole and not turn.paused:
        return
    _take(turn, turn.wish, release)


def starts_anew(turn: Turn) -> bool:
    """Whether the spec's release may come without a gate: nothing is there, or nothing but that very release."""
    found = _there(turn)
    if any(len(revisions) > 1 for revisions in found.values()):
        return False
    by_pool = {pool: revisions[0] for pool, revisions in found.items()}
    return not found or release_hash(by_pool, table_digest(_routes(turn))) == turn.target


def _take(turn: Turn, wish: Wish, release: Release) -> None:
    status = turn.status
    status.stable = release
    status.retry_generation = wish.spec.retry_generation
    # Nobody knows what it had passed: its absolute checks run as those of a release without a gate (R10).
    status.bake = Bake(
        release=release.hash,
        clock=Clock(since=turn.now),
        seconds=seconds(wish.spec.strategy.bake_time),
        test=quality_plan(wish.spec, release.names(), wish.templates),
    )
    use_word(turn)
    turn.note(
        "Adopted", f"The status was lost; release {release.hash}, which serves, is taken as stable.", warning=True
    )
    move(turn, Trigger.STATUS_LOST)


def _there(turn: Turn) -> dict[str, list[str]]:
    """Revisions by pool of the Deployments that exist, up to what a release can hold."""
    places = sorted({(item.pool, item.revision) for item in turn.seen.workloads if item.made})
    found: dict[str, list[str]] = {}
    for pool, revision in places:
        if pool and revision:
            found.setdefault(pool, []).append(revision)
    return {pool: _serves(turn, pool, several) for pool, several in list(found.items())[: limits.POOLS]}


def _serves(turn: Turn, pool: str, found: list[str]) -> list[str]:
    """Of several revisions of a pool the one whose Deployment says it was stable; or all that may have been."""
    marked = [item.revision for item in turn.seen.workloads if item.pool == pool and item.stable]
    return marked if len(marked) == 1 else _routed(turn, pool, found)


def _routed(turn: Turn, pool: str, found: list[str]) -> list[str]:
    """Of several those that the route names, if gateways follow it: others are kept warm, or have no weight yet."""
    live = turn.seen.route
    if len(found) < 2 or live is None or not live.current:
        return found
    return [one for one in found if name_of(turn, Child(pool, one)) in live.named] or found


def _release(turn: Turn, by_pool: dict[str, str]) -> Release:
    pools = [
        ReleasePool(
            name=pool,
            revision=revision,
            image=image_of(turn, Child(pool, revision))[: limits.IMAGE],
            replicas=turn.replicas(pool),
        )
        for pool, revision in by_pool.items()
    ]
    routes = _routes(turn)
    # As its servers are told: known where they are the spec's own.
    gateway = (
        bool(turn.wish and turn.wish.spec.gateway) and by_pool == revisions(turn.wish.spec) if turn.wish else False
    )
    made = release_hash(by_pool, table_digest(routes))
    return Release(hash=made, since=turn.now, pools=pools, gateway=gateway, routes=routes)


def _routes(turn: Turn) -> list[ClassTable]:
    """What serves goes by the spec's table: which one it was nobody knows any more."""
    return turn.wish.release.routes if turn.wish else []
