"""What a person says by annotation: ``samplerrollouts.io/<act>: <release>[:<who and why>]``.

Each value is answered once, done or refused, in the same write of status as what it does: an operator that is killed
anywhere has either written both or neither. Who and why are as they were said; nobody has checked them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain.act import Act, Acts
from sampler_rollouts.domain.decision.after_bake import told
from sampler_rollouts.domain.decision.away import asks_for_news, stable_away
from sampler_rollouts.domain.decision.bake_alarm import go_back, target_for
from sampler_rollouts.domain.decision.baking import serves
from sampler_rollouts.domain.decision.leave import roll_back
from sampler_rollouts.domain.decision.memory import LONGEST_WORD, spoken
from sampler_rollouts.domain.decision.stages import BY_STEPS, TESTED
from sampler_rollouts.domain.decision.suspects import clear_suspects, suspected
from sampler_rollouts.domain.decision.transitions import Trigger
from sampler_rollouts.domain.limits import clip
from sampler_rollouts.domain.resource import ACT_PREFIX
from sampler_rollouts.domain.status import Stage

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.plan import Rollout

BY_PERSON: Final = "ByPerson"
_NOTHING_BEFORE: Final = "it has no stable release to go back to: ask for another in the spec"
RETRIABLE: Final = frozenset({Stage.HOLDING, Stage.ESTABLISHING})


def hear(turn: Turn) -> None:
    """Answer every new word. Of several at once the most cautious is heard last, so that it holds."""
    _end_of_pause(turn)
    _refuse_promote(turn)
    for act, answer in (
        (Acts.CLEAR_SUSPECT, _clear_suspect),
        (Acts.RESUME, _resume),
        (Acts.PAUSE, _pause),
        (Acts.ROLLBACK, _roll_back),
        (Acts.ABORT, _abort),
    ):
        said = new_word(turn, act)
        if said is not None:
            answer(turn, said)


def new_word(turn: Turn, act: Acts) -> Act | None:
    """What is said and not answered yet."""
    value = turn.meta.annotations.get(ACT_PREFIX + act.value, "")[:LONGEST_WORD]
    before = turn.status.act(act)
    if not value or (before is not None and before.value == value):
        return None
    release, _, words = value.partition(":")
    return Act(act=act, value=value, release=release, said=words.strip(), at=turn.now)


def do(turn: Turn, said: Act, event: str, message: str) -> None:
    """Note that it was done. The clocks are looked at again: they may have to stand, or run, from now on."""
    turn.moved = True
    _answer(turn, said, done=True, message=message)
    turn.note(event, f"{message}{spoken(said)}.")


def take_retry(turn: Turn) -> bool:
    """Whether a person wants the release that the spec asks for tried again, and it can be."""
    said = new_word(turn, Acts.RETRY)
    if said is None:
        return False
    if said.release != turn.target:
        _refuse(turn, said, f"the spec asks for release {turn.target}")
        return False
    status, rollout = turn.status, turn.status.rollout
    stable = status.stable if status.stable and status.stable.hash == turn.target else None
    not_well = stable is not None and bool(stable.fault or told(turn))
    stuck = (
        rollout is not None
        and status.stage in RETRIABLE
        and bool(rollout.hold is not None or rollout.failure is not None)
    )
    if not (status.held(turn.target) or not_well or stuck or suspected(turn)):
        _refuse(turn, said, "it is neither held nor holding, failed nor suspect: there is nothing to try again")
        return False
    do(turn, said, "Retried", f"A person has release {turn.target} tried again")
    return True


def promoted(turn: Turn, rollout: Rollout) -> None:
    """Note a word that has let a rollout go on."""
    said = new_word(turn, Acts.PROMOTE)
    if said is not None:
        _answer(turn, said, done=True, message=f"A person let release {rollout.release} go on")


def _answer(turn: Turn, said: Act, *, done: bool, message: str) -> None:
    said = said.model_copy(update={"done": done, "message": clip(message)})
    turn.status.acts = [said, *(item for item in turn.status.acts if item.act != said.act)]


def _refuse(turn: Turn, said: Act, why: str) -> None:
    message = f"Refused to {said.act.value} release {said.release}: {why}"
    _answer(turn, said, done=False, message=message)
    turn.note("ActRefused", f"{message}{spoken(said)}.", warning=True)


def _refuse_promote(turn: Turn) -> None:
    """A promote that fits what is under way waits for its pause; one that cannot ever fit is refused."""
    said, rollout = new_word(turn, Acts.PROMOTE), turn.status.rollout
    if said is None or said.value == turn.status.promoted_by:
        return
    if stable_away(turn) and said.release == turn.target and asks_for_news(turn):
        return
    if rollout is None or turn.status.stage not in TESTED:
        _refuse(turn, said, "no release is under way that could go on")
    elif said.release != rollout.release:
        _refuse(turn, said, f"release {rollout.release} is under way")


def _end_of_pause(turn: Turn) -> None:
    """A pause is of one release: it ends when the spec asks for another."""
    pause = turn.status.pause
    if pause is not None and turn.wish is not None and pause.release != turn.target:
        turn.status.pause = None


def _pause(turn: Turn, said: Act) -> None:
    if turn.wish is None:
        _refuse(turn, said, "the spec cannot be read, which pauses everything already")
    elif said.release != turn.target:
        _refuse(turn, said, f"the spec asks for release {turn.target}")
    else:
        turn.status.pause = said
        do(turn, said, "Paused", f"A person paused release {said.release}")


def _resume(turn: Turn, said: Act) -> None:
    pause = turn.status.pause
    if pause is None:
        _refuse(turn, said, "no person has paused it (spec.paused is changed in the spec)")
    elif pause.release != said.release:
        _refuse(turn, said, f"release {pause.release} is paused")
    else:
        turn.status.pause = None
        do(turn, said, "Resumed", f"A person let release {said.release} resume")


def _clear_suspect(turn: Turn, said: Act) -> None:
    status = turn.status
    known = {release.hash for release in (status.candidate, status.stable) if release}
    if said.release not in (known or {turn.target}):
        _refuse(turn, said, "it is neither tried nor does it serve")
    elif clear_suspects(turn):
        do(turn, said, "SuspectCleared", f"A person cleared what was suspect of release {said.release}")
    else:
        _refuse(turn, said, "nothing of it is suspect")


def _abort(turn: Turn, said: Act) -> None:
    rollout, stage = turn.status.rollout, turn.status.stage
    if rollout is not None and stage in BY_STEPS and said.release == rollout.release:
        _take_back(turn, said)
    elif stage is Stage.ESTABLISHING:
        _refuse(turn, said, _NOTHING_BEFORE)
    elif rollout is not None and stage in BY_STEPS:
        _refuse(turn, said, f"release {rollout.release} is under way")
    else:
        _refuse(turn, said, "no release is under way; to take back what serves, use rollback")


def _roll_back(turn: Turn, said: Act) -> None:
    status, rollout = turn.status, turn.status.rollout
    if rollout is not None and status.stage in BY_STEPS and said.release == rollout.release:
        _take_back(turn, said)
    elif status.stage is Stage.ESTABLISHING:
        _refuse(turn, said, _NOTHING_BEFORE)
    elif status.stable is None or not serves(status) or status.stable.hash != said.release:
        _refuse(turn, said, "it is neither under way nor does it serve alone")
    else:
        _take_stable_back(turn, said)


def _take_back(turn: Turn, said: Act) -> None:
    _answer(turn, said, done=True, message=f"A person took release {said.release} back")
    roll_back(turn, Trigger.TAKEN_BACK, BY_PERSON, "", _why(said))


def _take_stable_back(turn: Turn, said: Act) -> None:
    bake, target = turn.status.bake, target_for(turn)
    if bake is None or target is None or not (bake.watch or bake.test):
        _refuse(turn, said, "no release is kept to go back to: ask for the earlier one in the spec")
        return
    _answer(turn, said, done=True, message=f"A person took release {said.release} back")
    go_back(turn, bake, target)
    roll_back(turn, Trigger.TAKEN_BACK, BY_PERSON, "", _why(said))


def _why(said: Act) -> str:
    return f"a person asked for it{spoken(said)}"
