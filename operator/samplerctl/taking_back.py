"""Where a build is used: what an act can take back, and what only the spec can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision.baking import serves
from sampler_rollouts.domain.decision.stages import LEAVING
from sampler_rollouts.domain.resource import SpecError, parse_spec
from sampler_rollouts.domain.status import Stage, Status
from sampler_rollouts.domain.tables import hash_of

from samplerctl.acting import Word, result, say
from samplerctl.errors import GoneError, InputError
from samplerctl.hearing import DELETED, DONE, Answer, Said, answers

if TYPE_CHECKING:
    from sampler_rollouts.domain.plan import Release

    from samplerctl.kube import Rollouts

Body = Mapping[str, Any]
NOT_SAID: Final = "not said"
"""It could not be said."""
LEFT: Final = "left"
"""No act takes it back: the message says what does."""
ASK: Final = "ask for a release without it in the spec"


@dataclass(frozen=True, slots=True)
class Use:
    """One release of a SamplerRollout that has the build, and what is to be done about it."""

    body: Body
    release: str
    answer: Answer | None = None
    """What is known already; None where it is to be taken back."""

    @property
    def namespace(self) -> str:
        """Of the SamplerRollout."""
        return str(self.body["metadata"].get("namespace", ""))

    @property
    def name(self) -> str:
        """Of the SamplerRollout."""
        return str(self.body["metadata"].get("name", ""))


def uses_of(bodies: list[dict[str, Any]], image: str) -> list[Use]:
    """Wherever something is sent to it, or may be by itself. A digest alone names it too."""
    return [use for body in bodies for use in _Where(body, image).uses()]


def take_back(rollouts: Rollouts, uses: list[Use], word: Word, wait: float) -> list[dict[str, Any]]:
    """Say it of all, wherever they are, before any answer is waited for. What goes wrong with one stops no other."""
    said: dict[int, Said] = {}
    known = {index: use.answer for index, use in enumerate(uses) if use.answer is not None}
    for index, use in enumerate(uses):
        if index not in known:
            told = _say(rollouts.of(use.namespace), use, word)
            if isinstance(told, Said):
                said[index] = told
            else:
                known[index] = told
    if said:
        heard = answers(lambda one: rollouts.of(one.namespace).get(one.name), list(said.values()), wait)
        known |= dict(zip(said, heard, strict=True))
    return [
        result(use.namespace, use.name, word.act, use.release, known[index], said.get(index))
        for index, use in enumerate(uses)
    ]


def _say(rollouts: Rollouts, use: Use, word: Word) -> Said | Answer:
    try:
        return say(rollouts, use.body, word, use.release)
    except GoneError:
        return Answer(DELETED, "The SamplerRollout was deleted before anything was said.")
    except InputError as error:
        return Answer(NOT_SAID, f"{error}")


class _Where:
    """One SamplerRollout that may use an image."""

    def __init__(self, body: Body, image: str) -> None:
        self._body, self._image, self._status = body, image, Status.load(body.get("status"))

    def uses(self) -> Iterator[Use]:
        """What is tried first, then what serves, then what may come by itself."""
        for found in (self._tried(), self._serves(), *self._kept(), *self._still_there(), self._asked_for()):
            if found is not None:
                yield found

    def _use(self, release: str, kind: str = "", message: str = "") -> Use:
        return Use(self._body, release, Answer(kind, message) if kind else None)

    def _is(self, image: str) -> bool:
        digest = image.partition("@")[2]
        return image == self._image or (digest != "" and digest == self._image)

    def _pools(self, release: Release | None) -> set[str]:
        return {pool.name for pool in release.pools if self._is(pool.image)} if release else set()

    def _tried(self) -> Use | None:
        status, candidate = self._status, self._status.candidate
        if candidate is None or not self._pools(candidate):
            return None
        if status.stage in LEAVING:
            return self._use(candidate.hash, DONE, "It is being taken back already.")
        if status.stage is Stage.ESTABLISHING:
            return self._use(candidate.hash, LEFT, f"There is no release to go back to: {ASK}.")
        if self._pools(candidate) <= self._pools(status.stable):
            where = "It is tried only in pools in which it serves already, so that taking it back changes nothing"
            return self._use(candidate.hash, LEFT, f"{where}: {ASK}.")
        return self._use(candidate.hash)

    def _serves(self) -> Use | None:
        status, stable = self._status, self._status.stable
        if stable is None or not (pools := self._pools(stable)):
            return None
        beside = status.candidate.hash if status.candidate else ""
        if not serves(status):
            remedy = ASK if self._pools(status.candidate) else f"let release {beside} take its place, or {ASK}"
            return self._use(stable.hash, LEFT, f"It serves, while release {beside} is under way: {remedy}.")
        if self._pools(status.candidate) - pools:
            # One word of a kind stands at a time; and a candidate that is not held would come again.
            return self._use(stable.hash, LEFT, f"It serves too: say it again when release {beside} is taken back.")
        target = next(iter(self._goes_back_to()), None)
        if target is not None and self._pools(target) >= pools:
            return self._use(stable.hash, LEFT, f"It serves, and release {target.hash} before it has it too: {ASK}.")
        return self._use(stable.hash)

    def _goes_back_to(self) -> Iterator[Release]:
        """What may come in the place of what serves, by itself or as a person asks for it: the first of them does."""
        status = self._status
        for one in (status.verified, status.previous):
            known = {release.hash for release in (status.stable, status.candidate) if release}
            if status.bake is not None and one is not None and one.hash not in known and not status.held(one.hash):
                yield one

    def _kept(self) -> Iterator[Use]:
        stable = self._status.stable
        for one in {release.hash: release for release in self._goes_back_to()}.values():
            if self._pools(one) and stable is not None:
                may = f"Until the bake is over a rollback of release {stable.hash} brings it back"
                yield self._use(one.hash, LEFT, f"{may}; nothing is sent to it now. Look again when that is over.")

    def _still_there(self) -> Iterator[Use]:
        """Pods of releases that have no role any more. Of those status has no more than short names of images."""
        status = self._status
        images = {(one.name, one.revision): one.image for entry in status.history for one in entry.pools}
        left = [(one.pool, one.revision) for one in status.removed]
        left += [(one.pool, one.revision) for one in status.remains if one.peopled]
        leftovers = status.rollout.leftovers if status.rollout else []
        left += [(one.name, one.revision) for release in leftovers for one in release.pools]
        roles = {(one.name, one.revision) for release in status.kept() for one in release.pools}
        short = self._image.rpartition("/")[2][: limits.ENDED_IMAGE]
        for pool, revision in dict.fromkeys(place for place in left if place not in roles):
            image = images.get((pool, revision), "")
            if self._is(image) or image == short:
                words = f"Pods of pool {pool} (revision {revision}) that are not of it are still there"
                yield self._use(status.stable.hash if status.stable else "", LEFT, f"{words}: see status.")

    def _asked_for(self) -> Use | None:
        """What the operator has not begun yet."""
        status, raw = self._status, self._body.get("spec")
        try:
            spec = parse_spec(raw or {}, str(self._body["metadata"].get("name", "")))
        except (SpecError, TypeError, ValueError):
            return None  # the operator takes no such spec either
        asked = hash_of(spec)
        known = {release.hash for release in (status.candidate, status.stable) if release}
        if asked in known or status.held(asked) or not any(self._is(pool.image) for pool in spec.pools):
            return None
        return self._use(asked, LEFT, f"The spec asks for it, and it has not begun: {ASK}.")
