"""How many servers each pool is to have, and what is told to whoever scales it.

A number of the spec holds; without one the pool has a SamplerPool, whose number is an autoscaler's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision import gateway
from sampler_rollouts.domain.decision.context import Turn, revision_in
from sampler_rollouts.domain.decision.memory import watched_pods
from sampler_rollouts.domain.decision.remains import patience
from sampler_rollouts.domain.sampler_pool import sampler_pool

if TYPE_CHECKING:
    from sampler_rollouts.domain.observation import PodState
    from sampler_rollouts.domain.outcome import Manifest
    from sampler_rollouts.domain.status import PoolStatus


def note_counts(turn: Turn) -> None:
    """Remember them: what is remembered holds while spec or SamplerPool cannot be read."""
    status = turn.status
    wished = [pool.name for pool in turn.wish.spec.pools] if turn.wish else []
    # A pool that the spec has no more, or a spec that cannot be read, takes no load from what still serves.
    noted = dict.fromkeys([*wished, *(row.name for row in status.pools if row.autoscaled)])
    for name in noted:
        _note(turn, turn.pool(name))
    for item in (item for release in status.kept() for item in release.pools):
        item.replicas = turn.replicas(item.name) if item.name in noted else item.replicas


def _note(turn: Turn, row: PoolStatus) -> None:
    """Of servers that are to come only those that have come count, for what is made up for and for requests.

    Otherwise stable would be given for a moment what is the candidate's part of them, or be started again beside a
    candidate that has all traffic; and a pool that is scaled because it has too many requests would be sent more.
    """
    count = turn.replicas(row.name)
    row.autoscaled = turn.autoscaled(row.name)
    if count > row.replicas > 0:
        row.covered = row.covered or row.replicas
        _give_time(turn, row)
    row.replicas = count
    covered = max(row.covered, len([pod for pod in _servers(turn, row.name) if pod.ready])) if row.covered else 0
    row.covered = covered if covered < min(count, limits.REPLICAS) else 0


def _give_time(turn: Turn, row: PoolStatus) -> None:
    """New pods have their whole time before them, as at a step; one that is late already is not excused by them."""
    waits = (pod for pod in watched_pods(turn, row.name) if not pod.ready and not pod.blocked)
    if not any(pod.unready_for(turn.now) >= patience(turn) for pod in waits):
        row.unready = None


def _servers(turn: Turn, name: str) -> list[PodState]:
    """Those of a pool that are not on their way out; what only stands by is none.

    Of all revisions, but behind a gateway a candidate's come beside those that are asked for: an autoscaler that counts
    them too would ask for more because there is a candidate.
    """
    serves = revision_in(turn.status.stable, name) or revision_in(turn.status.candidate, name)
    there = (pod for pod in turn.seen.pods if pod.pool == name and not (pod.terminating or pod.held))
    return [pod for pod in there if pod.revision == serves or not gateway.routed(turn)]


def scale_manifests(turn: Turn) -> list[Manifest]:
    """A SamplerPool for each pool of which the spec gives no number, or gave none when it had it, while it serves."""
    wished = [pool.name for pool in turn.wish.spec.pools] if turn.wish else []
    names = dict.fromkeys([*wished, *(row.name for row in turn.status.pools)])
    return [
        sampler_pool(turn.meta.owner, name, turn.replicas(name), len(_servers(turn, name)))
        for name in names
        if turn.autoscaled(name)
    ]
