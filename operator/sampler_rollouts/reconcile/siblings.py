"""Other SamplerRollouts of a namespace, listed once in a while for all reconciles together."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final

from sampler_rollouts.cluster.errors import ClusterError, CutOffError
from sampler_rollouts.domain.observation import Sibling
from sampler_rollouts.reconcile.ports import Cluster

logger = logging.getLogger(__name__)

LISTED_EVERY: Final = 10.0
"""Seconds for which a listing is good enough: a suspect build is stopped that much later at the most."""


class Siblings:
    """A cache and nothing more: whatever is remembered of suspects is in status."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._listed: dict[str, tuple[datetime, tuple[Sibling, ...]]] = {}

    def changed(self, namespace: str) -> None:
        """A release has failed there just now, or passed: the next look of any other is to know."""
        with self._lock:
            self._listed.pop(namespace, None)

    def of(self, cluster: Cluster, namespace: str) -> tuple[Sibling, ...] | None:
        """All of the namespace; None where nobody can say now, which never holds up a reconcile (R7)."""
        with self._lock:
            known = self._listed.get(namespace)
        if known is not None and self._serves(known[0]):
            return known[1]
        try:
            found = cluster.siblings(namespace)
        except CutOffError:
            raise
        except ClusterError as error:
            logger.warning("other SamplerRollouts cannot be listed: %s", error, extra={"namespace": namespace})
            return None
        with self._lock:
            # Namespaces come and go: no listing is kept for longer than it serves.
            self._listed = {name: one for name, one in self._listed.items() if self._serves(one[0])}
            self._listed[namespace] = (self._clock(), found)
        return found

    def _serves(self, listed_at: datetime) -> bool:
        return 0 <= (self._clock() - listed_at).total_seconds() < LISTED_EVERY
