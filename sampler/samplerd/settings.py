"""The server's settings, checked once at start-up."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

DEFAULT_REVISION = "dev"
"""Of a server that nobody rolled out: it says nothing of which build it is."""

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0)]


class Settings(BaseModel):
    """All that can be set. Each field is the flag and the SAMPLER_* variable of the same name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "0.0.0.0"
    http_port: Port = 8000
    metrics_port: Port = 9090

    model: Literal["smollm2-135m", "synthetic"] = "smollm2-135m"
    model_path: Path | None = None
    precision: Literal["float32"] = "float32"
    context: Annotated[int, Field(ge=16)] = 512
    batch_sizes: tuple[Annotated[int, Field(ge=1, le=256)], ...] = (1, 2, 4)
    prefill_sizes: tuple[Annotated[int, Field(ge=1)], ...] = (64,)
    threads: Annotated[int, Field(ge=0)] = 0
    compile_cache: Path | None = None
    compile_only: bool = False

    queue_size: Annotated[int, Field(ge=0)] = 32
    request_timeout: Annotated[float, Field(gt=0)] = 600.0
    turn_timeout: Annotated[float, Field(gt=0)] = 120.0
    drain_delay: Seconds = 3.0
    drain_timeout: Seconds = 60.0
    behind_gateway: bool = False
    """A gateway in front overwrites the route header. Without one it may come from anybody, and counts for nothing."""
    probes: bool = True
    """Answer synthetic probes on the metrics port, counted apart from users' requests."""
    session_capacity: Annotated[int, Field(ge=1)] = 100_000

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
    def _not_empty(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value:
            raise ValueError("needs at least one size")
        return value

    @field_validator("audit_share", mode="before")
    @classmethod
    def _percent(cls, value: object) -> object:
        if isinstance(value, str) and value.endswith("%"):
            return float(value.removesuffix("%")) / 100
        return value

    @model_validator(mode="after")
    def _chunks_fit(self) -> "Settings":
        if min(self.prefill_sizes) > self.context:
            raise ValueError(f"prefill_sizes: the smallest chunk is longer than the context of {self.context} tokens")
        return self
