"""Pools whose count an autoscaler owns: it asks the pool's SamplerPool for a total, which the operator divides."""

from __future__ import annotations

from tests.support.kube.lives import UNSCHEDULABLE
from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario

SERVES = {"stage": "Serving", "stable": "a", "candidate": ""}


@scenario("scaling: an autoscaler scales what serves up and down")
def serving(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=None)
    then.scale(1, 1)
    when.autoscaler_asks_for(6)
    then.pods(a=6)
    then.scale(6, 6)
    when.autoscaler_asks_for(2)
    then.pods(a=2)
    then.scale(2, 2)
    then.stays(10, **SERVES)
    then.ready()


@scenario("scaling: a first release begins with one server, and its autoscaler's number is heard before it is ready")
def first(given: Given, when: When, then: Then) -> None:
    given.nothing("a", replicas=None)
    when.spec_asks_for("a")
    then.scale(1)
    when.autoscaler_asks_for(3)
    then.stable("a")
    then.pods(a=3)


@scenario("scaling: up and down in mid-step both arms go by the weight", long=True)
def mid_step(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=None, step_seconds=40)
    when.autoscaler_asks_for(4)
    then.pods(a=4)
    when.spec_asks_for("b")
    when.weight_is(50)
    when.autoscaler_asks_for(8)
    then.pods(a=4, b=4)
    then.scale(8, 8)
    when.autoscaler_asks_for(2)
    then.pods(a=1, b=1)
    then.stable("b", within=180)
    then.pods(a=0, b=2)
    then.weights(("b", 25), ("b", 50), ("b", 100))


@scenario(
    "scaling: up in mid-step behind a gateway stable has all that is asked for, and the candidate comes beside",
    long=True,
)
def mid_step_routed(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=4, gateway="edge", step_seconds=40)
    when.spec_changes(replicas=None)
    then.scale(4, 4)
    when.spec_asks_for("b")
    when.weight_is(50)
    when.autoscaler_asks_for(6)
    then.pods(a=6, b=3)
    then.scale(6, 6)
    then.goes_by_route(a=50, b=50)
    when.autoscaler_asks_for(2)
    then.pods(a=2, b=1)
    then.scale(2, 2)
    then.stable("b", within=180)
    then.pods(a=0, b=2)
    then.scale(2, 2)


@scenario("scaling: more servers at full traffic are the candidate's", long=True)
def full_traffic(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=4)
    when.spec_changes(replicas=None)
    then.scale(4)
    when.spec_asks_for("b")
    when.weight_is(100, ready=False)
    when.autoscaler_asks_for(7)
    then.stable("b", within=180)
    then.pods(b=7)
    then.stays(5, stable="b")


@scenario("scaling: during a rollback what is more is stable's alone", long=True)
def rolling_back(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=4, progress_deadline=90, step_seconds=60)
    when.spec_changes(replicas=None)
    then.scale(4)
    when.spec_asks_for("b")
    when.weight_is(50)
    when.answers_of("b")
    then.stage("RollingBack")
    when.autoscaler_asks_for(8)
    then.rolled_back("b")
    then.pods(a=8, b=0)
    then.scale(8, 8)


@scenario("scaling: a bad build is found although its pool is scaled again and again", long=True)
def bad_build(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=4, step_seconds=60)
    when.spec_changes(replicas=None)
    then.scale(4)
    when.answers_of("b", rate=0.12)
    when.spec_asks_for("b")
    for count in (6, 4, 8, 5):
        when.time_passes(7)
        when.autoscaler_asks_for(count)
    then.rolled_back("b")
    then.pods(a=5)


@scenario("scaling: replicas are taken out of the spec and put back: nothing shrinks, and no pod starts anew")
def out_and_back(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=3)
    then.scale(None)
    when.spec_changes(replicas=None)
    then.scale(3, 3)
    then.stays(20, **SERVES)
    then.pods(a=3)
    when.autoscaler_asks_for(5)
    then.pods(a=5)
    when.spec_changes(replicas=4)
    then.scale(None)
    then.pods(a=4)
    then.ready()


@scenario("scaling: replicas are taken out and put back in mid-rollout", long=True)
def out_and_back_in_a_rollout(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=4, step_seconds=40)
    when.spec_asks_for("b")
    when.weight_is(50)
    when.spec_changes(replicas=None)
    then.scale(4, 4)
    then.stays(10, stage="Progressing", weight=50)
    then.pods(a=2, b=2)
    when.autoscaler_asks_for(6)
    then.pods(a=3, b=3)
    when.spec_changes(replicas=4)
    then.scale(None)
    then.pods(a=2, b=2)
    then.stable("b", within=180)
    then.pods(b=4)


