"""Acts by annotation: what to write for whom, and what the operator answered. The spec is never touched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sampler_rollouts.domain.act import Acts
from sampler_rollouts.domain.decision.memory import LONGEST_WORD
from sampler_rollouts.domain.resource import ACT_PREFIX, SpecError, parse_spec
from sampler_rollouts.domain.status import Stage, Status
from sampler_rollouts.domain.tables import hash_of

from samplerctl.errors import AwayError, ChangedError, InputError
from samplerctl.hearing import REFUSED, Answer, Said, answers
from samplerctl.standing import Standing, open_words, standing, takes_back, undoes

if TYPE_CHECKING:
    from samplerctl.kube import Rollouts

Body = Mapping[str, Any]
_HASH: Final = re.compile("[0-9a-z]{1,64}")
"""A newer operator may have longer ones."""
ATTEMPTS: Final = 20
"""So often a word is set anew where somebody writes the object meanwhile: the operator does, every few seconds."""


@dataclass(frozen=True, slots=True)
class Word:
    """What is said: by whom and why, as it will be shown (self-reported)."""

    act: Acts
    by: str
    reason: str = ""
    release: str = ""
    """Empty: the one that the act is about now."""

    def value(self, release: str, now: datetime) -> str:
        """The annotation's value. The time makes it another one each time; InputError if it is too long."""
        if not _HASH.fullmatch(release):
            raise InputError(f"--release: {release!r} is no hash of a release such as 0f3c2a91be: `history` tells them")
        moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        said = " ".join(f"{self.by}: {self.reason}".split()) if self.reason else self.by
        value = f"{release}:{said} ({moment})"
        if len(value) > LONGEST_WORD:
            most = len(self.reason) - (len(value) - LONGEST_WORD)
            raise InputError(
                f"--reason: at most {max(0, most)} characters go into an annotation with this --by: shorten it"
            )
        return value


def act_on(rollouts: Rollouts, name: str, word: Word, wait: float) -> dict[str, Any]:
    """Say it, and wait for the operator's answer. InputError if there is nothing that it could be about."""
    body = rollouts.get(name)
    release = word.release or meant(body, word.act)
    said = say(rollouts, body, word, release)
    if isinstance(said, Answer):
        return result(rollouts.namespace, name, word.act, release, said)
    (answer,) = answers(lambda one: rollouts.get(one.name), [said], wait)
    return result(rollouts.namespace, name, word.act, release, answer, said)


def say(rollouts: Rollouts, body: Body, word: Word, release: str) -> Said | Answer:
    """Set the annotation of what was read, or of what it is by now. InputError if that cannot be.

    An Answer where it must not be said now.
    """
    new = Standing(word.act, word.value(release, datetime.now(UTC)))
    for left in reversed(range(ATTEMPTS)):
        if told := _not_now(body, new):
            return Answer(REFUSED, told)
        gone = {act: one for act, one in standing(body).items() if one.answered or takes_back(new, one)}
        try:
            _annotate(rollouts, body, new, gone)
        except ChangedError:
            if not left:
                raise
            body = rollouts.get(str(body["metadata"]["name"]))
        else:
            return _said(body, new, gone)
    raise AssertionError("the last try returns or raises")


def _annotate(rollouts: Rollouts, body: Body, new: Standing, gone: Iterable[Acts]) -> None:
    metadata = body["metadata"]
    name, version = str(metadata["name"]), str(metadata.get("resourceVersion") or "")
    annotations = {ACT_PREFIX + act.value: None for act in gone} | {ACT_PREFIX + new.act.value: new.value}
    try:
        rollouts.annotate(name, annotations, version)
    except AwayError:  # it may have been done, and the answer lost
        there = standing(rollouts.get(name)).get(new.act)
        if there is None or there.value != new.value:
            raise


def _said(body: Body, new: Standing, gone: Mapping[Acts, Standing]) -> Said:
    beside = {act: one.value for act, one in standing(body).items() if act not in gone and act is not new.act}
    took_back = tuple(one for one in gone.values() if not one.answered and one.act is not new.act)
    metadata = body["metadata"]
    namespace, name, uid = (str(metadata.get(key, "")) for key in ("namespace", "name", "uid"))
    return Said(namespace, name, uid, new, took_back, beside)


def _not_now(body: Body, new: Standing) -> str:
    """Why a word is not said beside, or in place of, one that nobody has answered; nothing where it may be."""
    for one in open_words(body):
        if undoes(new, one):
            return f"Not said: {one.told} is not answered yet, and this would undo it: say it again when it is."
        if one.act is new.act and one.release != new.release and one.release == _meant_now(body, new.act):
            return f"Not said: it would take the place of {one.told}, which is not answered yet: wait until it is."
    return ""


def _meant_now(body: Body, act: Acts) -> str:
    try:
        return meant(body, act)
    except InputError:
        return ""


def result(
    namespace: str, name: str, act: Acts, release: str, answer: Answer, said: Said | None = None
) -> dict[str, Any]:
    """What is shown of one word."""
    return {
        "name": name,
        "namespace": namespace,
        "act": act.value,
        "release": release,
        "said": said.word.value.partition(":")[2] if said else "",
        "answer": answer.kind,
        "message": answer.message,
        "took_back": [one.told for one in said.took_back] if said else [],
    }


def meant(body: Body, act: Acts) -> str:
    """The release that an act is about now."""
    status = Status.load(body.get("status"))
    candidate = status.candidate.hash if status.candidate else ""
    stable = status.stable.hash if status.stable else ""
    if act is Acts.RESUME:
        return status.pause.release if status.pause else _nothing(body, "no act has paused it; spec.paused is yours")
    if act in (Acts.PROMOTE, Acts.ABORT):
        return candidate or _nothing(body, "no release is under way")
    if act in (Acts.ROLLBACK, Acts.CLEAR_SUSPECT):
        return candidate or stable or _nothing(body, "no release serves")
    return candidate if candidate and status.stage is Stage.HOLDING else _asked_for(body)


def _nothing(body: Body, why: str) -> str:
    name, namespace = (body["metadata"].get(key, "") for key in ("name", "namespace"))
    raise InputError(f"{name}: {why}: see `samplerctl status {name} -n {namespace}`, or name a release with --release")


def _asked_for(body: Body) -> str:
    """The release of the spec, as the operator names it."""
    try:
        return hash_of(parse_spec(body.get("spec") or {}, str(body["metadata"].get("name", ""))))
    except SpecError as error:
        raise InputError(f"the spec cannot be read ({error}): correct it, or name a release with --release") from None


def history_result(body: Body) -> dict[str, Any]:
    """How rollouts ended, newest first, and the last word of each kind."""
    status = Status.load(body.get("status"))
    return {
        "name": body["metadata"].get("name", ""),
        "namespace": body["metadata"].get("namespace", ""),
        "history": [
            {
                "release": one.release,
                "result": one.result.value,
                "reason": one.reason or None,
                "message": one.message,
                "started_at": one.started_at.isoformat(),
                "ended_at": one.ended_at.isoformat(),
                "weight": one.weight,
                "exposed": one.requests.exposed,
                "requests": one.requests.total,
            }
            for one in status.history
        ],
        "held": [{"release": one.hash, "at": one.at.isoformat(), "reason": one.reason} for one in status.failed],
        "acts": [
            {
                "act": one.act.value,
                "release": one.release,
                "self_reported": one.said,
                "at": one.at.isoformat(),
                "done": one.done,
                "message": one.message,
            }
            for one in status.acts
        ],
    }
