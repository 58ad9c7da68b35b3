"""Which samples answer which question: the candidate's own pods from zero, stable from after its birth (R14)."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain

import numpy as np
from quality_contract import (
    AUDIT_MISMATCH,
    AUDIT_TOKENS,
    BAD,
    CHECK_ERRORS,
    CHECKED,
    LABEL_CHECK,
    LABEL_ROUTE_HASH,
    PROBE_ROUTE_HASH,
    REQUESTS_NOT_STARTED,
    REQUESTS_STARTED,
)

from sampler_rollouts.domain.evidence import draws, labelled, latency, scores
from sampler_rollouts.domain.evidence.counters import (
    FRESH_SCRAPES,
    Believed,
    Drops,
    LabelKey,
    Track,
    milliseconds,
    tracks,
)
from sampler_rollouts.domain.evidence.grid import IntArray
from sampler_rollouts.domain.evidence.intervals import (
    Increments,
    PairedTracks,
    common,
    no_counts,
    pod_increments,
    restart_times,
)
from sampler_rollouts.domain.evidence.latency import is_latency
from sampler_rollouts.domain.evidence.look import Traffic
from sampler_rollouts.domain.evidence.samples import (
    BEGUN,
    TRAFFIC,
    Arm,
    CheckPlan,
    Question,
    SampleSet,
    Series,
    counts_requests,
    is_calibration,
    is_compared,
    is_judged,
    is_scored,
    probed,
)
from sampler_rollouts.domain.evidence.unaccounted import NOT_ASKED, UNACCOUNTED, Account, account_of, total_of

BIRTH_TOLERANCE = timedelta(seconds=2)
"""Kubernetes cuts creation times to whole seconds: a pod seen this little before the rollout is the rollout's."""
_TWINS = ((AUDIT_TOKENS, AUDIT_MISMATCH), *latency.PAIRS)
_ACCOUNTED = (REQUESTS_STARTED, REQUESTS_NOT_STARTED)
_FAMILIES = (CHECKED, BAD, *(metric for pair in _TWINS for metric in pair), *draws.COUNTERS, *_ACCOUNTED)
_PROBED = (LABEL_ROUTE_HASH, PROBE_ROUTE_HASH)


@dataclass(frozen=True, slots=True)
class Window:
    """The time a look covers: Unix milliseconds, but for ``since``. Samples older than ``oldest_fresh`` are stale."""

    since: datetime
    until: int
    oldest_fresh: int

    def from_zero(self, birth: datetime) -> bool:
        """Whether a pod first seen at ``birth`` was created by this rollout."""
        return from_zero(birth, self.since)


def from_zero(birth: datetime, since: datetime) -> bool:
    """Whether a pod first seen at ``birth`` was created since then, and counts from zero."""
    return birth >= since - BIRTH_TOLERANCE


def window_of(question: Question, samples: SampleSet, now: datetime) -> Window:
    """The window of a look at ``now``. Both times must be aware of their time zone."""
    until = milliseconds(now.timestamp())
    return Window(question.since, until, until - milliseconds(FRESH_SCRAPES * samples.scrape_interval))


