"""Releases that are examined before any traffic."""

from __future__ import annotations

from typing import Any

from tests.support.kube.lives import CRASHING, EVICTED, NEVER_READY, UNSCHEDULABLE, WELL
from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.reports import (
    FAILS,
    HAS_NONE,
    IS_STUCK,
    LIES,
    OTHER_LOGPROBS,
    OTHER_TOKENS,
    PASSES,
    RAVES,
    SAYS_NOTHING,
)
from tests.support.scenarios.telling import scenario

ON: dict[str, Any] = {"preflight": {"budget": "5s"}}
TWO: dict[str, Any] = {**ON, "pools": ("cpu", "gpu"), "replicas": 2, "steps": [50]}


@scenario("a good build passes its preflight and is promoted", long=True)
def passes(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON)
    when.spec_asks_for("b")
    then.stage("Progressing")
    then.stays(3, stage="Progressing", weight=0)
    then.stable("b", within=180)
    then.weights(("b", 0), ("b", 25), ("b", 50), ("b", 100))
    then.says_as_event("PreflightPassed")


@scenario("a bad build fails its preflight before any traffic")
def fails(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON)
    when.preflight_of("b", FAILS)
    when.spec_asks_for("b")
    then.rolled_back("b", "PreflightFailed")
    then.says("RolledBack", "in pool cpu at weight 0", "best-dropped in 3 of 8 rows", "batch 2, vocabulary 17, top_k 1")
    then.never_ready("b")
    then.weights(("b", 0))
    then.history(("b", "RolledBack"))


@scenario("a bad build fails in a pool of the second wave, before the first one has traffic")
def fails_in_second_wave(given: Given, when: When, then: Then) -> None:
    given.serving("a", **TWO)
    when.preflight_of("b", FAILS, pool="gpu")
    when.spec_asks_for("b")
    then.rolled_back("b", "PreflightFailed")
    then.says("RolledBack", "in pool gpu at weight 0")
    then.never_ready("b", "cpu")
    then.never_ready("b", "gpu")


@scenario("a pool draws other tokens than the others", long=True)
def other_tokens(given: Given, when: When, then: Then) -> None:
    given.serving("a", **(TWO | {"pools": ("cpu", "gpu", "tpu")}))
    when.preflight_of("b", OTHER_TOKENS, pool="cpu")
    when.spec_asks_for("b")
    then.rolled_back("b", "PreflightFailed")
    then.says("RolledBack", "in pool cpu at weight 0", "its token digest bbbbbbbbbbbb differs from pool gpu's")
    then.never_ready("b", "gpu")


@scenario(
    "a build whose log-probabilities are not stable's is stopped, and may pass where the model is to change", long=True
)
def other_model(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON)
    when.preflight_of("b", OTHER_LOGPROBS)
    when.spec_asks_for("b")
    then.rolled_back("b", "PreflightFailed")
    then.says("RolledBack", "token 2 of prompt 0 is -4.500000, stable's -4.000000", "compareWithStable: false")
    when.spec_changes(preflight={"budget": "5s", "compareWithStable": False}, retry=1)
    then.stable("b", within=180)


@scenario("a server without a preflight never passes one")
def has_none(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON)
    when.preflight_of("b", HAS_NONE)
    when.spec_asks_for("b")
    then.stage("Holding")
    then.is_("Stalled", "PreflightUnavailable")
    then.says("Stalled", "this server has no preflight")
    then.never_ready("b")
    when.spec_asks_for("a")
    then.ready()
    then.stable("a")


@scenario("a preflight that takes too long holds, and goes on when it answers", long=True)
def takes_long(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON, deadline=600)
    when.preflight_of("b", IS_STUCK)
    when.spec_asks_for("b")
    then.is_("Stalled", "PreflightUnavailable")
    then.says("Stalled", "still running")
    then.stays(30, stage="Holding", weight=0)
    when.preflight_of("b", PASSES)
    then.stage("Progressing")
    then.stable("b", within=180)


@scenario("a preflight that fails after its time is still heard")
def fails_late(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON)
    when.preflight_of("b", IS_STUCK)
    when.spec_asks_for("b")
    then.stage("Holding")
    when.preflight_of("b", FAILS)
    then.rolled_back("b", "PreflightFailed")


@scenario("an answer that is no report passes nothing", long=True)
def raves(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON)
    when.preflight_of("b", RAVES)
    when.spec_asks_for("b")
    then.is_("Stalled", "PreflightUnavailable")
    then.says("Stalled", "its answer is no preflight report")
    then.never_ready("b")
    when.preflight_of("b", LIES)
    then.stays(20, stage="Holding", weight=0)
    then.never_ready("b")


@scenario("no answer, where the author wants a rollback")
def no_answer(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON, on_inconclusive="Rollback")
    when.preflight_of("b", SAYS_NOTHING)
    when.spec_asks_for("b")
    then.rolled_back("b", "PreflightUnavailable")
    then.never_ready("b")


