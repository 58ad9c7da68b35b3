"""The prober's settings, checked once at start-up."""

import re
from typing import Annotated, Final, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from samplerd.settings import SettingsError

DEFAULT_PORT = 9090
"""Of a server's metrics, where it answers probes."""

_OWNER: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]+")

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ProbeSettings(BaseModel):
    """All that can be set. Each field is the flag of the same name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: Annotated[tuple[str, ...], Field(min_length=1, max_length=64)]
    """``host`` or ``host:port``: an address, or a name that stands for any number of them. Before it, as
    ``pool/revision=``, whose pods these are."""
    judge: bool = False
    """Whether answers are judged, and counted by pool and revision: every target then says whose it is."""
    logprobs: Literal["raw", "processed"] = "raw"
    """What a server's log-probabilities are of: the model's own logits, or those that it draws from."""
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

    @model_validator(mode="after")
    def _named(self) -> Self:
        nameless = [text for text in self.target if owner_of(text) is None]
        if self.judge and nameless:
            raise SettingsError("target", f"with --judge each says whose pods they are, as pool/revision={nameless[0]}")
        return self


class Owner(NamedTuple):
    """Whose pods a target is."""

    pool: str
    revision: str

    def __str__(self) -> str:
        return f"{self.pool}/{self.revision}"


def owner_of(target: str) -> Owner | None:
    """What stands before the target's address, or None. Raises ValueError for what is neither."""
    before, separator, _ = target.rpartition("=")
    if not separator:
        return None
    if not _OWNER.fullmatch(before):
        raise ValueError(f"{before!r} does not say whose pods a target is: pool/revision, in lower case")
    return Owner(*before.split("/"))


def address_of(target: str) -> tuple[str, int]:
    """Host and port of a target. Raises ValueError, which names it and what would be right."""
    owner_of(target)
    target = target.rpartition("=")[2]
    try:
        parts = urlsplit(f"//{target}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    plain = not any(sign in target for sign in "/@?# ")
    if not host or not plain or (target.count(":") > 1 and "[" not in target):
        raise ValueError(f"{target!r} is no target: host, host:port or [IPv6 address]:port, without a scheme or path")
    return host, DEFAULT_PORT if port is None else port
