"""What else happens while a route table comes in: what serves is watched, pools are removed, builds are suspected."""

from __future__ import annotations

from typing import Any

from sampler_rollouts.domain.decision.context import ResourceMeta
from sampler_rollouts.domain.decision.question import question

from tests.unit.operator.domain.routed import Routed, rules
from tests.unit.operator.domain.tabled import WRONG, arms, idle, serving_table, tabled, told, until_arms
from tests.unit.operator.domain.world import failing, image, inconclusive, passing

EVEN = {"cpu-a": "50%", "cpu-c": "50%"}


def with_third(letter: str = "a", shares: dict[str, str] | None = None) -> dict[str, Any]:
    """A third pool, of the first class; with ``shares`` it stands in their table."""
    made = tabled(shares=shares or EVEN)
    made["pools"] = [*made["pools"], {**made["pools"][0], "name": "cpu-c", "image": image(letter)}]
    made["strategy"] = made["strategy"] | {"waves": [["cpu-a", "cpu-b", "cpu-c"]]}
    return made


def replaced() -> Routed:
    """Build b serves in the place of a, and bakes."""
    world = serving_table()
    world.judge = passing
    world.update(tabled("b"))
    for _ in range(300):
        world.tick(1)
        if world.status.history[0].result == "Promoted":
            break
    world.judge = inconclusive
    return world


def test_before_its_first_weight_what_serves_is_asked_about_as_if_alone() -> None:
    world = replaced()
    before = question(ResourceMeta("ns", "demo", "uid"), {}, world.status, world.now)
    world.behind = True
    world.update(tabled("b", WRONG))
    world.tick(1)
    assert world.status.stage == "Progressing"
    assert world.status.rollout is not None
    assert world.status.rollout.table is not None
    asked = question(ResourceMeta("ns", "demo", "uid"), {}, world.status, world.now)
    assert before is not None
    assert asked is not None
    assert (asked.since, asked.checks) == (before.since, before.checks)
    assert {(arm.pool, arm.route) for arm in asked.arms} == {("cpu-a", ""), ("cpu-b", "")}


def test_what_serves_is_taken_back_before_the_table_has_any_weight() -> None:
    world = replaced()
    stable = world.status.previous
    world.behind = True
    world.update(tabled("b", WRONG))
    world.run(10)
    world.judge = failing()
    world.tick(1)
    assert [(one.result, one.reason) for one in world.status.history[:2]] == [
        ("RolledBack", "CheckFailed"),
        ("Withdrawn", "StableTakenBack"),
    ]
    assert world.status.stage == "RollingBack"
    assert stable is not None
    assert world.status.stable is not None
    assert world.status.stable.hash == stable.hash
    world.judge, world.behind = inconclusive, False
    world.run(60)
    # It is asked for still, and differs from what serves now by its pools as well.
    assert world.status.rollout is not None
    assert [name for wave in world.status.rollout.waves for name in wave] == ["cpu-a", "cpu-b"]
    assert {hash_ for _, hash_ in arms(world)} == {""}


def test_what_serves_is_verified_before_the_table_has_any_weight() -> None:
    world = replaced()
    world.behind = True
    world.judge = passing
    world.update(tabled("b", WRONG))
    world.run(400)
    assert world.status.rollout is not None
    assert world.status.rollout.weight == 0
    assert world.status.stable is not None
    assert world.status.verified is not None
    assert world.status.verified.hash == world.status.stable.hash
    world.behind = False
    world.run(200)
    assert world.status.history[0].result == "Promoted"


def test_numbers_of_what_served_alone_decide_nothing_about_the_table() -> None:
    world = replaced()
    world.behind = True
    world.judge = passing
    world.update(tabled("b", WRONG))
    world.run(60)
    world.behind, world.judge = False, inconclusive
    world.run(300)
    assert world.status.rollout is not None
    assert world.status.rollout.weight == 50
    assert all(row.passed_at is None for row in world.status.pools)


def removed(*, served: bool) -> Routed:
    """Pool cpu-c is removed, an operator was killed before its pods went, and of the table's pools none is ready."""
    world = Routed(with_third())
    world.until("Serving")
    world.run(10)
    world.judge = passing
    world.update(tabled(shares={"cpu-a": "100%"}))
    for _ in range(400):
        table = world.status.rollout.table if world.status.rollout else None
        world.tick(1, writes=1 if table and table.closing and table.settled_since else None)
        if world.status.history[0].result == "Promoted":
            break
    assert world.status.stage == "Serving"
    if not served:
        world.unready = {pod.name for pod in world.pods if pod.pool == "cpu-a"}
    world.run(20)
    return world


def backends(world: Routed) -> set[str]:
    return {one["name"].rsplit("-", 1)[0] for one in rules(world)[0]["backendRefs"]}


def test_the_last_servers_of_a_removed_pool_are_named_though_no_table_names_them() -> None:
    world = removed(served=False)
    assert world.serving()["cpu-c"] == 2
    assert backends(world) == {"demo-cpu-c"}
    world.unready = set()
    world.run(60)
    assert "cpu-c" not in world.serving()
    assert backends(world) == {"demo-cpu-a"}


def test_a_removed_pool_is_named_no_more_where_the_tables_own_are_ready() -> None:
    world = removed(served=True)
    assert "cpu-c" not in world.serving()
    assert backends(world) == {"demo-cpu-a"}


def at_half(world: Routed) -> None:
    for _ in range(600):
        world.tick(1)
        rollout = world.status.rollout
        if rollout is not None and rollout.table and rollout.table.since and rollout.weight == 50:
            return
    raise AssertionError("never at weight 50 of the table")


