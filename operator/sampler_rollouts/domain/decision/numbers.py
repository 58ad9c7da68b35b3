"""The numbers of checks as status holds them, and whether new ones are news to a reader.

Evidence grows with every scrape. A status that said so each time would be written, stored and sent to every watcher
hundreds of times, and tell nobody anything: numbers are said anew when one of them is off by a tenth (by half where
nothing is tried, and nobody waits), or when anything else has changed. What is decided is decided by the look's own
numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from sampler_rollouts.domain.decision.stages import TESTED
from sampler_rollouts.domain.limits import DETAIL, LABEL, UNKNOWN, clip
from sampler_rollouts.domain.quantities import nats_text, ratio_text
from sampler_rollouts.domain.slowness import bound_text
from sampler_rollouts.domain.status import CheckNumbers, CheckStatus, Unaccounted

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.evidence.look import CheckLook
    from sampler_rollouts.domain.status import PoolStatus, Requests, Status

OFF: Final = 0.1
"""A number that differs by no more than this part of the larger one is the same to a reader."""
OFF_ALONE: Final = 0.5
"""The same where a release serves alone: nobody waits for the next one."""
HALF_A_NAT: Final = 0.5
"""Evidence may differ by so much: a factor of 1.6 in the odds."""
LARGEST_NOISE: Final = 3.0
"""Counts that are read at two places and times differ by chance: in square roots of them, as many make no news."""
_FLOWING: Final = {"checked", "bad", "upper_bound", "log_e", "bias_nats", "drop", "detail"}
_SHARE: Final = {"observed", "low", "high", "requests", "counted_to"}
_POOL: Final[dict[str, Any]] = {
    "requests": True,
    "unaccounted": {"lost", "sent"},
    "share": _SHARE,
    "worst_check": _FLOWING,
    "checks": {"__all__": _FLOWING},
}
_REST: Final[dict[str, Any]] = {"pools": {"__all__": _POOL}}
"""All that flows: what is left when it is taken away has no small changes."""


def shown(look: CheckLook) -> CheckStatus:
    """A check with its limits."""
    return CheckStatus(
        max_rate="" if math.isnan(look.max_rate) else ratio_text(look.max_rate),
        max_ratio="" if math.isnan(look.max_ratio) else f"{look.max_ratio:g}",
        slower_than=bound_text(look.slower_than) if look.slower_than else "",
        max_bias_nats="" if math.isnan(look.max_bias) else f"{look.max_bias:g}",
        max_drop="" if math.isnan(look.max_drop) else ratio_text(look.max_drop),
        **_numbers(look).model_dump() | {"detail": clip(look.detail)},
    )


def _numbers(look: CheckLook) -> CheckNumbers:
    return CheckNumbers(
        name=look.check,
        verdict=look.verdict.value,
        reason=look.reason[:LABEL],
        checked=max(0, look.checked),
        bad=max(0, look.bad),
        bias_nats="" if math.isnan(look.bias) else f"{look.bias:.3g}",
        drop="" if math.isnan(look.drop) else ratio_text(look.drop),
        upper_bound=ratio_text(look.upper_bound) if math.isnan(look.max_bias) else nats_text(look.upper_bound),
        log_e=f"{look.log_e:.4g}",
        log_threshold=f"{look.log_threshold:.4g}",
        detail=clip(look.detail, DETAIL),
    )


def note_numbers(turn: Turn, pool: PoolStatus, looks: list[CheckLook]) -> None:
    """All checks of a pool; while the source gives no answer, as they were last found."""
    if turn.evidence is not None and turn.evidence.available:
        pool.checks = [_numbers(look) for look in looks]
        account = turn.evidence.accounts.get(pool.name)
        pool.unaccounted = None
        if account is not None:
            told = account.unknown[:UNKNOWN]
            pool.unaccounted = Unaccounted(lost=account.lost, sent=account.sent, unknown=told)


def as_said(before: Status, after: Status) -> Status:
    """``before`` if a reader would notice no difference, else ``after``: what is the same is not written."""
    if before == after:
        return before
    if before.model_dump(exclude=_REST) != after.model_dump(exclude=_REST):
        return after
    off = OFF if after.stage in TESTED else OFF_ALONE
    pools = zip(before.pools, after.pools, strict=True)
    return before if all(_same_pool(*pair, off) for pair in pools) else after


def _same_pool(before: PoolStatus, after: PoolStatus, off: float) -> bool:
    rows = zip_longest([before.worst_check, *before.checks], [after.worst_check, *after.checks])
    counts = list(zip(_counts(before), _counts(after), strict=True))
    lost = [pool.unaccounted.lost if pool.unaccounted else 0 for pool in (before, after)]
    return (
        all(_near(*pair, off) for pair in counts)
        and abs(lost[1] - lost[0]) <= max(off * max(lost), LARGEST_NOISE * math.sqrt(max(lost)))
        and all(_same_check(*pair, off) for pair in rows)
    )


def _counts(pool: PoolStatus) -> Iterator[float]:
    """Of requests, in a fixed order."""
    share = pool.share
    for requests in (pool.requests, share.requests if share else None, share.counted_to if share else None):
        yield from _of_requests(requests)


def _of_requests(requests: Requests | None) -> tuple[float, float]:
    return (requests.exposed, requests.total) if requests else (-math.inf, -math.inf)


def _same_check(before: CheckNumbers | None, after: CheckNumbers | None, off: float) -> bool:
    if before is None or after is None:
        return before is after
    counts = _near(before.checked, after.checked, off) and _near(before.bad, after.bad, off)
    return counts and _same_evidence(before.log_e, after.log_e, off) and _words(before.detail) == _words(after.detail)


def _near(one: float, other: float, off: float) -> bool:
    low, high = sorted((one, other))
    return low == high or high - low <= off * high


def _same_evidence(one: str, other: str, off: float) -> bool:
    """Both are ln of an e-value; below 0 nothing speaks against the build, however little. What a stranger has written
    there is never the same."""
    try:
        values = float(one), float(other)
    except ValueError:
        return one == other
    if not all(map(math.isfinite, values)):
        return one == other
    low, high = sorted(max(0.0, value) for value in values)
    return high - low <= max(HALF_A_NAT, off * high)


def _words(text: str) -> str:
    """What is said, without its numbers."""
    return re.sub(r"[0-9.]+", "", text)
