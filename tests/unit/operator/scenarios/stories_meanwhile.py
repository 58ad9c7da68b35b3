"""What serves while the next release waits for its first pod: it is watched as if it were alone (R20, R22)."""

from __future__ import annotations

from typing import Any, Final

from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.reports import FAILS, IS_STUCK, PASSES
from tests.support.scenarios.telling import scenario

ON: dict[str, Any] = {"preflight": {"budget": "5s"}}
TWO: Final = ("cpu", "gpu")
LATE: dict[str, Any] = {**ON, "deadline": 900}
LONG: Final = 200
"""Seconds: a bake longer than a preflight takes to hold."""


def baking_beside(given: Given, when: When, then: Then, bake: int = LONG) -> None:
    """``b`` bakes, and ``c`` is examined without an end."""
    given.serving("a", **LATE)
    when.spec_asks_for("b", bake=bake)
    then.stable("b", within=180)
    when.preflight_of("c", IS_STUCK)
    when.spec_asks_for("c", bake=20)
    then.candidate("c")


@scenario("bad in its bake while the next release is examined: the next comes after the rollback", long=True)
def bad_bake(given: Given, when: When, then: Then) -> None:
    baking_beside(given, when, then)
    when.answers_of("b")
    then.stage("RollingBack")
    then.candidate("b")
    then.pods(a=4, b=0)
    then.candidate("c")
    when.preflight_of("c", PASSES)
    then.stable("c", within=180)
    then.history(("c", "Promoted"), ("b", "RolledBack"), ("c", "Withdrawn"), ("b", "Promoted"))


@scenario("bad in its bake while the preflight of the next release holds", long=True)
def bad_bake_holding(given: Given, when: When, then: Then) -> None:
    baking_beside(given, when, then)
    then.stage("Holding")
    when.answers_of("b")
    then.stage("RollingBack")
    then.never_ready("c")
    then.stage("Holding", within=180)
    then.history(("b", "RolledBack"), ("c", "Withdrawn"), ("b", "Promoted"))
    when.spec_asks_for("a")
    then.ready()
    then.pods(a=4)


@scenario("bad in its bake while the next release is examined and paused: the next does not come", long=True)
def bad_bake_paused(given: Given, when: When, then: Then) -> None:
    baking_beside(given, when, then)
    when.spec_changes(paused=True)
    when.answers_of("b")
    then.stable("a")
    then.stays(60, stage="Serving", stable="a", candidate="")
    when.preflight_of("c", PASSES)
    when.spec_changes(paused=False)
    then.stable("c", within=180)


@scenario("bad in its bake while a third release takes the place of one that is examined", long=True)
def bad_bake_third(given: Given, when: When, then: Then) -> None:
    baking_beside(given, when, then)
    when.answers_of("b")
    when.preflight_of("d", IS_STUCK)
    when.spec_asks_for("d")
    then.stage("RollingBack")
    then.pods(a=4, b=0)
    when.preflight_of("d", PASSES)
    then.stable("d", within=180)
    then.never_ready("c")


@scenario("bad in its bake while the operator is away and the next release is examined", long=True)
def bad_bake_away(given: Given, when: When, then: Then) -> None:
    baking_beside(given, when, then)
    when.answers_of("b")
    when.operator_is_away(30)
    then.stage("RollingBack")
    then.pods(a=4, b=0)
    when.preflight_of("c", PASSES)
    then.stable("c", within=180)


@scenario("the next release fails its preflight, and what serves is bad in its bake afterwards", long=True)
def fails_and_bad_bake(given: Given, when: When, then: Then) -> None:
    baking_beside(given, when, then)
    when.preflight_of("c", FAILS)
    then.rolled_back("c", "PreflightFailed")
    when.answers_of("b")
    then.stable("a")
    then.history(("b", "RolledBack"), ("c", "RolledBack"), ("b", "Promoted"))


@scenario("a person takes back what serves, in its bake, while the next release is examined", long=True)
def taken_back(given: Given, when: When, then: Then) -> None:
    baking_beside(given, when, then)
    when.person_says("rollback", role="stable", why="carol, complaints")
    then.stage("RollingBack")
    then.pods(a=4, b=0)
    then.candidate("c")
    when.preflight_of("c", PASSES)
    then.stable("c", within=180)
    then.history(("c", "Promoted"), ("b", "RolledBack"), ("c", "Withdrawn"))


