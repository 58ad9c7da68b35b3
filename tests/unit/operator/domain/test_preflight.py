"""Stories of releases that are examined before any traffic (R9, R10, R12, R13)."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain.render_preflight import LABEL_PREFLIGHT_POOL
from sampler_rollouts.domain.resource import PROMOTE_ANNOTATION

from tests.unit.operator.domain.examining import FAILED, OFF, PASSED, RUNNING, SILENT
from tests.unit.operator.domain.story import results
from tests.unit.operator.domain.world import World, established, failing, passing, spec

ON: dict[str, Any] = {"strategy": {"preflight": {"budget": "20s"}}}
POOLS = ("cpu-a", "cpu-b")


def examined(**more: Any) -> World:
    """A world whose first release was examined and serves, and a candidate that has just been asked for."""
    asked = {**ON, **more}
    world = established(**asked)
    world.update(spec("b", **asked))
    world.tick()
    return world


def examining(world: World) -> list[str]:
    """The pools that have a Deployment for their preflight."""
    found = [body["metadata"]["labels"] for (kind, _), body in world.children.items() if kind == "Deployment"]
    return sorted(labels[LABEL_PREFLIGHT_POOL] for labels in found if LABEL_PREFLIGHT_POOL in labels)


def untouched(world: World) -> None:
    """Stable has all its pods, and the candidate none."""
    assert world.serving(world.revision_of("candidate")) == {}
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}


def test_there_is_no_pod_of_the_candidate_before_every_pool_has_passed() -> None:
    world = examined()
    assert examining(world) == [*POOLS]
    assert world.status.rollout.weight == 0
    assert world.status.progress == "wave 1/1, preflight, 0%"
    untouched(world)
    world.examining.says["cpu-b"] = RUNNING
    world.run(60)
    assert examining(world) == ["cpu-b"], "what has a result needs no pod"
    assert "the preflight of pool cpu-b (pod examines-cpu-b" in world.message("Reconciling")
    assert "still running" in world.message("Reconciling")
    untouched(world)
    world.examining.says.clear()
    world.run(10)
    assert world.status.rollout.weight == 50
    assert world.status.rollout.preflight.passed_at is not None
    assert [note.reason for note in world.events].count("PreflightPassed") == 2, "the first release and this one"
    world.run(30)
    assert examining(world) == []
    assert world.serving(world.revision_of("candidate")) == {"cpu-a": 1, "cpu-b": 1}


def test_pools_of_later_waves_are_examined_before_the_first_wave_too() -> None:
    world = examined(strategy={**ON["strategy"], "waves": [["cpu-a"], ["cpu-b"]]})
    assert examining(world) == [*POOLS]
    world.examining.says["cpu-b"] = FAILED
    world.run(30)
    assert world.condition("RolledBack") == ("True", "PreflightFailed")
    assert " in pool cpu-b at weight 0: its preflight failed: the step: best-dropped" in world.message("RolledBack")


def test_a_failed_preflight_takes_the_release_back_and_names_pool_and_reason() -> None:
    world = examined()
    world.examining.says["cpu-a"] = FAILED
    world.run(30)
    assert world.status.stage == "Serving"
    assert world.condition("RolledBack") == ("True", "PreflightFailed")
    said = world.message("RolledBack")
    assert "in pool cpu-a at weight 0: its preflight failed: the step: best-dropped in 3 of 8 rows" in said
    assert "no pod of it has served" in said
    assert world.status.candidate is None
    world.run(600)
    assert results(world)[0] == "RolledBack", "held: not tried again"
    assert len(results(world)) == 2
    assert examining(world) == []
    untouched(world)
    world.examining.says.clear()
    world.update(spec("b", **ON, retryGeneration=1))
    world.judge = passing
    world.run(400)
    assert results(world)[0] == "Promoted"


def test_a_pass_waits_for_the_end_of_a_pause() -> None:
    world = examined()
    world.update(spec("b", **ON, paused=True))
    world.run(60)
    assert world.status.rollout.weight == 0
    assert world.status.rollout.preflight.passed_at is None
    world.update(spec("b", **ON))
    world.run(5)
    assert world.status.rollout.weight == 50


def test_a_failure_is_heard_while_paused() -> None:
    world = examined()
    world.update(spec("b", **ON, paused=True))
    world.examining.says["cpu-a"] = FAILED
    world.run(60)
    assert world.condition("RolledBack") == ("True", "PreflightFailed")


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ({**PASSED, "digest": "sha256:" + "b" * 64}, "its token digest bbbbbbbbbbbb differs from pool cpu-a's aaaaaa"),
        (
            {**PASSED, "logprobs": ("-3.0", "-4.01")},
            "token 2 of prompt 0 is -4.010000, pool cpu-a's -4.000000: more than",
        ),
    ],
)
def test_a_pool_that_differs_from_another_stops_the_release(says: dict[str, Any], words: str) -> None:
    world = examined()
    world.examining.says["cpu-b"] = says
    world.run(30)
    assert world.condition("RolledBack") == ("True", "PreflightFailed")
    assert words in world.message("RolledBack")
    assert "in pool cpu-b" in world.message("RolledBack")


def test_of_three_pools_the_odd_one_is_named_whatever_its_place() -> None:
    pools = ("cpu-a", "cpu-b", "cpu-c")
    asked = {**ON, "pools": pools}
    world = established(**asked)
    world.update(spec("b", **asked))
    world.tick()
    world.examining.says["cpu-a"] = {**PASSED, "digest": "sha256:" + "b" * 64}
    world.run(30)
    assert "in pool cpu-a at weight 0" in world.message("RolledBack")


@pytest.mark.parametrize("comes", [True, False])
def test_which_pool_is_the_odd_one_is_judged_when_all_have_answered_or_the_time_is_over(comes: bool) -> None:
    pools = ("cpu-a", "cpu-b", "cpu-c")
    asked = {**ON, "pools": pools}
    world = established(**asked)
    world.update(spec("b", **asked))
    world.tick()
    world.examining.says["cpu-a"] = {**PASSED, "digest": "sha256:" + "b" * 64}
    world.examining.says["cpu-c"] = RUNNING
    world.run(60)
    assert world.status.stage == "Progressing"
    if comes:
        del world.examining.says["cpu-c"]
    world.run(10 if comes else 80)
    assert world.condition("RolledBack") == ("True", "PreflightFailed")
    assert ("in pool cpu-a at weight 0" in world.message("RolledBack")) is comes
    assert "token digest" in world.message("RolledBack")


def test_within_the_tolerance_they_are_the_same() -> None:
    world = examined()
    world.examining.says["cpu-b"] = {**PASSED, "logprobs": ("-3.003", "-3.997")}
    world.run(30)
    assert world.status.rollout.weight == 50


def test_log_probabilities_unlike_stables_stop_the_release_and_the_sentence_says_what_to_do() -> None:
    world = examined()
    for pool in POOLS:
        world.examining.says[pool] = {**PASSED, "logprobs": ("-3.5", "-4.0")}
    world.run(30)
    assert world.condition("RolledBack") == ("True", "PreflightFailed")
    said = world.message("RolledBack")
    assert "token 1 of prompt 0 is -3.500000, stable's -3.000000" in said
    assert "compareWithStable: false" in said


def test_where_the_model_changes_only_tokens_are_compared_with_stable() -> None:
    other = {"strategy": {"preflight": {"compareWithStable": False}}}
    world = examined(**other)
    for pool in POOLS:
        world.examining.says[pool] = {**PASSED, "logprobs": ("-3.5", "-4.0")}
    world.run(30)
    assert world.status.rollout.weight == 50
    world = examined(**other)
    for pool in POOLS:
        world.examining.says[pool] = {**PASSED, "digest": "sha256:" + "b" * 64}
    world.run(30)
    assert "differs from stable's" in world.message("RolledBack")


def test_a_stable_that_was_never_examined_is_nothing_to_compare_with() -> None:
    world = established()
    world.update(spec("b", **ON))
    world.run(40)
    assert world.status.rollout.weight == 50
    said = next(note.message for note in world.events if note.reason == "PreflightPassed")
    assert "stable has no preflight's result to compare with" in said


@pytest.mark.parametrize("says", [RUNNING, OFF, ("Refused", "its report is malformed: digest")])
def test_no_result_in_time_holds_and_goes_on_when_it_comes(says: tuple[str, str]) -> None:
    world = examined()
    world.examining.says["cpu-a"] = says
    world.run(110)
    assert world.status.stage == "Progressing"
    world.run(30)
    assert world.status.stage == "Holding"
    assert world.condition("Stalled") == ("True", "PreflightUnavailable")
    assert "no result of its preflight within 2m" in world.message("Stalled")
    assert says[1] in world.message("Stalled")
    untouched(world)
    world.examining.says.clear()
    world.run(10)
    assert world.status.stage == "Progressing"
    assert world.status.rollout.weight == 50


def test_a_result_that_fails_while_holding_rolls_back() -> None:
    world = examined()
    world.examining.says["cpu-a"] = OFF
    world.run(140)
    assert world.status.stage == "Holding"
    world.examining.says["cpu-a"] = FAILED
    world.run(10)
    assert world.condition("RolledBack") == ("True", "PreflightFailed")


def test_no_result_rolls_back_where_the_author_chose_that() -> None:
    world = examined(rollback={"onInconclusive": "Rollback"})
    world.examining.says["cpu-a"] = OFF
    world.run(140)
    assert world.condition("RolledBack") == ("True", "PreflightUnavailable")


def test_a_person_gives_it_its_time_again_but_cannot_pass_it() -> None:
    world = examined()
    world.examining.says["cpu-a"] = OFF
    world.run(140)
    world.annotations[PROMOTE_ANNOTATION] = world.status.candidate.hash
    world.run(60)
    assert world.status.stage == "Progressing"
    assert world.status.rollout.weight == 0
    untouched(world)
    world.run(100)
    assert world.status.stage == "Holding"


def test_a_pod_that_gives_no_answer_and_is_never_ready_fails_the_release() -> None:
    world = examined()
    world.examining.says["cpu-a"] = SILENT
    world.run(140)
    assert world.condition("RolledBack") == ("True", "PodsFailing")
    assert "pod examines-cpu-a" in world.message("RolledBack")
    assert "was not ready within 2m" in world.message("RolledBack")


def test_a_pod_that_crashes_fails_the_release() -> None:
    world = examined()
    world.examining.crashes["cpu-b"] = 3
    world.run(10)
    assert world.condition("RolledBack") == ("True", "PodsFailing")
    assert "exited 3 times" in world.message("RolledBack")


def test_a_pod_that_cannot_start_holds_and_has_its_whole_time_when_it_can() -> None:
    world = examined()
    world.examining.blocked["cpu-a"] = "Unschedulable"
    world.examining.says["cpu-a"] = RUNNING
    world.run(140)
    assert world.condition("Stalled") == ("True", "PodsNotStarted")
    assert "could not start within 2m: Unschedulable" in world.message("Stalled")
    world.run(300)
    assert world.status.stage == "Holding", "it is blocked still"
    world.examining.blocked.clear()
    world.run(100)
    assert world.status.stage == "Progressing"
    world.run(40)
    assert world.condition("Stalled") == ("True", "PreflightUnavailable")


def test_a_deployment_that_was_never_made_gets_its_time_once_more() -> None:
    world = examined()
    world.examining.absent = True
    world.run(200)
    assert world.status.stage == "Progressing", "the operator may have been away"
    world.run(60)
    assert world.condition("Stalled") == ("True", "PodsNotStarted")
    assert "the cluster has not created it" in world.message("Stalled")


def test_a_slow_pull_does_not_count_against_the_preflight() -> None:
    world = examined()
    world.examining.blocked["cpu-a"] = "ContainerCreating"
    world.examining.says["cpu-a"] = RUNNING
    world.run(110)
    world.examining.blocked.clear()
    world.run(110)
    assert world.status.stage == "Progressing"
    world.run(20)
    assert world.condition("Stalled") == ("True", "PreflightUnavailable")


def test_a_pause_stops_its_clock() -> None:
    world = examined()
    world.examining.says["cpu-a"] = RUNNING
    world.run(60)
    world.update(spec("b", **ON, paused=True))
    world.tick()
    world.run(600)
    world.update(spec("b", **ON))
    world.run(40)
    assert world.status.stage == "Progressing"
    world.run(30)
    assert world.condition("Stalled") == ("True", "PreflightUnavailable")


def test_what_examines_is_the_revisions_own_pod_with_a_budget() -> None:
    told = {"template": {"env": [{"name": "SAMPLER_PREFLIGHT_BUDGET", "value": "900"}, {"name": "A", "value": "1"}]}}
    asked = {**ON, "pools": ("cpu-a",)}
    first = spec("a", **asked)
    first["pools"][0] |= told
    world = World(first)
    world.tick()
    (body,) = (body for (kind, _), body in world.children.items() if kind == "Deployment")
    labels, pod = body["spec"]["template"]["metadata"]["labels"], body["spec"]["template"]["spec"]
    env = [(item["name"], item.get("value")) for item in pod["containers"][0]["env"]]
    assert [value for name, value in env if name == "SAMPLER_PREFLIGHT_BUDGET"] == ["20"]
    assert ("A", "1") in env
    assert ("SAMPLER_REVISION", world.revision_of("candidate")) in env
    assert not labels.keys() & {f"samplerrollouts.io/{name}" for name in ("pool", "revision", "context-class")}
    assert body["spec"]["replicas"] == 1
    world.run(40)
    (body,) = (body for (kind, _), body in world.children.items() if kind == "Deployment")
    served = body["spec"]["template"]["spec"]
    assert served | {"containers": []} == pod | {"containers": []}
    assert served["containers"][0] | {"env": []} == pod["containers"][0] | {"env": []}


def test_the_timeout_is_the_specs_own_where_it_has_one() -> None:
    world = examined(strategy={"preflight": {"timeout": "4m"}})
    world.examining.says["cpu-a"] = RUNNING
    world.run(200)
    assert world.status.stage == "Progressing"
    world.run(60)
    assert world.status.stage == "Holding"


def test_a_first_release_serves_nobody_before_it_has_passed() -> None:
    world = World(spec(**ON))
    world.examining.says["cpu-a"] = RUNNING
    world.run(60)
    assert world.serving() == {}
    assert world.status.rollout.weight == 0
    assert "the preflight of pool cpu-a" in world.message("Reconciling")
    world.examining.says.clear()
    world.run(40)
    assert world.status.stage == "Serving"
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_a_first_release_that_fails_serves_nobody_and_is_tried_again_on_request() -> None:
    world = World(spec(**ON))
    world.examining.says["cpu-b"] = FAILED
    world.run(300)
    assert world.serving() == {}
    assert world.condition("Stalled") == ("True", "FirstReleaseFailed")
    assert "pool cpu-b: its preflight failed: the step: best-dropped" in world.message("Stalled")
    world.examining.says.clear()
    world.run(60)
    assert world.serving() == {}, "what was found stands"
    world.update(spec(**ON, retryGeneration=1))
    world.run(60)
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_a_first_release_without_an_answer_waits_in_place() -> None:
    world = World(spec(**ON))
    world.examining.says["cpu-b"] = OFF
    world.run(200)
    assert world.condition("Stalled") == ("True", "PreflightUnavailable")
    world.examining.says.clear()
    world.run(60)
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_a_known_release_comes_back_without_one() -> None:
    world = examined()
    world.judge = passing
    world.until("Serving")
    world.update(spec("a", **ON))
    world.tick()
    assert world.status.stage == "Restoring"
    assert examining(world) == []
    world.until("Serving")


def test_an_edit_shows_as_drift_and_changes_nothing_under_way() -> None:
    world = examined()
    world.update(spec("b", strategy={"preflight": {"timeout": "1m"}}))
    world.examining.says["cpu-a"] = RUNNING
    world.run(90)
    assert world.condition("PlanDrift") == ("True", "SpecChanged")
    assert "strategy.preflight" in world.message("PlanDrift")
    assert world.status.stage == "Progressing"


def test_what_fails_later_is_still_rolled_back() -> None:
    world = examined()
    world.run(60)
    world.judge = failing()
    world.run(30)
    assert world.condition("RolledBack") == ("True", "CheckFailed")


def test_results_are_kept_for_releases_that_may_come_back_alone() -> None:
    world = examined()
    world.examining.says["cpu-a"] = FAILED
    world.run(60)
    revisions = {(one.pool, one.revision) for one in world.status.preflights}
    assert revisions == {(pool, world.revision_of("stable", pool)) for pool in POOLS}


@pytest.mark.parametrize("writes", range(8))
def test_killed_anywhere_it_ends_the_same(writes: int) -> None:
    world = examined()
    for _ in range(6):
        world.tick(writes=writes)
    world.run(30)
    assert world.status.rollout.weight == 50
    assert examining(world) == []


def test_a_spec_that_cannot_be_read_does_not_end_an_examination() -> None:
    world = established(**ON)
    world.examining.takes = 60
    asked = spec("b", **ON)
    world.update(asked)
    world.run(30)
    assert examining(world)
    world.update(asked | {"pools": []})
    world.run(15)
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert examining(world), "the pods that examine it went, and their time with them"


def test_a_word_for_a_hold_that_ends_by_itself_does_not_end_a_later_pause() -> None:
    steps = [{"weight": 50, "minDuration": "10s"}, {"pause": {}}]
    strategy = {"strategy": {"steps": steps, "preflight": {"timeout": "1m"}}}
    world = established(**strategy)
    world.examining.says["cpu-a"] = RUNNING
    world.update(spec("b", **strategy))
    world.until("Holding")
    assert world.status.candidate is not None
    world.examining.says.clear()
    world.annotations[PROMOTE_ANNOTATION] = world.status.candidate.hash
    world.judge = passing
    world.run(120)
    assert world.condition("Reconciling") == ("True", "WaitingForPerson")
