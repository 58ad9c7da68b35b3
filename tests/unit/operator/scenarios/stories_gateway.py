"""Through a gateway: the route carries the weights, and what it may still name does not go."""

from __future__ import annotations

from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario

EDGE = "edge"


@scenario("gateway: a first release is ready when the route is taken over")
def gateway_first(given: Given, when: When, then: Then) -> None:
    given.nothing("a", gateway=EDGE)
    when.gateway_is_down()
    when.spec_asks_for("a")
    then.pods(a=4)
    then.stays(20, stage="Establishing")
    when.gateway_is_down(False)
    then.ready()
    then.goes_by_route(a=100)


@scenario("gateway: a good release goes through its weights beside all of stable's pods", long=True)
def gateway_good(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE)
    when.spec_asks_for("b")
    when.weight_is(25)
    then.goes_by_route(a=75, b=25)
    then.pods(a=4, b=1)
    when.weight_is(50)
    then.goes_by_route(a=50, b=50)
    then.pods(a=4, b=2)
    then.stable("b", within=180)
    then.goes_by_route(b=100)
    then.pods(a=0, b=4)
    then.weights(("b", 25), ("b", 50), ("b", 100))


@scenario("gateway: a weight that no replicas could give", long=True)
def gateway_small(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, steps=(3, 50))
    when.spec_asks_for("b")
    when.weight_is(3)
    then.goes_by_route(a=97, b=3)
    then.stable("b", within=240)


@scenario("gateway: a bad release loses its requests, then its pods")
def gateway_bad(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE)
    when.answers_of("b")
    when.spec_asks_for("b")
    then.rolled_back("b")
    then.goes_by_route(a=100)
    then.pods(a=4, b=0)


@scenario("gateway: two pools, the second one fails: both go back", long=True)
def gateway_two_pools(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, pools=("cpu", "big"), deadline=600)
    when.spec_asks_for("b")
    when.weight_is(25, pool="big", within=240)
    when.answers_of("b")
    then.rolled_back("b")
    then.goes_by_route(a=100)
    then.pods(a=4, b=0)
    then.pods("big", a=4, b=0)


@scenario("gateway: it refuses writes of the route while a check fails: the abort is seen, and the rest follows")
def gateway_refuses_writes(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.webhook_refuses("PATCH", "httproutes")
    when.answers_of("b")
    then.stage("RollingBack")
    then.is_("Degraded", "RouteRefused")
    then.says("RolledBack", "check unexpected-script")
    then.stays(30, stage="RollingBack")
    then.pods(a=4, b=1)
    when.webhook_lets_pass("PATCH", "httproutes")
    then.rolled_back("b")
    then.goes_by_route(a=100)


@scenario("gateway: its controller dies in mid-canary: nothing is promoted, nothing that it may ask goes", long=True)
def gateway_dies(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, deadline=600)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.gateway_is_down()
    then.stays(5, stage="Progressing", weight=25)
    when.time_passes(60)
    then.is_("Degraded", "RouteNotTakenOver", within=90)
    then.goes_by_route(a=75, b=25)
    then.stable_never_was("b")
    when.gateway_is_down(False)
    then.stable("b", within=240)


@scenario("gateway: its controller is dead while a check fails: the candidate stays until it is back")
def gateway_dead_and_bad(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.gateway_is_down()
    when.answers_of("b")
    then.stage("RollingBack")
    then.stays(30, stage="RollingBack")
    then.pods(a=4, b=1)
    when.gateway_is_down(False)
    then.rolled_back("b")


@scenario("gateway: it does not accept the route of a first release")
def gateway_does_not_accept(given: Given, when: When, then: Then) -> None:
    given.nothing("a", gateway=EDGE)
    when.gateway_refuses("the listener allows routes of other namespaces only")
    when.spec_asks_for("a")
    then.is_("Stalled", "RouteNotAccepted")
    then.says("Stalled", "the listener allows routes of other namespaces only")
    when.gateway_refuses()
    then.ready()


@scenario("gateway: routes cannot be read while a check fails: the abort is seen")
def gateway_unreadable(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.right_is_taken("GET", "httproutes")
    when.answers_of("b")
    then.stage("RollingBack")
    then.pods(a=4, b=1)
    when.right_is_given("GET", "httproutes")
    then.rolled_back("b")


@scenario("gateway: somebody deletes the route: it is made again", "a class without a server")
def gateway_route_deleted(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE)
    when.time_passes(20)  # away from the resync
    when.somebody_deletes_the_route()
    when.time_passes(5)
    then.route_is_there()
    then.ready()
    then.goes_by_route(within=20, a=100)


@scenario("gateway: a stranger sends half of the requests elsewhere: it is put back", "a route to nobody")
def gateway_stranger(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE)
    when.time_passes(20)  # away from the resync
    when.stranger_adds_a_backend("elsewhere")
    when.time_passes(5)
    then.goes_by_route(within=20, a=100)
    then.ready()
    then.an_edit_is_told("HTTPRoute", "somebody")


@scenario(
    "gateway: it says that it follows the route, and sends another share: no weight is raised, nothing passes",
    long=True,
)
def gateway_sends_another_share(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, deadline=600)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.proxy_does_not_follow()
    when.weight_is(50)
    then.goes_by_route(a=75, b=25)
    then.stays(60, weight=50, stable="a")
    then.says("Reconciling", "its step is for 50%")
    when.proxy_does_not_follow(False)
    then.stable("b", within=300)


@scenario("gateway: it sends another share while a check fails: the abort is seen")
def gateway_sends_another_share_and_bad(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, deadline=600)
    when.spec_asks_for("b")
    when.weight_is(25)
    when.proxy_does_not_follow()
    when.weight_is(50)
    when.time_passes(20)
    when.answers_of("b")
    then.stage("RollingBack")
    when.proxy_does_not_follow(False)
    then.rolled_back("b")


@scenario("gateway: another release in mid-rollout", long=True)
def gateway_third(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE)
    when.spec_asks_for("b")
    when.weight_is(50)
    when.spec_asks_for("c")
    then.stable("c", within=240)
    then.goes_by_route(c=100)


@scenario("gateway: it is turned on by a release, and users keep their Service until then", long=True)
def gateway_on(given: Given, when: When, then: Then) -> None:
    given.serving("a")
    when.spec_asks_for("a", gateway=EDGE)
    then.service_is_there()
    when.weight_is(25)
    then.service_is_there()
    then.ready(within=240)
    then.service_is_gone()


@scenario("gateway: it is turned off by a release, and users keep their route until then")
def gateway_off(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE)
    when.spec_asks_for("a", gateway="")
    when.weight_is(25)
    then.service_is_there()
    then.route_is_there()
    then.ready(within=240)
    then.route_is_gone()


@scenario("gateway: the rollout is deleted")
def gateway_rollout_deleted(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE)
    when.rollout_is_deleted()
    then.nothing_is_left()