@scenario("a bake ends while the preflight of the next release holds", long=True)
def bake_ends(given: Given, when: When, then: Then) -> None:
    baking_beside(given, when, then, bake=90)
    then.stage("Holding")
    then.is_("Verified", "BakeTimeOver")
    then.stays(10, stage="Holding", stable="b", candidate="c")
    when.preflight_of("c", PASSES)
    then.stable("c", within=180)


@scenario("bad after its bake while the preflight of the next release holds: it is told", long=True)
def alarm(given: Given, when: When, then: Then) -> None:
    given.serving("a", **LATE)
    when.preflight_of("b", IS_STUCK)
    when.spec_asks_for("b")
    then.stage("Holding")
    when.answers_of("a")
    then.is_("Degraded", "CheckFailed", within=200)
    then.says("Degraded", "pool cpu: check unexpected-script")
    then.stays(30, stage="Holding", stable="a", candidate="b")
    when.preflight_of("b", PASSES)
    then.stable("b", within=180)
    then.is_("Degraded", "AsWanted", "False")


@scenario("bad after its bake while a suspect release waits for a person: it is told", long=True)
def alarm_beside_suspect(given: Given, when: When, then: Then) -> None:
    given.serving("a", deadline=900)
    when.another_rollout_asks_for("a")
    then.other("a")
    when.answers_of("b")
    when.another_rollout_asks_for("b")
    then.other("a", failed=True)
    when.spec_asks_for("b")
    then.is_("Suspect", "FailedElsewhere")
    when.answers_of("a")
    then.is_("Degraded", "CheckFailed", within=200)
    then.never_ready("b")


@scenario("a first release is bad in its bake while the next one is examined: it is told, and the next goes on")
def first(given: Given, when: When, then: Then) -> None:
    given.nothing(**LATE)
    when.spec_asks_for("a", bake=LONG)
    then.ready()
    when.preflight_of("b", IS_STUCK)
    when.spec_asks_for("b", bake=20)
    then.candidate("b")
    when.answers_of("a")
    then.is_("Degraded", "FirstReleaseFailed")
    then.stays(20, stage="Progressing", stable="a", candidate="b", weight=0)
    when.preflight_of("b", PASSES)
    then.stable("b", within=180)
    then.ready()


@scenario("an outage of the metrics source while the next release is examined decides nothing", long=True)
def outage(given: Given, when: When, then: Then) -> None:
    baking_beside(given, when, then)
    when.metrics_source_is(down="SourceUnreachable")
    when.answers_of("b")
    then.stays(30, stable="b", candidate="c", weight=0)
    then.is_("Verified", "SourceUnreachable", "False")
    when.metrics_source_is()
    then.stage("RollingBack")
    then.pods(a=4, b=0)
    when.preflight_of("c", PASSES)
    then.stable("c", within=180)


@scenario("what serves turns bad in its bake, in a pool that the candidate does not touch", long=True)
def bad_beside(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=TWO, replicas=2, steps=[50])
    when.spec_asks_for("b", bake=600)
    then.stable("b", within=240)
    when.spec_changes(builds={"gpu": "c"}, steps=[50, "pause"])
    when.weight_is(50, pool="gpu")
    when.answers_of("b")
    then.stage("Withdrawing", within=60)
    then.stable("a")
    then.rolled_back("bc")
    then.history(("bc", "RolledBack"), ("b", "RolledBack"), ("bc", "Withdrawn"), ("b", "Promoted"))
    then.pods(a=2)
    then.pods(pool="gpu", a=2)


@scenario("a verified release turns bad in a pool that the candidate does not touch", long=True)
def alarm_beside(given: Given, when: When, then: Then) -> None:
    given.serving("a", pools=TWO, replicas=2)
    when.spec_changes(builds={"gpu": "c"}, steps=[50, "pause"])
    when.weight_is(50, pool="gpu")
    when.answers_of("a")
    then.is_("Degraded", "CheckFailed", within=240)
    then.says("Degraded", "pool cpu")
    then.stays(30, stage="Progressing", weight=50, stable="a")