class Reader:
    """The samples of one look, by pool, revision, metric and pod. Pure: reading changes nothing."""

    def __init__(self, samples: SampleSet, window: Window) -> None:
        self.window = window
        self._folded = samples.folded
        self._samples = samples
        self._scrape = milliseconds(samples.scrape_interval)
        self._accounts: dict[tuple[str, str, str], Account | None] = {}
        self._restarted: dict[tuple[str, str, str, int | None], IntArray] = {}
        self._believed = Believed()
        self._by_place: dict[tuple[str, str, str], dict[str, list[Series]]] = {}
        self._by_pod: dict[tuple[str, str], dict[str, list[Series]]] = {}
        for series in samples.series:
            pods = self._by_place.setdefault((series.pool, series.revision, series.metric), {})
            pods.setdefault(series.pod, []).append(series)
            pods = self._by_pod.setdefault((series.pool, series.revision), {})
            pods.setdefault(series.pod, []).append(series)

    def _pods(self, pool: str, revision: str, metric: str) -> Mapping[str, list[Series]]:
        return self._by_place.get((pool, revision, metric), {})

    def _seen(self, pool: str, revision: str) -> set[str]:
        """Every pod that has any of the metrics that were asked for: a server need not have all."""
        return set(self._by_pod.get((pool, revision), ()))

    def newest(self, arm: Arm) -> dict[str, int]:
        """Time of the newest sample of anything by candidate pod; pods without one are absent."""
        found = {}
        for pod in self._seen(arm.pool, arm.revision) & arm.births.keys():
            different = {id(one.times): one.times for one in self._by_pod[arm.pool, arm.revision][pod]}
            times = np.concatenate([np.asarray(times, dtype=np.float64) for times in different.values()])
            seen = times[(times >= 0) & (times <= self.window.until / 1000)]  # no NaN is
            if seen.size:
                found[pod] = milliseconds(float(seen.max()))
        return found

    def check(self, arm: Arm, plan: CheckPlan, *, probes: bool = False) -> dict[str, Increments]:
        """The pod-intervals of one check by candidate pod, for every pod of ``births``: users', or the probes'."""
        place = (arm.pool, arm.revision)
        births: Mapping[str, datetime | None] = arm.births
        if is_judged(plan):
            # The prober's pods are none of the release: they count from their first sample, as stable's.
            births = dict.fromkeys(sorted(self._seen(*place) - arm.births.keys()))
        route = arm.route
        found = {pod: self.pod(*place, plan, pod, birth, probes=probes, route=route) for pod, birth in births.items()}
        if probes or not counts_requests(plan) or not self._samples.sent:
            return found
        return {pod: _with_lost(one, self._account(arm, pod)) for pod, one in found.items()}

    def account(self, arm: Arm) -> Account | None:
        """What gateways sent to the candidate's pods, and how much of it they do not account for.

        None where no pod is known to count from zero, and where two arms are of the same pods.
        """
        if arm.route or not any(map(self.window.from_zero, arm.births.values())):
            return None
        if self._samples.sent is None:
            return Account(unknown=NOT_ASKED)
        found = total_of([one for one in (self._account(arm, pod) for pod in arm.births) if one is not None])
        return replace(found, unknown=found.unknown or self._samples.sent_problem)

    def _account(self, arm: Arm, pod: str) -> Account | None:
        birth, place = arm.births[pod], (arm.pool, arm.revision, pod)
        if self._samples.sent is None or arm.route or not self.window.from_zero(birth):
            return None
        if place not in self._accounts:  # every check asks
            sent = self._samples.sent.get(place)
            self._accounts[place] = account_of(sent, self.begun(*place, birth), self._scrape)
        return self._accounts[place]

    def begun(self, pool: str, revision: str, pod: str, birth: datetime | None) -> Increments | None:
        """Users' requests of one pod taken on, or answered without that; None if it does not say both."""
        after, drops = self._after(birth), Counter[str]()
        every = [self._tracks(pool, revision, metric, pod, {}, after, drops) for metric in _ACCOUNTED]
        before = self._folded.get((pool, revision, pod, BEGUN))
        if not all(every):
            return None if any(every) or pod in self._seen(pool, revision) else Increments()
        return pod_increments([PairedTracks(one, one) for one in every], after is None, drops, before)

    def traffic(self, arm: Arm) -> Traffic:
        """Requests of both arms that the ``errors`` check counted since the question's start."""
        place, other = (arm.pool, arm.revision), (arm.pool, arm.stable_revision)
        candidate = sum(int(self.ended(*place, *born, arm.route).checked.sum()) for born in arm.births.items())
        stable = sum(
            int(self.ended(*other, pod, None, arm.stable_route).checked.sum()) for pod in self.stable_pods(arm)
        )
        return Traffic(candidate=candidate, stable=stable)

    def stable_pods(self, arm: Arm) -> AbstractSet[str]:
        """The pods of stable's revision, by what the store holds of them; of both arms where a table is tested."""
        found = self._seen(arm.pool, arm.stable_revision)
        return found if arm.stable_route else found - arm.births.keys()

    def stable(self, arm: Arm, plan: CheckPlan, *, probes: bool = False) -> dict[str, Increments]:
        """The pod-intervals of one check by stable's pod: users', or the probes'."""
        place = (arm.pool, arm.stable_revision)
        pods, route = sorted(self.stable_pods(arm)), arm.stable_route
        return {pod: self.pod(*place, plan, pod, None, probes=probes, route=route) for pod in pods}

    def pod(
        self,
        pool: str,
        revision: str,
        plan: CheckPlan,
        pod: str,
        birth: datetime | None,
        *,
        probes: bool = False,
        route: str = "",
    ) -> Increments:
        """The pod-intervals of one check of one pod, users' or the probes'; without ``birth``, of one of stable's.

        ``route``: only of requests that came by that route table, of a check that is counted by it.
        The audit's are of all requests: a wrong token is one whoever asked.
        """
        if is_calibration(plan):
            return self._draws((pool, revision, pod), plan, birth)
        if is_scored(plan):
            return self._scores((pool, revision, pod), plan, birth)
        drops: Drops = Counter()
        after = self._after(birth)
        beside: list[PairedTracks] = []
        if is_latency(plan):  # of users' requests alone
            groups = [] if probes else self._latency(pool, revision, plan, pod, after, drops)
        else:
            groups, beside = self._pair(pool, revision, plan, pod, after, drops, probes=probes, route=route)
        name = probed(plan.name) if probes else plan.name
        before, restarted = self._folded.get((pool, revision, pod, name)), self._restarts(pool, revision, pod, after)
        return pod_increments(groups, after is None, drops, before, beside, restarted)

    def _restarts(self, pool: str, revision: str, pod: str, after: int | None) -> IntArray:
        """When any check's counter of a pod has fallen: small counters may have grown again by the next scrape."""
        place = (pool, revision, pod, after)
        if place not in self._restarted:
            self._restarted[place] = restart_times(
                self._tracks(pool, revision, CHECKED, pod, {}, after, Counter()).values()
            )
        return self._restarted[place]

    def _pair(
        self,
        pool: str,
        revision: str,
        plan: CheckPlan,
        pod: str,
        after: int | None,
        drops: Drops,
        *,
        probes: bool,
        route: str,
    ) -> tuple[list[PairedTracks], list[PairedTracks]]:
        audit = not is_compared(plan)
        by_route = {LABEL_ROUTE_HASH: route} if route else {}
        wanted = dict(plan.labels) if audit or plan.metrics else {**plan.labels, LABEL_CHECK: plan.name, **by_route}
        metrics = (AUDIT_TOKENS, AUDIT_MISMATCH) if audit else plan.metrics or (CHECKED, BAD)
        if plan.bad_label:
            found = self._tracks(pool, revision, metrics[0], pod, wanted, after, drops)
            return _apart(*labelled.told_apart(found, plan), probes=probes)
        checked, bad = (self._tracks(pool, revision, metric, pod, wanted, after, drops) for metric in metrics)
        if is_judged(plan):  # all are probes, and there are no users' to be told from
            return _same_labels(checked, bad), []
        return ([PairedTracks(checked, bad)], []) if audit else _apart(checked, bad, probes=probes)

    def _latency(
        self,
        pool: str,
        revision: str,
        plan: CheckPlan,
        pod: str,
        after: int | None,
        drops: Drops,
    ) -> list[PairedTracks]:
        every = (self._pods(pool, revision, metric).get(pod, []) for metric in latency.counters(plan))
        count, within = (tracks(latency.of_bound(series, plan), after, self.window.until, drops) for series in every)
        return latency.pairs(count, within, drops)

    def _draws(self, place: tuple[str, str, str], plan: CheckPlan, birth: datetime | None) -> Increments:
        drops: Drops = Counter()
        pool, revision, pod = place
        after = self._after(birth)
        families = [self._tracks(pool, revision, metric, pod, plan.labels, after, drops) for metric in draws.COUNTERS]
        return draws.draw_increments(families, after is None, drops, self._folded.get((*place, plan.name)))

    def _scores(self, place: tuple[str, str, str], plan: CheckPlan, birth: datetime | None) -> Increments:
        if not plan.metrics:
            return Increments()
        drops: Drops = Counter()
        pool, revision, pod = place
        after, until = self._after(birth), self.window.until
        gauge, runs = (
            tracks(self._pods(pool, revision, metric).get(pod, []), after, until, drops, unit)
            for metric, unit in scores.units(plan)
        )
        return scores.score_increments(gauge, runs, after is None, drops, self._folded.get((*place, plan.name)))

    def ended(self, pool: str, revision: str, pod: str, birth: datetime | None, route: str = "") -> Increments:
        """Users' requests of one pod that ``errors`` counted, never probes; without ``birth``, of a stable pod."""
        after = self._after(birth)
        wanted = {LABEL_CHECK: CHECK_ERRORS} | ({LABEL_ROUTE_HASH: route} if route else {})
        found = self._tracks(pool, revision, CHECKED, pod, wanted, after, Counter())
        before = self._folded.get((pool, revision, pod, TRAFFIC))
        users, others = _apart(found, found, probes=False)
        return pod_increments(users, after is None, Counter(), before, others)

    def cut(
        self, pool: str, revision: str, pod: str, birth: datetime | None, plans: Iterable[CheckPlan] = ()
    ) -> int | None:
        """The newest time at which every counter of a pod has a believable sample: where its samples can be folded.

        None without one; for a counter that comes in copies (which of them is read depends on all samples); and for one
        whose twin is not there yet (what it has gained by then counts once both are).
        """
        by_metric: dict[str, dict[LabelKey, Track]] = {}
        named = [plan for plan in plans if plan.metrics]
        for metric, unit in (*((one, draws.unit(one)) for one in _FAMILIES), *chain(*map(scores.units, named))):
            series = self._pods(pool, revision, metric).get(pod, [])
            found = tracks(series, self._after(birth), self.window.until, Counter(), unit, self._believed)
            by_metric[metric] = found
            if len(by_metric[metric]) < len(series):
                return None
        timed = [latency.counters(plan) for plan in named if is_latency(plan)]
        pairs = [(CHECKED, BAD), *(plan.metrics for plan in named if not is_latency(plan))]
        twins = all(by_metric[one].keys() == by_metric[other].keys() for one, other in pairs)
        families = all(bool(by_metric[one]) == bool(by_metric[other]) for one, other in (*_TWINS, *timed))
        calibrated = len({frozenset(by_metric[metric]) for metric in draws.COUNTERS}) == 1
        if not (twins and families and calibrated):
            return None
        for count, buckets in (*latency.PAIRS, *timed):
            slow = latency.slow_tracks(by_metric[count], by_metric[buckets], Counter())
            if len(slow) < len(by_metric[buckets]):
                return None
            by_metric[buckets] = slow
        times = [track.times for found in by_metric.values() for track in found.values()]
        shared = functools.reduce(common, times) if times else no_counts()
        return int(shared[-1]) if shared.size else None

    def _after(self, birth: datetime | None) -> int | None:
        """The base line's earliest time, or None for a pod that counts from zero."""
        if birth is not None and self.window.from_zero(birth):
            return None
        return milliseconds(self.window.since.timestamp())

    def _tracks(
        self,
        pool: str,
        revision: str,
        metric: str,
        pod: str,
        wanted: Mapping[str, str],
        after: int | None,
        drops: Drops,
    ) -> dict[LabelKey, Track]:
        series = self._pods(pool, revision, metric).get(pod, [])
        unit = draws.unit(metric)
        return tracks(_matching(series, wanted), after, self.window.until, drops, unit, self._believed)


