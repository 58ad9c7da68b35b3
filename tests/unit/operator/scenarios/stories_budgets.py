"""Disruption budgets: one for each revision that serves, which comes and goes with it."""

from __future__ import annotations

from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario


@scenario("budgets: each revision that serves has one")
def each(given: Given, when: When, then: Then) -> None:
    given.serving("a", budget=1, bake=45, warm=1, gateway="edge")
    then.budgets(a=1)
    when.spec_asks_for("b")
    when.weight_is(25)
    then.budgets(a=1, b=1)
    then.stable("b", within=180)
    then.pods(a=1, b=4)
    then.budgets(b=1)


@scenario("budgets: an edit of the spec is followed at once, and starts nothing", long=True)
def edited(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    then.budgets()
    when.spec_changes(budget=2)
    then.budgets(a=2)
    when.spec_changes(budget=1)
    then.budgets(a=1)
    when.spec_changes(budget=None)
    then.budgets()
    then.stays(10, stage="Serving", stable="a", candidate="")
    then.ready()


@scenario("budgets: a bad build takes its own along", long=True)
def bad(given: Given, when: When, then: Then) -> None:
    given.serving("a", budget=1)
    when.answers_of("b")
    when.spec_asks_for("b")
    then.rolled_back("b")
    then.budgets(a=1)


@scenario("budgets: without the right to them a release goes on, and it is told")
def denied(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.right_is_taken("GET", "poddisruptionbudgets")
    when.right_is_taken("PATCH", "poddisruptionbudgets")
    when.spec_changes(budget=1)
    when.answers_of("c")
    when.spec_asks_for("c")
    then.rolled_back("c")
    then.says_as_event("NotApplied")
    when.right_is_given("GET", "poddisruptionbudgets")
    when.right_is_given("PATCH", "poddisruptionbudgets")
    then.budgets(a=1)
