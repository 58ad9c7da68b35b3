"""What one decision asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sampler_rollouts.domain.status import Status

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EventNote:
    """A Kubernetes Event on the SamplerRollout. ``type`` is Normal or Warning; ``reason`` is CamelCase."""

    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """Status is written first, then ``objects`` are applied, then our other children are pruned."""

    status: Status
    objects: tuple[Manifest, ...]
    """The complete set of wanted children: ControllerRevisions, Services, Deployments."""
    events: tuple[EventNote, ...] = field(default=())
    keep: frozenset[str] = frozenset()
    """Names of children (``<rollout>-<pool>-<revision>``) that are wanted as they are but cannot be rendered, because
    their ControllerRevision is gone: neither applied nor pruned."""
    let_serve: tuple[str, ...] = ()
    """Names of pods that stood by and are to have traffic from now on."""
    hands_off: bool = False
    """Apply and prune nothing: the resource is being deleted, or cannot be understood and has nothing established."""
    requeue_after: float | None = None
    """Seconds until the next look is due at the latest; None when only an event can change anything."""
