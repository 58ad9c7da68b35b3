"""Which series a look asks for: its candidate's pods by name, and of stable only what is needed for its traffic."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from quality_contract import (
    AUDIT_MISMATCH,
    AUDIT_TOKENS,
    BAD,
    CHECK_ERRORS,
    CHECK_REPLAY_AUDIT,
    CHECKED,
    LABEL_CHECK,
    REQUESTS_NOT_STARTED,
    REQUESTS_STARTED,
    TARGET_NAMESPACE,
    TARGET_POD,
    TARGET_REVISION,
    TARGET_ROLLOUT,
)
from quality_contract.latency import CHECKED_REQUESTS, LABEL_BOUND, LABEL_CHECKED

from sampler_rollouts.domain.evidence import draws
from sampler_rollouts.domain.evidence.latency import bound_label, counters, is_latency
from sampler_rollouts.domain.evidence.samples import CheckPlan, Question, is_calibration, is_compared, is_judged
from sampler_rollouts.metrics.envelope import SourceProblem

PODS_A_QUERY = 50
"""Names in one query: at most 4 KB, so that it fits into any server's or proxy's limit of an address. One answer for
thousands of pods would be too large however short the time that it covers."""

OF_HISTOGRAMS = frozenset({LABEL_BOUND, LABEL_CHECKED})
"""Labels that no series has but a histogram's: who asks for none asks for series without them."""

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,127}")
_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Selector:
    """All metrics in one query, so that what belongs together is read at one state of the store.

    ``patterns`` are anchored alternatives of plain names; an empty one matches a series without the label.
    """

    metrics: tuple[str, ...]
    places: tuple[tuple[str, str], ...]
    patterns: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        matchers = [f'__name__=~"{"|".join(self.metrics)}"']
        matchers += [f'{label}="{value}"' for label, value in self.places]
        matchers += [f'{label}=~"{pattern}"' for label, pattern in self.patterns]
        return f"{{{','.join(matchers)}}}"

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the store would answer with a series of these labels."""
        return (
            labels.get("__name__") in self.metrics
            and all(labels.get(label, "") == value for label, value in self.places)
            and all(labels.get(label, "") in _names(pattern) for label, pattern in self.patterns)
        )


def united(selectors: Sequence[Selector]) -> Selector:
    """One that matches at least what any of some matches: every rollout's pods by their revisions alone.

    Their number has no bound, and what is too much is left out by who asked (``Selector.matches``).
    """
    every = [dict(one.patterns) | {label: _any([value]) for label, value in one.places} for one in selectors]
    named = dict.fromkeys(label for one in every for label in one if label != TARGET_POD)
    labels = [label for label in named if label in OF_HISTOGRAMS or all(label in one for one in every)]
    patterns = tuple((label, _either(one.get(label, "") for one in every)) for label in labels)
    return Selector(tuple(dict.fromkeys(name for one in selectors for name in one.metrics)), (), patterns)


def covers(wide: Selector, narrow: Selector) -> bool:
    """Whether a united selector matches all that another one does."""
    own = dict(narrow.patterns) | {label: _any([value]) for label, value in narrow.places}
    within = all(set(own.get(label, "").split("|")) <= set(pattern.split("|")) for label, pattern in wide.patterns)
    bound = all(label in own or label in OF_HISTOGRAMS for label, _ in wide.patterns)
    return within and bound and set(narrow.metrics) <= set(wide.metrics)


@functools.lru_cache(maxsize=256)
def _names(pattern: str) -> frozenset[str]:
    """What a pattern of plain names matches."""
    return frozenset(pattern.replace("[.]", ".").split("|"))


def _either(patterns: Iterable[str]) -> str:
    return "|".join(sorted({part for pattern in patterns for part in pattern.split("|")}))


def of_pods(question: Question, pods: Iterable[str], revisions: Iterable[str] = ()) -> Iterator[Selector]:
    """Selectors, each of a bounded number of pods, of every counter that the checks read.

    ``revisions`` is the candidate's unless given. Raises SourceProblem for what is not a Kubernetes name.
    """
    wanted = revisions or {arm.revision for arm in question.arms}
    names = sorted(pods)
    bounds = _bounds([plan for plan in question.checks if is_latency(plan)])
    for first in range(0, len(names), PODS_A_QUERY):
        batch = names[first : first + PODS_A_QUERY]
        patterns = {TARGET_REVISION: _any(wanted), TARGET_POD: _any(batch), **bounds}
        yield _selector(question, _metrics(question), patterns)


def of_stable(question: Question) -> Iterator[Selector]:
    """The selector of stable's pairs of the checks that compare, and of its traffic, by revision: its pods come and go.

    Nothing without stable.
    """
    revisions = {arm.stable_revision for arm in question.arms if arm.stable_revision}
    latencies = [plan for plan in question.checks if is_latency(plan) and not plan.metrics]
    names = {CHECK_ERRORS, *(plan.name for plan in question.checks if is_compared(plan) and not plan.metrics)}
    checks = _any(names - {plan.name for plan in latencies})
    if latencies:
        checks = f"|{checks}"  # a histogram has no such label
    if revisions:
        patterns = {TARGET_REVISION: _any(revisions), LABEL_CHECK: checks, **_bounds(latencies)}
        yield _selector(question, [CHECKED, BAD, *_histograms(latencies)], patterns)
    named = _named(question)
    if revisions and named:  # they have what labels they like
        bounds = _bounds([plan for plan in question.checks if is_latency(plan) and plan.metrics])
        yield _selector(question, named, {TARGET_REVISION: _any(revisions), **bounds})


def of_judged(question: Question) -> Iterator[Selector]:
    """The selector of what the prober found of the candidate: its pod is nobody's server, and goes by another name."""
    checks = {plan.name for plan in question.checks if is_judged(plan)}
    revisions = {arm.revision for arm in question.arms}
    if checks and revisions:
        yield _selector(question, [CHECKED, BAD], {TARGET_REVISION: _any(revisions), LABEL_CHECK: _any(checks)})


