"""Counts every request once, when it ends, and decides whether it is one of the checked ones (docs/metrics.md)."""

import enum
import time
from collections.abc import Callable, Sequence

import quality_contract as names
from prometheus_client import Histogram

from samplerd.context_classes import ContextClasses
from samplerd.generation import Generation
from samplerd.metrics import Metrics
from samplerd.ratings import RatingRequest, Ratings
from samplerd.routes import Caller, Route, RouteLabels, parse_route
from samplerd.scripts import has_unexpected_script
from samplerd.sessions import SessionTable


class Outcome(enum.Enum):
    """How a request that was taken on ended; the value is its status code in the metrics."""

    COMPLETED = 200
    DISCONNECTED = 499
    FAILED = 500
    TIMED_OUT = 504


_BAD = {Outcome.FAILED, Outcome.TIMED_OUT}
_PROBE_LABEL = "probe"
"""Probes' value of the label ``checked``: synthetic prompts say nothing of how long users wait."""


class RequestRecord:
    """One request from the moment it is taken on to its end."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        route_hash: str,
        checked: bool,
        prompt: str,
        time_limit: float,
        classes: tuple[str, str] | None,
        answered: Callable[[str], None],
    ) -> None:
        """``classes``: the context class of the request, and that of the server; None where there are none.

        ``answered`` is told of a user's request that was answered, by its route hash.
        """
        self._answered = answered
        self._classes = classes
        self._metrics = metrics
        self._route_hash = route_hash
        self._probe = route_hash == names.PROBE_ROUTE_HASH
        self._checked = checked
        self._prompt = prompt
        self._time_limit = time_limit
        self._arrived = time.monotonic()
        self._open = True

    def end(self, outcome: Outcome, generations: Sequence[Generation], shown: Sequence[str]) -> None:
        """Count the request; later calls do nothing. `shown` are the texts of which the client was sent something."""
        if not self._open:
            return
        self._open = False
        self._metrics.answered(self._probe).labels(str(outcome.value)).inc()
        self._time(outcome, generations)
        if outcome is Outcome.COMPLETED and not self._probe:
            self._answered(self._route_hash)
        if not self._checked:
            return
        self._metrics.count_check(names.CHECK_ERRORS, self._route_hash, bad=outcome in _BAD)
        if self._classes is not None:
            self._metrics.count_class(*self._classes, self._route_hash)
        if shown:
            bad = any(has_unexpected_script(self._prompt, text) for text in shown)
            self._metrics.count_check(names.CHECK_UNEXPECTED_SCRIPT, self._route_hash, bad=bad)

    def _time(self, outcome: Outcome, generations: Sequence[Generation]) -> None:
        """Observe the latencies. A request past the limit is slow in every one of them.

        A client that goes before the end has waited until then: were that not seen, a build that hangs would show
        nothing to whoever gives up before the server does.
        """
        if outcome is Outcome.TIMED_OUT:
            for histogram in (self._metrics.duration, self._metrics.first_token, self._metrics.per_token):
                self._observe(histogram, self._time_limit)
            return
        waited = time.monotonic() - self._arrived
        ended = outcome in (Outcome.COMPLETED, Outcome.DISCONNECTED)
        firsts = [one.first_token_at for one in generations if one.first_token_at is not None]
        if firsts:
            self._observe(self._metrics.first_token, min(firsts) - self._arrived)
        elif ended:
            self._observe(self._metrics.first_token, waited)
        if ended:
            self._observe(self._metrics.duration, waited)
            later = sum(max(0, len(one.tokens) - 1) for one in generations)
            if later:
                self._observe(self._metrics.per_token, sum(map(_drawing, generations)) / later)

    def _observe(self, histogram: Histogram, seconds: float) -> None:
        histogram.labels(_PROBE_LABEL if self._probe else str(self._checked).lower()).observe(seconds)


def _drawing(generation: Generation) -> float:
    """Seconds from the first token of an answer to its last."""
    first, last = generation.first_token_at, generation.last_token_at
    return 0.0 if first is None or last is None else last - first


class Accounting:
    """Opens the records. Only ``behind_gateway`` is the route header believed: by one of its own a client may hide."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        session_capacity: int,
        time_limit: float,
        behind_gateway: bool = False,
        classes: ContextClasses | None = None,
    ) -> None:
        self._classes = classes
        self._metrics = metrics
        self._time_limit = time_limit
        self._sessions = SessionTable(session_capacity)
        self._routes = RouteLabels()
        self._ratings = Ratings(metrics, self._routes, session_capacity)
        self._behind_gateway = behind_gateway

    def rate(self, caller: Caller, asked: RatingRequest, revision: str) -> str:
        """Count a client's rating if it is of an answer of this release; gives what became of it."""
        self.route_label(caller)  # the gateway's table is known from now on, also to a server that has just started
        epoch = self._route(caller.route_header).epoch
        return self._ratings.take(asked, revision=revision, session=caller.session, epoch=epoch)

    def route_label(self, caller: Caller) -> str:
        """The route hash of a request; its counters exist from now on."""
        if caller.probe:
            return names.PROBE_ROUTE_HASH
        label = self._routes.label(self._route(caller.route_header))
        self._metrics.add_route(label)
        return label

    def begin(self, caller: Caller, *, prompt: str, prompt_tokens: int) -> RequestRecord:
        """Open the record of a request that the engine has just taken on."""
        if not caller.probe:
            self._metrics.started.inc()
        return RequestRecord(
            self._metrics,
            route_hash=self.route_label(caller),
            checked=self._is_checked(caller),
            prompt=prompt,
            time_limit=self._time_limit,
            answered=self._ratings.answered,
            classes=None if self._classes is None else (self._classes.intended(prompt_tokens), self._classes.mine),
        )

    def refuse(self, status: int, caller: Caller) -> None:
        """Count a request that was never taken on. The client's own errors are not checked, the server's are bad."""
        self._metrics.answered(caller.probe).labels(str(status)).inc()
        if status >= 500 and self._is_checked(caller):
            self._metrics.count_check(names.CHECK_ERRORS, self.route_label(caller), bad=True)

    def _route(self, header: str | None) -> Route:
        return parse_route(header) if self._behind_gateway else Route()

    def _is_checked(self, caller: Caller) -> bool:
        """Without a gateway, or without a session, a request is a unit of its own; so is each probe."""
        epoch = None if caller.probe else self._route(caller.route_header).epoch
        if epoch is None or not caller.session:
            return True
        before = self._sessions.evictions
        first = self._sessions.is_first(caller.session, epoch)
        self._metrics.evictions.inc(self._sessions.evictions - before)
        return first
