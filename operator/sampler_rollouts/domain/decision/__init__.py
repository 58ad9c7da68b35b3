"""The decision: one pure function from what is wanted, remembered and seen to what is to be done (R2).

    question(meta, spec, status, now) -> Question | None
    question_beside(meta, status) -> Question | None
    release_under_test(status) -> Release | None
    decide(meta, spec, status, observation, evidence, now, beside) -> Outcome
    note_edits(outcome, edits) -> Outcome

``meta`` is ``ResourceMeta.of(metadata)``; ``spec`` is the raw ``.spec``; ``status`` is ``Status.load(raw_status)``;
``now`` is aware (UTC). ``question`` is asked of the same status that ``decide`` gets, and its answer is ``evidence``
(None when there was no question); the same holds for ``question_beside`` and ``beside``. All are total: they raise for
no spec, status or observation. ``decide`` does not change its arguments.
"""

from sampler_rollouts.domain.decision.context import ResourceMeta
from sampler_rollouts.domain.decision.decide import decide
from sampler_rollouts.domain.decision.edits import note_edits
from sampler_rollouts.domain.decision.question import question, question_beside, release_under_test

__all__ = ["ResourceMeta", "decide", "note_edits", "question", "question_beside", "release_under_test"]
