"""What holds at every single decision, whatever the story."""

from __future__ import annotations

import re
from typing import Any

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision import decide, question, question_beside
from sampler_rollouts.domain.decision.verdicts import required
from sampler_rollouts.domain.evidence.look import Evidence, Verdict
from sampler_rollouts.domain.outcome import Manifest, Outcome
from sampler_rollouts.domain.plan import Release
from sampler_rollouts.domain.render import LABEL_POOL, LABEL_REVISION, is_marked_stable
from sampler_rollouts.domain.resource import PROMOTE_ANNOTATION
from sampler_rollouts.domain.status import Result, Stage, Status

from tests.unit.operator.domain import exposed, meanwhile
from tests.unit.operator.domain.story import silent
from tests.unit.operator.domain.world import World

LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z")


def check(world: World, outcome: Outcome) -> None:
    """All of them."""
    conditions_are_sound(outcome)
    status_is_storable(outcome.status)
    names_are_valid(outcome)
    deciding_again_changes_nothing(world, outcome)
    nothing_is_promoted_without_passed(world, outcome)
    nothing_grows_after_failed(world, outcome)
    some_server_is_wanted_everywhere(world, outcome)
    no_other_objects_pods_are_counted(world, outcome)
    what_is_not_well_is_neither_ready_nor_verified(world, outcome)
    a_pause_ends_by_a_new_word_only(world, outcome)
    nothing_is_said_to_have_passed_that_was_not_tested(world, outcome)
    what_was_rejected_does_not_serve(world, outcome)
    what_does_not_go_is_told(world, outcome)
    a_lost_status_puts_nothing_at_risk(world, outcome)
    exposed.check(world, outcome)
    meanwhile.check(world, outcome)
    nothing_is_verified_without_its_time_of_valid_data(world, outcome)
    nothing_serves_that_was_to_be_examined_and_has_not_passed(world, outcome)


def conditions_are_sound(outcome: Outcome) -> None:
    by_type = {condition.type: condition for condition in outcome.status.conditions}
    true = {name for name in ("Ready", "Reconciling", "Stalled") if name in by_type and by_type[name].status == "True"}
    assert len(true) == 1, true
    assert len(by_type) == len(outcome.status.conditions)
    assert all(re.fullmatch("[A-Za-z][A-Za-z0-9]*", condition.reason) for condition in by_type.values())


def status_is_storable(status: Status) -> None:
    raw = status.dump()
    assert Status.model_validate(raw) == status  # raises if a bound is broken
    # What test_status_size takes for granted when it fills every bound.
    assert not (status.bake and status.watch)
    assert not (status.bake and status.bake.test and status.bake.watch)
    assert sum(bool(pool.checks) for pool in status.pools) <= limits.POOLS
    assert sum(bool(pool.unready or pool.replacing or pool.blocked) for pool in status.pools) <= limits.POOLS
    assert sum(len(held.suspects) for held in status.failed) <= limits.SUSPECTS_HELD


def names_are_valid(outcome: Outcome) -> None:
    keys = [(body["kind"], body["metadata"]["name"]) for body in outcome.objects]
    assert len(keys) == len(set(keys))
    for body in outcome.objects:
        assert LABEL.match(body["metadata"]["name"])
        assert len(body["metadata"]["name"]) <= 63
        assert all(len(value) <= 63 for value in body["metadata"]["labels"].values())


def deciding_again_changes_nothing(world: World, outcome: Outcome) -> None:
    """On the same look, with what was just written: the same children, the same status, nothing said twice."""
    asked = question(world.meta, world.spec, outcome.status, world.now)
    before = question(world.meta, world.spec, world.status, world.now)
    # A new candidate was not asked about yet: the same evidence would be about another release.
    same = asked and before and asked.since == before.since and meanwhile.about(asked) == meanwhile.about(before)
    possible = [world.evidence(before) if same else None]
    if not same and not world.metrics_up:  # said to both questions, if the first decision heard it
        possible.append(world.evidence(asked))
    assert any(_says_the_same(world, outcome, evidence) for evidence in possible)


