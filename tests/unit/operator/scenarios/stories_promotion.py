"""Releases that are good, and what people change meanwhile."""

from __future__ import annotations

from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario

TWO = ("cpu", "gpu")
LONG = 40


@scenario("a first release comes up and is verified")
def first(given: Given, when: When, then: Then) -> None:
    given.nothing()
    when.spec_asks_for("a")
    then.stage("Establishing")
    then.ready()
    then.is_("Verified", "BakeTimeOver")
    then.history(("a", "Established"))


@scenario("a good release goes through its steps")
def promoted(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    then.candidate("b")
    then.stable("b")
    then.ready()
    then.weights(("b", 25), ("b", 50), ("b", 100))
    then.history(("b", "Promoted"))


@scenario("a release is verified before it may be gone back to without steps for good", long=True)
def promoted_twice(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    then.stable("b")
    then.is_("Verified", "BakeTimeOver")
    when.spec_asks_for("a")
    then.stage("Progressing")
    then.stable("a")
    then.weights(("b", 25), ("b", 50), ("b", 100), ("a", 25), ("a", 50), ("a", 100))


@scenario("waves follow one another", long=True)
def waves(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=TWO, replicas=2, steps=[50])
    when.spec_asks_for("b")
    when.weight_is(100, pool="cpu")
    then.pods("gpu", b=0)
    then.stable("b", within=180)
    then.weights(("b", 50), ("b", 100), pool="cpu")
    then.weights(("b", 50), ("b", 100), pool="gpu")


@scenario("pools of one wave go together", long=True)
def one_wave(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=TWO, replicas=2, steps=[50], waves=[TWO])
    when.spec_asks_for("b")
    when.weight_is(50, pool="cpu")
    when.weight_is(50, pool="gpu")
    then.stable("b")
    then.weights(("b", 50), ("b", 100), pool="gpu")


@scenario("pools that do not change are skipped")
def unchanged(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=TWO, replicas=2, steps=[50])
    when.spec_changes(builds={"gpu": "b"})
    then.stable("ab")
    then.ready()
    then.weights(pool="cpu")
    then.weights(("b", 50), ("b", 100), pool="gpu")


@scenario("a third release in mid-rollout replaces the candidate", long=True)
def third(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.spec_asks_for("c")
    then.stage("Withdrawing", within=5)
    then.candidate("c")
    then.stable("c", within=180)
    then.weights(("b", 25), ("b", 50), ("b", 0), ("c", 25), ("c", 50), ("c", 100))
    then.history(("c", "Promoted"), ("b", "Withdrawn"))


@scenario("a third release in the second wave takes the second back from the first", long=True)
def third_in_second_wave(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=TWO, replicas=2, steps=[50])
    when.spec_asks_for("b")
    when.weight_is(50, pool="gpu", within=180)
    when.spec_asks_for("c")
    then.stage("Withdrawing", within=5)
    then.candidate("c")
    then.stable("c", within=240)
    then.weights(("b", 50), ("b", 100), ("b", 0), ("c", 50), ("c", 100), pool="cpu")


@scenario("a fourth release while the second leaves", long=True)
def fourth(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.spec_asks_for("c")
    then.stage("Withdrawing", within=5)
    when.spec_asks_for("d")
    then.stable("d", within=180)
    then.never_ready("c")


@scenario("back to stable's spec in mid-rollout", long=True)
def back(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.spec_asks_for("a")
    then.stable("a")
    then.ready()
    then.pods(a=4, b=0)
    then.history(("b", "Withdrawn"))


@scenario("back and forth before any pod is ready", long=True)
def dithering(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    then.stage("Progressing")
    when.spec_asks_for("a")
    then.stage("Withdrawing", within=5)
    when.spec_asks_for("b")
    then.stable("b", within=180)


@scenario("back to the replaced release in the bake, without steps", long=True)
def restored(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=60)
    when.spec_asks_for("b")
    then.stable("b")
    when.time_passes(10)
    when.spec_asks_for("a")
    then.stage("Restoring")
    then.stable("a")
    then.ready()
    then.weights(("b", 25), ("b", 50), ("b", 100), ("a", 100))
    then.history(("a", "Restored"), ("b", "Promoted"))


@scenario("a restored release is no longer asked for", long=True)
def restoring_left(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=90)
    when.spec_asks_for("b")
    then.stable("b")
    when.spec_asks_for("a")
    then.stage("Restoring")
    when.spec_asks_for("b")
    then.stage("Withdrawing", within=5)
    then.stable("b")
    then.ready()


@scenario("steps that have not begun follow the spec", long=True)
def steps_changed(given: Given, when: When, then: Then) -> None:
    given.serving("a", steps=[25, 50])
    when.spec_asks_for("b")
    when.weight_is(25)
    when.spec_changes(steps=[10, 75])
    then.stable("b")
    then.weights(("b", 25), ("b", 75), ("b", 100))


@scenario("no edit of the steps lowers a weight", long=True)
def steps_lowered(given: Given, when: When, then: Then) -> None:
    given.serving("a", steps=[25, 50])
    when.spec_asks_for("b")
    when.weight_is(50)
    when.spec_changes(steps=[10, 25])
    then.stable("b")
    then.weights(("b", 25), ("b", 50), ("b", 100))


@scenario("replicas rise in mid-rollout", long=True)
def replicas_risen(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.spec_changes(replicas=8)
    then.pods(b=4)
    then.stable("b")
    then.pods(b=8, a=0)


@scenario("replicas fall in mid-rollout", long=True)
def replicas_fallen(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=8)
    when.spec_asks_for("b")
    when.weight_is(50)
    when.spec_changes(replicas=2)
    then.pods(b=1)
    then.stable("b")
    then.pods(b=2, a=0)


@scenario("replicas alone start nothing")
def replicas_alone(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_changes(replicas=6)
    then.pods(a=6)
    then.stays(20, stage="Serving", stable="a", candidate="")
    then.weights()


@scenario("a plan that is edited in mid-rollout applies to the next one", long=True)
def drift(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.spec_changes(deadline=200, bake=30)
    then.is_("PlanDrift", "SpecChanged")
    then.stable("b")
    then.is_("PlanDrift", "AsPlanned", "False")


@scenario("a pool is added together with a new build", long=True)
def pool_added(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=2, steps=[50])
    when.spec_asks_for("b", pools=TWO)
    then.stable("b", within=240)
    then.ready()
    then.pods("gpu", b=2)


@scenario("a pool is removed: its pods stay until the release serves everywhere")
def pool_removed(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=TWO, replicas=2, steps=[50])
    when.spec_asks_for("b", pools=("cpu",))
    when.weight_is(50)
    then.pods("gpu", a=2)
    then.stable("b")
    then.pods("gpu", a=0)


@scenario("a release that only removes a pool is promoted at once")
def pool_only_removed(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=TWO, replicas=2, steps=[50])
    when.spec_changes(pools=("cpu",))
    then.pods("gpu", a=0)
    then.ready()


@scenario("a pause waits for a person", long=True)
def waits_for_person(given: Given, when: When, then: Then) -> None:
    given.serving("a", steps=[25, "pause", 50])
    when.spec_asks_for("b")
    then.is_("Reconciling", "WaitingForPerson")
    then.stays(LONG, stage="Progressing", weight=25, reason="WaitingForPerson")
    when.person_lets_it_go_on()
    then.stable("b")
    then.weights(("b", 25), ("b", 50), ("b", 100))


@scenario("a word that was used does not end the next pause", long=True)
def word_used(given: Given, when: When, then: Then) -> None:
    given.serving("a", steps=[25, "pause", 50, "pause"])
    when.spec_asks_for("b")
    then.is_("Reconciling", "WaitingForPerson")
    when.person_lets_it_go_on("looks well")
    when.weight_is(50)
    then.is_("Reconciling", "WaitingForPerson")
    then.stays(LONG, weight=50, reason="WaitingForPerson")
    when.person_lets_it_go_on("still well")
    then.stable("b")


@scenario("a release without steps to learn from is not promoted without a word of its checks", long=True)
def no_users(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.users_ask(0)
    when.spec_asks_for("b")
    when.weight_is(50)
    then.stays(LONG, stage="Progressing", weight=50)
    when.users_ask(40)
    then.stable("b")
