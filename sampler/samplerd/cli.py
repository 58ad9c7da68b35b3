"""The command line: `samplerd serve`, `preflight`, `lint`, `probe`. Every flag has a SAMPLER_* variable too."""

import asyncio
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar, get_args

import typer
from pydantic import BaseModel, ValidationError

from samplerd import examples
from samplerd.probing.settings import ProbeSettings
from samplerd.settings import Settings, SettingsError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from samplerd.program import ProgramFor

M = TypeVar("M", bound=BaseModel)

DEFAULTS = Settings()
PROBING = ProbeSettings(target=("localhost",))
PREFLIGHT_BUDGET = 20.0
"""Seconds, where a preflight is asked for by name."""
LONG_PREFLIGHT_BUDGET = 7200.0
"""Seconds, where the long one is."""
LEAST_DRAIN_TIMEOUT = 5.0
"""Seconds. The least that a SamplerRollout takes, too."""
LINT_SHARDS = 2
"""Over how many devices lint reads the split step, where nothing says how many will serve."""


def _flag(name: str, text: str, env: str | None = None, words: tuple[str, ...] = (), default: str | bool = True) -> Any:
    """A shell offers the ``words``; where there are none it completes names of files.

    ``default``: in words, where that is not the parameter's own.
    """
    variable, offered = env or f"SAMPLER_{name.upper().replace('-', '_')}", (lambda: list(words)) if words else None
    return typer.Option(f"--{name}", envvar=variable, help=text, autocompletion=offered, show_default=default)


def _words(model: type[BaseModel], field: str) -> tuple[str, ...]:
    """All that a field of a few words takes."""
    return get_args(model.model_fields[field].annotation)


def _probe(name: str) -> str:
    """A prober's variable: beside a server's in one environment it must not be mistaken for that."""
    return f"SAMPLER_PROBE_{name}"


ModelName = Annotated[str, _flag("model", "smollm2-135m or synthetic", words=_words(Settings, "model"))]
ModelPath = Annotated[Path | None, _flag("model-path", "another GGUF file of that model; synthetic has none")]
Precision = Annotated[str, _flag("precision", "float32", words=_words(Settings, "precision"))]
VocabShards = Annotated[int, _flag("vocab-shards", "devices over which the vocabulary is split; emulated on a CPU")]
Context = Annotated[int, _flag("context", "most tokens of prompt and answer together")]
BatchSizes = Annotated[str, _flag("batch-sizes", "compiled batch sizes; the largest is the slots")]
PrefillSizes = Annotated[str, _flag("prefill-sizes", "compiled lengths of prompt chunks, the context at most")]
Threads = Annotated[int, _flag("threads", "threads for computing; 0: one a processor")]
CompileCache = Annotated[Path | None, _flag("compile-cache", "folder for compiled programs; off")]
Revision = Annotated[str, _flag("revision", "the release's revision of this pool")]
LogLevel = Annotated[str, _flag("log-level", "debug, info, warning or error", words=_words(Settings, "log_level"))]
AsJson = Annotated[bool, _flag("json", "JSON on standard output instead of a table")]


