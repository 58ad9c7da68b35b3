"""Apply what is wanted, delete what is not. One child that is refused keeps no other waiting (R7, R18)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from sampler_rollouts.cluster.adapter import Children
from sampler_rollouts.cluster.errors import ClusterError, ConflictError, CutOffError, UnavailableError
from sampler_rollouts.cluster.kinds import key_of, told_replicas
from sampler_rollouts.domain.outcome import Manifest, Outcome
from sampler_rollouts.reconcile.ports import Cluster

logger = logging.getLogger(__name__)

NOT_APPLIED = "NotApplied"
NOT_SCALED = "NotScaled"
NOT_DELETED = "NotDeleted"
NOT_LET_SERVE = "NotLetServe"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A child that was not written, and why: ``reason`` is the Event's, ``passing`` means that time is the remedy."""

    child: Manifest
    reason: str
    message: str
    passing: bool = False


@dataclass(slots=True)
class Written:
    """What became of the children. ``silence`` is the last call that got no answer at all."""

    refusals: list[Refusal] = field(default_factory=list)
    silence: UnavailableError | None = None


def correct(cluster: Cluster, rollout: Manifest, outcome: Outcome, children: Children) -> Written:
    """Bring the children to what the decision wants; nothing but the end of the permit is raised.

    After a call without answer no more of that kind are tried: the server may be gone. Other kinds are, once: a webhook
    for one kind that hangs looks the same, and a rollback is not to wait for it.
    """
    written = Written()
    # First: users wait for them, and nothing else is needed for it.
    pods = tuple({"kind": "Pod", "metadata": {"name": name}} for name in outcome.let_serve)
    _each(written, pods, NOT_LET_SERVE, rollout, lambda pod: cluster.let_serve(rollout, pod))
    _each(written, outcome.objects, NOT_APPLIED, rollout, lambda child: cluster.apply(rollout, child, children))
    _prune(written, cluster, rollout, cluster.unwanted(outcome.objects, outcome.keep, children), children)
    return written


def _prune(
    written: Written, cluster: Cluster, rollout: Manifest, doomed: tuple[Manifest, ...], children: Children
) -> None:
    """Pods go by scaling, and an empty Deployment goes at a later look.

    So they go also where deletions are refused, or accepted and put off: a Deployment that waits for somebody's
    finalizer is no longer scaled by anybody. Where it cannot be scaled, deleting it is all that is left.
    """
    peopled = tuple(child for child in doomed if children.peopled(child))
    told = tuple(child for child in peopled if told_replicas(child) > 0)
    emptied = _each(written, told, NOT_SCALED, rollout, lambda child: cluster.scale_to_zero(rollout, child))
    ripe = tuple(child for child in doomed if child not in peopled or (child in told and child not in emptied))
    _each(written, ripe, NOT_DELETED, rollout, lambda child: cluster.delete(rollout, child))


def _each(
    written: Written,
    children: tuple[Manifest, ...],
    reason: str,
    rollout: Manifest,
    write: Callable[[Manifest], object],
) -> list[Manifest]:
    """Write each child, and note what was refused; those that were written are returned."""
    silent: set[str] = set()
    done: list[Manifest] = []
    for child in children:
        if child["kind"] in silent:
            continue
        try:
            _write(child, write)
            done.append(child)
        except UnavailableError as error:
            silent.add(child["kind"])
            written.silence = error
        except ClusterError as error:
            logger.debug("%s: %s: %s", reason, error.reason, error, extra={"rollout": str(key_of(rollout))})
            written.refusals.append(Refusal(child, reason, str(error), isinstance(error, ConflictError)))
    return done


def _write(child: Manifest, write: Callable[[Manifest], object]) -> None:
    """A bug that one child meets is that child's: told like a refusal, by its type alone."""
    try:
        write(child)
    except (ClusterError, CutOffError):
        raise
    except Exception as error:
        name = f"{child['kind']}/{child['metadata']['name']}"
        logger.exception("a bug", extra={"child": name})
        raise ClusterError(f"{name}: {type(error).__name__} in the operator: see its log") from error
