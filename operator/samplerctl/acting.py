"""Acts by annotation: what to write for whom, and what the operator answered. The spec is never touched."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sampler_rollouts.domain.act import Acts
from sampler_rollouts.domain.decision.memory import LONGEST_WORD
from sampler_rollouts.domain.resource import ACT_PREFIX, SpecError, parse_spec
from sampler_rollouts.domain.status import Stage, Status
from sampler_rollouts.domain.tables import hash_of

from samplerctl.errors import InputError

if TYPE_CHECKING:
    from samplerctl.kube import Rollouts

Body = Mapping[str, Any]
POLL_SECONDS: Final = 1.0
DONE, REFUSED, UNANSWERED = "done", "refused", "unanswered"


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
    release = word.release or meant(rollouts.get(name), word.act)
    value = word.value(release, datetime.now(UTC))
    # The others go: the last word is what a person wants, also if the operator is away for a while.
    annotations = {ACT_PREFIX + act.value: value if act is word.act else None for act in Acts}
    rollouts.annotate(name, annotations)
    answer, message = _answer(lambda: rollouts.get(name), word.act, value, wait)
    found = {"name": name, "namespace": rollouts.namespace, "act": word.act.value, "release": release}
    return {**found, "said": value.partition(":")[2], "answer": answer, "message": message}


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


def _answer(read: Callable[[], Body], act: Acts, value: str, wait: float) -> tuple[str, str]:
    until = time.monotonic() + wait
    while True:
        status = Status.load(read().get("status"))
        heard = status.act(act)
        if heard is not None and heard.value == value:
            return (DONE if heard.done else REFUSED), heard.message
        if time.monotonic() >= until:
            return UNANSWERED, _unanswered(status, act)
        time.sleep(min(POLL_SECONDS, max(0.0, until - time.monotonic())))


def _unanswered(status: Status, act: Acts) -> str:
    if act is Acts.PROMOTE and status.stage is Stage.PROGRESSING:
        return "It is said, and will be heard when the rollout waits for a person."
    if act is Acts.RETRY and status.stage is Stage.ROLLING_BACK:
        return "It is said, and will be heard when the rollback is over."
    return "It is said; the operator has not answered yet. It will at its next look, if it runs."


def users_of(bodies: list[dict[str, Any]], image: str) -> list[tuple[str, str]]:
    """Name and release of every SamplerRollout in which a build is tried or serves. A digest alone names it too."""
    found = []
    for body in bodies:
        status = Status.load(body.get("status"))
        release = status.candidate or status.stable
        used = [pool.image for pool in release.pools] if release else []
        if release and any(one == image or one.partition("@")[2] == image for one in used):
            found.append((str(body["metadata"].get("name", "")), release.hash))
    return found


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
