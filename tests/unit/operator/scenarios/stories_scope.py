"""``rollback.scope: Pool``: what fails in one pool is taken back from that pool, and goes on in the others."""

from __future__ import annotations

from tests.support.kube.lives import CRASHING, NEVER_READY, WELL
from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.reports import FAILS
from tests.support.scenarios.telling import scenario

TWO = ("cpu", "gpu")
THREE = ("cpu", "gpu", "tpu")
POOL = {"pools": TWO, "replicas": 2, "steps": [50], "scope": "Pool"}
TOGETHER = [["cpu", "gpu"]]
ONE_BAD = {"gpu": "c"}
"""The build of the release in one pool, which is bad; in the others it is b."""


def taken_back_alone(given: Given, when: When, then: Then) -> None:
    """Of two pools of one wave one has failed."""
    given.serving("a", waves=TOGETHER, **POOL)
    when.answers_of("c")
    when.spec_asks_for("b", builds=ONE_BAD)
    then.is_("RolledBack", "CheckFailed")


@scenario("scope Pool: the pool that fails goes back, the one beside it goes on", long=True)
def beside(given: Given, when: When, then: Then) -> None:
    taken_back_alone(given, when, then)
    then.says("RolledBack", "release", "in pool gpu at weight 50", "unexpected-script")
    then.stage("Progressing")
    then.stable("ba")
    then.pods("cpu", b=2)
    then.pods("gpu", a=2, c=0)
    then.weights(("b", 50), ("b", 100))
    then.weights(("c", 50), pool="gpu")
    then.is_("Stalled", "RolledBack")
    then.is_("Verified", "BakeTimeOver")


@scenario("scope Pool: the first wave's pool fails, the next one has its turn", long=True)
def first_wave(given: Given, when: When, then: Then) -> None:
    given.serving("a", **POOL)
    when.answers_of("b")
    when.spec_asks_for("b", builds=ONE_BAD)
    then.is_("RolledBack", "CheckFailed")
    then.weights(("b", 50))
    then.stable("ac")
    then.weights(("c", 0), ("c", 50), ("c", 100), pool="gpu")
    then.pods("cpu", a=2, b=0)
    then.is_("Stalled", "RolledBack")


@scenario("scope Pool: the last wave's pool fails, the ones before have got through", long=True)
def last_wave(given: Given, when: When, then: Then) -> None:
    given.serving("a", **POOL)
    when.answers_of("c")
    when.spec_asks_for("b", builds=ONE_BAD)
    then.stable("ba", within=240)
    then.pods("cpu", b=2)
    then.pods("gpu", a=2, c=0)
    then.weights(("b", 50), ("b", 100))
    then.is_("Stalled", "RolledBack")


@scenario("scope Pool: a pool that has all traffic already fails, the one under way goes on", long=True)
def promoted_pool(given: Given, when: When, then: Then) -> None:
    given.serving("a", **POOL)
    when.spec_asks_for("b", builds=ONE_BAD)
    when.weight_is(50, pool="gpu", within=180)
    when.answers_of("b")
    then.is_("RolledBack", "CheckFailed")
    then.says("RolledBack", "in pool cpu at full traffic")
    then.stable("ac")
    then.pods("cpu", a=2, b=0)
    then.pods("gpu", c=2)


@scenario("scope Pool: one pool after the other fails, and nothing is left of the release", long=True)
def all_of_them(given: Given, when: When, then: Then) -> None:
    given.serving("a", **POOL)
    when.answers_of("b")
    when.spec_asks_for("b", builds=ONE_BAD)
    then.is_("RolledBack", "CheckFailed")
    when.answers_of("c")
    then.rolled_back("bc")
    then.pods("cpu", a=2, b=0)
    then.pods("gpu", a=2, c=0)


@scenario("scope Pool: both fail in one look", long=True)
def both_at_once(given: Given, when: When, then: Then) -> None:
    given.serving("a", waves=TOGETHER, **POOL)
    when.spec_asks_for("b")
    when.weight_is(50)
    when.answers_of("b")
    then.rolled_back("b")
    then.pods("cpu", a=2)
    then.pods("gpu", a=2)


@scenario("scope Pool: pods of one pool crash", long=True)
def crashes(given: Given, when: When, then: Then) -> None:
    given.serving("a", waves=TOGETHER, **POOL)
    when.pods_of("c", CRASHING)
    when.spec_asks_for("b", builds=ONE_BAD)
    then.is_("RolledBack", "PodsFailing")
    then.stable("ba")
    then.pods("gpu", a=2)