def make_app(program_for: "ProgramFor | None" = None) -> typer.Typer:
    """Make the command line for a server that runs the given tensor program, by default production's."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

    @app.callback(epilog=examples.of("samplerd"))
    def samplerd(
        version: Annotated[  # its callback answers, before a command is asked for
            bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version, and end")
        ] = False,
    ) -> None:
        """Turns a language model's logits into tokens, and shows that it does so rightly."""

    @app.command(epilog=examples.of("serve"))
    def serve(
        host: Annotated[str, _flag("host", "address to listen on")] = DEFAULTS.host,
        http_port: Annotated[int, _flag("http-port", "port of the API")] = DEFAULTS.http_port,
        metrics_port: Annotated[int, _flag("metrics-port", "port of /metrics")] = DEFAULTS.metrics_port,
        model: ModelName = DEFAULTS.model,
        model_path: ModelPath = None,
        precision: Precision = DEFAULTS.precision,
        vocab_shards: VocabShards = DEFAULTS.vocab_shards,
        context: Context = DEFAULTS.context,
        batch_sizes: BatchSizes = "1,2,4",
        prefill_sizes: PrefillSizes = "64",
        threads: Threads = DEFAULTS.threads,
        compile_cache: CompileCache = None,
        compile_only: Annotated[
            bool, _flag("compile-only", "fill the compile cache, which must be given, then end")
        ] = False,
        queue_size: Annotated[int, _flag("queue-size", "requests that may wait for a slot")] = DEFAULTS.queue_size,
        request_timeout: Annotated[
            float, _flag("request-timeout", "seconds after which a request is ended")
        ] = DEFAULTS.request_timeout,
        turn_timeout: Annotated[
            float, _flag("turn-timeout", "seconds after which an engine that is still at one step counts as hung")
        ] = DEFAULTS.turn_timeout,
        idle_timeout: Annotated[
            int, _flag("idle-timeout", "seconds for which a connection without a request stays open")
        ] = DEFAULTS.idle_timeout,
        write_timeout: Annotated[
            float, _flag("write-timeout", "seconds for which a client may take nothing of what is sent to it")
        ] = DEFAULTS.write_timeout,
        drain_delay: Annotated[
            float, _flag("drain-delay", "seconds after SIGTERM in which new requests are still served")
        ] = DEFAULTS.drain_delay,
        drain_timeout: Annotated[
            float, _flag("drain-timeout", "seconds after SIGTERM in which the process must have ended; 5 or more")
        ] = DEFAULTS.drain_timeout,
        behind_gateway: Annotated[
            bool, _flag("behind-gateway", "believe the route header: a gateway in front overwrites the clients'")
        ] = DEFAULTS.behind_gateway,
        probes: Annotated[
            bool,
            typer.Option(
                "--probes/--no-probes", envvar="SAMPLER_PROBES", help="answer synthetic probes on the metrics port"
            ),
        ] = DEFAULTS.probes,
        session_capacity: Annotated[
            int, _flag("session-capacity", "sessions remembered for the checks")
        ] = DEFAULTS.session_capacity,
        context_classes: Annotated[
            str, _flag("context-classes", "most prompt tokens of each context class: standard=200000,long=1000000")
        ] = "",
        context_class: Annotated[str, _flag("context-class", "the class that this server is for")] = "",
        preflight_budget: Annotated[
            float, _flag("preflight-budget", "seconds for the conformance sweep before readiness; 0: none")
        ] = DEFAULTS.preflight_budget,
        preflight_result: Annotated[
            Path | None, _flag("preflight-result", "an earlier preflight's JSON; if it holds here, none is run")
        ] = None,
        audit_share: Annotated[str, _flag("audit-share", "share of tokens to recompute, such as 0.01 or 1%")] = "0.01",
        audit_queue: Annotated[int, _flag("audit-queue", "tokens that may wait for the audit")] = DEFAULTS.audit_queue,
        revision: Revision = DEFAULTS.revision,
        pool: Annotated[str, _flag("pool", "the pool's name")] = "",
        rollout: Annotated[str, _flag("rollout", "the rollout's name")] = "",
        pod_name: Annotated[str, _flag("pod-name", "this pod's name", env="POD_NAME")] = "",
        log_level: LogLevel = DEFAULTS.log_level,
    ) -> None:
        """Serve a model: the API on one port, /metrics on another."""
        settings = _checked(dict(locals()), Settings)
        if settings.drain_timeout < LEAST_DRAIN_TIMEOUT:
            _refuse(
                "drain-timeout",
                f"{LEAST_DRAIN_TIMEOUT:g} seconds at least: less ends before requests under way and the last counts "
                "are done; give more, and let whatever stops the server (terminationGracePeriodSeconds, "
                f"docker stop --time) wait as long before it kills (given: {settings.drain_timeout:g})",
            )
        from samplerd.server import run  # noqa: PLC0415  (JAX loads here: a wrong flag need not wait for it)

        raise typer.Exit(asyncio.run(run(settings, _or_production(program_for))))

    @app.command(epilog=examples.of("preflight"))
    def preflight(
        model: ModelName = DEFAULTS.model,
        model_path: ModelPath = None,
        precision: Precision = DEFAULTS.precision,
        vocab_shards: VocabShards = DEFAULTS.vocab_shards,
        context: Context = DEFAULTS.context,
        batch_sizes: BatchSizes = "1,2,4",
        prefill_sizes: PrefillSizes = "64",
        threads: Threads = DEFAULTS.threads,
        compile_cache: CompileCache = None,
        preflight_budget: Annotated[
            float | None,
            _flag(
                "preflight-budget",
                "seconds; cases that must run do so whatever it is",
                default=f"{PREFLIGHT_BUDGET:g}, with --long {LONG_PREFLIGHT_BUDGET:g}",
            ),
        ] = None,
        long: Annotated[
            bool,
            _flag(
                "long",
                "the long plan: every batch size, more parameters, emulated devices on a CPU",
                env="SAMPLER_PREFLIGHT_LONG",
            ),
        ] = False,
        baseline: Annotated[
            Path | None, _flag("preflight-baseline", "another build's or pool's JSON to compare with")
        ] = None,
        revision: Revision = DEFAULTS.revision,
        log_level: LogLevel = "error",
        json: AsJson = False,
    ) -> None:
        """Compare the program that would serve with the semantics. Exit code 1: something differs."""
        if preflight_budget is None:
            preflight_budget = LONG_PREFLIGHT_BUDGET if long else PREFLIGHT_BUDGET
        if not preflight_budget > 0:  # NaN is not either
            _refuse("preflight-budget", f"seconds, more than 0; only serve takes 0, off (given: {preflight_budget:g})")
        settings = _checked(dict(locals()), Settings)
        # Told before JAX and the model are loaded. What is in it is read later: it may be a pipe, which is read once.
        if baseline is not None and (baseline.is_dir() or not baseline.exists()):
            _refuse("preflight-baseline", f"there is no file {baseline}: name the output of samplerd preflight --json")
        from samplerd.commands import run_preflight  # noqa: PLC0415

        program = _or_production(program_for)
        raise typer.Exit(run_preflight(settings, program, baseline=baseline, as_json=json, long=long))

    @app.command(epilog=examples.of("lint"))
    def lint(
        model: ModelName = DEFAULTS.model,
        model_path: ModelPath = None,
        vocab_shards: Annotated[
            int,
            _flag("vocab-shards", "devices, of which none need be here, over which the step is read too; 1: not so"),
        ] = LINT_SHARDS,
        context: Context = DEFAULTS.context,
        batch_sizes: BatchSizes = "1,2,4",
        json: AsJson = False,
    ) -> None:
        """Look for what must not stand in the exported program, for tpu, cuda and cpu. Exit code 1: it was found."""
        settings = _checked(dict(locals()), Settings)
        from samplerd.commands import run_lint  # noqa: PLC0415

        raise typer.Exit(run_lint(settings, _or_production(program_for), as_json=json))

    @app.command(epilog=examples.of("probe"))
    def probe(
        target: Annotated[
            list[str],
            _flag("target", "host or host:port (9090); a name is all its addresses; repeat it", _probe("TARGET")),
        ],
        judge: Annotated[
            bool,
            typer.Option(
                "--judge/--no-judge",
                envvar=_probe("JUDGE"),
                help="judge the answers, and count by pool and revision: targets are pool/revision=host:port",
            ),
        ] = PROBING.judge,
        logprobs: Annotated[
            str,
            _flag(
                "logprobs",
                "raw: servers give the model's own; processed: after temperature",
                _probe("LOGPROBS"),
                words=_words(ProbeSettings, "logprobs"),
            ),
        ] = PROBING.logprobs,
        rate: Annotated[float, _flag("rate", "probes a second, to all targets", _probe("RATE"))] = PROBING.rate,
        duration: Annotated[
            float, _flag("duration", "seconds after which it ends; 0: at SIGTERM", _probe("DURATION"))
        ] = PROBING.duration,
        timeout: Annotated[
            float, _flag("timeout", "seconds a probe may take; more than the server's limit", _probe("TIMEOUT"))
        ] = PROBING.timeout,
        connect_timeout: Annotated[
            float, _flag("connect-timeout", "seconds to connect", _probe("CONNECT_TIMEOUT"))
        ] = PROBING.connect_timeout,
        resolve_every: Annotated[
            float, _flag("resolve-every", "seconds after which names are asked again", _probe("RESOLVE_EVERY"))
        ] = PROBING.resolve_every,
        drain_timeout: Annotated[
            float, _flag("drain-timeout", "seconds for probes under way after SIGTERM", _probe("DRAIN_TIMEOUT"))
        ] = PROBING.drain_timeout,
        max_tokens: Annotated[
            int, _flag("max-tokens", "tokens of an answer at most", _probe("MAX_TOKENS"))
        ] = PROBING.max_tokens,
        per_address: Annotated[
            int, _flag("per-address", "probes under way at one address at most", _probe("PER_ADDRESS"))
        ] = PROBING.per_address,
        metrics_port: Annotated[
            int, _flag("metrics-port", "port of the prober's own /metrics; 0: none", _probe("METRICS_PORT"))
        ] = PROBING.metrics_port,
        host: Annotated[str, _flag("host", "address of that port", _probe("HOST"))] = PROBING.host,
        log_level: LogLevel = PROBING.log_level,
        json: AsJson = False,
    ) -> None:
        """Ask servers synthetic prompts, counted apart from users'. Exit code 1: none was answered."""
        settings = _checked(dict(locals()), ProbeSettings)
        from samplerd.probing.run import run as run_probe  # noqa: PLC0415

        raise typer.Exit(run_probe(settings, as_json=json))

    return app


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"samplerd {_installed_version()}")
        raise typer.Exit