@scenario("a pod that examines and is never ready nor answers is the build's fault")
def hangs(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON)
    when.pods_of("b", NEVER_READY)
    when.preflight_of("b", SAYS_NOTHING)
    when.spec_asks_for("b")
    then.rolled_back("b", "PodsFailing")


@scenario("a pod that examines crashes")
def crashes(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON)
    when.pods_of("b", CRASHING)
    when.preflight_of("b", SAYS_NOTHING)
    when.spec_asks_for("b")
    then.rolled_back("b", "PodsFailing")


@scenario("a pod that examines cannot be scheduled, and then can", long=True)
def unschedulable(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON, deadline=600)
    when.pods_of("b", UNSCHEDULABLE)
    when.spec_asks_for("b")
    then.is_("Stalled", "PodsNotStarted")
    then.says("Stalled", "Insufficient cpu")
    when.pods_of("b", WELL)
    then.stable("b", within=240)


@scenario("a quota refuses the pod that examines", long=True)
def refused(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON, deadline=600)
    when.pods_are_refused("b")
    when.spec_asks_for("b")
    then.is_("Stalled", "PodsNotStarted")
    then.says("Stalled", "exceeded quota")
    when.pods_are_refused("b", "")
    then.stable("b", within=240)


@scenario("a third release in the middle of a preflight", long=True)
def third(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON)
    when.preflight_of("b", IS_STUCK)
    when.spec_asks_for("b")
    then.stage("Progressing")
    then.stays(20, stage="Progressing", weight=0)
    when.spec_asks_for("c")
    then.stable("c", within=180)
    then.weights(("b", 0), ("c", 0), ("c", 25), ("c", 50), ("c", 100))


@scenario("a first release is examined before it serves")
def first(given: Given, when: When, then: Then) -> None:
    given.nothing(**ON)
    when.preflight_of("a", IS_STUCK)
    when.spec_asks_for("a")
    then.stage("Establishing")
    then.stays(20, stage="Establishing", weight=0)
    then.never_ready("a")
    when.preflight_of("a", PASSES)
    then.ready()


@scenario("a first release that fails its preflight serves nobody, and a better one does")
def first_fails(given: Given, when: When, then: Then) -> None:
    given.nothing(**ON)
    when.preflight_of("a", FAILS)
    when.spec_asks_for("a")
    then.is_("Stalled", "FirstReleaseFailed")
    then.says("Stalled", "pool cpu: its preflight failed", "best-dropped")
    then.never_ready("a")
    when.spec_asks_for("b")
    then.ready()
    then.never_ready("a")


@scenario("the operator is away while a preflight runs")
def away(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON, deadline=600)
    when.preflight_of("b", FAILS)
    when.spec_asks_for("b")
    when.time_passes(2)
    when.operator_is_away(120)
    then.rolled_back("b", "PreflightFailed")
    then.never_ready("b")


@scenario("a release that comes back is not examined again", long=True)
def comes_back(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON, bake=90)
    when.spec_asks_for("b")
    then.stable("b", within=180)
    when.preflight_of("a", FAILS)
    when.spec_asks_for("a")
    then.stage("Restoring")
    then.stable("a")


@scenario("a retry of what holds, because the pod that examines hangs, has another pod examine", long=True)
def retried_hanging(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON)
    when.spec_asks_for("b")
    when.pods_that_examine_hang()
    then.is_("Stalled", "PreflightUnavailable")
    when.retry_generation_rises()
    then.stable("b", within=180)


@scenario("a person's retry does the same", long=True)
def retried_by_word(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON)
    when.spec_asks_for("b")
    when.pods_that_examine_hang()
    then.is_("Stalled", "PreflightUnavailable")
    when.person_says("retry", why="erin, it hangs")
    then.stable("b", within=180)


@scenario("a retry of a first release whose examining pod crashed has another pod examine")
def first_crashes(given: Given, when: When, then: Then) -> None:
    given.nothing(**ON)
    when.spec_asks_for("a")
    when.pods_that_examine_crash()
    then.is_("Stalled", "FirstReleaseFailed")
    then.says("Stalled", "the container of pod", "exited")
    then.stays(20, stage="Establishing", weight=0, reason="FirstReleaseFailed")
    when.retry_generation_rises()
    then.ready()


@scenario("a retry has a build examined anew", long=True)
def retried(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ON)
    when.preflight_of("b", FAILS)
    when.spec_asks_for("b")
    then.rolled_back("b", "PreflightFailed")
    when.preflight_of("b", PASSES)
    then.stays(30, stage="Serving", stable="a")
    when.retry_generation_rises()
    then.stable("b", within=180)


@scenario("a first release whose preflight is evicted again and again says so, and goes on by itself", long=True)
def evicted(given: Given, when: When, then: Then) -> None:
    given.nothing(**ON)
    when.pods_of("a", EVICTED)
    when.preflight_of("a", IS_STUCK)
    when.spec_asks_for("a")
    then.is_("Stalled", "PreflightUnavailable", within=180)
    then.says("Stalled", "others take their place", "Evicted")
    then.stays(60, stage="Establishing")
    when.pods_of("a", WELL)
    when.preflight_of("a", PASSES)
    then.ready()