def _with_lost(found: Increments, account: Account | None) -> Increments:
    if account is None or not account.lost:
        return found
    drops = found.drops + Counter({UNACCOUNTED: account.lost})
    return replace(found, unaccounted=account.lost, drops=drops)


def _matching(series: list[Series], wanted: Mapping[str, str]) -> list[Series]:
    return series if not wanted else [one for one in series if wanted.items() <= one.labels.items()]


def _apart(
    checked: Mapping[LabelKey, Track], bad: Mapping[LabelKey, Track], *, probes: bool
) -> tuple[list[PairedTracks], list[PairedTracks]]:
    """The pairs that are asked for, and the others: probes' counters are never added to users'."""
    asked, others = (
        [{key: one for key, one in found.items() if (_PROBED in key) == wanted} for found in (checked, bad)]
        for wanted in (probes, not probes)
    )
    return _same_labels(*asked), _same_labels(*others)


def _same_labels(checked: Mapping[LabelKey, Track], bad: Mapping[LabelKey, Track]) -> list[PairedTracks]:
    """Quality counters come in pairs of the very same labels; one without its twin is a group of its own."""
    return [
        PairedTracks({key: checked[key]} if key in checked else {}, {key: bad[key]} if key in bad else {})
        for key in sorted(checked.keys() | bad.keys())
    ]
