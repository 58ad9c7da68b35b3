"""What people say by annotation: done once, for the release that is meant, or refused with a reason."""

from __future__ import annotations

from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario


@scenario("a person aborts a release: it goes from every pool and is held")
def aborted(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.person_says("abort", why="alice, odd answers")
    then.rolled_back("b", "ByPerson")
    then.pods(a=4, b=0)
    then.stays(40, stage="Serving", candidate="")


@scenario("a person aborts while paused")
def aborted_paused(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.spec_changes(paused=True)
    when.person_says("abort")
    then.rolled_back("b", "ByPerson")


@scenario("a word about another release does nothing")
def another(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.person_says("abort", role="stable")
    then.stable("b")
    then.history(("b", "Promoted"), ("a", "Established"))


@scenario("a person has an aborted release tried again, and the old word does not end it", long=True)
def retried(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.person_says("abort")
    then.rolled_back("b", "ByPerson")
    when.person_says("retry", role="failed")
    then.stable("b")


@scenario("a person pauses and resumes: the step's clock stands", long=True)
def paused(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=120)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.person_says("pause", why="bob, looking")
    then.stays(150, stage="Progressing", weight=25, reason="Paused")
    when.person_says("resume")
    then.stable("b")


@scenario("a person's pause is of one release: the next one is not paused", long=True)
def paused_other(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.person_says("pause")
    then.stays(30, stage="Progressing", weight=25, reason="Paused")
    when.spec_asks_for("c")
    then.stable("c", within=180)


@scenario("what a person paused still fails")
def paused_bad(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.person_says("pause")
    then.stays(20, stage="Progressing", weight=25, reason="Paused")
    when.answers_of("b")
    then.rolled_back("b")


@scenario("a person takes back what serves, in its bake time", long=True)
def rolled_back(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=90)
    when.spec_asks_for("b")
    then.stable("b")
    when.person_says("rollback", role="stable", why="carol, complaints")
    then.stable("a")
    then.pods(a=4, b=0)
    then.rolled_back("b", "ByPerson")


@scenario("a build that failed in another rollout waits for a person, without pods", long=True)
def suspect(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.another_rollout_asks_for("a")
    then.other("a")
    when.answers_of("b")
    when.another_rollout_asks_for("b")
    then.other("a", failed=True)
    when.spec_asks_for("b")
    then.is_("Suspect", "FailedElsewhere")
    then.stays(60, stage="Progressing", weight=0)
    then.never_ready("b")
    when.answers_of("b", are="good")
    when.person_says("clear-suspect", why="dan, another model")
    then.stable("b")
    then.is_("Suspect", "NotMarked", "False")