def _says_the_same(world: World, outcome: Outcome, evidence: Evidence | None) -> bool:
    asked, before = (question_beside(world.meta, status) for status in (outcome.status, world.status))
    known = asked and before and asked.since == before.since and meanwhile.about(asked) == meanwhile.about(before)
    beside = world.evidence(asked) if known else None
    again = decide(world.meta, world.spec, outcome.status, world.observe(), evidence, world.now, beside)
    same = again.objects == outcome.objects and _lasting(again.status) == _lasting(outcome.status)
    return same and again.events == ()


def _lasting(status: Status) -> dict[str, Any]:
    """Without the one condition that says whether a question was asked in this very look."""
    conditions = [condition for condition in status.conditions if condition.type != "MetricsAvailable"]
    return status.model_copy(update={"conditions": conditions}).dump()


def nothing_is_promoted_without_passed(world: World, outcome: Outcome) -> None:
    before, after = world.status, outcome.status
    replaced = after.stable and before.stable and after.stable.hash != before.stable.hash
    if after.stable and replaced and after.stage is Stage.ROLLING_BACK:
        assert meanwhile.serves_alone(before) or (before.bake and before.bake.failed)
        known = [one for one in (before.verified, before.previous) if one]
        by_pool = before.stable if before.bake and before.bake.scope == "Pool" else None  # one of them, or its pools
        back = {item.name: item.revision for item in after.stable.pools}
        mixed = by_pool and any(set(back.items()) <= _pools_of(one) | _pools_of(by_pool) for one in known)
        assert mixed or after.stable.hash in {one.hash for one in known}
    elif after.stable and before.stable and replaced and not _restored(after):
        moved = [item.name for item in after.stable.pools if before.stable.revision(item.name) != item.revision]
        assert all((pool := before.pool(name)) and pool.passed_at for name in moved)
    rollout = after.rollout
    if rollout and rollout.weight == 100 and after.stage is Stage.PROGRESSING:
        wave = rollout.waves[rollout.wave]
        assert all((pool := after.pool(name)) and pool.passed_at for name in wave)
    for pool in after.pools:
        if pool.passed_at == world.now.replace(microsecond=0):
            evidence = world.evidence(question(world.meta, world.spec, before, world.now))
            assert evidence is not None
            assert evidence.available
            needed = required(after.rollout or before.rollout, pool.name)
            looks = [evidence.looks[(pool.name, name)] for name in needed]
            assert looks
            assert all(look.verdict is Verdict.PASSED for look in looks)


def _pools_of(release: Release) -> set[tuple[str, str]]:
    return {(item.name, item.revision) for item in release.pools}


def _restored(status: Status) -> bool:
    return bool(status.history) and status.history[0].result in (Result.RESTORED, Result.ESTABLISHED)


def nothing_serves_that_was_to_be_examined_and_has_not_passed(world: World, outcome: Outcome) -> None:
    status, before = outcome.status, world.status
    rollout, candidate = status.rollout, status.candidate
    if rollout is None or rollout.preflight is None or candidate is None:
        return
    moved = [(name, candidate.revision(name)) for wave in rollout.waves for name in wave]
    if rollout.preflight.passed_at is None:
        known = {(item.name, item.revision) for one in (status.stable, *rollout.leftovers) if one for item in one.pools}
        wanted = [body["metadata"]["labels"] for body in outcome.objects if body["kind"] == "Deployment"]
        served = {(labels[LABEL_POOL], labels[LABEL_REVISION]) for labels in wanted if LABEL_POOL in labels}
        assert not served & (set(moved) - known)
        assert not rollout.weight
    elif not (before.rollout and before.rollout.preflight and before.rollout.preflight.passed_at):
        results = [status.preflight(*place) for place in moved]
        assert all(one and one.verdict == "Passed" for one in results)
        assert len({one.digest for one in results if one}) == 1


def nothing_grows_after_failed(world: World, outcome: Outcome) -> None:
    """Once a candidate leaves, none of its counts rises."""
    before = world.status
    if before.stage not in (Stage.ROLLING_BACK, Stage.WITHDRAWING) or outcome.status.stage is not before.stage:
        return
    for pool in outcome.status.pools:
        earlier = before.pool(pool.name)
        assert earlier is not None
        assert pool.candidate_replicas <= earlier.candidate_replicas


def is_servers(body: Manifest) -> bool:
    """Whether it is a Deployment of servers: the prober's has no pool."""
    return body["kind"] == "Deployment" and LABEL_POOL in body["metadata"]["labels"]