@scenario("scaling: a person deletes the SamplerPool: it comes back as it was")
def deleted(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=None)
    when.autoscaler_asks_for(5)
    then.pods(a=5)
    when.somebody_deletes_the_scale()
    when.time_passes(2)
    then.scale(5, 5)
    then.pods(a=5)
    then.ready()


@scenario("scaling: without the right to SamplerPools a release goes on with what it has, and it is told", long=True)
def denied(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    for verb in ("GET", "POST", "PATCH"):
        when.right_is_taken(verb, "samplerpools")
    when.spec_changes(replicas=None)
    then.stays(20, **SERVES)
    then.pods(a=4)
    when.answers_of("c")
    when.spec_asks_for("c")
    then.rolled_back("c")
    then.pods(a=4)
    then.says_as_event("NotApplied")
    for verb in ("GET", "POST", "PATCH"):
        when.right_is_given(verb, "samplerpools")
    then.scale(4, 4)


@scenario("scaling: the right to read SamplerPools is lost: the last number holds until it is back")
def unreadable(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=None)
    when.autoscaler_asks_for(5)
    then.pods(a=5)
    when.right_is_taken("GET", "samplerpools")
    when.operator_is_away(3)
    when.autoscaler_asks_for(3)
    then.stays(70, **SERVES)
    then.pods(a=5)
    when.right_is_given("GET", "samplerpools")
    then.pods(a=3)


@scenario("scaling: an operator without the definition of SamplerPools rolls out what gives replicas", long=True)
def no_definition(given: Given, when: When, then: Then) -> None:
    when.definition_is_there("samplerpools", there=False)
    given.serving("a")
    when.spec_asks_for("b")
    then.stable("b")
    then.ready()
    when.spec_changes(replicas=None)
    then.stays(20, stage="Serving", stable="b")
    then.pods(b=4)
    then.says_as_event("NotApplied")
    when.definition_is_there("samplerpools")
    then.scale(4, 4)


@scenario("scaling: a pool that leaves with a release keeps its autoscaler as long as it serves", long=True)
def removed_pool(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=("cpu", "big"), replicas=4, steps=(50, "pause"))
    when.spec_changes(replicas=None)
    then.scale(4, 4, pool="big")
    when.spec_asks_for("b", pools=("cpu",))
    when.weight_is(50)
    then.stays(20, stage="Progressing")
    when.autoscaler_asks_for(5, pool="big")
    then.pods(pool="big", a=5)
    when.person_lets_it_go_on()
    then.stable("b", within=180)
    then.scale(None, pool="big")
    then.scale(4, 4)


@scenario("scaling: with a spec that nobody can read the autoscaler is heard all the same")
def broken_spec(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=None)
    when.autoscaler_asks_for(4)
    then.pods(a=4)
    when.spec_cannot_be_read()
    then.is_("Stalled", "InvalidSpec")
    when.autoscaler_asks_for(6)
    then.pods(a=6)


@scenario("scaling: the status is wiped: the number is still the autoscaler's")
def wiped(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=None)
    when.autoscaler_asks_for(4)
    then.pods(a=4)
    when.status_is_wiped()
    when.time_passes(70)
    then.pods(a=4)
    then.scale(4, 4)
    then.ready()


@scenario(
    "scaling: servers that the cluster has no room for hold a release at full traffic, and fewer let it go on",
    long=True,
)
def no_room(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=4, progress_deadline=30)
    when.spec_changes(replicas=None)
    then.scale(4)
    when.spec_asks_for("b")
    when.weight_is(50)
    for build in "ab":
        when.pods_of(build, UNSCHEDULABLE)
    when.autoscaler_asks_for(8)
    then.is_("Stalled", "PodsNotStarted", within=180)
    then.pods(a=2, b=2)
    when.autoscaler_asks_for(2)
    then.stable("b")
    then.pods(a=0, b=2)


@scenario("scaling: all goes with the SamplerRollout")
def everything(given: Given, when: When, then: Then) -> None:
    given.serving("a", replicas=None)
    then.scale(1)
    when.rollout_is_deleted()
    then.nothing_is_left()
