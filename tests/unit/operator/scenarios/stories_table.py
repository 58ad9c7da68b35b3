"""The route table is part of a release: a change of it alone, or behind the pools, comes in by weights (R11)."""

from __future__ import annotations

from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.telling import scenario

EDGE = "edge"
POOLS = ("cpu", "big")
EVEN = {"cpu": "50%", "big": "50%"}
MOST = {"cpu": "80%", "big": "20%"}


@scenario("table: a good table comes in by weights, and no pod changes")
def table_good(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, pools=POOLS, shares=EVEN)
    then.goes_to_pools(cpu=50.0, big=50.0)
    when.spec_asks_for("a", shares=MOST)
    when.table_is_at(25)
    then.goes_to_pools(cpu=57.5, big=42.5)
    when.table_is_at(50)
    then.goes_to_pools(cpu=65.0, big=35.0)
    then.ends("Promoted", within=180)
    then.goes_to_pools(cpu=80.0, big=20.0)
    then.pods(a=4)


@scenario("table: a bad table goes back by the route alone, and is held")
def table_bad(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, pools=POOLS, shares=EVEN)
    when.spec_asks_for("a", shares=MOST)
    when.table_is_at(25)
    when.answers_by_the_new_table()
    then.ends("RolledBack")
    then.says("RolledBack", "check unexpected-script")
    then.says("RolledBack", "route table of class standard changed from big 50%, cpu 50% to big 20%, cpu 80%")
    then.goes_to_pools(cpu=50.0, big=50.0)
    then.pods(a=4)
    then.stays(30, stage="Serving")


@scenario("table: pools by replicas get a table", long=True)
def table_from_replicas(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, pools=POOLS)
    when.spec_asks_for("a", shares={"cpu": "99.2%", "big": "0.8%"})
    when.table_is_at(50)
    then.goes_to_pools(cpu=74.6, big=25.4)


@scenario("table: pools move first, the table last", long=True)
def table_behind_pools(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, pools=POOLS, waves=[POOLS], shares=EVEN, deadline=600)
    when.spec_asks_for("b", shares=MOST)
    when.weight_is(25)
    then.goes_to_pools(cpu=50.0, big=50.0)
    when.table_is_at(25, within=240)
    then.goes_to_pools(cpu=57.5, big=42.5)
    then.pods(a=4, b=4)
    then.stable("b", within=240)
    then.goes_to_pools(cpu=80.0, big=20.0)
    then.pods(a=0, b=4)


@scenario("table: pools have moved, and the table fails: all of it goes back", long=True)
def table_fails_behind_pools(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, pools=POOLS, waves=[POOLS], shares=EVEN, deadline=600)
    when.spec_asks_for("b", shares=MOST)
    when.table_is_at(25, within=240)
    when.answers_by_the_new_table()
    then.rolled_back("b")
    then.goes_to_pools(cpu=50.0, big=50.0)
    then.goes_by_route(a=100)
    then.pods(a=4, b=0)


@scenario("table: the gateway's controller dies with both tables in the route: nothing goes on, then it fails")
def table_gateway_dies(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, pools=POOLS, shares=EVEN)
    when.spec_asks_for("a", shares=MOST)
    when.table_is_at(25)
    when.gateway_is_down()
    when.answers_by_the_new_table()
    then.stage("RollingBack")
    then.stays(30, stage="RollingBack")
    when.gateway_is_down(False)
    then.ends("RolledBack")
    then.stage("Serving")
    then.goes_to_pools(cpu=50.0, big=50.0)


@scenario("table: the spec goes back while it comes in")
def table_withdrawn(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, pools=POOLS, shares=EVEN)
    when.spec_asks_for("a", shares=MOST)
    when.table_is_at(25)
    when.spec_asks_for("a", shares=EVEN)
    then.ends("Withdrawn")
    then.ready()
    then.goes_to_pools(cpu=50.0, big=50.0)


@scenario("table: a new pool has pods first and requests by the table alone", long=True)
def table_new_pool(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, shares={"cpu": "100%"}, deadline=600)
    when.spec_asks_for("a", pools=POOLS, shares=MOST)
    when.table_is_at(25, within=240)
    then.goes_to_pools(cpu=95.0, big=5.0)
    then.ends("Promoted", within=240)
    then.goes_to_pools(cpu=80.0, big=20.0)
    then.pods("big", a=4)


@scenario("table: a build is examined first, then its pools move, then the table", long=True)
def table_behind_a_preflight(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, pools=POOLS, waves=[POOLS], shares=EVEN, deadline=600, preflight={"budget": "5s"})
    when.spec_asks_for("b", shares=MOST)
    when.table_is_at(25, within=300)
    then.goes_to_pools(cpu=57.5, big=42.5)
    then.stable("b", within=240)
    then.goes_to_pools(cpu=80.0, big=20.0)


@scenario("table: a pool goes with the table that names it")
def table_without_a_pool(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, pools=POOLS, shares=EVEN)
    when.spec_asks_for("a", pools=("cpu",), shares={"cpu": "100%"})
    when.table_is_at(50)
    then.goes_to_pools(cpu=75.0, big=25.0)
    then.ends("Promoted", within=180)
    then.goes_to_pools(cpu=100.0)
    then.pods("big", a=0)


@scenario("table: what serves is taken back while a table waits for its gateway", long=True)
def table_waits_and_stable_fails(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, pools=POOLS, waves=[POOLS], shares=EVEN, deadline=600, bake=100)
    when.spec_asks_for("b")
    then.stable("b", within=240)
    when.time_passes(10)
    when.gateway_is_down()
    when.spec_asks_for("b", shares=MOST)
    then.stage("Progressing")
    when.answers_of("b")
    then.stage("RollingBack")
    when.gateway_is_down(False)
    then.goes_to_pools(cpu=50.0, big=50.0)
    then.goes_by_route(a=100)


@scenario("table: a person takes it back")
def table_aborted(given: Given, when: When, then: Then) -> None:
    given.serving("a", gateway=EDGE, pools=POOLS, shares=EVEN)
    when.spec_asks_for("a", shares=MOST)
    when.table_is_at(25)
    when.person_says("abort")
    then.ends("RolledBack")
    then.goes_to_pools(cpu=50.0, big=50.0)
    then.pods(a=4)
