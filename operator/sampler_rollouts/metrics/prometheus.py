"""Raw samples from Prometheus by range selector on an instant query (R14): no ``rate``, no lookback."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

from prometheus_api_client import PrometheusConnect
from quality_contract import (
    AUDIT_MISMATCH,
    AUDIT_TOKENS,
    BAD,
    CHECK_REPLAY_AUDIT,
    CHECKED,
    TARGET_NAMESPACE,
    TARGET_ROLLOUT,
)
from urllib3.util.retry import Retry

from sampler_rollouts.domain.evidence.samples import Question, SampleSet, Series
from sampler_rollouts.metrics.config import MetricsSource, MetricsSources
from sampler_rollouts.metrics.deadline import Deadline, WatchedAdapter
from sampler_rollouts.metrics.envelope import SourceProblem, series_of
from sampler_rollouts.metrics.session import GuardedSession

logger = logging.getLogger(__name__)

RETRIES = 1
"""Repeated exchanges in one fetch, over all its queries, inside the deadline."""
RETRY_PAUSE = 0.2
MARGIN_SCRAPES = 3
"""How far before the rollout's start the window begins; the evidence decides what of it counts."""

_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")


def selector(metric: str, question: Question, window_seconds: int) -> str:
    """The range selector of one metric of one rollout. Raises SourceProblem unless both names are Kubernetes names."""
    matchers = {TARGET_NAMESPACE: question.namespace, TARGET_ROLLOUT: question.rollout}
    for value in matchers.values():
        if not _NAME.fullmatch(value):
            raise SourceProblem("InvalidQuestion", "namespace or rollout is not a Kubernetes name")
    inner = ",".join(f'{label}="{value}"' for label, value in matchers.items())
    return f"{metric}{{{inner}}}[{window_seconds}s]"


class PrometheusSource:
    """One configured source. Thread-safe: each fetch has a session of its own."""

    def __init__(self, config: MetricsSource) -> None:
        self._config = config

    def fetch(self, question: Question, now: datetime) -> SampleSet:
        """All raw samples of the rollout's pods between its start and ``now``. Never raises.

        Blocks for at most the configured timeout (name resolution excepted); meant to run in a thread.
        """
        try:
            series, message = self._ask(question, now)
        except SourceProblem as problem:
            return self._unavailable(now, problem.reason, problem.message)
        except Exception as error:
            logger.exception("reading metrics failed")
            return self._unavailable(now, "SourceError", f"reading the source failed: {type(error).__name__}")
        return SampleSet(series, now, self._config.scrape_interval, message=message)

    def _unavailable(self, now: datetime, reason: str, message: str) -> SampleSet:
        return SampleSet((), now, self._config.scrape_interval, unavailable=reason, message=message)

    def _ask(self, question: Question, now: datetime) -> tuple[tuple[Series, ...], str]:
        deadline = Deadline(self._config.timeout)
        found: list[Series] = []
        unplaced = 0
        with _Exchange(self._config, deadline) as exchange:
            for metric in _metrics(question):
                query = selector(metric, question, self._window(question, now))
                series, without_place = series_of(metric, exchange.query(query, now))
                found += series
                unplaced += without_place
        if unplaced and not found:
            raise SourceProblem(
                "LabelsMissing", "the samples lack the labels pod, pool and revision: add them when scraping"
            )
        message = f"{unplaced} series without pod, pool and revision were ignored" if unplaced else ""
        return tuple(found), message

    def _window(self, question: Question, now: datetime) -> int:
        age = max((now - question.since).total_seconds(), 0.0)
        return math.ceil(age + MARGIN_SCRAPES * self._config.scrape_interval)


def _metrics(question: Question) -> list[str]:
    """The checked requests are always needed: they are the traffic."""
    audited = any(plan.name == CHECK_REPLAY_AUDIT for plan in question.checks)
    return [CHECKED, BAD, *([AUDIT_TOKENS, AUDIT_MISMATCH] if audited else [])]


class _Exchange:
    """The client library on a guarded session, for one fetch, with its retry budget."""

    def __init__(self, config: MetricsSource, deadline: Deadline) -> None:
        self._deadline = deadline
        self._retries = RETRIES
        session = GuardedSession(config.bearer_token_file, config.ca_file, config.max_response_mebibytes << 20)
        self._client = PrometheusConnect(url=config.url, session=session, retry=Retry(total=0), timeout=deadline)
        for prefix in (config.url, "http://", "https://"):  # over the adapter that the client has mounted
            session.mount(prefix, WatchedAdapter(max_retries=0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def query(self, query: str, now: datetime) -> list[object]:
        """``data.result`` of a judged answer. Raises SourceProblem."""
        while True:
            parameters = {"time": f"{now.timestamp():.3f}", "timeout": f"{self._deadline.left():.3f}"}
            try:
                result: list[object] = self._client.custom_query(query, params=parameters)
                return result
            except SourceProblem as problem:
                self._spend(problem)

    def _spend(self, problem: SourceProblem) -> None:
        """Pause before another try, or give up with the problem."""
        if not problem.retry or self._retries == 0 or self._deadline.left() <= RETRY_PAUSE:
            raise problem
        self._retries -= 1
        time.sleep(RETRY_PAUSE)


class Sources:
    """All configured sources by name."""

    def __init__(self, config: MetricsSources) -> None:
        self._by_name: Mapping[str, PrometheusSource] = {
            name: PrometheusSource(source) for name, source in config.metrics_sources.items()
        }

    def fetch(self, question: Question, now: datetime) -> SampleSet:
        """Ask the source that the question names. Never raises."""
        source = self._by_name.get(question.source)
        if source is None:
            return SampleSet(
                asked_at=now,
                unavailable="UnknownSource",
                message="the operator's configuration has no metrics source of this name",
            )
        return source.fetch(question, now)
