"""``paused`` in every state: clocks stand, nothing begins, aborts go on."""

from __future__ import annotations

from tests.support.kube.lives import CRASHING, UNSCHEDULABLE, WELL, Life
from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario


@scenario("paused before anything was started")
def idle(given: Given, when: When, then: Then) -> None:
    given.nothing(paused=True)
    when.spec_asks_for("a")
    then.is_("Reconciling", "Paused")
    when.time_passes(30)
    then.never_ready("a")
    when.spec_changes(paused=False)
    then.ready()


@scenario("paused while the first release comes up", long=True)
def establishing(given: Given, when: When, then: Then) -> None:
    given.nothing()
    when.pods_of("a", Life(ready_after=20))
    when.spec_asks_for("a")
    then.stage("Establishing")
    when.spec_changes(paused=True)
    then.stays(80, stage="Establishing", reason="Paused")
    when.spec_changes(paused=False)
    then.ready()


@scenario("paused while serving: another release waits", long=True)
def serving(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_changes(paused=True)
    then.ready()
    when.spec_asks_for("b")
    then.is_("Reconciling", "Paused")
    then.stays(40, stage="Serving", stable="a", candidate="")
    when.spec_changes(paused=False)
    then.stable("b")


@scenario("paused in a step: its clock stands, and so does the deadline's", long=True)
def progressing(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=120)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.spec_changes(paused=True)
    then.stays(150, stage="Progressing", weight=25)
    when.spec_changes(paused=False)
    then.stable("b")


@scenario("paused, and the build turns bad")
def progressing_bad(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.spec_changes(paused=True)
    when.answers_of("b")
    then.rolled_back("b")
    then.pods(a=4)


@scenario("paused, and the pods crash")
def progressing_crash(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.spec_changes(paused=True)
    when.pods_of("b", CRASHING)
    then.rolled_back("b", "PodsFailing")


@scenario("paused, and back to stable's spec")
def progressing_back(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.spec_changes(paused=True)
    when.spec_asks_for("a")
    then.stable("a")
    then.pods(a=4, b=0)
    then.ready()


@scenario("paused while a person is waited for", long=True)
def waiting(given: Given, when: When, then: Then) -> None:
    given.serving("a", steps=[25, "pause", 50])
    when.spec_asks_for("b")
    then.is_("Reconciling", "WaitingForPerson")
    when.spec_changes(paused=True)
    when.person_lets_it_go_on()
    then.stays(40, stage="Progressing", weight=25, reason="Paused")
    when.spec_changes(paused=False)
    then.stable("b")


@scenario("paused while holding", long=True)
def holding(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=400)
    when.pods_of("b", UNSCHEDULABLE)
    when.spec_asks_for("b")
    then.stage("Holding")
    when.spec_changes(paused=True)
    when.pods_of("b", WELL)
    then.stays(40, stage="Holding")
    when.spec_changes(paused=False)
    then.stable("b", within=180)


@scenario("paused while rolling back: it goes on")
def rolling_back(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.answers_of("b")
    when.spec_asks_for("b")
    then.stage("RollingBack")
    when.spec_changes(paused=True)
    then.rolled_back("b")
    then.pods(a=4, b=0)


@scenario("paused while withdrawing: it goes on, and the next one waits", long=True)
def withdrawing(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.spec_asks_for("c")
    then.stage("Withdrawing")
    when.spec_changes(paused=True)
    then.stable("a")
    then.stays(30, stage="Serving", candidate="")
    when.spec_changes(paused=False)
    then.stable("c", within=180)


@scenario("paused while a release is restored", long=True)
def restoring(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=90)
    when.spec_asks_for("b")
    then.stable("b")
    when.spec_asks_for("a")
    then.stage("Restoring")
    when.spec_changes(paused=True)
    then.stays(30, stage="Restoring")
    when.spec_changes(paused=False)
    then.stable("a")


@scenario("paused in the bake: its clock stands", long=True)
def baking(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=30)
    when.spec_asks_for("b")
    then.stable("b")
    when.spec_changes(paused=True)
    then.is_("Verified", "Paused", "False")
    then.stays(60, stage="Serving", stable="b")
    then.is_("Verified", "Paused", "False")
    when.spec_changes(paused=False)
    then.is_("Verified", "BakeTimeOver")