@scenario("scope Pool: pods of one pool are not ready in time", long=True)
def never_ready(given: Given, when: When, then: Then) -> None:
    given.serving("a", waves=TOGETHER, **POOL)
    when.pods_of("c", NEVER_READY)
    when.spec_asks_for("b", builds=ONE_BAD)
    then.is_("RolledBack", "PodsFailing")
    then.stable("ba")
    then.pods("gpu", a=2)


@scenario("scope Pool: the preflight fails in one pool, which never begins", long=True)
def preflight(given: Given, when: When, then: Then) -> None:
    given.serving("a", preflight={"budget": "5s", "timeout": "40s"}, **POOL)
    when.preflight_of("c", FAILS)
    when.spec_asks_for("b", builds=ONE_BAD)
    then.is_("RolledBack", "PreflightFailed")
    then.stable("ba")
    then.never_ready("c", pool="gpu")
    then.pods("gpu", a=2)


@scenario("scope Pool: what is retried is tried in the pool that lacks it alone", long=True)
def retried(given: Given, when: When, then: Then) -> None:
    given.serving("a", waves=TOGETHER, **POOL)
    when.answers_of("c")
    when.spec_asks_for("b", builds=ONE_BAD)
    then.stable("ba")
    when.answers_of("c", "good")
    when.retry_generation_rises()
    then.stable("bc", within=180)
    then.weights(("b", 50), ("b", 100))
    then.ready()
    then.is_("RolledBack", "NotHeld", status="False")


@scenario("scope Pool: a retry while the others are under way is heard after them", long=True)
def retried_meanwhile(given: Given, when: When, then: Then) -> None:
    taken_back_alone(given, when, then)
    when.answers_of("c", "good")
    when.retry_generation_rises()
    then.stable("bc", within=240)
    then.ready()


@scenario("scope Pool: the spec asks for what has become of it, which goes on", long=True)
def takes_its_name(given: Given, when: When, then: Then) -> None:
    taken_back_alone(given, when, then)
    when.spec_asks_for("b", builds={"gpu": "a"})
    then.stable("ba")
    then.weights(("b", 50), ("b", 100))
    then.ready()
    then.is_("RolledBack", "NotHeld", status="False")


@scenario("scope Pool: another release is asked for, and all of it leaves", long=True)
def another(given: Given, when: When, then: Then) -> None:
    taken_back_alone(given, when, then)
    when.spec_asks_for("d")
    then.stable("d", within=240)
    then.ready()


@scenario("scope Pool: stable's spec is asked for again", long=True)
def back_to_stable(given: Given, when: When, then: Then) -> None:
    taken_back_alone(given, when, then)
    when.spec_asks_for("a")
    then.stable("a")
    then.pods("cpu", a=2, b=0)
    then.ready()


@scenario("scope Pool: a person takes back the rest", long=True)
def aborted(given: Given, when: When, then: Then) -> None:
    taken_back_alone(given, when, then)
    when.person_says("abort")
    then.rolled_back("bc", "ByPerson")
    then.pods("cpu", a=2, b=0)
    then.pods("gpu", a=2, c=0)


@scenario("scope Pool: a pool fails while a person has paused it", long=True)
def paused(given: Given, when: When, then: Then) -> None:
    given.serving("a", waves=TOGETHER, **POOL)
    when.spec_asks_for("b", builds=ONE_BAD)
    when.weight_is(50)
    when.person_says("pause")
    when.answers_of("c")
    then.is_("RolledBack", "CheckFailed")
    then.pods("gpu", a=2, c=0)
    then.stays(30, stage="Progressing", reason="Paused")
    when.person_says("resume")
    then.stable("ba")


@scenario("scope Pool: a pool fails while the release holds, and it goes on without it", long=True)
def holding(given: Given, when: When, then: Then) -> None:
    given.serving("a", waves=TOGETHER, deadline=60, **POOL)
    when.users_ask(0.5)
    when.spec_asks_for("b", builds=ONE_BAD)
    then.stage("Holding")
    when.users_ask(40)
    when.answers_of("c")
    then.is_("RolledBack", "CheckFailed")
    then.pods("gpu", a=2, c=0)
    when.person_lets_it_go_on()
    then.stable("ba")


@scenario("scope Pool: a pool whose pods cannot start goes back alone, if that is what is asked for", long=True)
def not_started(given: Given, when: When, then: Then) -> None:
    given.serving("a", waves=TOGETHER, on_inconclusive="Rollback", **POOL)
    when.pods_are_refused("c")
    when.spec_asks_for("b", builds=ONE_BAD)
    then.is_("RolledBack", "PodsNotStarted")
    then.stable("ba")


