"""The sentence that says why (R21): complete, short enough, and without anything private."""

from __future__ import annotations

import math
from typing import Any

import pytest
from sampler_rollouts.domain.decision.changes import short_image
from sampler_rollouts.domain.decision.sentence import failed_check
from sampler_rollouts.domain.evidence.look import CheckLook, Verdict

from tests.unit.operator.domain.story import rolling
from tests.unit.operator.domain.world import World, established, failing, image, spec


def look(check: str, **more: Any) -> CheckLook:
    numbers = {
        "checked": 31,
        "bad": 9,
        "max_rate": 0.03,
        "upper_bound": 0.5,
        "log_e": 9.0,
        "log_threshold": math.log(800),
    }
    return CheckLook("cpu-a", check, Verdict.FAILED, "", **numbers, **more)


def rolled_back(new: dict[str, Any]) -> World:
    world = established()
    world.update(new)
    world.run(25)
    world.judge = failing()
    world.run(30)
    return world


def test_a_failed_check_with_its_numbers() -> None:
    assert failed_check(look("errors")) == (
        "check errors was bad in 9 of 31 checked requests (limit 3%, odds against an honest build more than 800 to 1)"
    )


def test_a_failed_latency_check_says_how_slow() -> None:
    said = failed_check(look("latency", slower_than=2.5))
    assert said.startswith("check latency was slower than 2.5s in 9 of 31 checked requests (limit 3%,")
    assert "slower than 50ms in 9" in failed_check(look("time-per-output-token", slower_than=0.05))


def test_a_failed_audit_speaks_of_tokens_and_kinds() -> None:
    said = failed_check(look("replay-audit", detail="best-token-dropped 9"))
    assert said == (
        "check replay-audit found 9 wrong in 31 audited tokens, confirmed on a second pod or interval "
        "(best-token-dropped 9)"
    )


@pytest.mark.parametrize(("bias", "than"), [(0.0812, "more"), (-0.0812, "less")])
def test_a_failed_calibration_speaks_of_nats(bias: float, than: str) -> None:
    numbers = {"max_rate": math.nan, "upper_bound": 0.1, "log_e": 9.0, "log_threshold": math.log(800)}
    found = CheckLook("p", "calibration", Verdict.FAILED, "", 9000, 0, **numbers, max_bias=0.05, bias=bias)
    assert failed_check(found) == (
        f"check calibration found tokens 0.0812 nats {than} surprising than the logits say, over 9000 audited tokens "
        "(limit 0.05 nats, odds against an honest build more than 800 to 1)"
    )


@pytest.mark.parametrize("threshold", [math.nan, math.inf, -math.inf, 1e9])
def test_nonsense_is_still_a_sentence(threshold: float) -> None:
    strange = CheckLook("p", "errors", Verdict.FAILED, "", 0, 0, math.nan, math.nan, math.nan, threshold)
    assert "errors" in failed_check(strange)


def test_images_are_short() -> None:
    assert short_image(image("a")) == "sampler@sha256:aaaaaaaaaaaa…"
    assert short_image("registry.example.com/team/sampler:v2") == "sampler:v2"
    assert short_image("") == "none"


def test_what_differs_is_named_without_values() -> None:
    new = spec("a")
    for pool in new["pools"]:
        pool["sampler"] = {"auditShare": "2%"}
        pool["template"] = {"args": ["--secret=hunter2"], "env": [{"name": "TOKEN", "value": "hunter2"}]}
    said = rolled_back(new).message("RolledBack")
    assert "audit share changed from 0.01 to 0.02" in said
    assert "environment variable TOKEN added" in said
    assert "args changed" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (
            {"platform": "gpu", "accelerator": "hunter2"},
            [
                "environment variable JAX_PLATFORMS added",
                "resources changed",
                "nodeSelector changed",
                "tolerations changed",
            ],
        ),
        (
            {"template": {"models": {"claimName": "hunter2"}, "pullSecrets": ["hunter2"]}},
            ["models changed", "pullSecrets changed"],
        ),
        (
            {"template": {"compileCache": {"sizeLimit": "777Mi"}}},
            ["compileCache changed", "environment variable SAMPLER_COMPILE_CACHE added"],
        ),
    ],
)
def test_where_the_pods_run_is_named_without_values(more: dict[str, Any], named: list[str]) -> None:
    """A build is not the only thing that may move."""
    new = spec("a")
    for one in new["pools"]:
        one.update(more)
    said = rolled_back(new).message("RolledBack")
    assert [name for name in named if name not in said] == []
    assert "topologySpread" not in said
    assert "hunter2" not in said


def test_a_change_in_one_pool_names_the_pool() -> None:
    new = spec("b")
    new["pools"][1]["sampler"] = {"auditShare": "5%", "vocabShards": 4}
    said = rolled_back(new).message("RolledBack")
    assert "vocabulary shards changed from 1 to 4 (pool cpu-b)" in said
    assert "audit share changed from 0.01 to 0.05 (pool cpu-b)" in said
    assert "image changed from sampler@sha256:aaaaaaaaaaaa… to sampler@sha256:bbbbbbbbbbbb…;" in said


def test_many_changes_do_not_push_the_exposure_out() -> None:
    new = spec("b")
    for pool in new["pools"]:
        pool["template"] = {"env": [{"name": f"VARIABLE_{index}_{'X' * 90}"} for index in range(20)]}
    said = rolled_back(new).message("RolledBack")
    assert "12 further changes" in said
    assert said.endswith("were exposed.")


def test_a_new_and_a_removed_pool_are_named() -> None:
    world = established()
    world.update(spec("b", pools=("cpu-a", "cpu-c")))
    world.tick()
    assert world.status.rollout.changes[1:] == ["pool cpu-c is new", "pool cpu-b is removed"]


def test_nobody_knows_who_was_exposed_without_metrics() -> None:
    world = established()
    world.update(spec("b"))
    world.metrics_up = False
    world.run(25)
    assert world.serving(world.revision_of("candidate"))
    world.update(spec("a"))
    world.tick()
    assert "how many requests were exposed is not known" in world.status.history[0].message


def test_a_release_whose_pods_were_never_ready_exposed_nobody() -> None:
    world = established()
    world.update(spec("b"))
    world.metrics_up = False
    world.tick()
    world.never_ready.add(world.revision_of("candidate"))
    world.run(200)
    assert world.status.history[0].reason == "PodsFailing"
    assert world.status.history[0].message.endswith("no pod of it was seen ready, so that no requests were exposed.")


def test_a_promotion_has_its_sentence_too() -> None:
    world = rolling()
    world.judge = lambda pool, check, asked: (Verdict.PASSED, "")
    world.until("Serving")
    said = world.status.history[0].message
    assert said.startswith(
        f"Promoted release {world.status.stable.hash}: all checks passed, full traffic in every pool;"
    )
