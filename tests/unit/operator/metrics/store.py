"""A store in memory that answers as Prometheus would, and counts what it was asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import numpy as np
import pytest
from quality_contract import TARGET_NAMESPACE, TARGET_POD, TARGET_POOL, TARGET_REVISION, TARGET_ROLLOUT
from sampler_rollouts.domain.evidence.samples import Series
from sampler_rollouts.metrics import prometheus
from sampler_rollouts.metrics.config import MetricsSource
from sampler_rollouts.metrics.envelope import Identity, SourceProblem

_MATCHER = re.compile(r'(\w+)(=~?)"([^"]*)"')


@dataclass
class Store:
    """Raw series, and when each sample can be seen: ``delays`` in seconds by position, or none."""

    series: Sequence[Series]
    delays: Sequence[float] = ()
    clock: float = 0.0
    """Unix seconds: what is stored later is not seen yet."""
    most_samples: int = 10**9
    """A larger answer is refused."""
    fails: int = 0
    """Queries that time out from now on."""
    answered: list[int] = field(default_factory=list)
    """Samples of each answer."""
    unplaced: int = 0
    addresses: dict[str, str] = field(default_factory=dict)
    """By pod, the address and port by which it is scraped."""
    gateways: Sequence[tuple[dict[str, str], Sequence[float], Sequence[float]]] = ()
    """Labels, times and values of counters that are no pod's."""
    gateway_problem: SourceProblem | None = None
    most_gateway_samples: int = 10**9
    instances: Sequence[str] = ()
    """The address and port of each series, where a pod has several."""
    asked_of_gateways: int = 0
    gateway_delay: float = 0.0
    """Seconds after which a gateway's sample is stored."""

    def ranges(self, selector: str, start: int, end: int) -> list[object]:
        """An answer of counters that are no pod's, as the source would write it."""
        self.asked_of_gateways += 1
        if self.gateway_problem is not None:
            raise self.gateway_problem
        matchers = [(name, pattern) for name, _, pattern in _MATCHER.findall(selector)]
        found: list[dict[str, Any]] = []
        for labels, times, values in self.gateways:
            pairs = [
                [time, str(value)]
                for time, value in zip(times, values, strict=True)
                if start <= time * 1000 <= end and time + self.gateway_delay <= self.clock
            ]
            if pairs and all(re.fullmatch(pattern, labels.get(name, "")) for name, pattern in matchers):
                found.append({"metric": labels, "values": pairs})
        if sum(len(one["values"]) for one in found) > self.most_gateway_samples:
            raise SourceProblem("AnswerTooLarge", "too large")
        return list[object](found)

    def raw(self, selector: str, start: int, end: int) -> dict[Identity, Series]:
        """One answer, with a sample at ``start - 1`` too, as before Prometheus 3."""
        if self.fails:
            self.fails -= 1
            raise SourceProblem("SourceTimeout", "the source did not answer in time")
        found = {identity: self._seen(one, start - 1, end) for identity, one in self._named(selector).items()}
        found = {identity: one for identity, one in found.items() if len(one.times)}
        samples = sum(len(one.times) for one in found.values())
        if samples > self.most_samples:
            raise SourceProblem("AnswerTooLarge", "too large")
        self.answered.append(samples)
        return found

    def _seen(self, one: Series, start: int, end: int) -> Series:
        times, values = np.asarray(one.times, dtype=np.float64), np.asarray(one.values, dtype=np.float64)
        late = np.resize(np.asarray(self.delays or [0.0]), times.size) if times.size else times
        seen = (times * 1000 >= start) & (times * 1000 <= end) & (times + late <= self.clock)
        return replace(one, times=times[seen], values=values[seen])

    def _named(self, selector: str) -> dict[Identity, Series]:
        matchers = [(name, pattern) for name, _, pattern in _MATCHER.findall(selector)]
        found: dict[Identity, Series] = {}
        for place, one in enumerate(self.series):
            labels = self._labels(one)
            if self.instances:
                labels["instance"] = self.instances[place]
            while (identity := frozenset(labels.items())) in found:
                labels["instance"] += "+"  # a copy: another target with the same counter
            if all(re.fullmatch(pattern, labels.get(name, "")) for name, pattern in matchers):
                found[identity] = one
        return found

    def _labels(self, one: Series) -> dict[str, str]:
        place = {TARGET_NAMESPACE: "team", TARGET_ROLLOUT: "chat", TARGET_POD: one.pod, TARGET_POOL: one.pool}
        instance = self.addresses.get(one.pod, one.pod)
        return {**one.labels, **place, TARGET_REVISION: one.revision, "__name__": one.metric, "instance": instance}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass


@dataclass
class Shop:
    """Stores of several rollouts behind one address."""

    stores: dict[str, Store]
    queries: list[str] = field(default_factory=list)
    fails: dict[str, str] = field(default_factory=dict)
    """Reason of a problem that a query has if it reaches this rollout."""
    gateways: Store = field(default_factory=lambda: Store(()))
    """What gateways count, of all rollouts' addresses."""
    unplaced = 0

    def raw(self, selector: str, start: int, end: int) -> dict[Identity, Series]:
        self.queries.append(selector)
        (pattern,) = re.findall(r'rollout=~?"([^"]*)"', selector)
        chosen = [name for name in self.stores if re.fullmatch(pattern, name)]
        for name in chosen:
            if name in self.fails and (len(chosen) > 1 or self.fails[name] == "SourceUnreachable"):
                raise SourceProblem(self.fails[name], "no")
        inner = re.sub(r'rollout=~?"[^"]*"', 'rollout="chat"', selector)
        return {
            identity - {("rollout", "chat")} | {("rollout", name)}: one
            for name in chosen
            for identity, one in self.stores[name].raw(inner, start, end).items()
        }

    def ranges(self, selector: str, start: int, end: int) -> list[object]:
        return self.gateways.ranges(selector, start, end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def show(self, clock: float) -> None:
        """It is that late, in seconds of Unix."""
        for one in (*self.stores.values(), self.gateways):
            one.clock = clock


def use(monkeypatch: pytest.MonkeyPatch, store: Store | Shop) -> None:
    """Let every source ask this store."""
    monkeypatch.setattr(prometheus, "Exchange", lambda *_: store)


def config(**changes: Any) -> MetricsSource:
    return MetricsSource(url="http://127.0.0.1:1", **{"scrape_interval": 2.0} | changes)
