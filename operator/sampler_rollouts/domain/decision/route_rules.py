"""What the route says for each context class: shares of pools, of revisions in a pool, and of two tables (R8, R11)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain.decision.changes import class_name
from sampler_rollouts.domain.decision.context import begun, revision_in, table_wave, weight_of
from sampler_rollouts.domain.decision.removed import last_servers
from sampler_rollouts.domain.decision.stages import BY_STEPS, COMPARING, LEAVING, TESTED
from sampler_rollouts.domain.release import NO_ROUTE, child_name, digest
from sampler_rollouts.domain.render import Child
from sampler_rollouts.domain.render_route import Backend, ClassRule
from sampler_rollouts.domain.tables import mix

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.plan import Release
    from sampler_rollouts.domain.route_plan import TableMove

FINENESS: Final = 1000
"""Units of weight for each replica of a pool: 200 replicas stay far below the API's 1,000,000."""
ALONE: Final = 100 * FINENESS
"""The weight of a pool that has its class alone, whatever its number: no gateway has to take over that it is scaled."""

Plan = dict[Child, int]


def name_of(turn: Turn, child: Child) -> str:
    """The Service of a revision."""
    return child_name(turn.meta.name, child.pool, child.revision)


def table_release(turn: Turn) -> Release | None:
    """The release by whose table requests go. Stable's, until a candidate with another one has taken its place."""
    stable, candidate = turn.status.stable, turn.status.candidate
    if stable is None or not stable.gateway:
        return candidate or stable
    if candidate is None or not candidate.gateway:
        return stable
    return candidate if candidate.routes == stable.routes or _closes(turn) else stable


def _closes(turn: Turn) -> bool:
    """Whether the candidate's table has passed, and requests go by it alone."""
    table = turn.status.rollout.table if turn.status.rollout else None
    return table is not None and table.closing and turn.status.stage in TESTED


def route_hash(turn: Turn, release: Release | None) -> str:
    """The hash of a route table: which pools there are for which class, and the shares that are written down."""
    table: dict[str, list[str]] = {}
    for item in release.pools if release else []:
        table.setdefault(class_name(turn, Child(item.name, item.revision)), []).append(item.name)
    pools = {name: sorted(found) for name, found in table.items()}
    routes = release.routes if release else []
    if not routes:
        return digest(pools)
    return digest(
        {"pools": pools, "shares": {one.context_class: {to.pool: to.parts for to in one.to} for one in routes}}
    )


def fingerprinted(turn: Turn, release: Release | None) -> str:
    """What the fingerprints of a release's answers say of its table, once it serves."""
    return route_hash(turn, release) if release and release.gateway else NO_ROUTE


def class_parts(turn: Turn, release: Release, name: str) -> dict[str, int]:
    """One class's table in a release: as it is written down, else its pools by their replicas."""
    written = _written(release, name)
    if written:
        return written
    here = [item.name for item in release.pools if class_name(turn, Child(item.name, item.revision)) == name]
    return {pool: turn.covered(pool) for pool in here}


def _written(release: Release | None, name: str) -> dict[str, int]:
    found = next((one for one in release.routes if one.context_class == name), None) if release else None
    return {to.pool: to.parts for to in found.to} if found else {}


def changed_classes(old: Release, new: Release) -> list[str]:
    """Classes whose table is another one."""
    named = dict.fromkeys(one.context_class for release in (old, new) for one in release.routes)
    return [name for name in named if _written(old, name) != _written(new, name)]


def arms(turn: Turn) -> TableMove | None:
    """The table's wave while both tables' backends are named, with requests or without."""
    rollout, stage = turn.status.rollout, turn.status.stage
    table = rollout.table if rollout else None
    if table is None or table.since is None or table.gone or stage not in COMPARING:
        return None
    return table


def class_rules(turn: Turn, plan: Plan) -> list[ClassRule]:
    """A rule for each class: the spec's classes in its order, then those of other releases.

    Behind them a second one for each class whose table changes, by which requests go while two tables are compared. The
    first one stands all the while: a gateway that has to drop one before it has the other answers with errors.
    """
    by_class = _by_class(turn, plan)
    rules = [rule for name, children in by_class.items() if (rule := _rule(turn, plan, name, children)) is not None]
    both = [ClassRule(rule.context_class, {}, _two_tables(turn, plan, rule.context_class)) for rule in rules]
    both = [rule for rule in both if rule.arms]
    compared = {rule.context_class for rule in both} if _by_both(turn) else set()
    return [
        *(replace(rule, idle=rule.context_class in compared) for rule in rules),
        *(replace(rule, idle=rule.context_class not in compared) for rule in both),
    ]


