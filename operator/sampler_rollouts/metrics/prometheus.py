"""Raw samples from Prometheus by range selector on an instant query (R14): no ``rate``, no lookback."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from quality_contract import CHECKED

from sampler_rollouts.domain.evidence.counters import milliseconds
from sampler_rollouts.domain.evidence.samples import Question, SampleSet
from sampler_rollouts.domain.failures import whereabouts
from sampler_rollouts.metrics.config import MetricsSource, MetricsSources
from sampler_rollouts.metrics.deadline import Deadline
from sampler_rollouts.metrics.envelope import SourceProblem
from sampler_rollouts.metrics.exchange import Exchange
from sampler_rollouts.metrics.histories import Histories
from sampler_rollouts.metrics.shared import Shared
from sampler_rollouts.metrics.windows import Reading

logger = logging.getLogger(__name__)


class PrometheusSource:
    """One configured source. Thread-safe: each fetch has a session of its own, each rollout is read once at a time.

    ``folding`` False keeps every sample, for whoever wants to look back.
    """

    def __init__(self, config: MetricsSource, *, folding: bool = True) -> None:
        self._config = config
        self._histories = Histories(config.scrape_interval, folding)
        self._shared = Shared(config.scrape_interval, config.gateway_requests)

    def fetch(self, question: Question, now: datetime) -> SampleSet:
        """The raw samples of the candidate's pods and of stable's traffic up to ``now``, old ones folded. Never raises.

        Blocks for at most the configured timeout (name resolution excepted); meant to run in a thread.
        """
        try:
            return self._ask(question, now)
        except SourceProblem as problem:
            return self._unavailable(now, problem.reason, problem.message)
        except Exception as error:
            logger.error("reading metrics failed: %s", whereabouts(error))
            self._histories.drop(question)  # whatever broke may be in it
            return self._unavailable(now, "SourceError", f"reading the source failed: {type(error).__name__}")

    def problem(self, now: datetime) -> str:
        """Why a look would learn nothing, asked by a look's query over a millisecond; empty if the source answers."""
        deadline, at = Deadline(self._config.timeout), milliseconds(now.timestamp())
        try:
            with Exchange(self._config, deadline) as exchange:
                exchange.raw(f'{{__name__="{CHECKED}"}}', at, at)
        except SourceProblem as problem:
            return f"{problem.reason}: {problem.message}"
        return ""

    def _unavailable(self, now: datetime, reason: str, message: str) -> SampleSet:
        return SampleSet((), now, self._config.scrape_interval, unavailable=reason, message=message)

    def _ask(self, question: Question, now: datetime) -> SampleSet:
        deadline = Deadline(self._config.timeout)
        until = milliseconds(now.timestamp())
        with (
            self._histories.of(question, until, deadline) as history,
            Exchange(self._config, deadline) as exchange,
        ):
            limit = self._config.max_response_mebibytes << 20
            together, gateway = self._shared.within(deadline), self._config.gateway_requests
            Reading(exchange, history, question, limit, together, gateway).up_to(until)
            samples, book = history.samples, history.sent if gateway and question.routed else None
        message = f"{exchange.unplaced} series without pod, pool and revision were ignored" if exchange.unplaced else ""
        folded = dict(samples.folded)
        found = SampleSet(samples.series, now, self._config.scrape_interval, message=message, folded=folded)
        return replace(found, sent=book.sent(), sent_problem=book.problem) if book else found


class Sources:
    """All configured sources by name."""

    def __init__(self, config: MetricsSources) -> None:
        self._by_name: Mapping[str, PrometheusSource] = {
            name: PrometheusSource(source) for name, source in config.metrics_sources.items()
        }

    def problems(self, now: datetime) -> Mapping[str, str]:
        """Of each source why it does not answer, or an empty text."""
        return {name: source.problem(now) for name, source in self._by_name.items()}

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
