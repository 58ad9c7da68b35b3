"""How often an honest release is rolled back: whole rollouts of 4 h, by sessions and pods, through the real core.

python benchmarks/honest_rollouts.py                          # all kinds of traffic, 1,000 rollouts each: half an hour
python benchmarks/honest_rollouts.py --rollouts 200 --kind 'outage of both' --jobs 1

Each rollout has 5 checks in 4 pools, looked at every 15 s; two candidate and three stable pods a pool. Both releases
are equally good, and every margin lies exactly where they are (maxRate the usual rate, maxRatio 1), the worst that is
allowed. What is simulated is sessions that last, bursts, restarts and outages; the core assumes none of that.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from sampler_rollouts.domain.evidence import judge
from sampler_rollouts.domain.evidence.streams import Margins, PodIntervals, begin, fold, part
from samplerctl.traffic import Bursty, Cell, Diurnal, Independent, Load, Random, Traffic

CELLS = 4 * 3600 // 15
CANDIDATES, PODS = 2, 5
RATES = (0.0005, 0.002, 0.005, 0.02, 0.05)
TRAFFIC = (40.0, 150.0, 400.0, 1000.0)
"""Requests of each pool in 15 s."""
FALSE_ROLLBACK_RATE = 0.01
NOW_AND_THEN = 20
"""Cells."""
TOGETHER = 50
"""Rollouts simulated side by side."""


@dataclass(frozen=True)
class World:
    """The streams of some rollouts: usual rate and traffic of each, (streams,)."""

    random: Random
    rate: np.ndarray
    traffic: np.ndarray

    def load(self, weight: float = 0.1, rate: np.ndarray | float | None = None) -> Load:
        """What comes to each pod at a weight, with the usual rate or another one."""
        stable = PODS - CANDIDATES
        shares = np.array([weight / CANDIDATES] * CANDIDATES + [(1 - weight) / stable] * stable)
        shape = (PODS, self.rate.size)
        usual = self.rate if rate is None else rate
        return Load(self.traffic, np.broadcast_to(shares[:, None], shape), np.broadcast_to(usual, shape))


Cells = Callable[[World], Iterator[Cell]]


def steadily(traffic: Callable[[], Traffic], weight: float = 0.1) -> Cells:
    """One kind of traffic at one weight."""

    def cells(world: World) -> Iterator[Cell]:
        found, load = traffic(), world.load(weight)
        for _ in range(CELLS):
            yield found.cell(world.random, load)

    return cells


def sticky(minutes: int) -> Cells:
    """Sessions that are pinned to a pod and have one fate. Their first request there is checked; when a pod restarts,
    once an hour, its sessions go on at the other pods of the arm, and are checked anew there."""

    def cells(world: World) -> Iterator[Cell]:
        life, load = minutes * 4, world.load()
        sessions = np.zeros((2, life, PODS, world.rate.size), dtype=np.int64)
        for cell in range(CELLS):
            arrived = load.arrivals(world.random)
            counted = np.stack([arrived, world.random.binomial(arrived, load.rates)])
            sessions[:, cell % life] = counted
            for pod in range(PODS):
                arm = range(CANDIDATES) if pod < CANDIDATES else range(CANDIDATES, PODS)
                restarted = np.flatnonzero(world.random.random(world.rate.size) < 1 / 240)
                heir = int(world.random.choice([one for one in arm if one != pod]))
                moved = sessions[:, :, pod, restarted]
                counted[:, heir, restarted] += moved.sum(axis=1)
                sessions[:, :, heir, restarted] += moved
                sessions[:, :, pod, restarted] = 0
            yield counted[0], counted[1]

    return cells


def unpinned(minutes: int, requests: int) -> Cells:
    """Every request of a session is checked, whichever arm it falls to; a session has one fate for all of them."""

    def cells(world: World) -> Iterator[Cell]:
        life, load = minutes * 4, world.load()
        lucky = Load(world.traffic * (1 - world.rate), load.shares, load.rates)
        unlucky = np.zeros((life, world.rate.size))
        for cell in range(-life, CELLS):
            unlucky[cell % life] = world.random.poisson(world.traffic * world.rate / requests)
            bad = load.spread(world.random, world.random.poisson(unlucky.sum(axis=0) * requests / life))
            if cell >= 0:
                yield lucky.arrivals(world.random) + bad, bad

    return cells


def one_arm_bursts(world: World) -> Iterator[Cell]:
    """Bad requests come in bursts of three on average, each on one pod."""
    load = world.load()
    for _ in range(CELLS):
        checked = load.arrivals(world.random)
        bursts = world.random.poisson(checked * world.rate / 3)
        bad = bursts + world.random.negative_binomial(np.maximum(bursts, 1), 1 / 3) * (bursts > 0)
        yield np.maximum(checked, bad), bad


def steps(world: World) -> Iterator[Cell]:
    """The weight rises to 1, 10, 25 and 50 %, and both releases get worse at the same times."""
    for cell in range(CELLS):
        step = 4 * cell // CELLS
        load = world.load((0.01, 0.1, 0.25, 0.5)[step], world.rate * (0.25, 0.5, 0.75, 1.0)[step])
        yield Independent().cell(world.random, load)


def restarts(world: World) -> Iterator[Cell]:
    """Pods restart once an hour; what they counted since the last scrape is lost."""
    for checked, bad in steadily(Independent)(world):
        kept = np.where(world.random.random(checked.shape) < 1 / 240, world.random.random(checked.shape), 1.0)
        left = world.random.binomial(bad, kept)
        yield left + world.random.binomial(checked - bad, kept), left


def outage(weight: float = 0.1) -> Cells:
    """For five minutes a dependency of both fails half of the requests."""

    def cells(world: World) -> Iterator[Cell]:
        begins = int(world.random.integers(100, CELLS - 100))
        usual, out = world.load(weight), world.load(weight, rate=0.5)
        for cell in range(CELLS):
            yield Independent().cell(world.random, out if begins <= cell < begins + 20 else usual)

    return cells


KINDS: dict[str, tuple[Cells, float]] = {
    "independent": (steadily(Independent), 1.0),
    "bursts": (steadily(Bursty), 1.0),
    "bursts at 50 %": (steadily(Bursty, 0.5), 1.0),
    "bursts at 90 %": (steadily(Bursty, 0.9), 1.0),
    "sticky 5 min": (sticky(5), 1.0),
    "sticky 30 min": (sticky(30), 1.0),
    "unpinned 5 min, 10 requests": (unpinned(5, 10), 11.0),
    "unpinned 30 min, 60 requests": (unpinned(30, 60), 61.0),
    "one-arm bursts of 3": (one_arm_bursts, 5.0),
    "diurnal": (steadily(lambda: Diurnal(CELLS, rates=True)), 1.0),
    "weight in steps": (steps, 1.0),
    "restarts": (restarts, 1.0),
    "outage of both": (outage(), 1.0),
    "outage of both at 90 %": (outage(0.9), 1.0),
}
"""Traffic and the design effect that is declared for it: mean square over mean of a cluster's size."""

