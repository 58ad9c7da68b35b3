"""What became of words that were said: the operator's answer, or who has taken them away."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from sampler_rollouts.domain.act import Acts
from sampler_rollouts.domain.decision.context import narrowed
from sampler_rollouts.domain.decision.memory import LONGEST_WORD
from sampler_rollouts.domain.status import Stage, Status

from samplerctl.errors import GoneError, InputError
from samplerctl.standing import STOPPING, Standing, open_words, standing

Body = Mapping[str, Any]
Read = Callable[["Said"], Body]
"""The SamplerRollout that something was said of; GoneError if there is none."""
POLL_SECONDS: Final = 1.0
DONE, REFUSED, UNANSWERED = "done", "refused", "unanswered"
REPLACED, REMOVED, DELETED = "replaced", "removed", "deleted"
AGAIN: Final = "say it again if you mean it"


@dataclass(frozen=True, slots=True)
class Said:
    """A word that is there now, and what else is."""

    namespace: str
    name: str
    uid: str
    word: Standing
    took_back: tuple[Standing, ...] = ()
    """What nobody had answered, and is no more because of this word."""
    beside: Mapping[Acts, str] | None = None
    """The other acts' words that stayed."""
    by_another: Standing | None = None
    """The same word of somebody else, which took its place."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one."""

    kind: str
    message: str


def answers(read: Read, said: Sequence[Said], wait: float) -> list[Answer]:
    """One for each, in the same order, within so many seconds: all of them are waited for at once."""
    until = time.monotonic() + wait
    found = [Answer(UNANSWERED, "It is said; nobody has looked for the answer.")] * len(said)
    with suppress(KeyboardInterrupt):  # said is said, and who has waited long enough is to know it
        while True:
            for index, one in enumerate(said):
                if found[index].kind == UNANSWERED:
                    found[index] = _look(read, one)
            if all(one.kind != UNANSWERED for one in found) or time.monotonic() >= until:
                break
            time.sleep(min(POLL_SECONDS, max(0.0, until - time.monotonic())))
    return found


def _look(read: Read, said: Said) -> Answer:
    try:
        body = read(said)
    except GoneError:
        return Answer(DELETED, "The SamplerRollout was deleted before it was answered.")
    except InputError as error:
        return Answer(UNANSWERED, f"It is said; what becomes of it cannot be seen: {error}")
    return became(body, said) or Answer(UNANSWERED, _waits(body, said))


def became(body: Body, said: Said) -> Answer | None:
    """None while it stands and nobody has answered it."""
    if said.uid and str(body["metadata"].get("uid", "")) != said.uid:
        return Answer(DELETED, "The SamplerRollout was deleted before it was answered; one of its name is there again.")
    words, status = standing(body), Status.load(body.get("status"))
    heard = status.act(said.word.act)
    if heard is not None and heard.value == said.word.value[:LONGEST_WORD]:
        kind, more = (DONE, "") if heard.done else (REFUSED, _held(status, said.word))
        return Answer(kind, heard.message + more + _instead(said))
    now = words.get(said.word.act)
    if now is not None and now.value == said.word.value:
        return None
    if now is not None and now.release == said.word.release:
        # The same is asked for all the same: its answer is this one's.
        return became(body, replace(said, word=now, by_another=now))
    return _lost(words, said, now)


def _held(status: Status, word: Standing) -> str:
    """Two may ask for the same in other words, and a check may be faster than both."""
    held = status.held(word.release) if word.act in STOPPING else None
    return f" (It has been taken back all the same: {held.message})" if held else ""


def _lost(words: Mapping[Acts, Standing], said: Said, now: Standing | None) -> Answer:
    if now is not None:
        return Answer(REPLACED, f"In its place, before it was answered, came {now.told}: {AGAIN}.")
    return Answer(REMOVED, f"It was taken away before it was answered, {_by(words, said)}: {AGAIN}.")


def _instead(said: Said) -> str:
    return f" (The answer is to the same word of somebody else: {said.by_another.told}.)" if said.by_another else ""


def _by(words: Mapping[Acts, Standing], said: Said) -> str:
    """Who has taken a word away: whoever says another one now, as far as can be seen."""
    known = said.beside or {}
    new = [word.told for word in words.values() if known.get(word.act) != word.value]
    return f"and there is now {', '.join(new)}" if new else "by somebody whom the API server's audit log knows"


def _waits(body: Body, said: Said) -> str:
    others = [word.told for word in open_words(body) if word.act in STOPPING and word.act is not said.word.act]
    beside = f" Not answered either, and not taken away: {', '.join(others)}." if others else ""
    return _until_when(Status.load(body.get("status")), said.word.act) + _instead(said) + beside


def _until_when(status: Status, act: Acts) -> str:
    if act is Acts.PROMOTE and status.stage is Stage.PROGRESSING:
        return "It is said, and will be heard when the rollout waits for a person."
    if act is Acts.RETRY and status.stage is Stage.ROLLING_BACK:
        return "It is said, and will be heard when the rollback is over."
    if act is Acts.RETRY and status.stage is Stage.PROGRESSING and narrowed(status):
        return "It is said, and will be heard when the other pools have got through."
    return "It is said; the operator has not answered yet. It will at its next look, if it runs."
