"""The prober's settings, checked once at start-up."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

DEFAULT_PORT = 9090
"""Of a server's metrics, where it answers probes."""

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ProbeSettings(BaseModel):
    """All that can be set. Each field is the flag of the same name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: Annotated[tuple[str, ...], Field(min_length=1, max_length=64)]
    """``host`` or ``host:port``: an address, or a name that stands for any number of them."""
    rate: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 1.0
    """Probes a second, to all targets together."""
    duration: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Seconds after which it ends by itself; 0: never."""
    timeout: Seconds = 660.0
    """Seconds that a probe may take: more than a server's own limit, so that the server counts what it cuts off."""
    connect_timeout: Seconds = 5.0
    resolve_every: Seconds = 5.0
    drain_timeout: Seconds = 20.0
    """Seconds that probes under way have after SIGTERM."""
    max_tokens: Annotated[int, Field(ge=1, le=4096)] = 32
    per_address: Annotated[int, Field(ge=1, le=64)] = 4
    """Probes under way at one address at most: one that hangs is not piled up on."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Where the prober shows its own metrics; 0: nowhere."""
    host: str = "0.0.0.0"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("target", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list | tuple):
            return value
        return tuple(dict.fromkeys(part.strip() for text in texts for part in str(text).split(",") if part.strip()))

    @field_validator("target")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            address_of(text)
        return value


def address_of(target: str) -> tuple[str, int]:
    """Host and port of a target. Raises ValueError, which names it and what would be right."""
    try:
        parts = urlsplit(f"//{target}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    plain = not any(sign in target for sign in "/@?# ")
    if not host or not plain or (target.count(":") > 1 and "[" not in target):
        raise ValueError(f"{target!r} is no target: host, host:port or [IPv6 address]:port, without a scheme or path")
    return host, DEFAULT_PORT if port is None else port
