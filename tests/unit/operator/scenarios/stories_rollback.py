"""Releases that are bad, wherever it shows, and what comes after them."""

from __future__ import annotations

from tests.support.kube.lives import NO_IMAGE, WELL
from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario

TWO = ("cpu", "gpu")


@scenario("bad at the first step")
def at_first_step(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.answers_of("b")
    when.spec_asks_for("b")
    then.rolled_back("b")
    then.says("RolledBack", "unexpected-script", "pool cpu at weight 25", "image changed")
    then.pods(a=4)
    then.weights(("b", 25), ("b", 0))
    then.history(("b", "RolledBack"))


@scenario("bad at the second step")
def at_second_step(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.answers_of("b")
    then.rolled_back("b")
    then.weights(("b", 25), ("b", 50), ("b", 0))
    then.pods(a=4)


@scenario("bad in the second wave is taken back from the first too", long=True)
def in_second_wave(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=TWO, replicas=2, steps=[50])
    when.spec_asks_for("b")
    when.weight_is(50, pool="gpu", within=180)
    when.answers_of("b")
    then.rolled_back("b")
    then.weights(("b", 50), ("b", 100), ("b", 0), pool="cpu")
    then.pods("cpu", a=2)
    then.pods("gpu", a=2)


@scenario("bad at full traffic, before stable", long=True)
def at_full_traffic(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=TWO, replicas=2, steps=[50, "pause"], waves=[["cpu"], ["gpu"]])
    when.spec_asks_for("b")
    then.is_("Reconciling", "WaitingForPerson")
    when.person_lets_it_go_on("1")
    when.weight_is(100, pool="cpu")
    when.weight_is(50, pool="gpu")
    when.answers_of("b")
    then.rolled_back("b")


@scenario("wrong tokens are found by the replay audit")
def audit(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.answers_of("b", check="replay-audit", rate=0.05)
    when.spec_asks_for("b")
    then.rolled_back("b")
    then.says("RolledBack", "replay-audit")


@scenario("bad while a person is waited for")
def while_waiting(given: Given, when: When, then: Then) -> None:
    given.serving("a", steps=[25, "pause", 50])
    when.spec_asks_for("b")
    then.is_("Reconciling", "WaitingForPerson")
    when.answers_of("b")
    then.rolled_back("b")


@scenario("bad while holding", long=True)
def while_holding(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=60)
    when.users_ask(0.5)
    when.spec_asks_for("b")
    then.stage("Holding")
    when.users_ask(40)
    when.answers_of("b")
    then.rolled_back("b")


@scenario("a bad release after a bad release")
def bad_after_bad(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.answers_of("b")
    when.answers_of("c")
    when.spec_asks_for("b")
    then.rolled_back("b")
    when.spec_asks_for("c")
    then.rolled_back("c")
    then.history(("c", "RolledBack"), ("b", "RolledBack"))
    then.pods(a=4)


@scenario("a bad release is held, whatever else the spec changes")
def held(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.answers_of("b")
    when.spec_asks_for("b")
    then.rolled_back("b")
    when.answers_of("b", are="good")
    when.spec_changes(replicas=5, deadline=400, steps=[50])
    then.pods(a=5)
    then.stays(60, stage="Serving", stable="a", candidate="")
    then.is_("Stalled", "RolledBack")


@scenario("a held release asked for again after another")
def held_again(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.answers_of("b")
    when.spec_asks_for("b")
    then.rolled_back("b")
    when.spec_asks_for("a")
    then.ready()
    when.spec_asks_for("b")
    then.is_("Stalled", "RolledBack")
    then.stays(30, stage="Serving", candidate="")


@scenario("a fix follows a bad release", long=True)
def fix(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.answers_of("b")
    when.spec_asks_for("b")
    then.rolled_back("b")
    when.spec_asks_for("c")
    then.stable("c")
    then.ready()


@scenario("a fix comes while the bad release leaves", long=True)
def fix_at_once(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.answers_of("b")
    when.spec_asks_for("b")
    then.stage("RollingBack")
    when.spec_asks_for("c")
    then.stable("c", within=180)
    then.ready()


@scenario("a retry of what was bad and is good now", long=True)
def retry_good(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.answers_of("b")
    when.spec_asks_for("b")
    then.rolled_back("b")
    when.answers_of("b", are="good")
    when.retry_generation_rises()
    then.stage("Progressing")
    then.stable("b")
    then.weights(("b", 25), ("b", 0), ("b", 25), ("b", 50), ("b", 100))


@scenario("a retry of what is still bad")
def retry_bad(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.answers_of("b")
    when.spec_asks_for("b")
    then.rolled_back("b")
    when.retry_generation_rises()
    then.stage("Progressing")
    then.rolled_back("b")
    then.history(("b", "RolledBack"), ("b", "RolledBack"))


@scenario("a retry while the bad release leaves is heard when it has left", long=True)
def retry_early(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.answers_of("b")
    when.spec_asks_for("b")
    then.stage("RollingBack")
    when.answers_of("b", are="good")
    when.retry_generation_rises()
    then.stable("b", within=180)


@scenario("a retry of a release that was not rejected does nothing")
def retry_of_stable(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.retry_generation_rises()
    then.stays(30, stage="Serving", stable="a", candidate="")
    then.ready()


@scenario("a retry while holding starts at the first wave", long=True)
def retry_holding(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=60)
    when.users_ask(0.5)
    when.spec_asks_for("b")
    then.stage("Holding")
    when.users_ask(40)
    when.retry_generation_rises()
    then.stage("Withdrawing")
    then.stable("b", within=180)
    then.weights(("b", 25), ("b", 50), ("b", 0), ("b", 25), ("b", 50), ("b", 100))


@scenario("stable does not come up when a bad release leaves: bad answers rather than none", long=True)
def stable_away(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=TWO, replicas=2, steps=[50], progress_deadline=30)
    when.spec_asks_for("b")
    when.weight_is(50, pool="gpu", within=180)
    when.pods_of("a", NO_IMAGE)
    when.answers_of("b")
    then.stage("RollingBack")
    then.is_("Degraded", "StableNotReady")
    then.is_("Stalled", "RolledBack")
    then.pods("cpu", b=1, a=0)
    when.pods_of("a", WELL)
    then.rolled_back("b")


@scenario("stable does not come up, and a fix is heard", "two candidates", long=True)
def stable_away_fixed(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=TWO, replicas=2, steps=[50], progress_deadline=30)
    when.spec_asks_for("b")
    when.weight_is(50, pool="gpu", within=180)
    when.pods_of("a", NO_IMAGE)
    when.answers_of("b")
    then.is_("Degraded", "StableNotReady")
    when.spec_asks_for("c")
    then.stays(20, stage="RollingBack")
    when.person_lets_it_come_without_steps()
    then.stage("Establishing")
    then.stable("c", within=180)
    then.pods("cpu", a=0, b=0, c=2)


@scenario("a first release that answers badly keeps serving")
def first_bad(given: Given, when: When, then: Then) -> None:
    given.nothing(bake=60)
    when.answers_of("a")
    when.spec_asks_for("a")
    then.is_("Stalled", "FirstReleaseFailed")
    then.pods(a=4)
    then.stays(30, stage="Serving", stable="a")
    then.is_("Verified", "FirstReleaseFailed", "False")


@scenario("a first release that answers badly is replaced by a good one, with steps", long=True)
def first_bad_replaced(given: Given, when: When, then: Then) -> None:
    given.nothing(bake=60)
    when.answers_of("a")
    when.spec_asks_for("a")
    then.is_("Stalled", "FirstReleaseFailed")
    when.spec_asks_for("b")
    then.stable("b")
    then.ready()


@scenario(
    "bad after the bake: it is told, with the last change seen, and goes on serving until it passes again", long=True
)
def after_the_bake(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    then.stable("b")
    then.is_("Verified", "BakeTimeOver")
    then.is_("Degraded", "AsWanted", "False")
    when.answers_of("b")
    then.is_("Degraded", "CheckFailed", within=200)
    then.says("Degraded", "pool cpu: check unexpected-script", "Last change seen: at 2026-", "image changed from")
    then.stays(60, stage="Serving", stable="b", candidate="")
    then.ready()
    then.pods(b=4)
    when.answers_of("b", are="good")
    then.is_("Degraded", "AsWanted", "False", within=1800)
    then.history(("b", "Promoted"))


@scenario("bad after the bake, and the operator is away when it is well again")
def after_the_bake_away(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.answers_of("a")
    then.is_("Degraded", "CheckFailed", within=200)
    when.answers_of("a", are="good")
    when.operator_is_away(100)
    then.stays(60, stage="Serving", stable="a", candidate="")
    then.is_("Degraded", "AsWanted", "False", within=1800)


@scenario("bad after the bake while the metrics source is down: told as soon as it answers")
def after_the_bake_blind(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.metrics_source_is(down="SourceUnreachable")
    when.answers_of("a")
    then.is_("MetricsAvailable", "SourceUnreachable", "False")
    when.time_passes(120)
    then.is_("Degraded", "AsWanted", "False")
    when.metrics_source_is()
    then.is_("Degraded", "CheckFailed", within=200)


@scenario("bad after somebody has changed a Deployment: who, and when, is told")
def after_an_edit(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.somebody_scales("a", 6)
    when.time_passes(20)
    then.pods(a=4)
    when.answers_of("a")
    then.is_("Degraded", "CheckFailed", within=200)
    then.says("Degraded", "Last change seen: at 2026-", "kubectl changed Deployment chat-cpu-", "(it was put back)")
