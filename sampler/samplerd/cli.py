"""The command line: `samplerd serve`. Every flag can also be set by its SAMPLER_* environment variable."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from samplerd.program import ProgramFor, production_program
from samplerd.settings import Settings

DEFAULTS = Settings()


def _flag(name: str, text: str, env: str | None = None) -> Any:
    return typer.Option(f"--{name}", envvar=env or f"SAMPLER_{name.upper().replace('-', '_')}", help=text)


def make_app(program_for: ProgramFor = production_program) -> typer.Typer:
    """Make the command line for a server that runs the given tensor program."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

    @app.callback()
    def samplerd() -> None:
        """Turns a language model's logits into tokens, and shows that it does so rightly."""

    @app.command()
    def serve(
        host: Annotated[str, _flag("host", "address to listen on")] = DEFAULTS.host,
        http_port: Annotated[int, _flag("http-port", "port of the API")] = DEFAULTS.http_port,
        metrics_port: Annotated[int, _flag("metrics-port", "port of /metrics")] = DEFAULTS.metrics_port,
        model: Annotated[str, _flag("model", "smollm2-135m or synthetic")] = DEFAULTS.model,
        model_path: Annotated[Path | None, _flag("model-path", "another GGUF file of that model")] = None,
        precision: Annotated[str, _flag("precision", "float32")] = DEFAULTS.precision,
        context: Annotated[int, _flag("context", "most tokens of prompt and answer together")] = DEFAULTS.context,
        batch_sizes: Annotated[str, _flag("batch-sizes", "compiled batch sizes; the largest is the slots")] = "1,2,4",
        prefill_sizes: Annotated[str, _flag("prefill-sizes", "compiled lengths of prompt chunks")] = "64",
        threads: Annotated[int, _flag("threads", "threads for computing; 0: one a processor")] = DEFAULTS.threads,
        compile_cache: Annotated[Path | None, _flag("compile-cache", "folder for compiled programs; off")] = None,
        compile_only: Annotated[bool, _flag("compile-only", "fill the compile cache, then end")] = False,
        queue_size: Annotated[int, _flag("queue-size", "requests that may wait for a slot")] = DEFAULTS.queue_size,
        request_timeout: Annotated[
            float, _flag("request-timeout", "seconds after which a request is ended")
        ] = DEFAULTS.request_timeout,
        turn_timeout: Annotated[
            float, _flag("turn-timeout", "seconds after which an engine that is still at one step counts as hung")
        ] = DEFAULTS.turn_timeout,
        drain_delay: Annotated[
            float, _flag("drain-delay", "seconds after SIGTERM in which new requests are still served")
        ] = DEFAULTS.drain_delay,
        drain_timeout: Annotated[
            float, _flag("drain-timeout", "seconds after SIGTERM in which the process must have ended")
        ] = DEFAULTS.drain_timeout,
        session_capacity: Annotated[
            int, _flag("session-capacity", "sessions remembered for the checks")
        ] = DEFAULTS.session_capacity,
        audit_share: Annotated[str, _flag("audit-share", "share of tokens to recompute, such as 0.01 or 1%")] = "0.01",
        audit_queue: Annotated[int, _flag("audit-queue", "tokens that may wait for the audit")] = DEFAULTS.audit_queue,
        revision: Annotated[str, _flag("revision", "the release's revision of this pool")] = DEFAULTS.revision,
        pool: Annotated[str, _flag("pool", "the pool's name")] = "",
        rollout: Annotated[str, _flag("rollout", "the rollout's name")] = "",
        pod_name: Annotated[str, _flag("pod-name", "this pod's name", env="POD_NAME")] = "",
        log_level: Annotated[str, _flag("log-level", "debug, info, warning or error")] = DEFAULTS.log_level,
    ) -> None:
        """Serve a model: the API on one port, /metrics on another."""
        given = dict(locals())
        names = Settings.model_fields.keys()
        raise typer.Exit(_serve({name: given[name] for name in names}, program_for))

    return app


def _serve(values: dict[str, Any], program_for: ProgramFor) -> int:
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        for problem in error.errors():
            name = "-".join(str(problem["loc"][0]).split("_")) if problem["loc"] else "settings"
            typer.echo(f"--{name}: {problem['msg']} (given: {problem['input']!r})", err=True)
        return 2
    from samplerd.server import run  # noqa: PLC0415  (JAX loads here: a wrong flag need not wait for it)

    return asyncio.run(run(settings, program_for))
