"""Two context classes, each with a pool of its own: users of either have a server always, and none of the other."""

from __future__ import annotations

from typing import Any, Final

from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario

BOTH: Final = {"std": "standard", "big": "long"}
TWO: dict[str, Any] = {"pools": ("std", "big"), "classes": BOTH, "replicas": 2, "steps": [50], "deadline": 600}
TOGETHER: dict[str, Any] = {**TWO, "waves": [["std", "big"]]}
ROUTED: dict[str, Any] = {**TWO, "gateway": "edge"}


@scenario("classes: a good release goes over class by class", long=True)
def good(given: Given, when: When, then: Then) -> None:
    given.serving("a", **TWO)
    when.spec_asks_for("b")
    when.weight_is(50, pool="std")
    then.pods("big", a=2, b=0)
    when.weight_is(50, pool="big", within=180)
    then.pods("std", a=0, b=2)
    then.stable("b", within=180)
    then.pods("big", a=0, b=2)
    then.ready()


@scenario("classes: bad in both at once")
def bad_together(given: Given, when: When, then: Then) -> None:
    given.serving("a", **TOGETHER)
    when.spec_asks_for("b")
    when.weight_is(50, pool="std")
    when.weight_is(50, pool="big")
    when.answers_of("b")
    then.rolled_back("b")
    then.pods("std", a=2)
    then.pods("big", a=2)


@scenario("classes: bad in the second one is taken back from the first", long=True)
def bad_second(given: Given, when: When, then: Then) -> None:
    given.serving("a", **TWO)
    when.answers_of("c")
    when.spec_asks_for("b", builds={"big": "c"})
    then.ends("RolledBack", within=240)
    then.says("RolledBack", "pool big")
    then.weights(("b", 50), ("b", 100), ("b", 0), pool="std")
    then.pods("std", a=2, b=0)
    then.pods("big", a=2, c=0)


@scenario("classes: a third release takes the second back from both", long=True)
def replaced(given: Given, when: When, then: Then) -> None:
    given.serving("a", **TWO)
    when.spec_asks_for("b")
    when.weight_is(50, pool="big", within=180)
    when.spec_asks_for("c")
    then.stage("Withdrawing", within=5)
    then.stable("c", within=300)
    then.pods("std", c=2, b=0)
    then.pods("big", c=2, b=0)


@scenario("classes: one is added, and the other's users do not notice", long=True)
def added(given: Given, when: When, then: Then) -> None:
    given.serving("a", **{**TWO, "pools": ("std",)})
    when.spec_asks_for("a", **TWO)
    then.stable("a", within=240)
    then.ready()
    then.pods("big", a=2)


@scenario("classes, gateway: a good release goes over class by class")
def routed_good(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ROUTED)
    then.goes_to_pools(std=100.0)
    then.goes_to_pools(of_class="long", big=100.0)
    when.spec_asks_for("b")
    when.weight_is(50, pool="std")
    then.goes_by_route(a=50, b=50)
    then.goes_by_route(of_class="long", a=100)
    when.weight_is(50, pool="big", within=180)
    then.goes_by_route(b=100)
    then.goes_by_route(of_class="long", a=50, b=50)
    then.stable("b", within=180)
    then.goes_by_route(of_class="long", b=100)
    then.goes_to_pools(of_class="long", big=100.0)
    then.pods("big", a=0, b=2)


@scenario("classes, gateway: bad in the second one is taken back from the first", long=True)
def routed_bad(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ROUTED)
    when.answers_of("c")
    when.spec_asks_for("b", builds={"big": "c"})
    when.weight_is(50, pool="big", within=240)
    then.ends("RolledBack", within=240)
    then.goes_by_route(a=100)
    then.goes_by_route(of_class="long", a=100)
    then.goes_to_pools(of_class="long", big=100.0)
    then.pods("std", a=2, b=0)
    then.pods("big", a=2, c=0)


@scenario(
    "classes, gateway: requests of one that nobody serves yet go with those of none until it is served", long=True
)
def routed_added(given: Given, when: When, then: Then) -> None:
    given.serving("a", **{**ROUTED, "pools": ("std",)})
    when.spec_asks_for("a", **ROUTED)
    then.goes_to_pools(of_class="long", std=100.0)
    then.ends("Promoted", within=240)
    then.goes_to_pools(std=100.0)
    then.goes_to_pools(of_class="long", big=100.0)
    then.pods("big", a=2)


@scenario("classes, gateway: one goes with the release that has no pool for it", long=True)
def routed_removed(given: Given, when: When, then: Then) -> None:
    given.serving("a", **ROUTED)
    when.spec_asks_for("b", pools=("std",))
    when.weight_is(50, pool="std")
    then.goes_to_pools(of_class="long", big=100.0)
    then.stable("b", within=180)
    then.goes_to_pools(of_class="long", std=100.0)
    then.pods("big", a=0)
