"""What failed in another namespace, and how far the administrator lets suspicion go (R23)."""

from __future__ import annotations

from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario

ELSEWHERE = "elsewhere"


def _failed_elsewhere(when: When, then: Then) -> None:
    """Build b, in another namespace; since then it is well."""
    when.another_rollout_asks_for("a", ELSEWHERE)
    then.other("a")
    when.answers_of("b")
    when.another_rollout_asks_for("b", ELSEWHERE)
    then.other("a", failed=True)
    when.answers_of("b", are="good")


@scenario("a build that failed in another namespace goes on where nobody has named namespaces", long=True)
def alone(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    _failed_elsewhere(when, then)
    when.spec_asks_for("b")
    then.stable("b")
    then.is_("Suspect", "NotMarked", "False")
    then.weights(("b", 25), ("b", 50), ("b", 100))


@scenario("a build that failed in another namespace waits, until the administrator takes that back", long=True)
def taken_back(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.admin_lets_suspicion_cross("serving", "else*")
    _failed_elsewhere(when, then)
    when.spec_asks_for("b")
    then.is_("Suspect", "FailedElsewhere")
    then.says("Suspect", "failed in SamplerRollout elsewhere/other (release ")
    then.stays(60, stage="Progressing", weight=0)
    then.never_ready("b")
    when.admin_lets_suspicion_cross()
    then.stable("b")
    then.is_("Suspect", "NotMarked", "False")


@scenario("a build that failed in another namespace waits, until its retry has passed there", long=True)
def passed(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=900)
    when.admin_lets_suspicion_cross("*")
    _failed_elsewhere(when, then)
    when.spec_asks_for("b")
    then.is_("Suspect", "FailedElsewhere")
    then.stays(30, stage="Progressing", weight=0)
    when.another_rollout_asks_for("b", ELSEWHERE, retry=1)
    then.other("b")
    then.stable("b")
    then.is_("Suspect", "NotMarked", "False")


@scenario("a build that failed in another namespace waits for a person", long=True)
def cleared(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.admin_lets_suspicion_cross("serving", ELSEWHERE)
    _failed_elsewhere(when, then)
    when.spec_asks_for("b")
    then.is_("Suspect", "FailedElsewhere")
    when.person_says("clear-suspect", why="erin, other prompts")
    then.stable("b")
    then.is_("Suspect", "NotMarked", "False")
