"""Admins' checks in whole reconciles: their templates are read where a spec names one, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.cluster.errors import NotFoundError, UnavailableError
from sampler_rollouts.reconcile.reconciler import utc_now
from sampler_rollouts.reconcile.templates import MOST, Templates

from tests.unit.operator.reconcile.world import World, condition, established, image, spec

FOLDER = "/apis/samplerrollouts.io/v1alpha1/clusterchecktemplates"
CHECKS = [
    {"name": "errors"},
    {"name": "unexpected-script", "maxRate": "3%"},
    {"name": "my-eval", "template": "eval-score", "maxDrop": "2%"},
]
TEMPLATE = {"gauge": "eval_score", "runsMetric": "eval_runs_total"}


@pytest.fixture
def world() -> World:
    return World()


def templated(letter: str) -> dict[str, Any]:
    made = spec(letter)
    return made | {"quality": made["quality"] | {"checks": CHECKS}}


def planned(world: World) -> dict[str, Any]:
    checks = world.status["rollout"]["quality"]["checks"]
    return next(check for check in checks if check["name"] == "my-eval")


async def rolling(world: World) -> None:
    await established(world)
    world.declare(templated("b"))
    await world.settle(5)
    assert world.status["stage"] == "Progressing"


async def test_a_template_is_read_and_copied_when_the_rollout_starts(world: World) -> None:
    world.api.objects[f"{FOLDER}/eval-score"] = {"metadata": {"name": "eval-score"}, "spec": TEMPLATE}
    await rolling(world)
    assert planned(world)["metrics"] == ["eval_score", "eval_runs_total"]
    asked = world.traffic.questions[-1]
    assert ("my-eval", ("eval_score", "eval_runs_total")) in {(plan.name, plan.metrics) for plan in asked.checks}
    rows = {row["name"]: row for row in world.status["pools"][0]["checks"]}
    assert rows["my-eval"]["verdict"] == "Inconclusive"


async def test_one_that_is_missing_passes_nothing_and_says_so(world: World) -> None:
    await rolling(world)
    assert "there is no ClusterCheckTemplate eval-score" in planned(world)["problem"]
    await world.settle(60)
    assert world.status["stage"] in ("Progressing", "Holding")
    rows = {row["name"]: row for row in world.status["pools"][0]["checks"]}
    assert rows["my-eval"]["reason"] == "TemplateMissing"
    assert rows["errors"]["verdict"] == "Passed"
    assert world.status["stable"]["hash"] != world.status["candidate"]["hash"]


def failing(world: World, monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[str]:
    """From now on their reads fail; the addresses that were asked for."""
    answer, asked = world.api.request, []

    def request(method: str, path: str, **more: Any) -> Any:
        if path.startswith(FOLDER):
            asked.append(path)
            raise error
        return answer(method, path, **more)

    monkeypatch.setattr(world.api, "request", request)
    return asked


async def test_without_one_nothing_of_them_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = failing(world, monkeypatch, AssertionError("for a test"))
    await established(world)
    assert asked == []


async def test_a_template_that_cannot_be_read_is_as_it_was_and_holds_up_no_abort(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.api.objects[f"{FOLDER}/eval-score"] = {"metadata": {"name": "eval-score"}, "spec": TEMPLATE}
    await rolling(world)
    asked = failing(world, monkeypatch, UnavailableError("for a test"))
    world.traffic.bad_images.add(image("b"))
    await world.settle(30)
    assert asked
    assert condition(world, "RolledBack")[:2] == ("True", "CheckFailed")
    assert condition(world, "PlanDrift")[0] == "False"


async def test_one_failed_read_when_the_rollout_starts_is_no_word_on_whether_it_is_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.api.objects[f"{FOLDER}/eval-score"] = {"metadata": {"name": "eval-score"}, "spec": TEMPLATE}
    await established(world)
    with monkeypatch.context() as failed:
        asked = failing(world, failed, UnavailableError("for a test"))
        world.declare(templated("b"))
        await world.turn()
        assert len(asked) == 1
        assert (planned(world)["problem"], planned(world)["metrics"]) == ("", [])
        assert condition(world, "PlanDrift")[0] == "False"
    await world.turn()
    assert planned(world)["metrics"] == ["eval_score", "eval_runs_total"]
    assert condition(world, "PlanDrift")[0] == "False"


async def test_one_that_is_created_later_is_read_then(world: World) -> None:
    await rolling(world)
    assert "create it" in planned(world)["problem"]
    world.api.objects[f"{FOLDER}/eval-score"] = {"metadata": {"name": "eval-score"}, "spec": TEMPLATE}
    await world.settle(6)
    assert (planned(world)["problem"], planned(world)["metrics"]) == ("", ["eval_score", "eval_runs_total"])
    assert condition(world, "PlanDrift")[0] == "False"


async def test_it_is_read_once_in_ten_seconds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await rolling(world)
    asked = failing(world, monkeypatch, NotFoundError("for a test"))
    await world.settle(20)  # of two seconds
    assert 3 <= len(asked) <= 5


def test_no_more_names_are_remembered_than_a_cluster_has_use_for() -> None:
    class Nothing:
        asked = 0

        def check_templates(self, names: list[str]) -> dict[str, Any]:
            self.asked += len(names)
            return {}

    cluster: Any = Nothing()
    found = Templates(utc_now)
    for number in range(MOST + 5):
        found.of(cluster, [f"name-{number}"])
    found.of(cluster, [f"name-{MOST + 4}"])
    assert cluster.asked == MOST + 5
    found.of(cluster, ["name-0"])
    assert cluster.asked == MOST + 6