def _by_class(turn: Turn, plan: Plan) -> dict[str, list[Child]]:
    known = turn.status.gateway.classes if turn.status.gateway else []
    by_class: dict[str, list[Child]] = {name: [] for name in known}
    for child in plan:
        by_class.setdefault(class_name(turn, child), []).append(child)
    return by_class


def lent(turn: Turn, plan: Plan) -> list[str]:
    """Classes whose requests go by the table of a release that leaves: no pod is ready where stable's sends them."""
    if turn.status.stage not in LEAVING:
        return []
    return [
        name
        for name, children in _by_class(turn, plan).items()
        if not _by_table(turn, plan, _written(table_release(turn), name), children)
        and _by_table(turn, plan, _written(_other(turn), name), children)
    ]


def _by_both(turn: Turn) -> bool:
    """Whether requests go by both tables, and not by one beside which the other only is, or still is, known."""
    table = arms(turn)
    return table is not None and table.prepared and not table.closing and turn.status.stage in TESTED


def _rule(turn: Turn, plan: Plan, name: str, of_class: list[Child]) -> ClassRule | None:
    written = _written(table_release(turn), name)
    children = _named(plan, written, of_class)
    if not children:
        return None
    found = _by_table(turn, plan, written, of_class)
    if not found and (other := _other(turn)):
        found = _by_table(turn, plan, _written(other, name), of_class)
    if written and not found:  # no table names what serves of removed pools
        found = _by_pool(turn, plan, [child for child in of_class if child in last_servers(turn)], {})
    if not found and _is_new(turn, of_class):
        return None  # requests of a class that nobody serves yet go where they went before
    # Where nothing is ready there is nowhere else to go: the gateway says so to those who ask.
    found = found or {child: max(1, plan[child]) for child in children if _stays(turn, child)}
    return ClassRule(name, {name_of(turn, child): weight for child, weight in found.items()})


def _other(turn: Turn) -> Release | None:
    """The release by whose table requests go where that of ``table_release`` names nothing that is ready.

    One that leaves, if it has had requests by it; and stable, while a new table has just taken its place (R18).
    """
    rollout = turn.status.rollout
    if _closes(turn):
        return turn.status.stable
    if rollout is None or turn.status.stage not in LEAVING:
        return None
    untried = rollout.table is not None and not (table_wave(rollout) and rollout.weight)
    return None if untried else turn.status.candidate


def _named(plan: Plan, written: dict[str, int], of_class: list[Child]) -> list[Child]:
    """What a class's table names: the class's own, if it is not written down."""
    return [child for child in plan if child.pool in written] if written else of_class


def _by_table(turn: Turn, plan: Plan, written: dict[str, int], of_class: list[Child]) -> dict[Child, int]:
    return _by_pool(turn, plan, _named(plan, written, of_class), written)


def _by_pool(turn: Turn, plan: Plan, children: list[Child], written: dict[str, int]) -> dict[Child, int]:
    """Weights by the table, else by replicas; none where nothing is ready."""
    found: dict[Child, int] = {}
    back = turn.status.stage in LEAVING and not written
    by_ready = back and any(not revision_in(turn.status.stable, child.pool) for child in children)
    pools = list(dict.fromkeys(child.pool for child in children))
    for pool in pools:
        whole = written.get(pool) or (turn.covered(pool) * FINENESS if len(pools) > 1 else ALONE)
        part = _ready_part(turn, plan, pool) if by_ready else _arrived(turn, plan, pool)
        found |= _in_pool(turn, plan, pool, max(1, round(whole * part)))
    return found


def _ready_part(turn: Turn, plan: Plan, pool: str) -> float:
    """What part of a pool is ready: on the way back pods of another one stay in its place until it is."""
    there = sum(_serves(turn, child, most) for child, most in plan.items() if child.pool == pool)
    return min(1.0, there / turn.covered(pool))


def _arrived(turn: Turn, plan: Plan, pool: str) -> float:
    """What part of a pool's share of its class it is to have: a new one has no stable pods beside its step's."""
    new, share = Child(pool, revision_in(turn.status.candidate, pool)), _step_share(turn, pool)
    if share is None or new not in plan or revision_in(turn.status.stable, pool):
        return 1.0
    return share * min(1.0, _serves(turn, new, plan[new]) / max(1, plan[new]))