def test_a_table_that_fails_behind_its_pools_casts_no_suspicion_on_the_build() -> None:
    world = serving_table()
    world.judge = passing
    world.update(tabled("b", WRONG))
    at_half(world)
    world.judge = failing("misrouted", "cpu-b")
    world.until("RollingBack")
    assert world.status.failed[0].reason == "CheckFailed"
    assert world.status.failed[0].suspects == []


def test_a_new_pool_that_only_the_table_tests_casts_it() -> None:
    world = serving_table({"cpu-a": "100%"})
    world.judge = passing
    world.update(with_third("c"))
    at_half(world)
    world.judge = failing("unexpected-script", "cpu-c")
    world.until("RollingBack")
    assert [one.partition("@")[2][:12] for one in world.status.failed[0].suspects] == ["sha256:ccccc"]


def test_a_release_of_the_table_alone_has_no_first_pod_and_its_own_counts_and_hash() -> None:
    world = serving_table()
    world.update(tabled(shares=WRONG))
    at_half(world)
    table = world.status.rollout.table if world.status.rollout else None
    assert table is not None
    world.run(10)
    world.judge = failing("misrouted", "cpu-b")
    world.until("Serving")
    entry = world.status.history[0]
    assert entry.born_at is None
    assert entry.route_hash == table.route_hash
    assert all(one.total is not None for one in entry.pools)
    assert entry.requests.total == sum(one.total or 0 for one in entry.pools) > 0
    since = table.since
    assert since is not None
    assert f"since {since:%Y-%m-%dT%H:%M:%SZ}" in entry.message
    assert "came by its route table" in entry.message


def test_the_first_pod_of_a_release_of_both_is_none_of_a_pool_that_it_does_not_move() -> None:
    world = serving_table()
    world.judge = passing
    before = world.now
    made = tabled(shares=WRONG)
    made["pools"][0]["image"] = image("b")
    world.update(made)
    at_half(world)
    assert world.status.rollout is not None
    assert {birth.pool for birth in world.status.rollout.births if birth.at < before} == {"cpu-b"}
    world.judge = failing("misrouted", "cpu-b")
    world.until("Serving")
    entry = world.status.history[0]
    assert entry.born_at is not None
    assert entry.born_at >= before


def test_a_table_that_its_bake_takes_back_says_since_when_and_how_many() -> None:
    world = serving_table()
    world.judge = passing
    world.update(tabled(shares=WRONG))
    for _ in range(300):
        world.tick(1)
        if world.status.history[0].result == "Promoted":
            break
    full = world.now
    world.judge = inconclusive
    world.run(60)
    world.judge = failing("misrouted", "cpu-b")
    world.run(10)
    entry = world.status.history[0]
    assert entry.result == "RolledBack"
    assert f"since {full:%Y-%m-%dT%H:%M:%SZ}" in entry.message
    assert entry.requests.exposed == entry.requests.total > 0
    assert entry.born_at is None


def test_pods_that_are_not_ready_are_told_of_in_the_tables_wave_too() -> None:
    world = serving_table()
    world.update(tabled(shares=WRONG))
    at_half(world)
    world.unready = {next(pod.name for pod in world.pods if pod.pool == "cpu-a")}
    world.run(200)
    assert world.status.stage == "Progressing"
    assert world.condition("Degraded") == ("True", "PodsNotReady")
    world.unready = set()
    world.run(10)
    assert world.condition("Degraded") == ("False", "AsWanted")


def test_a_table_wave_at_weight_0_can_be_aborted_and_leaves_by_the_route() -> None:
    world = serving_table()
    world.update(tabled(shares=WRONG))
    until_arms(world)
    assert world.status.rollout is not None
    assert world.status.rollout.weight == 0
    old = world.status.rollout.table.stable_hash if world.status.rollout.table else ""
    world.annotations["samplerrollouts.io/abort"] = world.status.rollout.release
    world.tick(1)
    assert world.status.stage == "RollingBack"
    assert {hash_ for _, hash_ in arms(world)} == {""}
    assert idle(world)
    world.until("Serving")
    world.tick(1)
    assert not idle(world)
    assert told(rules(world)[0]) == old


def test_a_pause_before_the_tables_first_weight_waits_for_a_person() -> None:
    world = serving_table()
    made = tabled(shares=WRONG)
    made["strategy"] = made["strategy"] | {"steps": [{"pause": {}}, {"weight": 50, "minDuration": "30s"}]}
    world.update(made)
    world.run(120)
    assert world.status.rollout is not None
    assert (world.status.rollout.waiting, world.status.rollout.weight) == (True, 0)
    assert world.condition("Reconciling") == ("True", "WaitingForPerson")
    world.annotations["samplerrollouts.io/promote"] = world.status.rollout.release
    at_half(world)


def test_a_table_that_holds_at_its_deadline_goes_on_by_a_word_and_begins_anew_by_a_retry() -> None:
    world = serving_table()
    world.update(tabled(shares=WRONG))
    world.until("Holding")
    release, old_arms = world.status.rollout.release if world.status.rollout else "", arms(world)
    assert len({hash_ for _, hash_ in old_arms}) == 2
    world.annotations["samplerrollouts.io/promote"] = release
    world.tick(1)
    assert world.status.stage == "Progressing"
    assert arms(world) == old_arms
    world.until("Holding")
    world.annotations["samplerrollouts.io/retry"] = release
    world.until("Withdrawing")
    world.until("Progressing")
    at_half(world)
    rollout = world.status.rollout
    assert rollout is not None
    assert rollout.release == release
    assert rollout.table is not None
    assert rollout.table.known
