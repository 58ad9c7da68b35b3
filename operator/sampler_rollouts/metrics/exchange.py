"""Questions to the query API by the client library, on a guarded session, with a budget of retries."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from prometheus_api_client import PrometheusConnect
from urllib3.util.retry import Retry

from sampler_rollouts.domain.evidence.samples import Series
from sampler_rollouts.metrics.config import MetricsSource
from sampler_rollouts.metrics.deadline import Deadline, WatchedAdapter
from sampler_rollouts.metrics.envelope import Identity, SourceProblem, series_of
from sampler_rollouts.metrics.session import GuardedSession

RETRIES = 1
"""Repeated exchanges in one fetch, over all its queries, inside the deadline."""
RETRY_PAUSE = 0.2


class Exchange:
    """All that one fetch asks."""

    def __init__(self, config: MetricsSource, deadline: Deadline) -> None:
        self._deadline = deadline
        self._retries = RETRIES
        self.unplaced = 0
        """Series that came without name, pod, pool or revision."""
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

    def raw(self, selector: str, start: int, end: int) -> dict[Identity, Series]:
        """The raw samples from ``start`` to ``end``, in Unix milliseconds. Raises SourceProblem.

        By range selector on an instant query. Prometheus has left the start of a range out since 3.0, before it was in:
        the range is a millisecond longer, and who asks has to cut it.
        """
        found, unplaced = series_of(self.ranges(selector, start, end))
        self.unplaced += unplaced
        return found

    def ranges(self, selector: str, start: int, end: int) -> list[object]:
        """The same, as the source says it: whatever labels its series have. Raises SourceProblem."""
        return self._query(f"{selector}[{end - start + 1}ms]", end)

    def _query(self, query: str, at: int) -> list[object]:
        """``data.result`` of a judged answer."""
        while True:
            parameters = {"time": f"{at / 1000:.3f}", "timeout": f"{self._deadline.left():.3f}"}
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
