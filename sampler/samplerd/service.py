"""What the HTTP handlers share: the engine once it is ready, the counters, the state of the server."""

import enum
from dataclasses import dataclass

from samplerd.accounting import Accounting
from samplerd.engine import Engine
from samplerd.metrics import Metrics
from samplerd.openai_errors import ApiError
from samplerd.routes import Caller
from samplerd.settings import Settings


class State(enum.Enum):
    """Where the server is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


@dataclass
class Service:
    """One server. Nothing is counted before it is ready."""

    settings: Settings
    state: State = State.STARTING
    engine: Engine | None = None
    held: str | None = None
    """Why the server will never be ready, if its preflight failed."""

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.settings.classes)
        self.accounting = Accounting(
            self.metrics,
            session_capacity=self.settings.session_capacity,
            time_limit=self.settings.request_timeout,
            behind_gateway=self.settings.behind_gateway,
            classes=self.settings.classes,
        )

    def become_ready(self, engine: Engine) -> None:
        """The engine has drawn a token; requests are welcome."""
        self.engine = engine
        self.metrics.watch_load(lambda: engine.waiting, lambda: engine.running)
        self.state = State.READY

    @property
    def is_ready(self) -> bool:
        """Whether new traffic should come here."""
        return self.state is State.READY and self.is_healthy

    @property
    def is_healthy(self) -> bool:
        """Whether a restart would not help."""
        return self.ailment is None

    @property
    def ailment(self) -> str | None:
        """What only a restart can mend. Start-up is none: nothing is known of an engine that is still being built."""
        if self.engine is None:
            return None
        if self.engine.failed.is_set():
            return "the engine died"
        limit = self.settings.turn_timeout
        hangs = self.engine.turn_seconds > limit
        return f"the engine has been at one step for more than {limit:g} seconds" if hangs else None

    def require_engine(self) -> Engine:
        """The engine, for a request. While draining it still serves: traffic may arrive until all have heard."""
        if self.held is not None:
            raise ApiError(503, "the server failed its preflight and serves nothing", code="preflight_failed")
        if self.engine is None:
            raise ApiError(503, "the server is starting", code="starting")
        return self.engine

    def require_room_for_probe(self, engine: Engine) -> None:
        """Users come first: no probe is taken on while anybody waits for a slot, or while the server drains.

        As a 429, which is not checked: it says nothing of the build.
        """
        if self.state is State.DRAINING:
            raise ApiError(429, "no probe is taken on while the server drains", code="draining")
        if engine.waiting:
            raise ApiError(429, "no probe is taken on while requests wait", code="queue_full")

    def refuse(self, error: ApiError, caller: Caller) -> None:
        """Count a request that was not taken on."""
        if self.engine is not None:
            self.accounting.refuse(error.status, caller)
