"""The prober's verdicts as Prometheus reads them: the two counters of the quality contract, by pool and revision."""

import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import quality_contract as names
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from samplerd.probing.settings import Owner

_LABELS = (names.LABEL_CHECK, names.LABEL_ROUTE_HASH, names.TARGET_POOL, names.TARGET_REVISION)


class Judged(NamedTuple):
    """What was found of one check at the pods of one owner."""

    owner: Owner
    check: str
    checked: int
    bad: int


class Verdicts(Collector):
    """Both counters are read together: no scrape falls between them. All label sets are there from the start."""

    def __init__(self, owners: Iterable[Owner], registry: CollectorRegistry) -> None:
        self._lock = threading.Lock()
        self._counts = {(check, owner): [0, 0] for owner in owners for check in names.PROBE_CHECKS}
        registry.register(self)

    def count(self, owner: Owner, check: str, *, bad: bool) -> None:
        """One answer was judged."""
        with self._lock:
            counts = self._counts[check, owner]
            counts[0] += 1
            counts[1] += bad

    def of(self, owner: Owner, check: str) -> tuple[int, int]:
        """Checked, and bad among them."""
        with self._lock:
            checked, bad = self._counts[check, owner]
        return checked, bad

    def rows(self) -> list[Judged]:
        """All of them, for the summary."""
        with self._lock:
            return [Judged(owner, check, counts[0], counts[1]) for (check, owner), counts in self._counts.items()]

    def collect(self) -> Iterator[Metric]:
        """For Prometheus."""
        with self._lock:
            found = {key: tuple(counts) for key, counts in self._counts.items()}
        for place, (name, text) in enumerate(((names.CHECKED, "Probes judged."), (names.BAD, "Bad ones among them."))):
            family = CounterMetricFamily(name.removesuffix("_total"), text, labels=_LABELS)
            for (check, owner), counts in found.items():
                family.add_metric([check, names.PROBE_ROUTE_HASH, *owner], counts[place])
            yield family
