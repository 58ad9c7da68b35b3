"""Stories of edits in mid-rollout (R3), bad input, and recorded templates."""

from __future__ import annotations

from dataclasses import replace

from sampler_rollouts.domain.decision import decide, question

from tests.unit.operator.domain.story import results, rolling
from tests.unit.operator.domain.world import World, established, failing, passing, spec


def test_edits_of_the_plan_show_as_drift_and_apply_to_the_next_rollout() -> None:
    world = rolling()
    assert world.condition("PlanDrift") == ("False", "AsPlanned")
    world.update(spec("b", quality={"passConfidence": "90%"}, strategy={"deadline": "1h"}))
    world.tick()
    assert world.condition("PlanDrift") == ("True", "SpecChanged")
    assert "quality, strategy.deadline changed" in world.message("PlanDrift")
    assert world.status.rollout.quality.pass_confidence == "95%"


def test_steps_not_yet_begun_follow_the_spec() -> None:
    world = rolling(replicas=10)
    world.judge = passing
    more = {"strategy": {"steps": [{"weight": 50, "minDuration": "1s"}, {"weight": 80, "minDuration": "10m"}]}}
    world.update(spec("b", replicas=10, **more))
    world.run(120)
    assert world.status.rollout.weight == 80
    world.update(spec("b", replicas=10))
    world.run(300)
    assert world.status.rollout.weight == 80, "a step that has begun keeps its time"
    world.run(600)
    assert results(world)[0] == "Promoted"


def test_a_spec_that_breaks_rules_stalls_and_stable_keeps_serving() -> None:
    world = established()
    before = {pod.name for pod in world.pods}
    bad = spec("b")
    bad["pools"][0]["image"] = "sampler:v2"
    world.update(bad)
    world.run(60)
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert "allowImageTags" in world.message("Stalled")
    assert {pod.name for pod in world.pods} == before


def test_a_spec_that_breaks_rules_in_mid_rollout_stops_progress_but_not_the_abort() -> None:
    world = rolling()
    world.judge = passing
    world.update({"pools": []})
    world.run(4000)
    assert world.status.stage == "Progressing"
    world.judge = failing()
    world.run(30)
    assert world.status.stage == "Serving"
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}
    world.update(spec("b"))
    world.tick()
    assert world.condition("Stalled") == ("True", "RolledBack")


def test_a_spec_that_never_was_right_touches_nothing() -> None:
    world = World({"pools": []})
    outcome = world.tick()
    assert outcome.hands_off
    assert world.condition("Stalled") == ("True", "InvalidSpec")


def test_being_deleted_everything_is_left_to_garbage_collection() -> None:
    world = rolling()
    meta = replace(world.meta, deleting=True)
    assert question(meta, world.spec, world.status, world.now) is None
    outcome = decide(meta, world.spec, world.status, world.observe(), None, world.now)
    assert outcome.hands_off
    assert outcome.objects == ()


def test_a_recorded_template_is_reused_verbatim() -> None:
    world = established()
    for key, body in world.children.items():
        if key[0] == "ControllerRevision":
            body["data"]["template"]["spec"]["containers"][0]["env"].append({"name": "OLDER_OPERATOR", "value": "1"})
    world.update(spec("a", rollback={"drainTimeout": "5m"}))
    world.tick()
    templates = [body["spec"]["template"] for (kind, _), body in world.children.items() if kind == "Deployment"]
    assert all("OLDER_OPERATOR" in str(template) for template in templates)
    assert all(template["spec"]["terminationGracePeriodSeconds"] == 60 for template in templates)


def test_what_cannot_be_rendered_any_more_is_left_alone() -> None:
    world = rolling()
    old = world.revision_of("stable")
    gone = ("ControllerRevision", f"demo-cpu-a-{old}")
    del world.children[gone]
    outcome = world.tick()
    assert outcome.keep == frozenset({f"demo-cpu-a-{old}"})
    assert world.serving(old) == {"cpu-a": 1, "cpu-b": 1}


def test_the_record_of_a_release_that_may_come_back_is_kept() -> None:
    world = rolling()
    old = world.revision_of("stable")
    world.judge = passing
    world.until("Serving")
    world.run(20)
    assert ("ControllerRevision", f"demo-cpu-a-{old}") in world.children
    assert ("Deployment", f"demo-cpu-a-{old}") not in world.children
    world.run(400)
    assert ("ControllerRevision", f"demo-cpu-a-{old}") not in world.children


def test_degraded_shows_pods_that_stay_away_outside_a_rollout() -> None:
    world = established()
    world.run(400)
    world.never_ready.add(world.revision_of("stable"))
    for pod in world.pods:
        pod.was_ready = False
    world.run(60)
    assert world.condition("Degraded") == ("False", "AsWanted")
    world.run(120)
    assert world.condition("Degraded") == ("True", "PodsNotReady")
    assert world.condition("Ready") == ("False", "PodsNotReady"), "there is none at all"
