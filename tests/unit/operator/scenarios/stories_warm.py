"""Pods that are kept ready, without traffic, of what a rollback would bring back (R20)."""

from __future__ import annotations

from tests.support.kube.lives import Life
from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario

EDGE = "edge"
TWO = ("cpu", "gpu")
SLOW = Life(ready_after=30)
"""Of pods that are yet to come: those that are there are older by then."""


@scenario("warm: what was replaced stands by in the bake, and goes when the release is verified")
def stands_by(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=45, warm=1)
    when.spec_asks_for("b")
    then.stable("b")
    then.kept_warm("a", 1)
    then.says("Verified", "1 of 1 pods", "kept warm to go back to")
    then.is_("Verified", "BakeTimeOver")
    then.nothing_kept_warm("a")


@scenario("warm: bad in the bake: what stands by serves before any other pod is up")
def bad_in_the_bake(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=90, warm=2)
    when.spec_asks_for("b")
    then.stable("b")
    then.kept_warm("a", 2)
    when.time_passes(30)
    when.pods_of("a", SLOW)
    when.answers_of("b")
    then.stage("RollingBack")
    then.pods(a=2, b=0, within=15)
    then.rolled_back("b")
    then.pods(a=4)
    then.nothing_kept_warm("a")


@scenario("warm: a later wave fails: the pool that had gone over has its pods back at once", long=True)
def later_wave(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=TWO, replicas=2, steps=[50], warm=1, deadline=600)
    when.spec_asks_for("b", builds={"gpu": "c"})
    when.weight_is(50, pool="gpu", within=240)
    then.kept_warm("a", 1)
    when.users_ask(0)
    when.time_passes(30)
    when.users_ask(40)
    when.pods_of("a", SLOW)
    when.answers_of("c")
    then.stage("RollingBack")
    then.pods(a=1, b=0, within=15)
    then.ends("RolledBack")
    then.pods(a=2)
    then.nothing_kept_warm("a")


@scenario("warm: the replaced release is asked for in the bake: what stands by serves", long=True)
def asked_for(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=90, warm=1)
    when.spec_asks_for("b")
    then.stable("b")
    then.kept_warm("a", 1)
    when.time_passes(30)
    when.pods_of("a", SLOW)
    when.spec_asks_for("a")
    then.stage("Restoring")
    then.pods(a=1, within=10)
    then.stable("a")
    then.pods(a=4, b=0)
    then.nothing_kept_warm("a")


@scenario("warm: asked for in the bake, and then no longer: it leaves, and stands by again", long=True)
def asked_for_and_not(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=90, warm=1)
    when.spec_asks_for("b")
    then.stable("b")
    then.kept_warm("a", 1)
    when.time_passes(30)
    when.pods_of("a", SLOW)
    when.spec_asks_for("a")
    then.pods(a=1, within=10)
    when.pods_of("a")
    when.spec_asks_for("b")
    then.stable("b")
    then.pods(a=0, b=4)
    then.kept_warm("a", 1)


@scenario("warm: nobody may let what stands by serve: the release comes back all the same")
def gate_refused(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=90, warm=1)
    when.spec_asks_for("b")
    then.stable("b")
    then.kept_warm("a", 1)
    when.right_is_taken("PATCH", "pods")
    when.answers_of("b")
    then.rolled_back("b")
    then.says_as_event("NotLetServe")
    then.pods(a=4)
    then.nothing_kept_warm("a")


@scenario("warm: another release is tried while the replaced one stands by", long=True)
def another(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=60, warm=1)
    when.spec_asks_for("b")
    then.stable("b")
    then.kept_warm("a", 1)
    when.spec_asks_for("c")
    when.weight_is(50)
    then.kept_warm("a", 1)
    when.answers_of("c")
    then.rolled_back("c")
    then.stable("b")
    then.kept_warm("a", 1)


@scenario("warm: nothing stands by before what serves is whole", long=True)
def not_before(given: Given, when: When, then: Then) -> None:
    given.serving("a", warm=1, deadline=600, progress_deadline=200)
    when.spec_asks_for("b")
    when.weight_is(50)
    when.pods_of("b", SLOW)
    when.weight_is(100, ready=False)
    then.stays(15, stage="Progressing")
    then.nothing_kept_warm("a", within=0)
    then.stable("b", within=240)


@scenario("warm, gateway: pods of what was replaced are kept without requests until the release is verified")
def gateway_kept(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, bake=45, warm=1)
    when.spec_asks_for("b")
    then.stable("b", within=180)
    then.goes_by_route(b=100)
    then.pods(a=1, b=4)
    then.kept_warm("a", 1)
    then.says("Verified", "1 of 1 pods", "kept warm to go back to")
    then.is_("Verified", "BakeTimeOver")
    then.pods(a=0, b=4)


@scenario("warm, gateway: bad in the bake: what was kept has all requests before any other pod is up")
def gateway_bad_in_the_bake(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, bake=90, warm=2)
    when.spec_asks_for("b")
    then.stable("b", within=180)
    then.pods(a=2, b=4)
    when.time_passes(30)
    when.pods_of("a", SLOW)
    when.answers_of("b")
    then.stage("RollingBack")
    then.goes_by_route(a=100, within=10)
    then.pods(a=2, b=0, within=20)
    then.rolled_back("b")
    then.pods(a=4)


@scenario("warm, gateway: the status is lost in the bake: what the route names is taken as stable", long=True)
def gateway_wiped(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, bake=90, warm=1)
    when.spec_asks_for("b")
    then.stable("b", within=180)
    then.pods(a=1, b=4)
    when.status_is_wiped()
    then.stable("b")
    then.ready()
    then.pods(a=0, b=4)


@scenario("warm, gateway: the spec cannot be read in the bake: what is kept stays", long=True)
def gateway_unreadable(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, bake=60, warm=1)
    when.spec_asks_for("b")
    then.stable("b", within=180)
    then.pods(a=1, b=4)
    when.spec_changes(paused=True)
    then.stays(70, stage="Serving", stable="b")
    then.pods(a=1, b=4)
    when.spec_changes(paused=False, warm=0)
    then.pods(a=0, b=4)
