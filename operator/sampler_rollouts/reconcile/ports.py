"""What a reconcile needs from outside, so that tests can put fakes in its place."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from typing import Protocol

from sampler_rollouts.cluster.adapter import Children
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.cluster.permit import Permit
from sampler_rollouts.domain.check_template import CheckTemplate
from sampler_rollouts.domain.evidence.look import Evidence
from sampler_rollouts.domain.evidence.samples import Question, SampleSet
from sampler_rollouts.domain.notices.notice import Letter
from sampler_rollouts.domain.observation import PodState, Reading, Sibling
from sampler_rollouts.domain.outcome import EventNote, Manifest, Outcome
from sampler_rollouts.domain.plan import OutsideEdit
from sampler_rollouts.domain.together import Together


class Cluster(Protocol):
    """The API server. Each call may raise a ClusterError, and may be repeated; CutOffError if the permit is gone."""

    def read(self, key: RolloutKey) -> Manifest | None:
        """The SamplerRollout, or None if it is gone."""
        ...

    def children(self, rollout: Manifest) -> Children:
        """One look at what belongs to it."""
        ...

    def siblings(self, within: Together) -> tuple[Sibling, ...]:
        """What all SamplerRollouts of some namespaces say of failed builds."""
        ...

    def check_templates(self, names: Iterable[str]) -> Mapping[str, CheckTemplate]:
        """The admin's ClusterCheckTemplates of these names, as far as they are there and may be read."""
        ...

    def write_status(self, rollout: Manifest, status: Manifest) -> Manifest:
        """Write the status if it differs; ConflictError if the object changed since it was read."""
        ...

    def apply(self, rollout: Manifest, wanted: Manifest, children: Children) -> bool:
        """Create or correct one child; whether anything was written."""
        ...

    def edits(self, wanted: Iterable[Manifest], children: Children) -> tuple[OutsideEdit, ...]:
        """What others have changed of children that are wanted otherwise. Asks nobody."""
        ...

    def unwanted(self, wanted: Iterable[Manifest], keep: Container[str], children: Children) -> tuple[Manifest, ...]:
        """Our children that may go now: not wanted, and their name is not in ``keep``. Asks nobody."""
        ...

    def scale_to_zero(self, rollout: Manifest, child: Manifest) -> None:
        """Take all pods from the very Deployment that was looked at; no error if it is gone."""
        ...

    def delete(self, rollout: Manifest, child: Manifest) -> None:
        """Delete the very child that was looked at; no error if it is gone."""
        ...

    def let_serve(self, rollout: Manifest, pod: Manifest) -> None:
        """Give traffic to a pod that stood by; no error if it is gone."""
        ...

    def record(self, rollout: Manifest, note: EventNote, now: datetime) -> None:
        """Say something as a Kubernetes Event; never fails."""
        ...


class Clusters(Protocol):
    """The API server for whoever holds a permit."""

    def under(self, permit: Permit) -> Cluster:
        """The API server for one reconcile."""
        ...


class Metrics(Protocol):
    """The metrics sources by name."""

    def fetch(self, question: Question, now: datetime) -> SampleSet:
        """Raw samples; a source that does not answer gives an empty set with the reason."""
        ...


class Preflights(Protocol):
    """The pods that examine a build before any traffic."""

    def read(self, pod: PodState, now: datetime) -> Reading:
        """What one pod says: a result, or why there is none."""
        ...


class Post(Protocol):
    """Whoever brings notifications to receivers."""

    def send(self, name: str, letter: Letter) -> None:
        """One try, in bounded time. NotTakenError says why the receiver did not take it."""
        ...


class PostObserver(Protocol):
    """Whoever counts notifications. Told from several threads."""

    def tried(self, receiver: str, result: str) -> None:
        """``delivered``, ``failed`` and tried again later, or ``given_up`` for good."""
        ...


class NoPostObserver:
    """Nobody counts."""

    def tried(self, receiver: str, result: str) -> None:
        """Not noticed."""


class Observer(Protocol):
    """Whoever wants to know what the operator does. It is told, and has no say."""

    def read(self, source: str, reason: str, seconds: float) -> None:
        """A metrics source was read; ``reason`` is empty where it answered completely."""
        ...

    def decided(self, key: RolloutKey, outcome: Outcome, evidence: Evidence | None) -> None:
        """A decision was taken and is in status."""
        ...

    def forget(self, key: RolloutKey) -> None:
        """The rollout is gone."""
        ...


class NoObserver:
    """Nobody looks on."""

    def read(self, source: str, reason: str, seconds: float) -> None:
        """Not noticed."""

    def decided(self, key: RolloutKey, outcome: Outcome, evidence: Evidence | None) -> None:
        """Not noticed."""

    def forget(self, key: RolloutKey) -> None:
        """Not noticed."""
