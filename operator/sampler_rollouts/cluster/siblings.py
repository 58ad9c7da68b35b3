"""What other SamplerRollouts of the namespace say of the builds that failed with them (R23)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.observation import Mark, Sibling
from sampler_rollouts.domain.outcome import Manifest


def sibling(body: Manifest) -> Sibling:
    """Read from the raw status, of which only this little is needed: there may be thousands of them."""
    status = _map(body.get("status"))
    serves = _map(status.get("stable")).get("hash")
    return Sibling(str(_map(body.get("metadata")).get("name", "")), str(serves or ""), tuple(_marks(status)))


def _marks(status: Mapping[str, Any]) -> Iterator[Mark]:
    failed = status.get("failed")
    for held in failed[: limits.HELD] if isinstance(failed, list) else ():
        suspects = _map(held).get("suspects")
        for what in suspects[: limits.SUSPECTS] if isinstance(suspects, list) else ():
            if isinstance(what, str):
                yield Mark(str(held.get("hash", ""))[: limits.LABEL], what)


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
