"""How often an honest release is rolled back: whole rollouts of 4 h, by sessions and pods, through the real core.

python benchmarks/honest_rollouts.py                          # all kinds of traffic, 1,000 rollouts each
python benchmarks/honest_rollouts.py --rollouts 200 --kind 'outage of both'

Each rollout has 5 checks in 4 pools, looked at every 15 s; two candidate and three stable pods a pool. Both releases
are equally good, and every margin lies exactly where they are (maxRate the usual rate, maxRatio 1), the worst that is
allowed. What is simulated is sessions that last, bursts, restarts and outages; the core assumes none of that.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from sampler_rollouts.domain.evidence import judge
from sampler_rollouts.domain.evidence.streams import Margins, PodIntervals, begin, fold, part

CELLS = 4 * 3600 // 15
CANDIDATES, PODS = 2, 5
RATES = (0.0005, 0.002, 0.005, 0.02, 0.05)
TRAFFIC = (40.0, 150.0, 400.0, 1000.0)
"""Requests of each pool in 15 s."""
FALSE_ROLLBACK_RATE = 0.01
TOGETHER = 100
"""Rollouts simulated side by side."""

Random = np.random.Generator
Cell = tuple[np.ndarray, np.ndarray]
"""Checked and bad, shape (pods, streams); candidates first."""


@dataclass(frozen=True)
class World:
    """The streams of some rollouts: usual rate and traffic of each, (streams,)."""

    random: Random
    rate: np.ndarray
    traffic: np.ndarray

    def shares(self, weight: float = 0.1) -> np.ndarray:
        """Each pod's share of its pool's traffic. Shape (pods, 1)."""
        stable = PODS - CANDIDATES
        return np.array([weight / CANDIDATES] * CANDIDATES + [(1 - weight) / stable] * stable)[:, None]

    def requests(self, weight: float = 0.1, shape: float = 1.0) -> np.ndarray:
        """Requests of each pod in one cell."""
        return self.random.poisson(self.traffic * shape * self.shares(weight))

    def spread(self, total: np.ndarray, weight: float = 0.1) -> np.ndarray:
        """Each of ``total`` requests, (streams,), falls to a pod by weight."""
        left, found, rest = total.copy(), [], 1.0
        for share in self.shares(weight)[:, 0]:
            here = self.random.binomial(left, min(1.0, share / rest)) if rest > 0 else left * 0
            found.append(here)
            left, rest = left - here, rest - share
        return np.array(found)


def independent(world: World) -> Iterator[Cell]:
    for _ in range(CELLS):
        checked = world.requests()
        yield checked, world.random.binomial(checked, world.rate)


def bursts(world: World) -> Iterator[Cell]:
    """Now and then the sessions of one moment fail together; each was assigned to its arm by the weight."""
    for checked, bad in independent(world):
        struck = world.random.random(world.rate.size) < 1 / 40
        moment = world.spread(world.random.poisson(world.traffic / 15) * struck)
        yield checked + moment, bad + moment


def sticky(minutes: int) -> Callable[[World], Iterator[Cell]]:
    """Sessions that are pinned to a pod and have one fate. Their first request there is checked; when a pod restarts,
    once an hour, its sessions go on at the other pods of the arm, and are checked anew there."""

    def cells(world: World) -> Iterator[Cell]:
        life = minutes * 4
        active, unlucky = (np.zeros((life, PODS, world.rate.size), dtype=np.int64) for _ in range(2))
        for cell in range(CELLS):
            arrived = world.requests()
            fated = world.random.binomial(arrived, world.rate)
            checked, bad = arrived.copy(), fated.copy()
            active[cell % life], unlucky[cell % life] = arrived, fated
            for pod in range(PODS):
                arm = range(CANDIDATES) if pod < CANDIDATES else range(CANDIDATES, PODS)
                others = [one for one in arm if one != pod]
                restarted = world.random.random(world.rate.size) < 1 / 240
                heir = others[int(world.random.integers(len(others)))]
                for counted, sessions in ((checked, active), (bad, unlucky)):
                    moved = sessions[:, pod] * restarted
                    counted[heir] += moved.sum(axis=0)
                    sessions[:, heir] += moved
                    sessions[:, pod] -= moved
            yield checked, bad

    return cells


def unpinned(minutes: int, requests: int) -> Callable[[World], Iterator[Cell]]:
    """Every request of a session is checked, whichever arm it falls to; a session has one fate for all of them."""

    def cells(world: World) -> Iterator[Cell]:
        life = minutes * 4
        unlucky = np.zeros((life, world.rate.size))
        for cell in range(-life, CELLS):
            unlucky[cell % life] = world.random.poisson(world.traffic * world.rate / requests)
            bad = world.spread(world.random.poisson(unlucky.sum(axis=0) * requests / life))
            if cell >= 0:
                yield world.random.poisson(world.traffic * (1 - world.rate) * world.shares()) + bad, bad

    return cells


def one_arm_bursts(world: World) -> Iterator[Cell]:
    """Bad requests come in bursts of three on average, each on one pod."""
    for _ in range(CELLS):
        checked = world.requests()
        bursts_here = world.random.poisson(checked * world.rate / 3)
        bad = bursts_here + world.random.negative_binomial(np.maximum(bursts_here, 1), 1 / 3) * (bursts_here > 0)
        yield np.maximum(checked, bad), bad


def diurnal(world: World) -> Iterator[Cell]:
    """Traffic and rate swing by 80 %, the rate half a period later; the limit is the rate at its height."""
    for cell in range(CELLS):
        swing = 0.8 * math.sin(2 * math.pi * cell / CELLS)
        checked = world.requests(shape=1 + swing)
        yield checked, world.random.binomial(checked, world.rate * (1 - swing) / 1.8)


def steps(world: World) -> Iterator[Cell]:
    """The weight rises to 1, 10, 25 and 50 %, and both releases get worse at the same times."""
    for cell in range(CELLS):
        step = 4 * cell // CELLS
        checked = world.requests(weight=(0.01, 0.1, 0.25, 0.5)[step])
        yield checked, world.random.binomial(checked, world.rate * (0.25, 0.5, 0.75, 1.0)[step])


def restarts(world: World) -> Iterator[Cell]:
    """Pods restart once an hour; what they counted since the last scrape is lost."""
    for checked, bad in independent(world):
        kept = np.where(world.random.random(checked.shape) < 1 / 240, world.random.random(checked.shape), 1.0)
        left = world.random.binomial(bad, kept)
        yield left + world.random.binomial(checked - bad, kept), left


def outage(world: World) -> Iterator[Cell]:
    """For five minutes a dependency of both fails half of the requests."""
    begins = int(world.random.integers(100, CELLS - 100))
    for cell in range(CELLS):
        checked = world.requests()
        rate = 0.5 if begins <= cell < begins + 20 else world.rate
        yield checked, world.random.binomial(checked, rate)


KINDS: dict[str, tuple[Callable[[World], Iterator[Cell]], float]] = {
    "independent": (independent, 1.0),
    "bursts": (bursts, 1.0),
    "sticky 5 min": (sticky(5), 1.0),
    "sticky 30 min": (sticky(30), 1.0),
    "unpinned 5 min, 10 requests": (unpinned(5, 10), 11.0),
    "unpinned 30 min, 60 requests": (unpinned(30, 60), 61.0),
    "one-arm bursts of 3": (one_arm_bursts, 5.0),
    "diurnal": (diurnal, 1.0),
    "weight in steps": (steps, 1.0),
    "restarts": (restarts, 1.0),
    "outage of both": (outage, 1.0),
}
"""Traffic and the design effect that is declared for it: mean square over mean of a cluster's size."""


