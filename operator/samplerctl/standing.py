"""Which words stand in a SamplerRollout's annotations, and which of them a new one takes away.

What is answered is tidied up. What is not was said by somebody who counts on it, and with the operator away it comes
out as if all had been said while it was there: a word stays, but for those of which the new one is the opposite. What
takes a release back is never taken away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sampler_rollouts.domain.act import Acts
from sampler_rollouts.domain.decision.memory import LONGEST_WORD
from sampler_rollouts.domain.resource import ACT_PREFIX
from sampler_rollouts.domain.status import Status

Body = Mapping[str, Any]
STOPPING: Final = frozenset({Acts.ABORT, Acts.ROLLBACK})
"""What takes a release back: nothing takes these away but their like."""
TAKES_BACK: Final[Mapping[Acts, frozenset[Acts]]] = {
    # The operator would hear a retry after the rollback, and start again what was taken back.
    Acts.ABORT: frozenset({Acts.PROMOTE, Acts.RETRY}),
    Acts.ROLLBACK: frozenset({Acts.PROMOTE, Acts.RETRY}),
    # It would hear the pause after what takes it back.
    Acts.RESUME: frozenset({Acts.PAUSE}),
}
"""What a word takes away of the same release, although nobody has answered it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A word as it stands in an annotation."""

    act: Acts
    value: str
    answered: bool = False

    @property
    def release(self) -> str:
        """Which it is about."""
        return self.value.partition(":")[0]

    @property
    def told(self) -> str:
        """The word for people, with who said it and why."""
        said = self.value.partition(":")[2].strip()
        return f"{self.act.value} {self.release} ({f'self-reported: {said}' if said else 'nobody said who'})"


def standing(body: Body) -> dict[Acts, Standing]:
    """Every word that is there."""
    status = Status.load(body.get("status"))
    annotations = body["metadata"].get("annotations") or {}
    values = {act: str(annotations.get(ACT_PREFIX + act.value) or "") for act in Acts}
    return {act: Standing(act, value, _answered(status, act, value)) for act, value in values.items() if value}


def _answered(status: Status, act: Acts, value: str) -> bool:
    """As the operator sees it. A promote that was there when a rollout began counts no more, and gets no answer."""
    heard, cut = status.act(act), value[:LONGEST_WORD]
    return (heard is not None and heard.value == cut) or (act is Acts.PROMOTE and status.promoted_by == cut)


def open_words(body: Body) -> list[Standing]:
    """Those that nobody has answered."""
    return [word for word in standing(body).values() if not word.answered]


def takes_back(word: Standing, unanswered: Standing) -> bool:
    """Whether a new word takes another one away, although nobody has answered it."""
    return unanswered.act in TAKES_BACK.get(word.act, ()) and unanswered.release == word.release


def undoes(word: Standing, unanswered: Standing) -> bool:
    """Whether it must wait: found beside one that takes the release back, it would be heard after it, and undo it."""
    return word.act is Acts.RETRY and unanswered.act in STOPPING and unanswered.release == word.release
