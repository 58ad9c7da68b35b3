"""The sentence that says why (R21): check, pool, numbers, release, what differs, since when, and who was exposed."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from quality_contract import CHECK_REPLAY_AUDIT

from sampler_rollouts.domain.decision.context import born, exposing, met_since, moving, table_wave, weight_of
from sampler_rollouts.domain.limits import clip
from sampler_rollouts.domain.plan import Rollout
from sampler_rollouts.domain.quantities import nats_text, ratio_text
from sampler_rollouts.domain.slowness import bound_text
from sampler_rollouts.domain.status import Requests

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.evidence.look import CheckLook


MOST_CHANGES: Final = 4


def moment(when: datetime) -> str:
    """A time as people compare it with their graphs."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def failed_check(look: CheckLook) -> str:
    """Why one check failed, with its numbers."""
    if not math.isnan(look.max_bias):
        return _biased(look)
    if not math.isnan(look.max_drop):
        return _lower(look)
    limits = [] if math.isnan(look.max_rate) else [ratio_text(look.max_rate)]
    limits += [] if math.isnan(look.max_ratio) else [f"{look.max_ratio:g} times stable's rate"]
    limit = f"limit {' and '.join(limits)}"
    if look.check == CHECK_REPLAY_AUDIT:
        found = f"found {look.bad} wrong in {look.checked} audited tokens"
        text = f"check {look.check} {found}, confirmed on a second pod or interval"
    else:
        odds = f"odds against an honest build more than {_odds(look.log_threshold)} to 1"
        was = f"slower than {bound_text(look.slower_than)}" if look.slower_than else "bad"
        text = f"check {look.check} was {was} in {look.bad} of {look.checked} checked requests ({limit}, {odds})"
    return f"{text} ({look.detail})" if look.detail else text


def _biased(look: CheckLook) -> str:
    """Calibration, which is about nats."""
    than = "more" if look.bias > 0 else "less"
    found = f"found tokens {nats_text(abs(look.bias))} {than} surprising than the logits say"
    odds = f"odds against an honest build more than {_odds(look.log_threshold)} to 1"
    text = f"check {look.check} {found}, over {look.checked} audited tokens (limit {nats_text(look.max_bias)}, {odds})"
    return f"{text} ({look.detail})" if look.detail else text


def _lower(look: CheckLook) -> str:
    """Scores, as parts of the best one."""
    odds = f"odds against an honest build more than {_odds(look.log_threshold)} to 1"
    found = f"scored {ratio_text(look.drop)} lower than stable, over {look.checked} runs"
    text = f"check {look.check} {found} (limit {ratio_text(look.max_drop)}, {odds})"
    return f"{text} ({look.detail})" if look.detail else text


def shared_since(look: CheckLook) -> str:
    """Why a check that is above its limit in both releases is laid at this rollout's door."""
    return (
        f"since its first traffic check {look.check} is above its limit ({ratio_text(look.max_rate)}) in both "
        f"releases: {look.bad} of {look.checked} bad here, {look.stable_bad} of {look.stable_checked} in stable, which "
        "is not shown beyond doubt to be the better one; this rollout may have harmed what both depend on, or a fault "
        "lies upstream of both"
    )


def _odds(log_odds: float) -> str:
    """The threshold that was reached, as a whole number; a nonsensical one is shown as it is."""
    return f"{math.floor(math.exp(log_odds) + 1e-6)}" if 0 <= log_odds < 30 else f"e^{log_odds:.0f}"


def exposure(turn: Turn, rollout: Rollout) -> Requests:
    """Requests in all pools that move, and those that the candidate answered; in the table's wave, that came by it."""
    pools = [turn.status.pool(name) for name in exposing(rollout)]
    known = [pool.requests for pool in pools if pool and pool.requests]
    return Requests(exposed=sum(item.exposed for item in known), total=sum(item.total for item in known))


def _exposed(requests: Requests, *, by_table: bool) -> str:
    did = "came by its route table" if by_table else "were exposed"
    if not requests.total:
        return f"how many requests {did} is not known"
    share = 100 * requests.exposed / requests.total
    # Counters are of requests that have ended: those in flight are not among them.
    written = f"{share:.2g}" if share < 99.5 else "100"
    return f"{requests.exposed} of {requests.total} answered requests ({written}%) {did}"


def _met(rollout: Rollout) -> datetime | None:
    """Since when users can have met it: its first pod, or its table where no pods change; None where they have not."""
    if rollout.born and not rollout.waves:
        return met_since(rollout)
    return min(born(rollout), default=None)


def ending(turn: Turn, rollout: Rollout, did: str, pool: str, why: str) -> str:
    """The whole sentence. ``did`` is what was done; ``pool`` is where it showed, if it showed in one."""
    place = f" in pool {pool}" if pool else ""
    moves = pool in moving(rollout) and not table_wave(rollout)
    share = weight_of(rollout, pool) if moves else rollout.weight
    weight = f" at weight {share}" if share < 100 else " at full traffic" if place else ""
    since = _met(rollout)
    parts = [f"{did} release {rollout.release}{place}{weight}: {why}", *rollout.changes[:MOST_CHANGES]]
    if len(rollout.changes) > MOST_CHANGES:
        parts.append(f"{len(rollout.changes) - MOST_CHANGES} further changes")
    requests = exposure(turn, rollout)
    if since is None:
        parts.append("no pod of it has served")
    elif rollout.waves and rollout.ready_at is None and not requests.exposed:
        parts += [f"since {moment(since)}", "no pod of it was seen ready, so that no requests were exposed"]
    else:
        parts += [f"since {moment(since)}", _exposed(requests, by_table=table_wave(rollout))]
    return clip("; ".join(parts) + ".")