def run(kind: str, rollouts: int, seed: int) -> tuple[int, int]:
    """How many rollouts fail, and in how many a look said SharedDegradation."""
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
        # Only where the candidate had bad requests can the evidence have risen.
        seen = np.flatnonzero(bad[:CANDIDATES].any(axis=0))
        found = judge.evidence(part(margins, seen), part(state, seen), part(terms, seen), leave_one_out=True)
        failed[seen] |= found.combined >= threshold
        shared[seen] |= found.unproven >= threshold
    per_rollout = (rollouts, -1)
    return int(failed.reshape(per_rollout).any(axis=1).sum()), int(shared.reshape(per_rollout).any(axis=1).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=1000)
    parser.add_argument("--kind", choices=list(KINDS))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"false rollbacks in {options.rollouts} honest rollouts at {FALSE_ROLLBACK_RATE:.0%}\n")
    print(f"{'traffic':<30} {'design effect':>13} {'rolled back':>12} {'SharedDegradation':>18} {'CPU':>8}")
    for kind in [options.kind] if options.kind else KINDS:
        before, failed, shared = time.process_time(), 0, 0
        for first in range(0, options.rollouts, TOGETHER):
            some = run(kind, min(TOGETHER, options.rollouts - first), options.seed + first)
            failed, shared = failed + some[0], shared + some[1]
        spent = time.process_time() - before
        print(f"{kind:<30} {KINDS[kind][1]:>13g} {failed:>12} {shared:>18} {spent:>6.0f} s", flush=True)


if __name__ == "__main__":
    main()
