"""Turns that hardly ever come, so that each line of the transition table has a story."""

from __future__ import annotations

from tests.support.kube.lives import CRASHING, NO_IMAGE, WELL, Life
from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario

TWO = ("cpu", "gpu")
FEW = 0.5
"""Requests a second: too few to learn from before a short deadline."""


def held(given: Given, when: When, then: Then) -> None:
    """A candidate about which too little is known at the deadline."""
    given.serving("a", deadline=60)
    when.users_ask(FEW)
    when.spec_asks_for("b")
    then.stage("Holding")


@scenario("pods that crash while the candidate is held", long=True)
def crash_while_holding(given: Given, when: When, then: Then) -> None:
    held(given, when, then)
    when.pods_of("b", CRASHING)
    then.rolled_back("b", "PodsFailing")
    then.pods(a=4)


@scenario("a person aborts what is held", long=True)
def abort_while_holding(given: Given, when: When, then: Then) -> None:
    held(given, when, then)
    when.person_says("abort", why="alice, enough")
    then.rolled_back("b", "ByPerson")
    then.pods(a=4)


@scenario("a person aborts a release that comes back", long=True)
def abort_while_restoring(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=90)
    when.spec_asks_for("b")
    then.stable("b")
    when.pods_of("a", Life(ready_after=40))
    when.spec_asks_for("a")
    then.stage("Restoring")
    when.person_says("abort", why="alice, not this one")
    then.rolled_back("a", "ByPerson")
    then.pods(b=4)


@scenario(
    "a candidate that is taken back does not go, and the next one comes all the same", "two candidates", long=True
)
def withdrawn_and_stays(given: Given, when: When, then: Then) -> None:
    given.serving("a", progress_deadline=30)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.pods_of_a_build_are_protected("b")
    when.spec_asks_for("c")
    then.stage("Withdrawing")
    then.is_("Degraded", "PodsNotGone")
    then.stable("c", within=240)
    then.pods(a=0, b=1, c=4)
    when.protection_is_lifted()
    then.pods(b=0)
    then.ready()


@scenario(
    "stable does not come up when a candidate is taken back, and the next one is heard", "two candidates", long=True
)
def stable_away_from_the_withdrawn(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=TWO, replicas=2, steps=[50], progress_deadline=30)
    when.spec_asks_for("b")
    when.weight_is(50, pool="gpu", within=180)
    when.pods_of("a", NO_IMAGE)
    when.spec_asks_for("c")
    then.stage("Withdrawing")
    then.is_("Degraded", "StableNotReady")
    when.person_lets_it_come_without_steps()
    then.stage("Establishing")
    then.stable("c", within=180)
    when.pods_of("a", WELL)
    then.pods("cpu", a=0, b=0, c=2)


@scenario("what serves turns bad in its bake, beside a candidate that is held", long=True)
def bad_beside_what_holds(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=TWO, replicas=2, steps=[50])
    when.spec_asks_for("b", bake=600)
    then.stable("b", within=240)
    when.users_ask(FEW)
    when.spec_changes(builds={"gpu": "c"}, deadline=60)
    then.stage("Holding")
    when.users_ask(40)
    when.answers_of("b")
    then.stage("Withdrawing", within=60)
    then.stable("a")
    then.rolled_back("bc")
