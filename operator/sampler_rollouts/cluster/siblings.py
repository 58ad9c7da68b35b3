"""What other SamplerRollouts say of the builds that failed with them (R23)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision.changes import image_in_words
from sampler_rollouts.domain.decision.examined import PREFLIGHT_FAILED
from sampler_rollouts.domain.decision.verdicts import CHECK_FAILED
from sampler_rollouts.domain.observation import Mark, Sibling
from sampler_rollouts.domain.outcome import Manifest
from sampler_rollouts.domain.quantities import time_stamp
from sampler_rollouts.domain.status import Stage


def sibling(body: Manifest) -> Sibling:
    """Read from the raw status, of which only this little is needed: there may be thousands of them."""
    status = _map(body.get("status"))
    stable = _map(status.get("stable"))
    serves = "" if _map(stable.get("fault")) else str(stable.get("hash") or "")
    marks = (*_of_held(status), *_of_first(status))
    metadata = _map(body.get("metadata"))
    return Sibling((str(metadata.get("namespace", "")), str(metadata.get("name", ""))), serves, marks)


def _of_held(status: Mapping[str, Any]) -> Iterator[Mark]:
    """What was rolled back."""
    failed = status.get("failed")
    for held in failed[: limits.HELD] if isinstance(failed, list) else ():
        suspects = _map(held).get("suspects")
        for what in suspects[: limits.SUSPECTS] if isinstance(suspects, list) else ():
            if isinstance(what, str):
                yield _mark(_map(held), what, _map(held))


def _of_first(status: Mapping[str, Any]) -> Iterator[Mark]:
    """Images that have failed where there is nothing to go back to (R10). Its settings are everybody's."""
    stable, candidate = _map(status.get("stable")), _map(status.get("candidate"))
    fault, failure = _map(stable.get("fault")), _map(_map(status.get("rollout")).get("failure"))
    if fault.get("reason") == CHECK_FAILED:
        yield from (_mark(stable, what, fault) for what in _images(stable, fault.get("pool")))
    if status.get("stage") == Stage.ESTABLISHING and failure.get("reason") == PREFLIGHT_FAILED:
        yield from (_mark(candidate, what, failure) for what in _images(candidate))


def _images(release: Mapping[str, Any], pool: object = None) -> list[str]:
    found = release.get("pools")
    pools = [_map(one) for one in found[: limits.POOLS]] if isinstance(found, list) else []
    images = (one.get("image") for one in pools if pool in (None, one.get("name")))
    return list(dict.fromkeys(image_in_words(one) for one in images if isinstance(one, str) and one))


def _mark(release: Mapping[str, Any], what: str, failure: Mapping[str, Any]) -> Mark:
    return Mark(str(release.get("hash", ""))[: limits.LABEL], what, time_stamp(failure.get("at")))


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
