"""Strangers, autoscalers, lost rights, old reads."""

from __future__ import annotations

from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario

FORBIDDEN = "is forbidden"


@scenario("an autoscaler scales stable's Deployment up: it is put back")
def autoscaler_up(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.somebody_scales("a", 9)
    then.asked_of_deployments(a=4)
    then.pods(a=4)
    then.ready()
    then.an_edit_is_told("Deployment", "kubectl")


@scenario("a person scales the candidate up in mid-rollout: it is put back", "more than its weight", long=True)
def candidate_scaled(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.somebody_scales("b", 4)
    then.asked_of_deployments(b=1)
    then.pods(b=1)
    then.stable("b")


@scenario("a person scales stable to nothing in mid-rollout", "no server left", long=True)
def stable_scaled(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.somebody_scales("a", 0)
    then.pods(a=0, within=5)
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
    then.asked_of_deployments(b=0, a=4)
    then.pods(b=0, a=4)
    when.webhook_lets_pass("DELETE", "deployments")
    then.is_("Degraded", "AsWanted", "False")
    then.rolled_back("b")


@scenario("stable's Deployment is deleted", "a class without a server")
def stable_deleted(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.somebody_deletes("deployments", "a")
    then.pods(a=0, within=5)
    then.pods(a=4)
    then.ready()


@scenario("the candidate's Deployment is deleted", long=True)
def candidate_deleted(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.somebody_deletes("deployments", "b")
    then.pods(b=0)
    then.pods(b=1)
    then.stable("b", within=180)


@scenario("the Service that users call is deleted", "a class without a server")
def service_deleted(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.somebody_deletes_the_service()
    when.time_passes(5)
    then.service_is_there()
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


@scenario("the right to write Deployments is lost in mid-rollout", long=True)
def right_lost(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=600)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.right_is_taken("PATCH", "deployments")
    then.stays(50, stage="Progressing")
    then.says_as_event("NotApplied")
    when.right_is_given("PATCH", "deployments")
    then.stable("b", within=240)


@scenario("the right to write Deployments is missing from the beginning", long=True)
def right_missing(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=600)
    when.right_is_taken("PATCH", "deployments")
    when.spec_asks_for("b")
    then.is_("Stalled", "PodsNotStarted", within=180)
    then.says("Stalled", FORBIDDEN)
    when.right_is_given("PATCH", "deployments")
    then.stable("b", within=240)


@scenario("the right to write status is lost: nothing is done that could not be remembered", long=True)
def status_right_lost(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.right_is_taken("PUT", "samplerrollouts")
    when.spec_asks_for("b")
    then.stays(40, stage="Serving", stable="a")
    then.never_ready("b")
    then.says_as_event("StatusNotWritten")
    when.right_is_given("PUT", "samplerrollouts")
    then.stable("b")


@scenario("the right to list pods is lost for a while", long=True)
def list_right_lost(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.right_is_taken("GET", "pods")
    then.stays(50, stage="Progressing", weight=25)
    then.says_as_event("ChildrenNotRead")
    when.right_is_given("GET", "pods")
    then.stable("b")


@scenario("deletions are refused: what was rejected goes all the same", long=True)
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


@scenario("reads of pods are five seconds old", long=True)
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


@scenario("reads of the SamplerRollout itself are old for a while: no old decision is written", long=True)
def old_rollout(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.reads_are_older("samplerrollouts", 20)
    when.spec_asks_for("c")
    when.time_passes(30)
    when.reads_are_older("samplerrollouts", 0)
    then.stable("c", within=240)


@scenario(
    "neither scaling nor deleting is allowed, and a better build is heard all the same", "two candidates", long=True
)
def immovable_and_better(given: Given, when: When, then: Then) -> None:
    given.serving("a", progress_deadline=30)
    when.answers_of("b")
    when.spec_asks_for("b")
    when.weight_is(25)
    when.pods_of_a_build_are_protected("b")
    then.stage("RollingBack")
    when.spec_asks_for("c")
    then.candidate("c")
    then.is_("Degraded", "PodsNotGone")
    then.stable("c", within=180)
    then.is_("Stalled", "PodsNotGone")
    then.pods(a=0, b=1, c=4)
    when.protection_is_lifted()
    then.pods(b=0)
    then.ready()