def _installed_version() -> str:
    """Of the package that pip installed; says so where there is none, as in the images, which hold bare folders."""
    try:
        return metadata.version("sampler-rollouts")
    except metadata.PackageNotFoundError:
        return "unknown (not installed by pip: the checkout's commit, or the image's digest, tells)"


def _or_production(program_for: "ProgramFor | None") -> "ProgramFor":
    """Production's tensor program unless another is given. JAX loads here, and only for the commands that need it."""
    from samplerd.program import production_program  # noqa: PLC0415

    return program_for or production_program


def _checked(given: dict[str, Any], model: type[M]) -> M:
    """The settings among a command's variables; if they are wrong, says which flags are and ends."""
    try:
        return model.model_validate({name: given[name] for name in model.model_fields.keys() & given.keys()})
    except ValidationError as error:
        for problem in error.errors():
            _say_wrong(*_wrong(problem))
        raise typer.Exit(2) from None


def _wrong(problem: "ErrorDetails") -> tuple[str, str]:
    """The field, and what is wrong with it. What our own checks say names the value where that helps."""
    own = problem.get("ctx", {}).get("error")
    if isinstance(own, SettingsError):
        return own.field, own.why
    return str(problem["loc"][0]), str(own) if own else f"{problem['msg']} (given: {problem['input']!r})"


def _say_wrong(field: str, why: str) -> None:
    typer.echo(f"--{field.replace('_', '-')}: {why}", err=True)


def _refuse(flag: str, why: str) -> NoReturn:
    """Say what is wrong with a flag, and end."""
    _say_wrong(flag, why)
    raise typer.Exit(2)
