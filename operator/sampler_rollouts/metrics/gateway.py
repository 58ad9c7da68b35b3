"""What gateways count for each endpoint, read for the addresses of pods.

A gateway knows addresses, not pods. Which pod was at an address, and from when to when, say the pod's own samples:
their label ``instance`` is the address by which it was scraped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

import numpy as np
from quality_contract import REQUESTS_STARTED

from sampler_rollouts.domain.evidence.arrays import Cut, Join
from sampler_rollouts.domain.evidence.counters import milliseconds
from sampler_rollouts.domain.evidence.samples import Pod, Sent, Series
from sampler_rollouts.domain.evidence.unaccounted import LASTING, SETTLE, thinned
from sampler_rollouts.domain.render import HTTP_PORT
from sampler_rollouts.metrics.config import GatewayRequests
from sampler_rollouts.metrics.envelope import SCRAPE_LABELS, Identity, SourceProblem, samples_of
from sampler_rollouts.metrics.overlap import OVERLAP_SCRAPES, digest, going_on, newest_of
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
    _front: int = 0
    """The newest of the pods' own samples when gateways' were last read."""
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

    def begin(self, addresses: Iterable[str]) -> int:
        """From where on some addresses are to be read: a little before what is known, or before their first pods.

        When they were last read the store was as far as it was with the pods' own samples: a counter that was behind
        these is waited for, and one whose endpoint the gateway had no more is not.
        """
        places = self._by_address()
        return min(self._begin(address, places[address]) for address in addresses)

    def _begin(self, address: str, stays: Sequence[Stay]) -> int:
        first, until = min(stay.first for stay in stays), self.read_until.get(address)
        if until is None:
            return first - OVERLAP_SCRAPES * self.scrape
        newest = newest_of(self._series.get(address, {}).values())
        return going_on(until, newest or [first], self._front, self.scrape)

    def wanted(self, pods: Iterable[str]) -> Wanted | None:
        """What is to be read on where these pods are: of addresses that have been read before."""
        addresses = frozenset(address for address in self.at(pods) if address in self.read_until)
        return Wanted(addresses, self.begin(addresses)) if addresses else None

    def at(self, pods: Iterable[str]) -> frozenset[str]:
        """The addresses of these pods, as far as they are known."""
        names = frozenset(pods)
        return frozenset(stay.address for pod, stay in self.stays.items() if pod[2] in names)

    def take(self, found: Iterable[Counted], addresses: Iterable[str], start: int, end: int) -> None:
        """Put all that was found of some addresses in the place of what was known of them from ``start`` to ``end``."""
        places, join = self._by_address(), Join()
        earlier, later = Cut(lambda times: times < start), Cut(lambda times: times > end)
        between = Cut(lambda times: (times >= start) & (times <= end))
        for one in found:
            known = self._series.setdefault(one.address, {})
            fresh = between(one.series)
            if (old := known.get(one.name)) is not None:
                # An earlier look may have read further.
                fresh = join(join(earlier(old), fresh), later(old))
            known[one.name] = self._thin(places.get(one.address, ()), [*known.values(), fresh], fresh, end)
        for address in addresses:
            self.read_until[address] = max(end, self.read_until.get(address, end))
        self._front = max((stay.last for stay in self.stays.values()), default=0)

    def _by_address(self) -> Mapping[str, Sequence[Stay]]:
        found: dict[str, list[Stay]] = {}
        for stay in self.stays.values():
            found.setdefault(stay.address, []).append(stay)
        return found

    def _thin(self, stays: Sequence[Stay], every: Iterable[Series], series: Series, end: int) -> Series:
        """One of all series of an address, without what changes no account of a pod that is, or was, there."""
        ends = [stay.last - SETTLE for stay in stays]
        horizon = min(end - OVERLAP_SCRAPES * self.scrape, max([end - KEPT_SCRAPES * self.scrape, *ends]))
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


def selectors(gateway: GatewayRequests, addresses: Iterable[str]) -> Iterator[tuple[Sequence[str], str]]:
    """A bounded number of addresses each, and the selector of these, at the port that servers listen on."""
    every = sorted(set(addresses))
    places = "".join(f',{name}="{value}"' for name, value in sorted(gateway.labels.items()))
    for first in range(0, len(every), PODS_A_QUERY):
        some = every[first : first + PODS_A_QUERY]
        hosts = "|".join("".join(map(_plain, f"{one}:{HTTP_PORT}")) for one in some)
        yield some, f'{{__name__="{gateway.metric}"{places},{gateway.address_label}=~"{hosts}"}}'


def _plain(character: str) -> str:
    """A character of an address in an expression: letters, digits, colons as they are, others as a class of one."""
    return character if character.isalnum() or character == ":" else f"[{character}]"
