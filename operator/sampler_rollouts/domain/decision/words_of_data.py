"""The conditions that are about data: whether they come, what they can show, and whether there were enough."""

from __future__ import annotations

import re

from sampler_rollouts.domain.decision.baking import serves, standing
from sampler_rollouts.domain.decision.context import Turn
from sampler_rollouts.domain.decision.faults import FIRST_RELEASE_FAILED
from sampler_rollouts.domain.decision.question import tested_alone
from sampler_rollouts.domain.decision.replicas import wanted
from sampler_rollouts.domain.decision.stages import TESTED
from sampler_rollouts.domain.decision.warm import said_of_warm
from sampler_rollouts.domain.decision.word import Word
from sampler_rollouts.domain.quantities import duration_text


def verified(turn: Turn) -> Word:
    """Whether the release that serves has had its time of valid data."""
    status = turn.status
    if status.stable is None:
        return Word("Verified", "Unknown", "NotEstablished", "no release serves all traffic yet")
    if status.stable.fault:
        return Word("Verified", "False", FIRST_RELEASE_FAILED, status.stable.fault.message)
    if status.verified and status.verified.hash == status.stable.hash:
        return Word("Verified", "True", "BakeTimeOver", f"release {status.stable.hash} has passed its bake time")
    time = duration_text(status.bake.seconds) if status.bake else "?"
    text = f"release {status.stable.hash} is in its bake time of {time}"
    warm = f"; {said}" if (said := said_of_warm(turn, wanted(turn))) else ""
    if status.bake is None or not serves(status):
        return Word("Verified", "False", "Baking", text + warm)
    reason, why = standing(turn)
    ran = duration_text(status.bake.clock.elapsed(turn.now))
    return (
        Word("Verified", "False", _camel(reason), f"{text}, of which {ran} have run; its clock stands: {why}{warm}")
        if why
        else Word("Verified", "False", "Baking", text + warm)
    )


def metrics_available(turn: Turn) -> Word:
    """Whether the metrics source answered the last question."""
    evidence = turn.evidence
    if evidence is None:
        return Word("MetricsAvailable", "Unknown", "NothingUnderTest", "no release is under test")
    if evidence.available:
        return Word("MetricsAvailable", "True", "Answered", "")
    return Word("MetricsAvailable", "False", _camel(evidence.reason), evidence.message)


def evidence_feasible(turn: Turn) -> Word:
    """What the traffic can show (R16): of a candidate until its deadline, of what serves alone in its bake time."""
    status, rollout = turn.status, turn.status.rollout
    if status.bake and tested_alone(status):
        said = status.bake.forecast
    elif rollout and not rollout.first and status.stage in TESTED:
        said = rollout.forecast
    else:
        return Word("EvidenceFeasible", "Unknown", "NothingUnderTest", "no release is under test")
    if said is None:
        return Word("EvidenceFeasible", "Unknown", "Measuring", "how much traffic there is is not known yet")
    return Word("EvidenceFeasible", said.feasible, _camel(said.reason), said.message)


def _camel(reason: str) -> str:
    """Another part's reason, if it is one: the API server refuses a condition without."""
    return reason if re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,127}", reason) else "Unavailable"
