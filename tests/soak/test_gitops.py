"""Git is the only thing that is edited, and Argo CD's engine applies it: a good release is promoted, a bad one is taken
back by the operator without a fight over it, and the revert in Git ends the hold.

`.venv/bin/python -m pytest tests/soak/test_gitops.py -q -rP` runs it alone and says what was measured.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.cluster import Cluster
from local.demo.load import LoadGenerator
from local.demo.tally import failures_by_phase
from tests.support.gitops import Engine, Event, Repository, running_engine
from tests.support.rollouts import Rollouts, manifest, synthetic_pool
from tests.support.waiting import wait_for

EXAMPLES = Path("examples/gitops")
APPLICATION: dict[str, Any] = yaml.safe_load((EXAMPLES / "argocd" / "application.yaml").read_text())
FOLDER = APPLICATION["spec"]["source"]["path"]
ROLLOUT = f"{FOLDER}/rollout.yaml"
NAME = "chat"
ENGINE = "argocd-controller"
HELD = 30
"""Comparisons, one a second, for which a bad release stays in Git, rolled back: six times what a correction waits."""
TURN_SECONDS = 400
"""For a release's turn, on a machine with more to do."""
CHILDREN = "deployments,services,controllerrevisions"


def release(image: str, build: str) -> str:
    return yaml.safe_dump(manifest(NAME, [synthetic_pool("cpu", image, SAMPLER_EXAMPLE_BUILD=build)]))


@pytest.fixture
def repository(tmp_path: Path, rollouts: Rollouts, images: dict[str, str]) -> Repository:
    """With the layout of the examples, for this test's namespace, and a first release."""
    made = Repository(tmp_path, APPLICATION["spec"]["source"]["targetRevision"])
    kustomization = yaml.safe_load((EXAMPLES / "app" / "kustomization.yaml").read_text())
    assert kustomization["resources"] == ["rollout.yaml"]
    kustomization["namespace"] = rollouts.namespace
    made.commit(
        "The first release",
        {f"{FOLDER}/kustomization.yaml": yaml.safe_dump(kustomization), ROLLOUT: release(images["sampler"], "1")},
    )
    return made


@pytest.fixture
def engine(cluster: Cluster, rollouts: Rollouts, repository: Repository, tmp_path: Path) -> Iterator[Engine]:
    # What the engine is started for, always: another example would need another program.
    assert APPLICATION["spec"]["syncPolicy"] == {
        "automated": {"prune": True, "selfHeal": True},
        "syncOptions": ["ServerSideApply=true"],
    }
    settings = EXAMPLES / "argocd" / "argocd-cm.yaml"
    with running_engine(
        cluster, repository, APPLICATION, namespace=rollouts.namespace, settings=settings, home=tmp_path
    ) as program:
        yield program


@pytest.mark.timeout(1800)
def test_git_decides_and_nothing_fights(
    rollouts: Rollouts, repository: Repository, engine: Engine, images: dict[str, str]
) -> None:
    engine.wait(repository.revisions[0], "Healthy", timeout=TURN_SECONDS)
    with LoadGenerator(rollouts.reached_service(NAME), model="synthetic", workers=4, api="completions") as load:
        load.phase = "good release"
        good_release_is_promoted(rollouts, repository, engine, images["sampler"])
        load.phase = "bad release"
        bad_release_is_held(rollouts, repository, engine, images["seeded:rare-token-boost"])
        load.phase = "revert"
        revert_ends_the_hold(rollouts, repository, engine)
    assert failures_by_phase(load.tally.records()) == {}
    nothing_fought(rollouts, repository, engine)
    an_edit_by_hand_would_have_been_seen(rollouts, engine)


def good_release_is_promoted(rollouts: Rollouts, repository: Repository, engine: Engine, image: str) -> None:
    first = rollouts.status(NAME)["stable"]["hash"]
    revision = repository.commit("A good release", {ROLLOUT: release(image, "2")})
    engine.wait(revision, "Healthy", timeout=TURN_SECONDS)
    status = rollouts.status(NAME)
    assert status["stable"]["hash"] != first
    assert status["history"][0]["result"] == "Promoted"
    seen = {one["health"] for one in engine.events("compared", revision=revision)}
    assert "Progressing" in seen, "the rollout itself did not show"
    # So that what follows finds nothing under way: in its bake the release before it is kept.
    rollouts.wait_condition(NAME, "Verified", timeout=TURN_SECONDS)


def bad_release_is_held(rollouts: Rollouts, repository: Repository, engine: Engine, image: str) -> None:
    stable = rollouts.status(NAME)["stable"]["hash"]
    revision = repository.commit("A bad release", {ROLLOUT: release(image, "3")})
    said = engine.wait(revision, "Degraded", timeout=TURN_SECONDS)
    stalled = rollouts.condition(NAME, "Stalled")
    assert stalled["reason"] == "RolledBack"
    assert "unexpected-script" in stalled["message"]
    assert said["message"] == stalled["message"]
    assert rollouts.status(NAME)["stable"]["hash"] == stable
    wait_for("rest, with only stable's pods", lambda: rests(rollouts), timeout=120)
    # Git says the bad release all the time, and the engine compares it with the cluster again and again.
    before, compared = shape(rollouts), len(engine.events("compared"))
    wait_for("many comparisons", lambda: len(engine.events("compared")) >= compared + HELD, timeout=TURN_SECONDS)
    held = engine.events("compared")[compared:]
    assert {(one["revision"], one["sync"], one["health"]) for one in held} == {(revision, "Synced", "Degraded")}
    assert {one["message"] for one in held} == {stalled["message"]}
    assert rollouts.status(NAME)["stable"]["hash"] == stable
    assert shape(rollouts) == before
    print(f"held for {len(held)} comparisons, {len(corrections(engine))} corrections: {stalled['message']}")  # noqa: T201