def some_server_is_wanted_everywhere(world: World, outcome: Outcome) -> None:
    """Where anything serves, in each pool of the release that stays and on the whole, something goes on serving."""
    staying = outcome.status.stable or outcome.status.candidate
    if staying is None or outcome.hands_off:
        return
    mine = [pod for pod in world.pods if world.is_ready(pod) and pod.orphaned is None]
    kept: dict[str, int] = {}
    for body in outcome.objects:
        if is_servers(body):
            labels = body["metadata"]["labels"]
            ready = sum((pod.pool, pod.revision) == (labels[LABEL_POOL], labels[LABEL_REVISION]) for pod in mine)
            kept[labels[LABEL_POOL]] = kept.get(labels[LABEL_POOL], 0) + min(ready, body["spec"]["replicas"])
    for item in staying.pools:
        was = sum(pod.pool == item.name for pod in mine)
        assert kept.get(item.name, 0) >= min(1, was), f"pool {item.name} had {was} ready servers"
    assert sum(kept.values()) >= min(1, len(mine)), "all pools share one Service"


def no_other_objects_pods_are_counted(world: World, outcome: Outcome) -> None:
    """Pods of an object of the same name that was deleted before are neither births nor readiness.

    Those of the very second in which the new one was created cannot be told from its own, and have counted nothing yet.
    """
    mine = {pod.name for pod in world.pods if pod.orphaned is None or pod.created >= world.created}
    strangers = {pod.name for pod in world.pods} - mine
    births = outcome.status.rollout.births if outcome.status.rollout else []
    assert not strangers & {birth.pod for birth in births}
    for pool in outcome.status.pools:
        assert pool.ready <= sum(
            world.is_ready(pod) for pod in world.pods if pod.name in mine and pod.pool == pool.name
        )


def what_is_not_well_is_neither_ready_nor_verified(world: World, outcome: Outcome) -> None:
    """Every fault there ever was is remembered here, outside of status (R10)."""
    status, before = outcome.status, world.status
    serving = status.stable.hash if status.stable else ""
    for event in outcome.events:
        if event.reason == "Recovered":
            assert all(pool.passed_at for pool in status.pools)
        if event.reason == "FirstReleaseFailed" and serving:
            world.faulty.add(serving)
        elif event.reason == "Recovered" or (event.reason == "Promoted" and "all checks passed" in event.message):
            world.faulty.discard(serving)
        elif event.reason == "Established" and not _known_faults(before):
            world.faulty.discard(serving)  # so long ago that it counts as new: its test is about to begin
    if any(condition.type == "Ready" and condition.status == "True" for condition in status.conditions):
        assert serving not in world.faulty
    if status.verified and (before.verified is None or status.verified.hash != before.verified.hash):
        assert status.verified.hash not in world.faulty
        assert before.bake is None or before.bake.test is None or before.rollout, "its test has come to an end unseen"


def _known_faults(status: Status) -> bool:
    leftovers = status.rollout.leftovers if status.rollout else []
    known = (status.stable, status.previous, status.candidate, *leftovers)
    return any(release.fault for release in known if release)


def a_pause_ends_by_a_new_word_only(world: World, outcome: Outcome) -> None:
    """A word is stale once it was used, or if it was there when the rollout started."""
    before, after = world.status.rollout, outcome.status.rollout
    word = world.annotations.get(PROMOTE_ANNOTATION, "")
    same = before is not None and after is not None and before.started_at == after.started_at
    if any(event.reason == "Continued" for event in outcome.events):
        assert word != world.stale_word
        world.stale_word = word
    elif before and after and same and before.waiting:
        assert after.waiting
    if after and not same and not after.first:
        world.stale_word = word


def nothing_is_verified_without_its_time_of_valid_data(world: World, outcome: Outcome) -> None:
    """The clock of the bake runs only while data are valid (design, section 7)."""
    before, after = world.status, outcome.status
    if any(event.reason == "Verified" for event in outcome.events):
        planned = before.rollout.bake_time if before.rollout else 0
        seconds = before.bake.seconds if before.bake else planned
        # While the next release has pods, or leaves, nothing serves alone: the bake's own release counts.
        release = before.bake.release if before.bake else world.baked.release
        valid = world.baked.of(release, world.now)
        assert valid >= seconds, f"{valid} s of valid data in a bake of {seconds} s"
    stable = after.stable if meanwhile.serves_alone(after) and not world.spec.get("paused") else None
    serving = world.serving()
    there = stable is not None and all(serving.get(item.name, 0) for item in stable.pools)
    world.baked.look(stable.hash if stable else "", there and world.metrics_up and world.judge is not silent, world.now)


