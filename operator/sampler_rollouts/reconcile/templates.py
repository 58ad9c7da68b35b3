"""The admin's ClusterCheckTemplates as they were last read, for all reconciles together."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from sampler_rollouts.cluster.errors import ClusterError, CutOffError
from sampler_rollouts.domain.check_template import CheckTemplate
from sampler_rollouts.reconcile.ports import Cluster

logger = logging.getLogger(__name__)

READ_EVERY: Final = 10.0
"""Seconds for which what was read is good enough: they matter when a plan is made, and change seldom."""

MOST: Final = 1000
"""Names come from authors: no more are remembered."""


class Templates:
    """A cache and nothing more: what a rollout goes by is copied into its status."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read: dict[str, tuple[datetime, CheckTemplate | None]] = {}

    def of(self, cluster: Cluster, names: Iterable[str]) -> dict[str, CheckTemplate | None]:
        """By name, None of one that is not there. Where nobody answers, as they were last seen: a name of which nothing
        is known is left out, for it may well be there. That never holds up a look (R7)."""
        wanted = list(names)
        with self._lock:
            stale = [name for name in wanted if self._is_stale(name)]
        try:
            found = cluster.check_templates(stale) if stale else {}
        except CutOffError:
            raise
        except ClusterError as error:
            logger.warning("ClusterCheckTemplates cannot be read: %s", error)
        else:
            with self._lock:
                for name in stale:  # the newest last
                    self._read.pop(name, None)
                    self._read[name] = (self._clock(), found.get(name))
                while len(self._read) > MOST:
                    del self._read[next(iter(self._read))]
        with self._lock:
            return {name: self._read[name][1] for name in wanted if name in self._read}

    def _is_stale(self, name: str) -> bool:
        known = self._read.get(name)
        return known is None or not 0 <= (self._clock() - known[0]).total_seconds() < READ_EVERY
