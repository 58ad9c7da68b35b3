"""What gateways count for each endpoint, as counters of the pods at those addresses.

A gateway knows addresses, not pods. Which pod was at an address says the label ``instance`` of the pod's own samples:
the address by which it was scraped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import TypeAlias

import numpy as np
from quality_contract import REQUESTS_STARTED

from sampler_rollouts.domain.evidence.counters import milliseconds
from sampler_rollouts.domain.evidence.samples import Series
from sampler_rollouts.domain.evidence.unaccounted import SETTLE, thinned
from sampler_rollouts.metrics.config import GatewayRequests
from sampler_rollouts.metrics.envelope import Identity, SourceProblem, samples_of
from sampler_rollouts.metrics.selectors import PODS_A_QUERY

INSTANCE = "instance"
COPY_LABELS = frozenset(
    {"job", "container", "endpoint", "service", "prometheus", "prometheus_replica", "replica", "receive", "tenant_id"}
)
"""Labels that say who read a sample, not of which gateway's process: series that differ in nothing else are copies."""

Pod: TypeAlias = tuple[str, str, str]
"""Pool, revision, name."""


@dataclass
class Sent:
    """What was read of gateways' counters so far, thinned out. Times in Unix milliseconds."""

    pods: dict[Pod, str] = field(default_factory=dict)
    """Their addresses, as far as they are known."""
    read_until: dict[Pod, int] = field(default_factory=dict)
    newest: dict[Pod, int] = field(default_factory=dict)
    """When their own samples end: up to there gateways' are compared with them."""
    _series: dict[bytes, Series] = field(default_factory=dict)

    def meet(self, answer: Mapping[Identity, Series]) -> None:
        """Learn addresses from samples of the pods themselves."""
        for identity, one in answer.items():
            if one.metric == REQUESTS_STARTED:
                address, pod = address_of(dict(identity).get(INSTANCE, "")), (one.pool, one.revision, one.pod)
                if address:
                    self.pods[pod] = address
                if len(one.times):
                    self.newest[pod] = max(milliseconds(float(one.times[-1])), self.newest.get(pod, 0))

    def forget(self, pods: Iterable[str]) -> None:
        """They are asked about no more."""
        gone = frozenset(pods)
        self.pods = {pod: address for pod, address in self.pods.items() if pod[2] not in gone}
        self.newest = {pod: time for pod, time in self.newest.items() if pod[2] not in gone}
        self.read_until = {pod: time for pod, time in self.read_until.items() if pod[2] not in gone}
        self._series = {name: one for name, one in self._series.items() if one.pod not in gone}

    def take(self, found: Mapping[bytes, Series], start: int, births: Mapping[str, int], floor: int) -> None:
        """Put what was read from ``start`` on in the place of what was known; of each pod only what counts."""
        for name, one in found.items():
            old = self._series.get(name)
            joined = _since(_joined(old, one, start), births.get(one.pod, start))
            newest = self.newest.get((one.pool, one.revision, one.pod), 0)
            self._series[name] = thinned(joined, min(floor, newest - SETTLE))

    @property
    def series(self) -> tuple[Series, ...]:
        """All of it."""
        return tuple(self._series.values())


def address_of(instance: str) -> str:
    """The address in ``address:port``, in brackets if it has colons; empty if there is none."""
    host = instance.rpartition(":")[0]
    try:
        found = ip_address(host.strip("[]"))
    except ValueError:
        return ""
    return f"[{found}]" if found.version == 6 else str(found)


def selectors(gateway: GatewayRequests, addresses: Iterable[str]) -> Iterator[str]:
    """Selectors, each of a bounded number of addresses at any port."""
    every = sorted(set(addresses))
    for first in range(0, len(every), PODS_A_QUERY):
        hosts = "|".join("".join(map(_plain, one)) for one in every[first : first + PODS_A_QUERY])
        yield f'{{__name__="{gateway.metric}",{gateway.address_label}=~"(?:{hosts}):[0-9]+"}}'


def by_pod(result: list[object], gateway: GatewayRequests, pods: Mapping[Pod, str]) -> dict[bytes, Series]:
    """An answer as counters of the pods, by a digest of what tells gateways' processes apart. Raises SourceProblem."""
    at = {address: pod for pod, address in pods.items()}
    found: dict[bytes, Series] = {}
    for item in result:
        labels, times, values = samples_of(item)
        pod = at.get(address_of(labels.get(gateway.address_label, "")))
        if pod is None:
            raise SourceProblem("InvalidAnswer", "the source's answer holds a series that nobody asked for")
        own = {name: value for name, value in labels.items() if name not in COPY_LABELS}
        name = hashlib.blake2b(repr((pod, sorted(labels.items()))).encode(), digest_size=16).digest()
        found[name] = Series(gateway.metric, pod[2], pod[0], pod[1], own, times, values)
    return found


def _plain(character: str) -> str:
    """A character of an address in an expression: letters, digits, colons as they are, others as a class of one."""
    return character if character.isalnum() or character == ":" else f"[{character}]"


def _joined(old: Series | None, new: Series, start: int) -> Series:
    if old is None:
        return new
    before, after = np.asarray(old.times), np.asarray(new.times)
    kept, fresh = np.round(before * 1000.0) < start, np.round(after * 1000.0) >= start
    values = np.concatenate([np.asarray(old.values)[kept], np.asarray(new.values)[fresh]])
    return replace(new, times=np.concatenate([before[kept], after[fresh]]), values=values)


def _since(series: Series, birth: int) -> Series:
    """From the last sample before the pod was created: its base line, if the address was another's then."""
    times = np.round(np.asarray(series.times) * 1000.0)
    before = int(np.searchsorted(times, birth, side="right"))
    if before <= 1:
        return series
    kept = slice(before - 1, None)
    return replace(series, times=np.asarray(series.times)[kept], values=np.asarray(series.values)[kept])
