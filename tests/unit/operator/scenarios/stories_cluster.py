"""Strangers, autoscalers, lost rights, old reads, clocks that jump, and an operator that is away."""

from __future__ import annotations

from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario

FORBIDDEN = "is forbidden"


@scenario("an autoscaler scales stable's Deployment up: it is put back")
def autoscaler_up(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.somebody_scales("a", 9)
    then.pods(a=4)
    then.ready()


@scenario("a person scales the candidate up in mid-rollout: it is put back", "more than its weight")
def candidate_scaled(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.somebody_scales("b", 4)
    then.pods(b=1)
    then.stable("b")


@scenario("a person scales stable to nothing in mid-rollout", "no server left")
def stable_scaled(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.somebody_scales("a", 0)
    then.pods(a=3)
    then.stable("b", within=180)


@scenario("an autoscaler brings a rejected release back: it is emptied again")
def rejected_scaled(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.webhook_refuses("DELETE", "deployments")
    when.answers_of("b")
    when.spec_asks_for("b")
    then.rolled_back("b")
    when.somebody_scales("b", 3)
    then.pods(b=0, a=4)
    when.webhook_lets_pass("DELETE", "deployments")
    then.rolled_back("b")


@scenario("stable's Deployment is deleted", "no server left")
def stable_deleted(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.somebody_deletes("deployments", "a")
    then.pods(a=4)
    then.ready()


@scenario("the candidate's Deployment is deleted")
def candidate_deleted(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.somebody_deletes("deployments", "b")
    then.pods(b=0)
    then.pods(b=1)
    then.stable("b", within=180)


@scenario("the Service that users call is deleted")
def service_deleted(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.somebody_deletes_the_service()
    when.time_passes(70)
    then.ready()


@scenario("the record of a revision is deleted")
def record_deleted(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.somebody_deletes("controllerrevisions", "b")
    then.stable("b")


@scenario("the record of stable is deleted, and its spec is gone too")
def stable_record_deleted(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.somebody_deletes("controllerrevisions", "a")
    then.stable("b")
    then.pods(a=0, b=4)


@scenario("the right to write Deployments is lost in mid-rollout")
def right_lost(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=600)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.right_is_taken("PATCH", "deployments")
    then.stays(50, stage="Progressing")
    then.says_as_event("NotApplied")
    when.right_is_given("PATCH", "deployments")
    then.stable("b", within=240)


@scenario("the right to write Deployments is missing from the beginning")
def right_missing(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=600)
    when.right_is_taken("PATCH", "deployments")
    when.spec_asks_for("b")
    then.is_("Stalled", "PodsNotStarted", within=180)
    then.says("Stalled", FORBIDDEN)
    when.right_is_given("PATCH", "deployments")
    then.stable("b", within=240)


@scenario("the right to write status is lost: nothing is done that could not be remembered")
def status_right_lost(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.right_is_taken("PUT", "samplerrollouts")
    when.spec_asks_for("b")
    then.stays(40, stage="Serving", stable="a")
    then.never_ready("b")
    then.says_as_event("StatusNotWritten")
    when.right_is_given("PUT", "samplerrollouts")
    then.stable("b")


@scenario("the right to list pods is lost for a while")
def list_right_lost(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.right_is_taken("GET", "pods")
    then.stays(50, stage="Progressing", weight=25)
    when.right_is_given("GET", "pods")
    then.stable("b")


@scenario("deletions are refused: what was rejected goes all the same")
def deletions_refused(given: Given, when: When, then: Then) -> None:
    given.serving("a", progress_deadline=30)
    when.webhook_refuses("DELETE", "deployments")
    when.answers_of("b")
    when.spec_asks_for("b")
    then.rolled_back("b")
    then.is_("Degraded", "NotDeleted")
    then.says("Degraded", "protect.example.com")
    when.webhook_lets_pass("DELETE", "deployments")
    then.is_("Degraded", "AsWanted", "False")


@scenario("neither scaling nor deleting is allowed: it is said, and ends when it is")
def immovable(given: Given, when: When, then: Then) -> None:
    given.serving("a", progress_deadline=30)
    when.answers_of("b")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.webhook_refuses("DELETE", "deployments")
    when.webhook_refuses("PATCH", "deployments")
    then.stage("RollingBack")
    then.is_("Degraded", "PodsNotGone")
    when.webhook_lets_pass("PATCH", "deployments")
    when.webhook_lets_pass("DELETE", "deployments")
    then.rolled_back("b")


@scenario("reads of pods are five seconds old")
def old_pods(given: Given, when: When, then: Then) -> None:
    given.serving("a", step_seconds=20)
    when.reads_are_older("pods", 5)
    when.spec_asks_for("b")
    then.stable("b", within=200)
    then.weights(("b", 25), ("b", 50), ("b", 100))


@scenario("reads of Deployments are five seconds old, and the build is bad")
def old_deployments(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.reads_are_older("deployments", 5)
    when.answers_of("b")
    when.spec_asks_for("b")
    then.rolled_back("b")
    then.pods(a=4)


@scenario("reads of the SamplerRollout itself are old for a while: no old decision is written")
def old_rollout(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.reads_are_older("samplerrollouts", 20)
    when.spec_asks_for("c")
    when.time_passes(30)
    when.reads_are_older("samplerrollouts", 0)
    then.stable("c", within=240)


@scenario("the operator's clock jumps an hour ahead in a step")
def clock_ahead(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.operators_clock_jumps(3600)
    then.stage("Holding")
    then.stable_never_was("b")
    when.operators_clock_jumps(-3600)
    when.person_lets_it_go_on()
    then.stable("b", within=180)


@scenario("the operator's clock jumps an hour back in a step, and is set right again")
def clock_back(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.operators_clock_jumps(-3600)
    when.time_passes(40)
    then.stable_never_was("b")
    when.operators_clock_jumps(3600)
    then.stage("Holding")
    when.person_lets_it_go_on()
    then.stable("b", within=180)


@scenario("the operator is away in a step")
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


@scenario("the operator is away beyond the deadline")
def away_beyond(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=60)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.operator_is_away(120)
    then.stage("Holding")
    when.person_lets_it_go_on()
    then.stable("b")


@scenario("the operator is away in the bake: time that nobody saw does not count")
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


@scenario("the status is wiped in mid-rollout: everything stays, and a person decides", "two candidates")
def wiped_in_mid_rollout(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(50)
    when.status_is_wiped()
    when.operator_is_away(2)
    then.is_("Stalled", "StatusLost")
    then.pods(a=2, b=2)
    when.somebody_scales("a", 4)
    then.pods(a=4)
    when.somebody_deletes("deployments", "b")
    then.stage("Progressing")
    then.stable("b", within=180)


@scenario("something is wrong with each write for a while")
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