@scenario("scope Pool: the deadline is no matter of one pool", long=True)
def deadline(given: Given, when: When, then: Then) -> None:
    given.serving("a", waves=TOGETHER, deadline=60, on_inconclusive="Rollback", **POOL)
    when.users_ask(0.5)
    when.spec_asks_for("b", builds=ONE_BAD)
    then.rolled_back("bc", "DeadlineExceeded")


@scenario("scope Pool: where only one pool moves the release goes back", long=True)
def only_one(given: Given, when: When, then: Then) -> None:
    given.serving("a", **POOL)
    when.answers_of("c")
    when.spec_asks_for("a", builds=ONE_BAD)
    then.rolled_back("ac")
    then.stable("a")


@scenario("scope Pool: a new pool fails, and takes the release with it", "no server left", long=True)
def new_pool(given: Given, when: When, then: Then) -> None:
    given.serving("a", waves=TOGETHER, **POOL)
    when.answers_of("d")
    when.spec_asks_for("b", builds={"tpu": "d"}, pools=THREE, waves=[list(THREE)])
    then.rolled_back("bbd")
    then.pods("cpu", a=2)
    then.pods("gpu", a=2)


@scenario("scope Pool: of three pools two fail one after the other", long=True)
def two_of_three(given: Given, when: When, then: Then) -> None:
    given.serving("a", **(POOL | {"pools": THREE}), waves=[list(THREE)], step_seconds=60)
    when.spec_asks_for("b", builds={"gpu": "c", "tpu": "d"})
    when.weight_is(50)
    when.answers_of("c")
    then.is_("RolledBack", "CheckFailed")
    when.answers_of("d")
    then.stable("baa")
    then.says("RolledBack", "in pool gpu", "in pool tpu")
    then.pods("cpu", b=2)


@scenario("scope Pool: bad in the bake, in one pool, which alone goes back", long=True)
def in_the_bake(given: Given, when: When, then: Then) -> None:
    given.serving("a", waves=TOGETHER, **POOL)
    when.spec_asks_for("b", builds=ONE_BAD, bake=300)
    then.stable("bc")
    when.answers_of("c")
    then.is_("RolledBack", "CheckFailed")
    then.stable("ba")
    then.pods("cpu", b=2, a=0)
    then.pods("gpu", a=2, c=0)
    then.is_("Stalled", "RolledBack")


@scenario("scope Pool: bad in the bake in one pool, then in the other one", long=True)
def in_the_bake_both(given: Given, when: When, then: Then) -> None:
    given.serving("a", waves=TOGETHER, **POOL)
    when.spec_asks_for("b", builds=ONE_BAD, bake=300)
    then.stable("bc")
    when.answers_of("c")
    then.stable("ba")
    when.answers_of("b")
    then.stable("a")
    then.pods("cpu", a=2, b=0)
    then.pods("gpu", a=2, c=0)


@scenario("scope Pool: behind a gateway the pool that fails goes back, the one beside it goes on", long=True)
def behind_a_gateway(given: Given, when: When, then: Then) -> None:
    given.serving("a", waves=TOGETHER, gateway="edge", **POOL)
    when.answers_of("c")
    when.spec_asks_for("b", builds=ONE_BAD)
    then.is_("RolledBack", "CheckFailed")
    then.stable("ba")
    then.goes_by_route(a=50, b=50)
    then.pods("cpu", b=2)
    then.pods("gpu", a=2, c=0)


@scenario("scope Pool: a release with another route table too goes back as a whole", long=True)
def with_a_table(given: Given, when: When, then: Then) -> None:
    shares = {"cpu": "50%", "gpu": "50%"}
    given.serving("a", waves=TOGETHER, gateway="edge", shares=shares, **POOL)
    when.answers_of("c")
    when.spec_asks_for("b", builds=ONE_BAD, shares={"cpu": "75%", "gpu": "25%"})
    then.rolled_back("bc")
    then.goes_to_pools(cpu=50, gpu=50)


@scenario("scope Pool: stable comes up slowly in the pool that goes back, which serves all the while", long=True)
def stable_is_slow(given: Given, when: When, then: Then) -> None:
    given.serving("a", builds={"gpu": "e"}, **POOL)
    when.spec_asks_for("b", builds=ONE_BAD)
    when.weight_is(50, pool="gpu", within=180)
    when.pods_of("a", NEVER_READY)
    when.answers_of("b")
    then.is_("RolledBack", "CheckFailed")
    then.pods("cpu", b=1)
    then.stays(30, stage="Progressing")
    when.pods_of("a", WELL)
    then.stable("ac")
    then.pods("cpu", a=2, b=0)
