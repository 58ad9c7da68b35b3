"""Stories of a cluster that refuses to delete what is not wanted: users are served right, and people are told."""

from __future__ import annotations

import pytest

from tests.unit.operator.domain.story import bad, bad_but, one_pool_promoted, results, rolling
from tests.unit.operator.domain.world import World, passing, spec


def rejected(*, unscalable: bool = False, seconds: float = 60) -> World:
    """Candidate ``b`` was found bad where nothing can be deleted."""
    world = rolling()
    world.undeletable, world.unscalable = True, unscalable
    world.judge = bad(world.revision_of("candidate"))
    world.run(seconds)
    world.judge = passing
    return world


def deployments(world: World) -> dict[str, int]:
    found = {name: body["spec"]["replicas"] for (kind, name), body in world.children.items() if kind == "Deployment"}
    return {name: count for name, count in found.items() if world.revision_of("stable") not in name}


def test_the_rollback_ends_for_users_although_the_deployment_stays() -> None:
    world = rejected()
    assert world.status.stage == "Serving"
    assert results(world) == ["RolledBack", "Established"]
    assert world.serving() == world.serving(world.revision_of("stable")) == {"cpu-a": 2, "cpu-b": 2}
    assert set(deployments(world).values()) == {0}
    assert world.condition("Stalled") == ("True", "RolledBack")
    assert world.condition("Degraded") == ("False", "AsWanted"), "it has its time"


def test_what_is_left_over_is_told_with_who_refused_and_the_remedy() -> None:
    world = rejected(seconds=200)
    assert world.condition("Degraded") == ("True", "NotDeleted")
    (name, *_) = deployments(world)
    for part in (f"delete Deployment {name}", "protect.example.com", "the right to patch and delete", "pool cpu-a"):
        assert part in world.message("Degraded")
    assert world.message("Degraded") in world.message("Stalled"), "after the rollback's own sentence"
    assert "unexpected-script" in world.message("Stalled")


def test_who_is_served_as_asked_is_ready_whatever_is_left_over() -> None:
    world = rejected(seconds=200)
    world.update(spec("a"))
    world.run(30)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert world.condition("Degraded") == ("True", "NotDeleted")
    world.run(400)
    assert world.tick().requeue_after == 60, "only the refusal itself asks for another look before the next minute's"


def test_once_it_can_be_deleted_it_goes_by_itself() -> None:
    world = rejected(seconds=200)
    world.undeletable = False
    world.run(15)
    assert deployments(world) == {}
    assert world.condition("Degraded") == ("False", "AsWanted")
    assert world.status.refusals == world.status.remains == []


def test_pods_that_neither_scaling_nor_deleting_takes_away_are_a_matter_for_a_person() -> None:
    world = rejected(unscalable=True)
    rejects = world.revision_of("candidate")
    assert world.status.stage == "RollingBack"
    assert world.condition("Reconciling") == ("True", "RollingBack")
    assert world.serving(rejects)
    world.run(120)
    assert world.condition("Stalled") == ("True", "RolledBack")
    assert world.condition("Degraded") == ("True", "PodsNotGone")
    for part in ("refuses to scale Deployment", "protect.example.com", rejects, "lift what protects it"):
        assert part in world.message("Degraded")
    assert world.message("Degraded") in world.message("Stalled")
    world.unscalable = False
    world.run(30)
    assert world.status.stage == "Serving"
    assert world.serving(rejects) == {}


def test_another_release_is_heard_beside_pods_that_do_not_go() -> None:
    world = rejected(unscalable=True)
    rejects, old = world.revision_of("candidate"), world.revision_of("stable")
    world.update(spec("c"))
    world.run(60)
    assert world.status.stage == "RollingBack", "they have their time to go"
    world.judge = passing
    world.until("Progressing", limit=100)
    assert world.condition("Degraded") == ("True", "PodsNotGone")
    assert "LeftBehind" in {event.reason for event in world.events}
    world.until("Serving")
    assert results(world)[:2] == ["Promoted", "RolledBack"]
    assert world.serving(rejects)
    assert not world.serving(old)
    assert world.condition("Stalled") == ("True", "PodsNotGone")
    world.unscalable = False
    world.run(30)
    assert world.serving(rejects) == {}
    assert world.condition("Ready") == ("True", "FullTraffic")


@pytest.mark.parametrize("letter", ["a", "b"])
def test_neither_stable_nor_the_rejected_release_itself_is_news(letter: str) -> None:
    world = rejected(unscalable=True)
    world.update(spec(letter))
    world.run(200)
    assert world.status.stage == "RollingBack"


def test_another_release_is_heard_beside_withdrawn_pods_that_do_not_go() -> None:
    world = rolling()
    world.undeletable = world.unscalable = True
    world.judge = passing
    world.update(spec("c"))
    world.until("Serving", limit=400)
    assert results(world)[0] == "Promoted"


def test_a_withdrawal_that_cannot_end_says_so_too() -> None:
    world = rolling()
    world.undeletable = world.unscalable = True
    world.update(spec("a"))
    world.run(150)
    assert world.condition("Stalled") == ("True", "PodsNotGone")
    assert world.condition("Degraded") == ("True", "PodsNotGone")


def test_what_is_scaled_up_again_by_a_stranger_is_scaled_down_again() -> None:
    world = rejected()
    (name, *_) = deployments(world)
    world.children[("Deployment", name)]["spec"]["replicas"] = 3
    world.run(15)
    assert set(deployments(world).values()) == {0}
    assert world.serving() == world.serving(world.revision_of("stable"))


def test_pods_that_serve_beside_what_is_asked_for_are_not_ready() -> None:
    world = rejected()
    world.update(spec("a"))
    world.run(30)
    (name, *_) = deployments(world)
    world.children[("Deployment", name)]["spec"]["replicas"] = 3
    world.unscalable, world.check = True, None  # What a stranger brings back serves for as long as nobody can help.
    world.run(100)
    assert world.condition("Ready") == ("True", "FullTraffic")
    world.run(60)
    assert world.condition("Stalled") == ("True", "PodsNotGone")
    assert world.condition("Degraded") == ("True", "PodsNotGone")


def test_the_rejected_release_can_be_tried_again_beside_its_own_leftovers() -> None:
    world = rejected(seconds=200)
    world.update(spec("b", retryGeneration=1))
    world.run(300)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert results(world)[0] == "Promoted"


def test_candidate_pods_still_stay_as_long_as_users_need_them() -> None:
    """R18 is not weakened: half of the pool serves until stable is back, then all of the rejected pods go."""
    world = one_pool_promoted()
    world.undeletable = True
    new, old = world.revision_of("candidate"), world.revision_of("stable")
    world.judge = bad_but(old)
    world.tick()
    assert world.serving(new) == {"cpu-a": 2}
    while world.status.stage == "RollingBack":
        assert sum(world.serving().values()) >= 6
        world.tick()
    assert world.serving() == world.serving(old) == {"cpu-a": 4, "cpu-b": 4}


@pytest.mark.parametrize("restarts_every", [15, 60])
def test_an_operator_that_restarts_remembers_what_was_refused(restarts_every: int) -> None:
    """R3: the time runs on, and the words are still known."""
    world = rejected()
    for _ in range(150 // restarts_every):
        world.run(restarts_every)
        world.refused = None
    world.tick(0)
    assert world.condition("Degraded") == ("True", "NotDeleted")
    assert "protect.example.com" in world.message("Degraded")
