"""The decision: one pure function from what is wanted, remembered and seen to what is to be done (R2).

    question(meta, spec, status, now) -> Question | None
    release_under_test(status) -> Release | None
    decide(meta, spec, status, observation, evidence, now) -> Outcome
    note_edits(outcome, edits) -> Outcome

``meta`` is ``ResourceMeta.of(metadata)``; ``spec`` is the raw ``.spec``; ``status`` is ``Status.load(raw_status)``;
``now`` is aware (UTC). ``question`` is asked of the same status that ``decide`` gets, and its answer is ``evidence``
(None when there was no question). Both are total: they raise for no spec, status or observation. ``decide`` does not
change its arguments.
"""

from sampler_rollouts.domain.decision.context import ResourceMeta
from sampler_rollouts.domain.decision.decide import decide
from sampler_rollouts.domain.decision.edits import note_edits
from sampler_rollouts.domain.decision.question import question, release_under_test

__all__ = ["ResourceMeta", "decide", "note_edits", "question", "release_under_test"]
