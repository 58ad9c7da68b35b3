"""Users and a metrics store: requests go to ready endpoints, counters rise, a scraper reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from quality_contract import (
    AUDIT_MISMATCH,
    AUDIT_TOKENS,
    BAD,
    CHECK_ERRORS,
    CHECK_REPLAY_AUDIT,
    CHECK_UNEXPECTED_SCRIPT,
    CHECKED,
    NO_ROUTE_HASH,
)
from sampler_rollouts.domain.evidence.samples import Question, SampleSet, Series
from sampler_rollouts.domain.render import LABEL_POOL, LABEL_REVISION, LABEL_ROLLOUT

from tests.support.kube.api import MemoryApi
from tests.support.kube.gateways import Gateways
from tests.support.scenarios.specs import build_of, classes_of

Obj = dict[str, Any]
SCRAPE = 3.0
TOKENS = 40
"""Audited tokens of a request."""
CHECKS = (CHECK_ERRORS, CHECK_UNEXPECTED_SCRIPT, CHECK_REPLAY_AUDIT)
ANY = ""
Place = tuple[str, str]
"""Route and check."""
_NAMES = {CHECK_REPLAY_AUDIT: (AUDIT_TOKENS, AUDIT_MISMATCH)}


@dataclass
class Counters:
    """One pod's, by the route that requests were told, and what a scraper has seen of them.

    The audit knows no routes: what it counts stands under ``ANY``.
    """

    rollout: str
    pool: str
    revision: str
    build: str
    requests: dict[str, float] = field(default_factory=lambda: {NO_ROUTE_HASH: 0.0, ANY: 0.0})
    bad: dict[Place, float] = field(default_factory=dict)
    seen: dict[Place, list[tuple[float, float, float]]] = field(default_factory=dict)
    """Time, how many were checked, and bad."""

    def answer(
        self, requests: float, rates: dict[tuple[str, str], float], all_bad: bool, route: str = NO_ROUTE_HASH
    ) -> None:
        """Requests that have ended here."""
        for told in (route, ANY):
            self.requests[told] = self.requests.get(told, 0.0) + requests
        for check in CHECKS:
            rate = rates.get((self.build, check), 0.0) + rates.get((route, check), 0.0)
            rate += 1.0 if all_bad and check == CHECK_UNEXPECTED_SCRIPT else 0.0
            place = ANY if check == CHECK_REPLAY_AUDIT else route, check
            self.bad[place] = self.bad.get(place, 0.0) + requests * self._each(check) * rate

    def scrape(self, at: float) -> None:
        """Counters hold whole numbers."""
        for route, check in self._places():
            checked, bad = self.requests[route] * self._each(check), self.bad.get((route, check), 0.0)
            self.seen.setdefault((route, check), []).append((at, float(int(checked)), float(int(bad))))

    def _places(self) -> list[Place]:
        return [
            (route, check)
            for check in CHECKS
            for route in ([ANY] if check == CHECK_REPLAY_AUDIT else [one for one in self.requests if one != ANY])
        ]

    def series(self, pod: str) -> list[Series]:
        """As the store holds them."""
        return [line for route, check in self.seen for line in self._lines(pod, route, check)]

    def _lines(self, pod: str, route: str, check: str) -> list[Series]:
        names = _NAMES.get(check, (CHECKED, BAD))
        audit = check == CHECK_REPLAY_AUDIT
        labels = {"kind": "other-token"} if audit else {"check": check, "route_hash": route}
        rows = self.seen[route, check]
        return [
            Series(
                name,
                pod,
                self.pool,
                self.revision,
                labels if name not in (AUDIT_TOKENS,) else {},
                tuple(row[0] for row in rows),
                tuple(row[which] for row in rows),
            )
            for which, name in enumerate(names, 1)
        ]

    @staticmethod
    def _each(check: str) -> int:
        return TOKENS if check == CHECK_REPLAY_AUDIT else 1


class Traffic:
    """A port of the operator's: ``fetch`` is all that it sees of this."""

    def __init__(self, api: MemoryApi, clock: Callable[[], datetime], gateways: Gateways) -> None:
        self._api = api
        self._gateways = gateways
        self._clock = clock
        self.per_second = 40.0
        """Requests of all users of one rollout, as many of each of its context classes."""
        self.rates: dict[tuple[str, str], float] = {}
        """The share of bad answers by build, or by the route that requests were told, and check."""
        self.bad_pods: set[str] = set()
        """Pods that answer badly whatever their build."""
        self.down = ""
        """Why the source gives no answer."""
        self.scraping = True
        self.breaks = False
        self.distort: Callable[[Series], list[Series]] = lambda one: [one]
        """What the store makes of a series."""
        self.counters: dict[str, Counters] = {}
        """By pod, also of pods that are gone."""
        self.asked = 0

    def bad(self, build: str, check: str = CHECK_UNEXPECTED_SCRIPT, rate: float = 0.5) -> None:
        """From now on a build answers badly."""
        self.rates[build, check] = rate

    def good(self, build: str) -> None:
        """From now on it does not."""
        self.rates = {place: rate for place, rate in self.rates.items() if place[0] != build}

    def flow(self, seconds: float) -> None:
        """Time passes: users ask, each ready endpoint answers its part."""
        for name, rollout in self._api.kinds("samplerrollouts").items():
            classes = classes_of(rollout["spec"])
            for one in classes:
                self._ask(name, one, self.per_second * seconds / len(classes))
        now = self._clock().timestamp()
        if self.scraping and now % SCRAPE < seconds:
            for pod in self._api.kinds("pods"):
                if pod in self.counters or (self._runs(pod) and self._counts(pod)):
                    self._of(pod).scrape(now)

    def _ask(self, rollout: str, context_class: str, requests: float) -> None:
        for (service, route), share in self._arms(rollout, context_class).items():
            pods = self._gateways.servers(service)
            for pod in pods:
                self._of(pod).answer(requests * share / len(pods), self.rates, pod in self.bad_pods, route)

    def _arms(self, rollout: str, context_class: str) -> dict[tuple[str, str], float]:
        """Where users' requests of a class go: by the route, or to the Service that they call."""
        arms = self._gateways.arms(rollout, context_class)
        return {(f"{rollout}-{context_class}", NO_ROUTE_HASH): 1.0} if arms is None else arms

    def reached(self, rollout: str, context_class: str) -> set[str]:
        """Pods that have a part of a class's traffic."""
        return {pod for service, _ in self._arms(rollout, context_class) for pod in self._gateways.servers(service)}

    def _runs(self, pod: str) -> bool:
        """Whether there is a server that can be scraped."""
        status = self._api.kinds("pods")[pod].get("status") or {}
        return any("running" in one["state"] for one in status.get("containerStatuses") or [])

    def _counts(self, pod: str) -> bool:
        """Whether it is a server: one that only examines a build has no pool to be counted in."""
        return LABEL_POOL in self._api.kinds("pods")[pod]["metadata"]["labels"]

    def _of(self, name: str) -> Counters:
        if name not in self.counters:
            pod = self._api.kinds("pods")[name]
            labels, image = pod["metadata"]["labels"], pod["spec"]["containers"][0]["image"]
            place = (labels[LABEL_ROLLOUT], labels[LABEL_POOL], labels[LABEL_REVISION])
            self.counters[name] = Counters(*place, build_of(image))
        return self.counters[name]

    def fetch(self, question: Question, now: datetime) -> SampleSet:
        """Raw samples of the pods that are asked for."""
        self.asked += 1
        if self.breaks:
            raise RuntimeError("for a test")
        nothing = SampleSet(asked_at=now, scrape_interval=SCRAPE)
        if self.down:
            return replace(nothing, unavailable=self.down, message="for a test")
        arms = {(arm.pool, revision) for arm in question.arms for revision in (arm.revision, arm.stable_revision)}
        wanted = {
            pod: one
            for pod, one in self.counters.items()
            if one.rollout == question.rollout and (one.pool, one.revision) in arms
        }
        lines = [line for pod, one in wanted.items() for line in one.series(pod)]
        return replace(nothing, series=tuple(shown for line in lines for shown in self.distort(line)))
