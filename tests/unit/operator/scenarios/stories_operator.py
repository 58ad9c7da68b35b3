"""The operator's own misfortunes: its clock, its absence, its memory, its writes."""

from __future__ import annotations

from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario


@scenario("the operator's clock jumps an hour ahead in a step", long=True)
def clock_ahead(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.operators_clock_jumps(3600)
    then.stays(60, stage="Progressing", weight=25)  # no sample is new, and time in which nobody looked does not count
    then.stable_never_was("b")
    when.operators_clock_jumps(-3600)
    then.stable("b", within=180)


@scenario("the operator's clock jumps an hour back in a step, and is set right again", long=True)
def clock_back(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.operators_clock_jumps(-3600)
    then.stays(60, stage="Progressing", weight=25, stable="a")
    when.operators_clock_jumps(3600)
    then.stable("b", within=180)


@scenario("the operator is away in a step", long=True)
def away(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.operator_is_away(60)
    then.stable("b")
    then.weights(("b", 25), ("b", 50), ("b", 100))


@scenario("the operator is away while a build turns bad")
def away_while_bad(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.answers_of("b")
    when.operator_is_away(60)
    then.rolled_back("b")
    then.weights(("b", 25), ("b", 0))


@scenario("the operator is away beyond the deadline", long=True)
def away_beyond(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=60)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.operator_is_away(120)
    then.stage("Holding")
    when.person_lets_it_go_on()
    then.stable("b")


@scenario("the operator is away in the bake: time that nobody saw does not count", long=True)
def away_in_bake(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=60)
    when.spec_asks_for("b")
    then.stable("b")
    when.operator_is_away(400)
    then.stays(20, stage="Serving", stable="b")
    then.is_("Verified", "BakeTimeOver")


@scenario("the status is wiped while one release serves")
def wiped(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.status_is_wiped()
    when.operator_is_away(2)
    then.stable("a")
    then.pods(a=4)
    then.is_("Verified", "BakeTimeOver")


@scenario("the status is wiped in mid-rollout: stable is known by its mark, and the candidate begins again", long=True)
def wiped_in_mid_rollout(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.status_is_wiped()
    when.weight_is(25)
    when.answers_of("b")
    then.rolled_back("b")
    then.pods(a=4)


@scenario(
    "the status and the marks are wiped in mid-rollout: all stays, and a person decides", "two candidates", long=True
)
def wiped_without_marks(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.marks_are_taken_off("a", "b")
    when.status_is_wiped()
    when.operator_is_away(2)
    then.is_("Stalled", "StatusLost")
    then.pods(a=2, b=2)
    when.somebody_scales("a", 4)
    then.pods(a=4)
    when.somebody_deletes("deployments", "b")
    then.stage("Progressing")
    then.stable("b", within=180)


@scenario("something is wrong with each write for a while", long=True)
def writes_fail(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    for method in ("PATCH", "PUT", "POST", "DELETE"):
        for plural in ("deployments", "services", "controllerrevisions", "samplerrollouts", "events"):
            when.right_is_taken(method, plural)
    when.time_passes(60)
    for method in ("PATCH", "PUT", "POST", "DELETE"):
        for plural in ("deployments", "services", "controllerrevisions", "samplerrollouts", "events"):
            when.right_is_given(method, plural)
    then.stable("b", within=180)
