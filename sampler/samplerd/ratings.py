"""Ratings of answers. Counts are all that is kept of them (R26): nobody can tell who rated what.

A rating says the fingerprint of the answer that it is about. It counts for the release of that answer, so only at a
server of that release: the operator reads counters by pod, and a pod's are those of its own release (R14). There are
never more ratings than answers, by each route table for itself, but for a few after a restart: who wants a build or a
table taken back by ratings has to ask it as often as all others together.
"""

from collections import Counter
from typing import Annotated, Final, Literal

import quality_contract as names
from pydantic import BaseModel, ConfigDict, Field

from samplerd.metrics import Metrics
from samplerd.routes import RouteLabels
from samplerd.sessions import SessionTable

FIRST_ROOM: Final = 10
"""Ratings that may come before this process has answered anything: of answers of the pods before it."""
MOST_ROOM: Final = 1000
"""Answers by one table whose ratings may still come, at most: an old server is no open door for a flood of them."""


class RatingRequest(BaseModel):
    """`POST /v1/feedback`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    system_fingerprint: Annotated[str, Field(min_length=1, max_length=128)]
    rating: Literal["up", "down"]


class Ratings:
    """Counts ratings of one server's release."""

    def __init__(self, metrics: Metrics, routes: RouteLabels, session_capacity: int) -> None:
        self._metrics = metrics
        self._routes = routes
        self._sessions = SessionTable(session_capacity)
        self._room: Counter[str] = Counter()  # by the answer's table: its labels are few
        self._first = FIRST_ROOM

    def answered(self, label: str) -> None:
        """An answer by this route table was given that may be rated."""
        self._room[label] = min(MOST_ROOM, self._room[label] + 1)

    def take(self, asked: RatingRequest, *, revision: str, session: str | None, epoch: int | None) -> str:
        """Count a rating, or do not; gives what became of it. Without session and epoch each is a unit of its own."""
        outcome, label = self._judged(asked, revision, session, epoch)
        self._metrics.feedback.labels(asked.rating, outcome).inc()
        if outcome == names.FEEDBACK_COUNTED:
            if self._room[label]:
                self._room[label] -= 1
            else:
                self._first -= 1
            self._metrics.count_check(names.CHECK_FEEDBACK, label, bad=asked.rating == names.RATING_DOWN)
        return outcome

    def _judged(self, asked: RatingRequest, revision: str, session: str | None, epoch: int | None) -> tuple[str, str]:
        """The outcome, and the route hash of the answer."""
        own, _, label = asked.system_fingerprint.rpartition("-")
        if own != revision or not self._routes.knows(label):
            return names.FEEDBACK_OTHER_RELEASE, label
        if not self._room[label] and not self._first:
            return names.FEEDBACK_TOO_MANY, label
        if session and epoch is not None and not self._sessions.is_first(session, epoch):
            return names.FEEDBACK_REPEATED, label
        return names.FEEDBACK_COUNTED, label
