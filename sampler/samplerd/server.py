"""The process: two HTTP ports, the engine behind them, and a life from start to drained end."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from samplerd.api import Api
from samplerd.audit import Audit
from samplerd.connections import HEAD_BYTES, BoundedHeads, bound_writes
from samplerd.engine import Engine
from samplerd.jax_setup import configure_jax
from samplerd.memory import release_memory
from samplerd.metrics_port import MetricsPort
from samplerd.model_file import ModelFileError
from samplerd.models import load_model
from samplerd.preflight.gate import Gate
from samplerd.program import Executables, ProgramFor
from samplerd.service import Service, State
from samplerd.settings import WRITE_TIMEOUT, Settings
from samplerd.shards import TooFewDevicesError

log = logging.getLogger(__name__)

UNUSABLE = (ModelFileError, TooFewDevicesError)
"""What is wrong with what was named, not with the server: told in a line, exit code 2."""

_MARGIN = 1.5
"""Seconds kept back from the drain timeout for the process itself to end."""

_LINGER = 0.25
"""Seconds between the end of listening and the closing of idle connections."""

_PROBES_POLL = 0.05
"""Seconds between two looks at whether a draining engine still works on a probe."""


class _Server(uvicorn.Server):
    """A uvicorn server that has its port from the start and leaves the process's signals alone."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        linger: float = 0.0,
        idle_timeout: int = 5,
        write_timeout: float = WRITE_TIMEOUT,
    ) -> None:
        config = uvicorn.Config(
            app,
            http=BoundedHeads,
            h11_max_incomplete_event_size=HEAD_BYTES,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=idle_timeout,
        )
        super().__init__(config)
        self._linger = linger
        self._socket = socket.create_server((host, port), backlog=2048)
        bound_writes(self._socket, write_timeout)
        self.port: int = self._socket.getsockname()[1]

    def begin(self) -> asyncio.Task[None]:
        """Serve, until `should_exit` is set."""
        return asyncio.create_task(self._serve_and_close())

    async def _serve_and_close(self) -> None:
        with self._socket:
            await self.serve([self._socket])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening; a connection that has just come may still say what it wants before idle ones are closed."""
        for server in self.servers:
            server.close()
        if self.server_state.connections:
            await asyncio.sleep(self._linger)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def build_engine(settings: Settings, program_for: ProgramFor, gate: Gate) -> Engine:
    """Load, compile, warm up, and examine what was made: the engine has really drawn a token when this returns."""
    model = load_model(settings)
    over = f", the vocabulary over {settings.vocab_shards} devices" if settings.vocab_shards > 1 else ""
    log.info("model %s loaded; compiling for batches of %s%s", model.name, settings.batch_sizes, over)
    executables = Executables(
        model, program_for(model), settings.batch_sizes, settings.prefill_sizes, settings.vocab_shards
    )
    engine = Engine(executables, queue_size=settings.queue_size)
    engine.warm_up()
    gate.examine(executables, program_for)
    release_memory()
    return engine


class Process:
    """One server process. `run` returns its exit code."""

    def __init__(self, settings: Settings, build: Callable[[], Engine], gate: Gate | None = None) -> None:
        """`build` makes the engine, and has it examined by the gate."""
        self._settings = settings
        self._build = build
        self._gate = gate or Gate(settings)
        self._service = Service(settings)
        self._stop = asyncio.Event()
        self._http = _Server(
            Api(self._service).app(),
            settings.host,
            settings.http_port,
            linger=_LINGER,
            idle_timeout=settings.idle_timeout,
            write_timeout=settings.write_timeout,
        )
        probes = Api(self._service, probing=True).answering() if settings.probes else []
        self._metrics_port = MetricsPort(self._service.metrics, self._gate, probes)
        self._metrics = _Server(
            self._metrics_port.app(), settings.host, settings.metrics_port, write_timeout=settings.write_timeout
        )
        self._audit: Audit | None = None
        self._drain_ends: float | None = None

    async def run(self) -> int:
        """Serve until a signal or a failure."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        servers = [server.begin() for server in (self._http, self._metrics)]
        try:
            code = await self._live(servers)
        finally:
            await self._end(servers)
        return code

    def stop(self) -> None:
        """Drain and end; a second call ends at once."""
        if self._stop.is_set():
            os._exit(1)
        self._stop.set()

    @property
    def ports(self) -> tuple[int, int]:
        """The API's port and the metrics' port."""
        return self._http.port, self._metrics.port

    async def _live(self, servers: list[asyncio.Task[None]]) -> int:
        stopped = asyncio.create_task(self._stop.wait())
        started = self._start_engine()
        waiting: list[asyncio.Future[Any]] = [stopped, started, *servers]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            log.info("stopped before it was ready")
            if any(server.done() for server in servers):
                return 1
            # The compiler cannot be interrupted and must not outlive the interpreter.
            os._exit(0)
        engine = started.result()
        if isinstance(engine, int):
            return engine
        if not self._gate.open:
            return await self._hold(stopped, servers)
        self._open(engine)
        await asyncio.wait([stopped, *servers], return_when=asyncio.FIRST_COMPLETED)
        await self._drain(engine)
        return 1 if engine.failed.is_set() else 0

    def _start_engine(self) -> asyncio.Future[Engine | int]:
        """Build the engine in a thread of its own: probes are answered meanwhile. An exit code if there is none."""
        loop = asyncio.get_running_loop()
        built: asyncio.Future[Engine | int] = loop.create_future()

        def build() -> None:
            engine: Engine | int = 1
            try:
                engine = self._build()
            except UNUSABLE as error:
                log.error("%s", error)
                engine = 2
            except Exception:
                log.exception("the server cannot start")
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(built.set_result, engine)

        threading.Thread(target=build, name="start", daemon=True).start()
        return built

    def _open(self, engine: Engine) -> None:
        """Start counting and serving."""
        metrics, settings = self._service.metrics, self._settings
        metrics.add_batch_buckets(tuple(engine.batch_sizes))
        metrics.set_build(
            model=engine.model.name,
            precision=settings.precision,
            vocab_shards=settings.vocab_shards,
            revision=settings.revision,
        )
        self._audit = Audit(metrics, share=settings.audit_share, capacity=settings.audit_queue)
        loop = asyncio.get_running_loop()
        engine.start([self._audit], on_death=lambda: loop.call_soon_threadsafe(self._stop.set))
        self._service.become_ready(engine)
        log.info("ready: %s", _whose(settings))

    async def _hold(self, stopped: asyncio.Task[object], servers: list[asyncio.Task[None]]) -> int:
        """Never become ready: say why to whoever asks, until told to stop. A restart would find the same."""
        self._service.held = self._gate.reason
        log.error("not ready, and will not be: %s", self._gate.reason)
        await asyncio.wait([stopped, *servers], return_when=asyncio.FIRST_COMPLETED)
        return 0 if stopped.done() else 1

    async def _drain(self, engine: Engine) -> None:
        """Say that no traffic is wanted, serve what still comes, finish what is under way, then stop."""
        self._service.state = State.DRAINING
        limit = max(0.0, self._settings.drain_timeout - _MARGIN)
        self._drain_ends = time.monotonic() + limit
        delay = 0.0 if engine.failed.is_set() else min(self._settings.drain_delay, limit / 2)
        log.info("draining: %d running, %d waiting", engine.running, engine.waiting)
        await asyncio.sleep(delay)
        self._http.config.timeout_graceful_shutdown = max(1, int(limit - delay))
        self._http.should_exit = True

    async def _end(self, servers: list[asyncio.Task[None]]) -> None:
        """Close the API, then stop the engine; close the metrics when the last counts were read."""
        self._http.should_exit = True
        await asyncio.wait(servers[:1])
        if self._service.engine is not None:
            await self._probes_end(self._service.engine)
            self._service.engine.stop(_MARGIN / 2)
        if self._audit is not None:
            self._audit.stop(_MARGIN / 2)
        if self._drain_ends is not None:
            await self._metrics_port.read_once_more(max(0.0, self._drain_ends - time.monotonic()))
        self._metrics.should_exit = True
        await asyncio.wait(servers)

    async def _probes_end(self, engine: Engine) -> None:
        """Let probes under way finish: cut off by a drain, they would count against the build."""
        while self._drain_ends is not None and time.monotonic() < self._drain_ends and not engine.failed.is_set():
            if engine.running + engine.waiting == 0:
                return
            await asyncio.sleep(_PROBES_POLL)


def _whose(settings: Settings) -> str:
    rollout, pool, pod = (name or "-" for name in (settings.rollout, settings.pool, settings.pod_name))
    return f"rollout {rollout}, pool {pool}, revision {settings.revision}, pod {pod}"


async def run(settings: Settings, program_for: ProgramFor) -> int:
    """Run a server process; gives its exit code."""
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("jax", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    log.info("starting: %s", _whose(settings))  # a log that was saved to a file still says whose it is
    configure_jax(settings.threads, settings.compile_cache, devices=settings.vocab_shards)
    gate = Gate(settings)
    if settings.compile_only:
        try:
            build_engine(settings, program_for, gate)
        except UNUSABLE as error:
            log.error("%s", error)
            return 2
        return 0 if gate.open else 1
    try:
        process = Process(settings, lambda: build_engine(settings, program_for, gate), gate)
    except OSError as error:
        log.error("cannot listen on ports %d and %d: %s", settings.http_port, settings.metrics_port, error)
        return 1
    return await process.run()
