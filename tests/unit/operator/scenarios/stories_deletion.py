"""The SamplerRollout is deleted in every state: nothing is left behind, whoever is there to see it (R28)."""

from __future__ import annotations

from tests.support.kube.lives import UNSCHEDULABLE, Life
from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario


def gone(when: When, then: Then, policy: str = "Background") -> None:
    """Deleted, and nothing comes back."""
    when.rollout_is_deleted(policy)
    then.nothing_is_left()
    when.time_passes(20)
    then.nothing_is_left(within=1)


@scenario("deleted before anything was started")
def idle(given: Given, when: When, then: Then) -> None:
    given.nothing(paused=True)
    when.spec_asks_for("a")
    then.is_("Reconciling", "Paused")
    gone(when, then)


@scenario("deleted while the first release comes up")
def establishing(given: Given, when: When, then: Then) -> None:
    given.nothing()
    when.pods_of("a", Life(ready_after=30))
    when.spec_asks_for("a")
    then.stage("Establishing")
    when.time_passes(5)
    gone(when, then)


@scenario("deleted while serving")
def serving(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    gone(when, then)


@scenario("deleted while serving, children first")
def foreground(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    gone(when, then, "Foreground")


@scenario("deleted in a step")
def progressing(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    gone(when, then)


@scenario("deleted in a step, children first: the operator does not make them anew")
def progressing_foreground(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    gone(when, then, "Foreground")


@scenario("deleted while a person is waited for")
def waiting(given: Given, when: When, then: Then) -> None:
    given.serving("a", steps=[25, "pause", 50])
    when.spec_asks_for("b")
    then.is_("Reconciling", "WaitingForPerson")
    gone(when, then)


@scenario("deleted while holding", long=True)
def holding(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.pods_of("b", UNSCHEDULABLE)
    when.spec_asks_for("b")
    then.stage("Holding")
    gone(when, then)


@scenario("deleted while rolling back")
def rolling_back(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.answers_of("b")
    when.spec_asks_for("b")
    then.stage("RollingBack")
    gone(when, then)


@scenario("deleted while withdrawing")
def withdrawing(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.spec_asks_for("c")
    then.stage("Withdrawing")
    gone(when, then)


@scenario("deleted while a release is restored", long=True)
def restoring(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=90)
    when.spec_asks_for("b")
    then.stable("b")
    when.spec_asks_for("a")
    then.stage("Restoring")
    gone(when, then)


@scenario("deleted while the operator is away")
def operator_away(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.operator_dies(for_seconds=120)
    when.rollout_is_deleted()
    then.nothing_is_left(within=60)


@scenario("deleted and created again at once, with another build")
def recreated(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.rollout_is_deleted()
    when.spec_asks_for("b")
    then.stable("b")
    then.ready()
    then.pods(a=0, b=4)
    then.history(("b", "Established"))
