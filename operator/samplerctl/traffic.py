"""Simulated requests: who comes to which pod, and what becomes of it, one scrape after the other.

Nothing here knows of the test that will judge it: sessions last, bursts strike, the day turns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from sampler_rollouts.domain.evidence.grid import FloatArray, IntArray

Random = np.random.Generator
Cell = tuple[IntArray, IntArray]
"""Checked and bad requests since the last scrape, each of shape (pods, streams)."""


@dataclass(frozen=True, slots=True)
class Load:
    """What there is between two scrapes. A stream is one check in one pool.

    ``requests`` is the mean of the whole pool, (streams,); ``shares`` what of it each pod gets, 0 for a pod that is not
    there; ``rates`` the chance that a checked request is bad there. Both (pods, streams).
    """

    requests: FloatArray
    shares: FloatArray
    rates: FloatArray

    def arrivals(self, random: Random, times: FloatArray | float = 1.0) -> IntArray:
        """Requests of each pod, ``times`` as many as usual."""
        return random.poisson(self.requests * times * self.shares)

    def spread(self, random: Random, total: IntArray) -> IntArray:
        """Each of ``total`` requests, (streams,), falls to a pod by its share."""
        left, rest, found = total.copy(), np.ones(total.size), np.zeros(self.shares.shape, dtype=np.int64)
        for pod, share in enumerate(self.shares):
            found[pod] = random.binomial(left, np.clip(share / np.maximum(rest, 1e-12), 0.0, 1.0))
            left, rest = left - found[pod], rest - share
        return found


class Traffic(Protocol):
    """One kind of traffic; it may remember what goes on from scrape to scrape."""

    def cell(self, random: Random, load: Load) -> Cell:
        """The requests between two scrapes."""
        ...


@dataclass(slots=True)
class Independent:
    """Every request for itself."""

    def cell(self, random: Random, load: Load) -> Cell:
        """The requests between two scrapes."""
        checked = load.arrivals(random)
        return checked, random.binomial(checked, load.rates)


@dataclass(slots=True)
class Bursty:
    """Once in ``every`` scrapes the sessions of one moment fail together, each in the arm that the weight gave it."""

    every: float = 40.0
    part: float = 1 / 15
    """The moment's share of what comes between two scrapes."""

    def cell(self, random: Random, load: Load) -> Cell:
        """The requests between two scrapes."""
        checked = load.arrivals(random)
        bad = random.binomial(checked, load.rates)
        struck = random.random(load.requests.size) < 1 / self.every
        moment = load.spread(random, random.poisson(load.requests * self.part) * struck)
        return checked + moment, bad + moment


@dataclass(slots=True)
class Diurnal:
    """Traffic swings by 80 % in ``period`` scrapes, beginning at ``phase`` of it (a number, or one for each stream).

    With ``rates`` the rate of bad requests swings too, half a period later, and ``Load.rates`` is it at its height.
    """

    period: float
    phase: FloatArray | float = 0.0
    rates: bool = False
    now: int = 0

    def cell(self, random: Random, load: Load) -> Cell:
        """The requests between two scrapes."""
        swing = 0.8 * np.sin(2 * math.pi * (self.now / self.period + self.phase))
        self.now += 1
        checked = load.arrivals(random, 1 + swing)
        return checked, random.binomial(checked, load.rates * (1 - swing) / 1.8 if self.rates else load.rates)


@dataclass(slots=True)
class Sticky:
    """Sessions that stay with one pod and have one fate: every request of an unlucky one is bad, and all are counted.

    A session has ``size`` requests on average, over ``life`` scrapes. The sessions of a pod that goes away begin anew
    at the others, with another fate.
    """

    life: int
    size: float
    _active: IntArray = field(init=False, default_factory=lambda: np.zeros(0, dtype=np.int64))
    _unlucky: IntArray = field(init=False, default_factory=lambda: np.zeros(0, dtype=np.int64))
    _at: int = 0

    def cell(self, random: Random, load: Load) -> Cell:
        """The requests between two scrapes."""
        if not self._active.size:
            self._active, self._unlucky = (np.zeros((self.life, *load.shares.shape), dtype=np.int64) for _ in range(2))
            for age in range(self.life):
                self._begin(random, load, age)
        gone = load.shares == 0
        homeless = (self._active.sum(axis=0) * gone).sum(axis=0)
        self._active *= ~gone
        self._unlucky *= ~gone
        self._at = (self._at + 1) % self.life
        self._begin(random, load, self._at, homeless)
        each = self.size / self.life
        unlucky = self._unlucky.sum(axis=0)
        bad = random.poisson(unlucky * each)
        return random.poisson((self._active.sum(axis=0) - unlucky) * each) + bad, bad

    def _begin(self, random: Random, load: Load, age: int, homeless: IntArray | None = None) -> None:
        arrived = load.arrivals(random, 1 / self.size)
        if homeless is not None and homeless.any():
            arrived = arrived + load.spread(random, homeless)
        self._active[age], self._unlucky[age] = arrived, random.binomial(arrived, load.rates)

    @property
    def design_effect(self) -> float:
        """Mean square over mean of a session's requests, which are Poisson: what is to be declared."""
        return 1.0 + self.size
