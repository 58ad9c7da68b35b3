"""Other SamplerRollouts that are heeded, listed once in a while for all reconciles together."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final

from sampler_rollouts.cluster.errors import ClusterError, CutOffError
from sampler_rollouts.domain import observation
from sampler_rollouts.domain.together import ALONE, Suspects, Together
from sampler_rollouts.reconcile.ports import Cluster

logger = logging.getLogger(__name__)

LISTED_EVERY: Final = 10.0
"""Seconds for which a listing is good enough: a suspect build is stopped that much later at the most."""


class Siblings:
    """A cache and nothing more: whatever is remembered of suspects is in status."""

    def __init__(
        self, clock: Callable[[], datetime], suspects: Suspects = ALONE, watched: Collection[str] = ()
    ) -> None:
        """``watched``: the operator's namespaces; none: all."""
        self._clock = clock
        self._suspects = suspects
        self._watched = watched
        self._lock = threading.Lock()
        self._listed: dict[Together, tuple[datetime, observation.Siblings]] = {}

    def changed(self, namespace: str) -> None:
        """A release has failed there just now, or passed: the next look of any other is to know."""
        within = self._suspects.together(namespace, self._watched)
        with self._lock:
            self._listed.pop(within, None)

    def of(self, cluster: Cluster, namespace: str) -> observation.Siblings | None:
        """All that the namespace heeds; None where nobody can say now, which never holds up a reconcile (R7)."""
        within = self._suspects.together(namespace, self._watched)
        with self._lock:
            known = self._listed.get(within)
        if known is not None and self._serves(known[0]):
            return known[1]
        try:
            found = observation.Siblings.of(within, cluster.siblings(within))
        except CutOffError:
            raise
        except ClusterError as error:
            logger.warning("other SamplerRollouts cannot be listed: %s", error, extra={"namespace": namespace})
            return None
        with self._lock:
            # Namespaces come and go: no listing is kept for longer than it serves.
            self._listed = {scope: one for scope, one in self._listed.items() if self._serves(one[0])}
            self._listed[within] = (self._clock(), found)
        return found

    def _serves(self, listed_at: datetime) -> bool:
        return 0 <= (self._clock() - listed_at).total_seconds() < LISTED_EVERY
