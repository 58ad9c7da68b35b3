"""Route tables: what part of each context class's requests a pool has, and the mix of two of them (R11)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeVar

from sampler_rollouts.domain.release import NO_ROUTE, digest, release_hash, revisions
from sampler_rollouts.domain.route_plan import ClassTable, PoolPart

if TYPE_CHECKING:
    from sampler_rollouts.domain.plan import Release
    from sampler_rollouts.domain.resource import Spec

WHOLE: Final = 1_000_000
"""The largest weight that the Gateway API knows, and the sum of the weights of a class that has a table."""
K = TypeVar("K", bound=Hashable)
Parts = Mapping[str, int]
"""By pool, relative to their sum."""


def parts(share: str) -> int:
    """A share such as ``99.2%`` in millionths; it has at most four decimals, so that this is exact."""
    return int(Decimal(share.removesuffix("%")) * (WHOLE // 100))


def tables_of(spec: Spec) -> list[ClassTable]:
    """The tables that a spec writes down, in an order of their own: that of the spec means nothing."""
    written = (spec.routing.routes if spec.routing else None) or []
    return [
        ClassTable(
            context_class=one.context_class,
            to=[PoolPart(pool=to.pool, parts=parts(to.share)) for to in sorted(one.to, key=lambda to: to.pool)],
        )
        for one in sorted(written, key=lambda one: one.context_class)
    ]


def table_digest(tables: list[ClassTable]) -> str:
    """The hash of tables as they are written down; ``none`` where all classes go by replicas."""
    said = {one.context_class: {to.pool: to.parts for to in one.to} for one in tables}
    return digest(said) if said else NO_ROUTE


def hash_of(spec: Spec) -> str:
    """The hash of the release that a spec asks for."""
    return release_hash(revisions(spec), table_digest(tables_of(spec)))


def hash_of_release(release: Release) -> str:
    """The same of a release as it is."""
    return release_hash({item.name: item.revision for item in release.pools}, table_digest(release.routes))


def exact(amounts: Mapping[K, int], whole: int = WHOLE) -> dict[K, int]:
    """Whole weights in the proportion of ``amounts``, ``whole`` together, each less than 1 from its exact part.

    None is below 1, also of an amount of 0: what that takes the largest one gives. Empty without a positive amount.
    """
    total = sum(amounts.values())
    if total <= 0:
        return {}
    found = {key: max(1, amount * whole // total) for key, amount in amounts.items()}
    missing = whole - sum(found.values())
    if missing < 0:
        found[max(found, key=lambda key: found[key])] += missing
        return found
    # Largest remainder; of equal ones the first, so that it is a function of the table alone.
    rests = sorted(amounts, key=lambda key: -(amounts[key] * whole % total) if amounts[key] * whole >= total else 0)
    for key in rests[:missing]:
        found[key] += 1
    return found


def mix(old: Parts, new: Parts, weight: int) -> tuple[dict[str, int], dict[str, int]]:
    """Both tables' weights by pool at ``weight`` percent of the new one: their linear mix, ``WHOLE`` together.

    Each share that is above 0 in its table has a weight of at least 1, also at 0 and at 100: an arm comes and goes so.
    Where one table is empty, as none of its pools can be asked, the other has all; but none at a weight of 0.
    """
    of_old, of_new = sum(old.values()) or 1, sum(new.values()) or 1
    amounts = {("old", pool): (100 - weight) * part * of_new for pool, part in old.items() if part > 0}
    amounts |= {("new", pool): weight * part * of_old for pool, part in new.items() if part > 0}
    weights = exact(amounts)
    old_weights, new_weights = (
        {pool: count for (arm, pool), count in weights.items() if arm == asked} for asked in ("old", "new")
    )
    return old_weights, new_weights


def tables_in_words(tables: list[ClassTable], context_class: str) -> str:
    """One class's table for people: ``cpu-a 70%, cpu-b 30%``."""
    found = next((one for one in tables if one.context_class == context_class), None)
    if found is None:
        return "shares by replicas"
    return ", ".join(f"{to.pool} {100 * to.parts / WHOLE:.6g}%" for to in found.to)