def nothing_is_said_to_have_passed_that_was_not_tested(world: World, outcome: Outcome) -> None:
    """R12, in words."""
    before, after = world.status, outcome.status
    for event in outcome.events:
        if event.reason == "Promoted" and before.stable and after.stable:
            moved = [item for item in after.stable.pools if before.stable.revision(item.name) != item.revision]
            assert ("all checks passed" in event.message) == bool(moved)


def what_was_rejected_does_not_serve(world: World, outcome: Outcome) -> None:
    """Once a rollback is over no pod of it is ready until a person asks for it, whatever the cluster refuses.

    But where the cluster refuses everything, and another release was asked for: then it is said.
    """
    before, status = world.status, outcome.status
    world.left_behind = world.left_behind or any(event.reason == "LeftBehind" for event in outcome.events)
    new = status.failed[0].hash if any(event.reason == "RolledBack" for event in outcome.events) else ""
    for left in (before.candidate, before.stable):
        if left and left.hash == new:
            world.rejected[left.hash] = _pools_of(left)
    if status.stage is not Stage.SERVING or status.stable is None:
        return
    good = _pools_of(status.stable)
    ready = {(pod.pool, pod.revision) for pod in world.pods if world.is_ready(pod) and pod.orphaned is None}
    told = {(one.pool, one.revision) for one in status.remains if one.peopled} if world.left_behind else set()
    for held in status.failed:
        assert not (world.rejected.get(held.hash, set()) - good - told) & ready


def what_does_not_go_is_told(world: World, outcome: Outcome) -> None:
    """Whoever looks at Degraded sees what is there and should not be, once it has had its time."""
    status = outcome.status
    late = [one for one in status.remains if (world.now - one.since).total_seconds() >= 125]
    (degraded,) = [condition for condition in status.conditions if condition.type == "Degraded"]
    assert not late or degraded.status == "True"
    rest = [condition for condition in status.conditions if condition.type in ("Ready", "Stalled", "Reconciling")]
    if degraded.reason == "PodsNotGone" and status.stage in (Stage.SERVING, Stage.ROLLING_BACK, Stage.WITHDRAWING):
        assert not any(condition.type == "Ready" and condition.status == "True" for condition in rest)


def a_lost_status_puts_nothing_at_risk(world: World, outcome: Outcome) -> None:
    """Where Deployments are there, no other release comes without a gate, and no pod that serves goes."""
    told = _known_to_be_stable(world)
    if world.status.stage is not Stage.IDLE or not told or outcome.hands_off:
        return
    status = outcome.status
    # A spec that only removes pools is promoted in the same decision.
    new = (status.previous if status.previous else status.stable) or status.candidate
    assert new is not None
    assert _pools_of(new) == told
    kept = {
        (body["metadata"]["labels"][LABEL_POOL], body["metadata"]["labels"][LABEL_REVISION]): body["spec"]["replicas"]
        for body in outcome.objects
        if is_servers(body)
    }
    asked = {pool["name"]: pool["replicas"] for pool in world.spec["pools"] if "replicas" in pool}
    for place in told if status.previous is None else ():
        ready = sum(world.is_ready(pod) and (pod.pool, pod.revision) == place for pod in world.pods)
        assert kept[place] >= min(ready, asked.get(place[0], ready))


def _known_to_be_stable(world: World) -> set[tuple[str, str]]:
    """Pool and revision of the Deployments that are there; where a pool has several, of those with stable's mark."""
    marks: dict[tuple[str, str], bool] = {}
    for (kind, _), body in world.children.items():
        labels = body["metadata"]["labels"]
        if kind == "Deployment" and LABEL_POOL in labels:
            marks[labels[LABEL_POOL], labels[LABEL_REVISION]] = is_marked_stable(body)
    several = {pool for pool, _ in marks if sum(one == pool for one, _ in marks) > 1}
    return {place for place, marked in marks.items() if marked or place[0] not in several}
