"""What gateways count for each endpoint, read for the addresses of pods.

A gateway knows addresses, not pods. Which pod was at an address, and from when to when, say the pod's own samples:
their label ``instance`` is the address by which it was scraped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

import numpy as np
from quality_contract import REQUESTS_STARTED

from sampler_rollouts.domain.evidence.counters import milliseconds
from sampler_rollouts.domain.evidence.samples import Pod, Sent, Series
from sampler_rollouts.domain.evidence.unaccounted import LASTING, SETTLE, thinned
from sampler_rollouts.domain.render import HTTP_PORT
from sampler_rollouts.metrics.config import GatewayRequests
from sampler_rollouts.metrics.envelope import SCRAPE_LABELS, Identity, SourceProblem, samples_of
from sampler_rollouts.metrics.overlap import OVERLAP_SCRAPES, cut, digest, going_on, joined, newest_of
from sampler_rollouts.metrics.selectors import PODS_A_QUERY

INSTANCE: Final = "instance"
KEPT_SCRAPES: Final = 240
"""A pod's own samples may be stored so much later than the gateways': until then these are kept as they are."""


@dataclass(frozen=True, slots=True)
class Stay:
    """A pod at an address, from its first sample there to its last. Unix milliseconds."""

    address: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """From when on (Unix milliseconds) gateways' counters of some addresses are to be read."""

    addresses: frozenset[str]
    start: int


@dataclass(frozen=True, slots=True)
class Counted:
    """One series of gateways' counter. Its ``name`` tells it from all others of its address. Times in Unix seconds."""

    address: str
    name: bytes
    series: Series


def counted(answer: Iterable[object], gateway: GatewayRequests) -> tuple[list[Counted], bool]:
    """The series in an answer, and whether there were others that cannot be read."""
    found, unread = [], False
    for item in answer:
        try:
            labels, times, values = samples_of(item)
        except SourceProblem:
            unread = True
            continue
        own = {name: text for name, text in labels.items() if name not in SCRAPE_LABELS or name == INSTANCE}
        finite = np.isfinite(values)
        series = Series(gateway.metric, "", "", "", own, times[finite], values[finite])
        found.append(Counted(address_of(labels.get(gateway.address_label, "")), digest(labels.items()), series))
    return found, unread


@dataclass
class SentBook:
    """What was read of gateways' counters so far, by address and thinned out. Times in Unix milliseconds."""

    scrape: int
    stays: dict[Pod, Stay] = field(default_factory=dict)
    """Where each pod is now: of several addresses that with the newest sample."""
    read_until: dict[str, int] = field(default_factory=dict)
    problem: str = ""
    span: int = 0
    _series: dict[str, dict[bytes, Series]] = field(default_factory=dict)

    def meet(self, answer: Mapping[Identity, Series]) -> None:
        """Learn from the pods' own samples where they are."""
        for identity, one in answer.items():
            if one.metric != REQUESTS_STARTED or not len(one.times):
                continue
            address, pod = address_of(dict(identity).get(INSTANCE, "")), (one.pool, one.revision, one.pod)
            first, last = (milliseconds(float(one.times[place])) for place in (0, -1))
            known = self.stays.get(pod)
            if address and known and known.address == address:
                self.stays[pod] = Stay(address, min(first, known.first), max(last, known.last))
            elif address and (known is None or last > known.last):
                self.stays[pod] = Stay(address, first, last)

    def forget(self, pods: Iterable[str]) -> None:
        """They are asked about no more."""
        gone = frozenset(pods)
        self.stays = {pod: stay for pod, stay in self.stays.items() if pod[2] not in gone}
        there = {stay.address for stay in self.stays.values()}
        self.read_until = {address: time for address, time in self.read_until.items() if address in there}
        self._series = {address: one for address, one in self._series.items() if address in there}

    def begin(self, address: str) -> int:
        """From where on an address is to be read: a little before what is known, or before its first pod's samples."""
        until = self.read_until.get(address)
        if until is None:
            first = min(stay.first for stay in self.stays.values() if stay.address == address)
            return first - OVERLAP_SCRAPES * self.scrape
        front = max((time for some in self._series.values() for time in newest_of(some.values())), default=until)
        return going_on(until, newest_of(self._series.get(address, {}).values()), front, self.scrape)

    def wanted(self, pods: Iterable[str]) -> Wanted | None:
        """What is to be read on where these pods are: of addresses that have been read before."""
        addresses = self.at(pods) & self.read_until.keys()
        return Wanted(addresses, min(map(self.begin, addresses))) if addresses else None

    def at(self, pods: Iterable[str]) -> frozenset[str]:
        """The addresses of these pods, as far as they are known."""
        names = frozenset(pods)
        return frozenset(stay.address for pod, stay in self.stays.items() if pod[2] in names)

    def take(self, found: Iterable[Counted], addresses: Iterable[str], start: int, end: int) -> None:
        """Put all that was found of some addresses in the place of what was known of them from ``start`` on."""
        for one in found:
            known = self._series.setdefault(one.address, {})
            fresh = cut(one.series, lambda times: times >= start)
            if one.name in known:
                fresh = joined(cut(known[one.name], lambda times: times < start), fresh)
            known[one.name] = self._thin(one.address, fresh, end)
        self.read_until |= dict.fromkeys(addresses, end)

    def _thin(self, address: str, series: Series, end: int) -> Series:
        """Without what changes no account of a pod that is, or was, at the address."""
        stays = [stay for stay in self.stays.values() if stay.address == address]
        ends = [stay.last - SETTLE for stay in stays]
        horizon = min(end - OVERLAP_SCRAPES * self.scrape, max([end - KEPT_SCRAPES * self.scrape, *ends]))
        every = [*self._series.get(address, {}).values(), series]
        ends += newest_of(every)
        marks = [time - back * self.scrape for time in ends for back in range(LASTING)]
        return thinned(series, horizon - LASTING * self.scrape, [*(stay.first for stay in stays), *marks])

    def sent(self) -> dict[Pod, Sent]:
        """All of it, by pod."""
        return {
            pod: Sent(stay.first, stay.last, tuple(self._series.get(stay.address, {}).values()))
            for pod, stay in self.stays.items()
        }


def address_of(instance: str) -> str:
    """The address in ``address:port``, in brackets if it has colons; empty if there is none."""
    host = instance.rpartition(":")[0]
    try:
        found = ip_address(host.strip("[]"))
    except ValueError:
        return ""
    return f"[{found}]" if found.version == 6 else str(found)


def selectors(gateway: GatewayRequests, addresses: Iterable[str]) -> Iterator[str]:
    """Selectors, each of a bounded number of addresses, at the port that servers listen on."""
    every = sorted(set(addresses))
    places = "".join(f',{name}="{value}"' for name, value in sorted(gateway.labels.items()))
    for first in range(0, len(every), PODS_A_QUERY):
        hosts = "|".join("".join(map(_plain, f"{one}:{HTTP_PORT}")) for one in every[first : first + PODS_A_QUERY])
        yield f'{{__name__="{gateway.metric}"{places},{gateway.address_label}=~"{hosts}"}}'


def _plain(character: str) -> str:
    """A character of an address in an expression: letters, digits, colons as they are, others as a class of one."""
    return character if character.isalnum() or character == ":" else f"[{character}]"
