"""A GitOps tool applies what Git says, again and again: it and the operator never undo each other's work."""

from __future__ import annotations

from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario


@scenario("git: a good release is promoted, and applying it again changes nothing", long=True)
def good(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.git_is_applied_again_and_again()
    when.spec_asks_for("b")
    then.stable("b")
    then.ready()
    then.weights(("b", 25), ("b", 50), ("b", 100))
    then.nobody_fights_over_it(60, commits=2)


@scenario("git: a bad release is rolled back, and Git that still says it starts nothing", long=True)
def bad(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.git_is_applied_again_and_again()
    when.answers_of("b")
    when.spec_asks_for("b")
    then.rolled_back("b")
    then.pods(a=4, b=0)
    then.nobody_fights_over_it(120, commits=2)
    then.stays(60, stage="Serving", candidate="", stable="a", reason="RolledBack")


@scenario("git: a revert ends the hold at once, and the bad release stays known", long=True)
def reverted(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.git_is_applied_again_and_again()
    when.answers_of("b")
    when.spec_asks_for("b")
    then.rolled_back("b")
    when.spec_asks_for("a")
    then.ready(within=10)
    when.spec_asks_for("b")
    then.is_("Stalled", "RolledBack", within=10)
    then.nobody_fights_over_it(30, commits=4)


@scenario("git: a revert in mid-rollout takes the candidate away")
def reverted_midway(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.git_is_applied_again_and_again()
    when.spec_asks_for("b")
    when.weight_is(50)
    when.spec_asks_for("a")
    then.stable("a")
    then.ready()
    then.pods(a=4, b=0)


@scenario("git: what a person says beside it is not taken back", long=True)
def beside(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.git_is_applied_again_and_again()
    when.spec_asks_for("b")
    when.weight_is(25)
    when.person_says("pause", why="bob, looking")
    then.is_("Reconciling", "Paused", within=20)
    then.stays(60, stage="Progressing", weight=25, reason="Paused")
    when.person_says("abort", why="alice, odd answers")
    then.rolled_back("b", "ByPerson")
    then.nobody_fights_over_it(60, commits=2)
