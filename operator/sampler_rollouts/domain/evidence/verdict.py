"""From what was found of one check to its verdict and reason (R12, R13): which finding counts before which."""

from __future__ import annotations

from sampler_rollouts.domain.evidence.audit import CONFIRMED
from sampler_rollouts.domain.evidence.look import SHARED_DEGRADATION, UNCONFIRMED_AGAINST_STABLE, Verdict

Judged = tuple[Verdict, str]
"""The verdict, and the reason of an inconclusive one."""


def of_rate(
    *, failed: bool, shared: bool, unconfirmed: bool, passed: bool, burst: bool, unusable: str, otherwise: str
) -> Judged:
    """The statistical test. What the samples prove stands, however stale they are; only ``Passed`` needs fresh ones.

    ``unusable`` is why the data must not pass anything, empty if they may; ``otherwise`` what to say of too few.
    """
    if failed:
        return Verdict.FAILED, ""
    if shared:
        return Verdict.INCONCLUSIVE, SHARED_DEGRADATION
    if unconfirmed:
        return Verdict.INCONCLUSIVE, UNCONFIRMED_AGAINST_STABLE
    if unusable:
        return Verdict.INCONCLUSIVE, unusable
    if passed:
        return Verdict.PASSED, ""
    return Verdict.INCONCLUSIVE, "UnconfirmedBurst" if burst else otherwise


def of_audit(*, intervals: int, below: bool, unusable: str, otherwise: str) -> Judged:
    """The invariant: a right sampler has no mismatch, so a confirmed one fails without spending alpha.

    ``intervals`` is how many pod-intervals hold a mismatch. A single one passes only once the bound, with it counted,
    is ``below`` the limit.
    """
    if intervals >= CONFIRMED:
        return Verdict.FAILED, ""
    if unusable:
        return Verdict.INCONCLUSIVE, unusable
    if below:
        return Verdict.PASSED, ""
    return Verdict.INCONCLUSIVE, "UnconfirmedMismatch" if intervals else otherwise