def _is_new(turn: Turn, of_class: list[Child]) -> bool:
    """Whether stable serves others, and nothing of this class."""
    stable = turn.status.stable
    return stable is not None and not any(revision_in(stable, child.pool) for child in of_class)


def _stays(turn: Turn, child: Child) -> bool:
    """Whether a revision is of the release that serves, or is to serve where nothing does."""
    staying = turn.status.stable or turn.status.candidate
    return revision_in(staying, child.pool) in ("", child.revision)


def _in_pool(turn: Turn, plan: Plan, pool: str, whole: int) -> dict[Child, int]:
    """A pool's weight, divided between its revisions; none where nothing is ready."""
    fractions = [(child, part) for child, part in _fractions(turn, plan, pool).items() if part > 0]
    found: dict[Child, int] = {}
    left = whole
    for place, (child, part) in enumerate(fractions):
        last = place + 1 == len(fractions)
        found[child] = max(1, left if last else round(whole * part))
        left -= found[child]
    return found


def _fractions(turn: Turn, plan: Plan, pool: str) -> dict[Child, float]:
    """By revision the part of the pool's requests that it is to have."""
    ready = {child: _serves(turn, child, most) for child, most in plan.items() if child.pool == pool}
    here = {child: count for child, count in ready.items() if count > 0}
    new, old = (Child(pool, revision_in(release, pool)) for release in (turn.status.candidate, turn.status.stable))
    share = _step_share(turn, pool)
    if share is not None and new in here and old in here and new != old:
        # As long as not all of the candidate's pods are ready, none of them is to have more than its part.
        part = share * min(1.0, here[new] / plan[new])
        return {new: part, old: 1 - part}
    return {child: count / sum(here.values()) for child, count in here.items()}


def _step_share(turn: Turn, pool: str) -> float | None:
    rollout = turn.status.rollout
    if rollout is None or turn.status.stage not in BY_STEPS or pool not in begun(rollout):
        return None
    return weight_of(rollout, pool) / 100


def _serves(turn: Turn, child: Child, most: int) -> int:
    """Ready pods that count; a candidate whose Service is not there cannot be routed to."""
    stays = child.revision == revision_in(turn.status.stable, child.pool)
    reachable = stays or name_of(turn, child) in turn.seen.services
    return min(most, turn.ready(child.pool, child.revision)) if reachable else 0


def _two_tables(turn: Turn, plan: Plan, name: str) -> tuple[Backend, ...]:
    """Both tables' backends of a class that changes, each with its table's hash; none where one table serves."""
    table, rollout = arms(turn), turn.status.rollout
    stable, candidate = turn.status.stable, turn.status.candidate
    if table is None or rollout is None or stable is None or candidate is None:
        return ()
    if name not in changed_classes(stable, candidate):
        return ()
    old, new = (_reachable(turn, plan, class_parts(turn, release, name)) for release in (stable, candidate))
    before, after = mix(old, new, rollout.weight)
    # Stable's first: a gateway may name backends by their place, and the candidate's are those that come and go.
    return (
        *(Backend(name_of(turn, _arm(turn, plan, pool)), weight, table.stable_hash) for pool, weight in before.items()),
        *(Backend(name_of(turn, _arm(turn, plan, pool)), weight, table.route_hash) for pool, weight in after.items()),
    )


def without_pods(turn: Turn, plan: Plan, weight: int) -> str:
    """Which of two tables that both are to have requests at ``weight`` has no ready pod in a class; empty if none."""
    stable, candidate = turn.status.stable, turn.status.candidate
    if stable is None or candidate is None:
        return ""
    asked = [(stable, "stable's")] if weight < 100 else []
    asked += [(candidate, "the new")]
    return next(
        (
            f"{whose} route table of class {name}"
            for name in changed_classes(stable, candidate)
            for release, whose in asked
            if not _reachable(turn, plan, class_parts(turn, release, name))
        ),
        "",
    )


def _reachable(turn: Turn, plan: Plan, parts: dict[str, int]) -> dict[str, int]:
    return {pool: part for pool, part in parts.items() if _fractions(turn, plan, pool)}


def _arm(turn: Turn, plan: Plan, pool: str) -> Child:
    """One revision of a pool, so that no backend comes and goes with a pod's readiness."""
    fractions, moved = _fractions(turn, plan, pool), Child(pool, revision_in(turn.status.candidate, pool))
    on_the_way = turn.status.stage in TESTED and moved in fractions
    return moved if on_the_way else max(fractions, key=lambda child: fractions[child])
