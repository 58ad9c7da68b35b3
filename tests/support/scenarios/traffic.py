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
)
from sampler_rollouts.domain.evidence.samples import Question, SampleSet, Series
from sampler_rollouts.domain.render import LABEL_POOL, LABEL_REVISION, LABEL_ROLLOUT

from tests.support.kube.api import MemoryApi
from tests.support.kube.gateways import Gateways
from tests.support.scenarios.specs import build_of

Obj = dict[str, Any]
SCRAPE = 3.0
TOKENS = 40
"""Audited tokens of a request."""
CHECKS = (CHECK_ERRORS, CHECK_UNEXPECTED_SCRIPT, CHECK_REPLAY_AUDIT)
_NAMES = {CHECK_REPLAY_AUDIT: (AUDIT_TOKENS, AUDIT_MISMATCH)}


@dataclass
class Counters:
    """One pod's, and what a scraper has seen of them: time, and by check how many were checked and bad."""

    rollout: str
    pool: str
    revision: str
    build: str
    requests: float = 0.0
    bad: dict[str, float] = field(default_factory=lambda: dict.fromkeys(CHECKS, 0.0))
    times: list[float] = field(default_factory=list)
    seen: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {check: [] for check in CHECKS})

    def answer(self, requests: float, rates: dict[tuple[str, str], float], all_bad: bool) -> None:
        """Requests that have ended here."""
        self.requests += requests
        self.bad[CHECK_UNEXPECTED_SCRIPT] += requests if all_bad else 0.0
        for check in CHECKS:
            self.bad[check] += requests * self._each(check) * rates.get((self.build, check), 0.0)

    def scrape(self, at: float) -> None:
        """Counters hold whole numbers."""
        self.times.append(at)
        for check in CHECKS:
            self.seen[check].append((float(int(self.requests * self._each(check))), float(int(self.bad[check]))))

    def series(self, pod: str) -> list[Series]:
        """As the store holds them."""
        return [line for check in CHECKS for line in self._lines(pod, check)]

    def _lines(self, pod: str, check: str) -> list[Series]:
        names = _NAMES.get(check, (CHECKED, BAD))
        audit = check == CHECK_REPLAY_AUDIT
        labels = {"kind": "other-token"} if audit else {"check": check, "route_hash": "none"}
        pairs = self.seen[check]
        return [
            Series(
                name,
                pod,
                self.pool,
                self.revision,
                labels if name not in (AUDIT_TOKENS,) else {},
                tuple(self.times),
                tuple(pair[which] for pair in pairs),
            )
            for which, name in enumerate(names)
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
        """Requests of all users of one rollout."""
        self.rates: dict[tuple[str, str], float] = {}
        """The share of bad answers by build and check."""
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
        for rollout in self._api.kinds("samplerrollouts"):
            shares = self._gateways.shares(rollout)
            for service, share in ({f"{rollout}-standard": 1.0} if shares is None else shares).items():
                pods = self._gateways.servers(service)
                for pod in pods:
                    asked = self.per_second * seconds * share / len(pods)
                    self._of(pod).answer(asked, self.rates, pod in self.bad_pods)
        now = self._clock().timestamp()
        if self.scraping and now % SCRAPE < seconds:
            for pod in self._api.kinds("pods"):
                if pod in self.counters or (self._runs(pod) and self._counts(pod)):
                    self._of(pod).scrape(now)

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
