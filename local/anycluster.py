"""What the demo and the end-to-end tests need of a cluster. There are two: `Cluster`, which starts and ends on this
machine, and `CurrentCluster`, somebody's, of which only the API server is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from local.client import Helm, Kubectl
from local.gateway.install import Edge
from local.imagestore import ImageStore
from local.prometheus import Prometheus
from local.reach import Reach
from local.settings import Settings


class AnyCluster(Protocol):
    """A cluster, whosever it is."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def clearing(self) -> str:
        """What a person does about a cluster in which the operator is already."""

    @property
    def rest(self) -> str:
        """What a person does where cleaning up was cut off."""

    @property
    def to_try(self) -> Path:
        """What may be tried in a cluster in which the demo is left."""

    @property
    def settings(self) -> Settings:
        """Where things are kept on this machine."""

    @property
    def kubeconfig(self) -> Path:
        """Leads to this cluster and to no other."""

    @property
    def kubectl(self) -> Kubectl:
        """Runs kubectl."""

    @property
    def helm(self) -> Helm:
        """Runs helm."""

    @property
    def images(self) -> ImageStore:
        """Where its nodes find images."""

    @property
    def reach(self) -> Reach:
        """How this machine reaches what is in it."""

    @property
    def prometheus(self) -> Prometheus:
        """What scrapes the samplers."""

    @property
    def namespaces(self) -> Sequence[str]:
        """Those of its own parts whose use of memory and CPU is shown."""

    def check(self) -> None:
        """Refuse what cannot work; nothing is touched."""

    def lives(self) -> bool:
        """Whether it is somebody's and stays."""

    def clear_dead(self) -> bool:
        """Remove what a crash left of it, unless it is somebody's. Return whether the next `up` is ours."""

    def up(self) -> None:
        """Bring it up, with all that the operator needs."""

    def gateway(self) -> Edge:
        """Make a Gateway that routes of any namespace may attach to."""

    def down(self) -> None:
        """End it, if the `up` was ours."""

    def leave(self, *, refused: bool = False) -> None:
        """Take out of a cluster that stays what `up` put beside what was there; where we were ``refused``, only what
        this run has put in.
        """

    def processes(self) -> Mapping[str, int]:
        """Its programs on this machine, by name: their pids."""

    def build_images(self, *names: str, programs: Sequence[str] = ()) -> dict[str, str]:
        """Build images from the working tree and bring them to the nodes. Return name to `name@sha256:...`."""