Found = tuple[int, int, float]
"""Rollouts that fail, those in which a look said SharedDegradation, and seconds of processor time."""


def run(kind: str, rollouts: int, seed: int) -> Found:
    """Some rollouts side by side, looked at after every scrape."""
    began = time.process_time()
    traffic, effect = KINDS[kind]
    streams = rollouts * len(RATES) * len(TRAFFIC)
    rate = np.tile(np.repeat(RATES, len(TRAFFIC)), rollouts)
    world = World(np.random.default_rng(seed), rate, np.tile(TRAFFIC, rollouts * len(RATES)))
    margins = Margins(rate, np.ones(streams), np.zeros(streams), np.ones(streams, dtype=np.bool_))
    threshold = math.log(len(RATES) * len(TRAFFIC) / (FALSE_ROLLBACK_RATE / 2))
    terms = judge.Terms(np.full(streams, threshold), np.full(streams, 0.95), np.full(streams, effect))
    state = begin(streams)
    failed, shared = (np.zeros(streams, dtype=np.bool_) for _ in range(2))
    stream, stable = np.tile(np.arange(streams), PODS), np.repeat(np.arange(PODS) >= CANDIDATES, streams)
    for cell, (checked, bad) in enumerate(traffic(world)):
        fold(margins, state, PodIntervals(stream, np.full(stream.size, cell), stable, checked.ravel(), bad.ravel()))
        # Where the candidate had bad requests the evidence has risen; elsewhere it is enough to look now and then.
        seen = np.flatnonzero((bad[:CANDIDATES].any(axis=0) | (cell % NOW_AND_THEN == 0)) & ~failed)
        found = judge.evidence(part(margins, seen), part(state, seen), part(terms, seen), leave_one_out=True)
        failed[seen] |= found.combined >= threshold
        shared[seen] |= found.unproven >= threshold
    per_rollout = (rollouts, -1)
    wrong, doubted = (int(which.reshape(per_rollout).any(axis=1).sum()) for which in (failed, shared))
    return wrong, doubted, time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=1000)
    parser.add_argument("--kind", choices=list(KINDS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    options = parser.parse_args()
    print(f"false rollbacks in {options.rollouts} honest rollouts at {FALSE_ROLLBACK_RATE:.0%}\n")
    print(f"{'traffic':<30} {'design effect':>13} {'rolled back':>12} {'SharedDegradation':>18} {'CPU':>8}")
    with ProcessPoolExecutor(options.jobs) as pool:
        every = {
            kind: [
                pool.submit(run, kind, min(TOGETHER, options.rollouts - first), options.seed + first)
                for first in range(0, options.rollouts, TOGETHER)
            ]
            for kind in ([options.kind] if options.kind else KINDS)
        }
        for kind, parts in every.items():
            failed, shared, spent = (sum(column) for column in zip(*(one.result() for one in parts), strict=True))
            print(f"{kind:<30} {KINDS[kind][1]:>13g} {failed:>12} {shared:>18} {spent:>6.0f} s", flush=True)


if __name__ == "__main__":
    main()
