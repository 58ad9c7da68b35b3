"""Fields of the administrator's configuration: durations, addresses, mounted files. Errors never quote a value."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel

from sampler_rollouts.domain.quantities import seconds

LONGEST_URL: Final = 2048


def _duration(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a duration such as 15s")
    return float(seconds(value)) if isinstance(value, str) else float(value)


def split_url(url: str, example: str) -> SplitResult:
    """The parts of an HTTP address without user and password. ValueError with the remedy."""
    remedy = f"must be an address such as {example}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(remedy) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or len(url) > LONGEST_URL:
        raise ValueError(remedy)
    if any(c <= " " or c == "\x7f" for c in url) or not url.isascii():
        raise ValueError(remedy)
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or password: put a token in a file and name it in bearerTokenFile")
    return parts


def is_own(host: str) -> bool:
    """Whether a host by its very name is the machine that asks."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path of a mounted file")
    return path


SETTINGS: Final = ConfigDict(
    extra="forbid",
    frozen=True,
    alias_generator=to_camel,
    populate_by_name=True,
    use_attribute_docstrings=True,  # what a field's docstring says is in docs/reference.md
)
Seconds = Annotated[float, BeforeValidator(_duration)]
MountedFile = Annotated[Path, AfterValidator(_absolute)]