def revert_ends_the_hold(rollouts: Rollouts, repository: Repository, engine: Engine) -> None:
    before = rollouts.status(NAME)
    asked = time.monotonic()
    engine.wait(repository.revert(), "Healthy", timeout=120)
    print(f"Healthy {time.monotonic() - asked:.1f} s after the push of the revert")  # noqa: T201
    status = rollouts.status(NAME)
    assert rollouts.condition(NAME, "Ready")["status"] == "True"
    assert rollouts.condition(NAME, "Stalled").get("status") != "True"
    assert status.get("candidate") is None
    assert status["stable"]["hash"] == before["stable"]["hash"]
    assert [one["hash"] for one in status["failed"]] == [one["hash"] for one in before["failed"]], (
        "the rejected one stays held"
    )


def nothing_fought(rollouts: Rollouts, repository: Repository, engine: Engine) -> None:
    """One sync a commit, nothing else: no correction, no drift, no hand of the engine's on what is the operator's."""
    assert corrections(engine) == []
    assert engine.drifted() == []
    assert engine.events("failed") == []
    synced = engine.events("synced")
    assert [one["revision"] for one in synced] == repository.revisions
    assert {one["key"] for each in synced for one in each["resources"]} == {
        f"samplerrollouts.io/SamplerRollout/{rollouts.namespace}/{NAME}"
    }
    resource = rollouts.get("samplerrollout", NAME)
    assert resource["metadata"]["generation"] == len(repository.revisions), "the spec changes with Git alone"
    assert writers(managed(rollouts, "samplerrollouts"), "spec") == {ENGINE}
    assert ENGINE not in writers(managed(rollouts, "samplerrollouts"), "status")
    assert managed(rollouts, CHILDREN)
    assert ENGINE not in writers(managed(rollouts, CHILDREN))
    print(f"in all {len(engine.events('compared'))} comparisons, {len(synced)} syncs")  # noqa: T201


def an_edit_by_hand_would_have_been_seen(rollouts: Rollouts, engine: Engine) -> None:
    """What an operator that writes its spec would have brought about: without this, counting nothing proves nothing."""
    generation = rollouts.get("samplerrollout", NAME)["metadata"]["generation"]
    rollouts.kubectl(
        "patch", "samplerrollout", NAME, "--type=merge", "-p", json.dumps({"spec": {"strategy": {"bakeTime": "6s"}}})
    )
    (corrected,) = wait_for("the correction", lambda: corrections(engine), timeout=120)
    assert [one["fields"] for one in corrected["resources"]] == [["spec.strategy.bakeTime"]]
    assert engine.drifted() != []
    after = rollouts.get("samplerrollout", NAME)
    assert after["spec"]["strategy"]["bakeTime"] == "5s"
    assert after["metadata"]["generation"] == generation + 2


def corrections(engine: Engine) -> list[Event]:
    return engine.events("corrected")


def managed(rollouts: Rollouts, kinds: str) -> list[dict[str, Any]]:
    """Objects with the record of who wrote which field."""
    found = json.loads(rollouts.kubectl("get", kinds, "--show-managed-fields", "-o", "json"))
    items: list[dict[str, Any]] = found["items"]
    return items


def writers(objects: list[dict[str, Any]], field: str = "") -> set[str]:
    """The field managers of the objects, or of one field in them."""
    entries = (entry for one in objects for entry in one["metadata"]["managedFields"])
    return {entry["manager"] for entry in entries if not field or f"f:{field}" in entry["fieldsV1"]}


def shape(rollouts: Rollouts) -> dict[str, int]:
    """Each object that somebody could fight over, and how often its spec has been written."""
    found = rollouts.get(f"samplerrollouts,{CHILDREN}")["items"]
    # Services and ControllerRevisions have no generation.
    return {
        f"{one['kind']}/{one['metadata']['name']}": one["metadata"].get(
            "generation", one["metadata"]["resourceVersion"]
        )
        for one in found
    }


def rests(rollouts: Rollouts) -> bool:
    """Whether the rejected release is gone, and what was to be written is written."""
    before = shape(rollouts)
    time.sleep(5)
    return revisions(rollouts) == stable_revisions(rollouts) and shape(rollouts) == before


def revisions(rollouts: Rollouts) -> set[str]:
    """Those of the pods that are there."""
    return {pod["metadata"]["labels"]["samplerrollouts.io/revision"] for pod in rollouts.get("pods")["items"]}


def stable_revisions(rollouts: Rollouts) -> set[str]:
    return {pool["revision"] for pool in rollouts.status(NAME)["stable"]["pools"]}
