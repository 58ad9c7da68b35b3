"""Pods that fail at each step: by the build's fault, or by the infrastructure's."""

from __future__ import annotations

from tests.support.kube.lives import (
    CRASHING,
    EVICTED,
    NEVER_READY,
    NO_IMAGE,
    REJECTED,
    SANDBOX,
    UNSCHEDULABLE,
    WELL,
    Life,
)
from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario

LATE_CRASHES = Life(crashes_every=3, crashes_from=6)


@scenario("pods that crash at the first step")
def crash_first(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.pods_of("b", CRASHING)
    when.spec_asks_for("b")
    then.rolled_back("b", "PodsFailing")
    then.never_ready("b")
    then.pods(a=4)


@scenario("pods that crash at the second step, after they were ready")
def crash_second(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.pods_of("b", LATE_CRASHES)
    then.rolled_back("b", "PodsFailing")
    then.pods(a=4)


@scenario("pods that crash in the second wave", long=True)
def crash_wave(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=("cpu", "gpu"), replicas=2, steps=[50])
    when.spec_asks_for("b")
    when.weight_is(100)
    when.pods_of("b", LATE_CRASHES)
    then.rolled_back("b", "PodsFailing")
    then.pods("cpu", a=2)


@scenario("crashes are seen although the metrics source is down")
def crash_in_the_dark(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.metrics_source_is(down="SourceUnreachable")
    when.pods_of("b", CRASHING)
    when.spec_asks_for("b")
    then.rolled_back("b", "PodsFailing")


@scenario("pods that are never ready")
def never_ready(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.pods_of("b", NEVER_READY)
    when.spec_asks_for("b")
    then.stays(50, stage="Progressing", weight=25)
    then.rolled_back("b", "PodsFailing")
    then.says("RolledBack", "not ready within 1m")


@scenario("pods that are never ready at the second step", long=True)
def never_ready_second(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.one_pod_of("b", NEVER_READY)
    then.rolled_back("b", "PodsFailing")


@scenario("pods that cannot be scheduled hold, and go on by themselves", long=True)
def unschedulable(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=400)
    when.pods_of("b", UNSCHEDULABLE)
    when.spec_asks_for("b")
    then.stage("Holding")
    then.is_("Stalled", "PodsNotStarted")
    then.says("Stalled", "Unschedulable", "Insufficient cpu")
    when.pods_of("b", WELL)
    then.stage("Progressing")
    then.stable("b", within=180)


@scenario("pods that cannot be scheduled, where the author wants a rollback", long=True)
def unschedulable_rollback(given: Given, when: When, then: Then) -> None:
    given.serving("a", on_inconclusive="Rollback")
    when.pods_of("b", UNSCHEDULABLE)
    when.spec_asks_for("b")
    then.rolled_back("b", "PodsNotStarted")


@scenario("an image that cannot be pulled is not the build's fault", long=True)
def no_image(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=400)
    when.pods_of("b", NO_IMAGE)
    when.spec_asks_for("b")
    then.is_("Stalled", "PodsNotStarted")
    then.says("Stalled", "ErrImagePull")
    then.pods(a=4)
    when.pods_of("b", WELL)
    then.stable("b", within=180)


@scenario("pods that no node has taken up")
def not_taken_up(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.pods_of("b", Life(blocked=SANDBOX))
    when.spec_asks_for("b")
    then.is_("Stalled", "PodsNotStarted")
    when.spec_asks_for("a")
    then.ready()


@scenario("a quota refuses the pods of the second step", long=True)
def quota(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=400)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.pods_are_refused("b")
    then.stage("Holding", within=180)
    then.says("Stalled", "exceeded quota")
    when.pods_are_refused("b", "")
    then.stable("b", within=180)


@scenario("a first release whose pods crash is replaced")
def first_crashes(given: Given, when: When, then: Then) -> None:
    given.nothing()
    when.pods_of("a", CRASHING)
    when.spec_asks_for("a")
    then.is_("Stalled", "FirstReleaseFailed")
    when.spec_asks_for("b")
    then.stable("b")
    then.ready()
    then.pods(a=0, b=4)


@scenario("a first release that cannot start waits in place, and goes on by itself")
def first_blocked(given: Given, when: When, then: Then) -> None:
    given.nothing()
    when.pods_of("a", UNSCHEDULABLE)
    when.spec_asks_for("a")
    then.is_("Stalled", "PodsNotStarted")
    when.pods_of("a", WELL)
    then.ready()


@scenario("a first release is retried when its pods had no time enough")
def first_slow(given: Given, when: When, then: Then) -> None:
    given.nothing()
    when.pods_of("a", Life(ready_after=80))
    when.spec_asks_for("a")
    then.is_("Stalled", "FirstReleaseFailed")
    when.retry_generation_rises()
    then.is_("Reconciling", "Establishing", within=10)
    then.ready()


@scenario("a restored release whose pods crash is rolled back", "no server left", long=True)
def restored_crashes(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=90)
    when.spec_asks_for("b")
    then.stable("b")
    when.pods_of("a", CRASHING)
    when.spec_asks_for("a")
    then.stage("Restoring")
    then.rolled_back("a", "PodsFailing")
    then.pods(b=4)


@scenario("a pod of stable that crashes is not the candidate's fault", long=True)
def stable_crashes(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.one_pod_of("a", CRASHING)
    then.is_("Degraded", "StableNotReady")
    then.stays(40, stage="Progressing", weight=25)
    when.one_pod_of("a", WELL)
    then.stable("b", within=180)


@scenario("pods of stable that are gone for good do not hold a good release up until its deadline", long=True)
def stable_gone_for_good(given: Given, when: When, then: Then) -> None:
    given.serving("a", steps=[25], deadline=600)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.one_pod_of("a", CRASHING)
    then.stays(50, stage="Progressing", weight=25)
    then.stable("b", within=120)
    then.ready()


@scenario("a bad build beside a stable that is not whole is still taken back", long=True)
def stable_not_whole(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.one_pod_of("a", CRASHING)
    when.answers_of("b")
    then.stage("RollingBack")
    then.stage("Serving")


@scenario("slow pods are given their time", long=True)
def slow(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.pods_of("b", Life(ready_after=45))
    when.spec_asks_for("b")
    then.stable("b", within=250)
    then.weights(("b", 25), ("b", 50), ("b", 100))


@scenario("pods that are evicted before they are ready, again and again, hold, and go on by themselves", long=True)
def evicted(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=900)
    when.pods_of("b", EVICTED)
    when.spec_asks_for("b")
    then.is_("Stalled", "PodsNotStarted", within=150)
    then.says("Stalled", "ended before they were ready", "Evicted", "ephemeral-storage")
    then.stays(60, stage="Holding", weight=25)
    when.pods_of("b", WELL)
    then.stable("b", within=180)
    then.ready()


@scenario("pods that their node rejects at once hold", long=True)
def rejected_at_once(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=900)
    when.pods_of("b", REJECTED)
    when.spec_asks_for("b")
    then.is_("Stalled", "PodsNotStarted", within=150)
    then.says("Stalled", "Evicted")
    when.spec_asks_for("a")
    then.ready()


@scenario("a first release whose pods are evicted says so, and goes on by itself", long=True)
def first_evicted(given: Given, when: When, then: Then) -> None:
    given.nothing()
    when.pods_of("a", EVICTED)
    when.spec_asks_for("a")
    then.is_("Stalled", "PodsNotStarted", within=150)
    then.says("Stalled", "Evicted")
    then.stays(60, stage="Establishing")
    when.pods_of("a", WELL)
    then.ready()


@scenario("one pod of a first release is evicted for ever beside others that are ready", long=True)
def one_evicted(given: Given, when: When, then: Then) -> None:
    given.nothing()
    when.pods_of("a", Life(ready_after=10))
    when.spec_asks_for("a")
    when.time_passes(5)
    when.one_pod_of("a", Life(ready_after=None, evicted_after=8))
    when.time_passes(10)
    when.pods_of("a", Life(ready_after=10, creating_for=3, evicted_after=8))  # not those that are ready by now
    then.pods(a=3)
    then.is_("Stalled", "PodsNotStarted", within=200)
    when.pods_of("a", WELL)
    then.ready()


@scenario("a restored release whose pods are evicted waits, and says so", long=True)
def restored_evicted(given: Given, when: When, then: Then) -> None:
    given.serving("a", bake=90)
    when.spec_asks_for("b")
    then.stable("b")
    when.pods_of("a", EVICTED)
    when.spec_asks_for("a")
    then.stage("Restoring")
    then.is_("Stalled", "PodsNotStarted", within=150)
    when.pods_of("a", WELL)
    then.stable("a")


@scenario("a pod of stable that is evicted for ever is told", long=True)
def stable_evicted(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.time_passes(40)  # those that are there are older than such pods live: they serve on
    when.pods_of("a", EVICTED)
    when.one_pod_of("a", Life(unready_after=0, evicted_after=0))
    then.is_("Degraded", "PodsNotReady", within=200)
    when.pods_of("a", WELL)
    then.is_("Degraded", "AsWanted", "False")
    then.ready()
