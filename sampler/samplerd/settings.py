"""The server's settings, checked once at start-up."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from samplerd.context_classes import ContextClasses, parse_classes

DEFAULT_REVISION = "dev"
"""Of a server that nobody rolled out: it says nothing of which build it is."""

WRITE_TIMEOUT = 60.0
"""Seconds."""

PREFILL_SIZES = (64,)

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0)]


class SettingsError(ValueError):
    """A field that is wrong beside others: which one is to be changed, and why."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field, self.why = field, why


class Settings(BaseModel):
    """All that can be set. Each field is the flag and the SAMPLER_* variable of the same name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "0.0.0.0"
    http_port: Port = 8000
    metrics_port: Port = 9090

    model: Literal["smollm2-135m", "synthetic"] = "smollm2-135m"
    model_path: Path | None = None
    precision: Literal["float32"] = "float32"
    vocab_shards: Annotated[int, Field(ge=1, le=64)] = 1
    """Devices over which the vocabulary is split: that many emulated ones on a CPU."""
    context: Annotated[int, Field(ge=16)] = 512
    batch_sizes: tuple[Annotated[int, Field(ge=1, le=256)], ...] = (1, 2, 4)
    """In order and each once, as given or not."""
    prefill_sizes: tuple[Annotated[int, Field(ge=1)], ...] = PREFILL_SIZES
    """Likewise. What is longer than the context counts as the context."""
    threads: Annotated[int, Field(ge=0)] = 0
    compile_cache: Path | None = None
    compile_only: bool = False

    queue_size: Annotated[int, Field(ge=0)] = 32
    request_timeout: Annotated[float, Field(gt=0)] = 600.0
    turn_timeout: Annotated[float, Field(gt=0)] = 120.0
    idle_timeout: Annotated[int, Field(ge=1)] = 3700
    """Seconds for which a connection without a request stays open. Longer than any proxy keeps one (Envoy: an hour): to
    whom a connection is closed just as it sends a request on it, that request has failed."""
    write_timeout: Annotated[float, Field(gt=0, le=86400)] = WRITE_TIMEOUT
    """Seconds for which a client may take nothing of what is sent to it; then its connection is closed."""
    drain_delay: Seconds = 3.0
    drain_timeout: Seconds = 60.0
    behind_gateway: bool = False
    """A gateway in front overwrites the route header. Without one it may come from anybody, and counts for nothing."""
    probes: bool = True
    """Answer synthetic probes on the metrics port, counted apart from users' requests."""
    session_capacity: Annotated[int, Field(ge=1)] = 100_000

    context_classes: dict[str, int] = {}
    """Most prompt tokens of each context class of the release, by name; empty: there are no classes."""
    context_class: str = ""
    """The class that this server is for; given together with ``context_classes``."""

    preflight_budget: Seconds = 0.0
    """Seconds for the conformance sweep before readiness; 0: no preflight."""
    preflight_result: Path | None = None
    """The JSON of an earlier preflight; one that passed and is of this very program spares this pod its own."""

    audit_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    audit_queue: Annotated[int, Field(ge=1)] = 256

    revision: Annotated[str, Field(min_length=1)] = DEFAULT_REVISION
    pool: str = ""
    rollout: str = ""
    pod_name: str = ""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("batch_sizes", "prefill_sizes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value

    @field_validator("batch_sizes", "prefill_sizes")
    @classmethod
    def _sizes(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value:
            raise ValueError("needs at least one size")
        return tuple(sorted(set(value)))

    @field_validator("context_classes", mode="before")
    @classmethod
    def _classes(cls, value: object) -> object:
        return parse_classes(value) if isinstance(value, str) else value

    @field_validator("audit_share", mode="before")
    @classmethod
    def _percent(cls, value: object) -> object:
        if not (isinstance(value, str) and value.endswith("%")):
            return value
        try:
            return float(value.removesuffix("%")) / 100
        except ValueError:
            raise ValueError(f"{value!r} is no share: say 0.01, or 1%") from None

    @model_validator(mode="after")
    def _class_is_known(self) -> "Settings":
        if bool(self.context_class) != bool(self.context_classes):
            missing = "context_classes" if self.context_class else "context_class"
            raise SettingsError(missing, "--context-class and --context-classes go together: give both, or neither")
        if self.context_class and self.context_class not in self.context_classes:
            names = ", ".join(self.context_classes)
            raise SettingsError("context_class", f"{self.context_class!r} is not among --context-classes ({names})")
        return self

    @property
    def classes(self) -> ContextClasses | None:
        """The context classes, where the release has any."""
        return ContextClasses(self.context_classes, self.context_class) if self.context_class else None

    @model_validator(mode="after")
    def _chunks_fit(self) -> "Settings":
        smallest = min(self.prefill_sizes)
        if smallest > self.context and self.prefill_sizes != PREFILL_SIZES:
            why = f"the smallest chunk, {smallest}, is longer than --context {self.context}"
            raise SettingsError("prefill_sizes", f"{why}: give one of {self.context} at most, or a longer context")
        return self

    @model_validator(mode="after")
    def _all_take_effect(self) -> "Settings":
        if self.compile_only and self.compile_cache is None:
            raise SettingsError("compile_only", "what is compiled would be lost: give its folder too, --compile-cache")
        if self.http_port == self.metrics_port != 0:
            raise SettingsError("metrics_port", f"must differ from --http-port (both are {self.http_port})")
        if self.model_path is not None and self.model == "synthetic":
            raise SettingsError("model_path", "is for --model smollm2-135m: synthetic is in no file; leave one out")
        return self