def of_rollout(question: Question) -> Selector:
    """The counted requests of whatever pods the rollout has: to see if there are any, and how they are labelled."""
    return _selector(question, [CHECKED, *_named(question)], {})


def _metrics(question: Question) -> list[str]:
    audited = any(plan.name == CHECK_REPLAY_AUDIT for plan in question.checks)
    calibrated = any(map(is_calibration, question.checks))
    return [
        *(CHECKED, BAD),
        *((AUDIT_TOKENS, AUDIT_MISMATCH) if audited else ()),
        *(draws.COUNTERS if calibrated else ()),
        *((REQUESTS_STARTED, REQUESTS_NOT_STARTED) if question.routed else ()),
        *_histograms(plan for plan in question.checks if is_latency(plan) and not plan.metrics),
        *_named(question),
    ]


def _named(question: Question) -> list[str]:
    """The metrics of admins' checks. They come from status: what is no name of a metric is not asked for."""
    found = list(dict.fromkeys(metric for plan in question.checks for metric in plan.metrics))
    if not all(map(_METRIC.fullmatch, found)):
        raise SourceProblem("InvalidQuestion", "the metric of a check is not a name of a metric")
    return found


def _histograms(latencies: Iterable[CheckPlan]) -> list[str]:
    """Counts and buckets of what latency checks read."""
    return [metric for plan in latencies for metric in counters(plan)]


def _bounds(latencies: Sequence[CheckPlan]) -> dict[str, str]:
    """Of histograms the checked requests' buckets of the bounds that are asked for, and counts, which have none.

    Every other metric lacks both labels, and an empty alternative matches that.
    """
    if not latencies:
        return {}
    seconds = [plan.slower_than for plan in latencies]
    written = {f"{one:g}" for one in seconds} | {bound_label(one) for one in seconds}
    return {LABEL_CHECKED: f"|{CHECKED_REQUESTS}", LABEL_BOUND: f"|{_any(written)}"}


def _selector(question: Question, metrics: Sequence[str], patterns: Mapping[str, str]) -> Selector:
    places = ((TARGET_NAMESPACE, plain(question.namespace)), (TARGET_ROLLOUT, plain(question.rollout)))
    return Selector(tuple(metrics), places, tuple(patterns.items()))


def _any(names: Iterable[str]) -> str:
    """A pattern of exactly these names; patterns are anchored. The only special character that a name has is a dot."""
    return "|".join(plain(name).replace(".", "[.]") for name in sorted(names))


def plain(name: str) -> str:
    """A Kubernetes name as it is. Raises SourceProblem for what is none."""
    if not _NAME.fullmatch(name):
        raise SourceProblem("InvalidQuestion", "namespace, rollout, pod or revision is not a Kubernetes name")
    return name
