"""Checks of an admin's templates: what is copied when a rollout starts, and what decides."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from sampler_rollouts.domain.check_template import CheckTemplate, named_templates, read_template
from sampler_rollouts.domain.decision import decide
from sampler_rollouts.domain.decision.quality import Templates, check_plan, problem_of
from sampler_rollouts.domain.evidence.look import CheckLook, Evidence, Verdict
from sampler_rollouts.domain.evidence.samples import Question
from sampler_rollouts.domain.observation import Observation
from sampler_rollouts.domain.plan import CheckSpec

from tests.unit.operator.domain.world import World, image, passing, spec

SCORE = CheckTemplate(gauge="eval_score", runsMetric="eval_runs_total", largest=100)
RATE = CheckTemplate(checkedMetric="answers_total", badMetric="refusals_total")
BOTH: Templates = {"eval-score": SCORE, "refusals": RATE}
NONE: Templates = dict.fromkeys(BOTH)
ERRORS = {"name": "errors"}
EVAL = {"name": "my-eval", "template": "eval-score", "maxDrop": "2%"}
REFUSALS = {"name": "my-refusals", "template": "refusals", "maxRate": "3%"}


class Templated(World):
    """A cluster with the admin's templates."""

    templates: Templates = BOTH

    def observe(self) -> Observation:
        return replace(super().observe(), check_templates=self.templates)


def established(*checks: dict[str, Any], templates: Templates = BOTH) -> Templated:
    world = Templated(spec("a", quality={"checks": [ERRORS, *checks]}))
    world.templates = templates
    world.until("Serving")
    return world


def rolling(*checks: dict[str, Any], templates: Templates = BOTH) -> Templated:
    world = established(*checks, templates=templates)
    _next(world)
    world.run(25)
    assert world.status.stage == "Progressing"
    return world


def _next(world: World) -> None:
    new = copy.deepcopy(world.spec)
    for one in new["pools"]:
        one["image"] = image("b")
    world.update(new)


def planned(world: World, name: str) -> CheckSpec:
    assert world.status.rollout
    return next(check for check in world.status.rollout.quality.checks if check.name == name)


def test_where_the_data_are_is_copied_when_the_rollout_starts() -> None:
    world = rolling(EVAL, REFUSALS)
    score, rate = check_plan(planned(world, "my-eval")), check_plan(planned(world, "my-refusals"))
    assert (score.metrics, score.max_drop, score.largest) == (("eval_score", "eval_runs_total"), 0.02, 100.0)
    assert (rate.metrics, rate.max_rate) == (("answers_total", "refusals_total"), 0.03)
    world.templates = {"refusals": RATE, "eval-score": CheckTemplate(gauge="other", runsMetric="other_runs")}
    world.tick()
    assert check_plan(planned(world, "my-eval")).metrics == score.metrics
    assert world.condition("PlanDrift") == ("True", "SpecChanged")


def test_one_counter_may_tell_bad_requests_by_a_label() -> None:
    raw = {"checkedMetric": "ended_total", "badWhere": {"label": "finished_reason", "values": ["error"]}}
    found = read_template(raw)
    assert found
    plan = check_plan(planned(rolling(REFUSALS, templates={"refusals": found}), "my-refusals"))
    assert plan.metrics == ("ended_total", "ended_total")
    assert (plan.bad_label, plan.bad_values) == ("finished_reason", frozenset({"error"}))
    for broken in ({"badMetric": "x"}, {"checkedMetric": None}, {"badWhere": {"label": "a-b", "values": ["x"]}}):
        assert read_template({key: value for key, value in {**raw, **broken}.items() if value}) is None
    for values in ([], ['x"}'], ["a|b"]):
        assert read_template({**raw, "badWhere": {"label": "finished_reason", "values": values}}) is None


@pytest.mark.parametrize(
    ("check", "templates", "said"),
    [
        (EVAL, {"eval-score": None}, "there is no ClusterCheckTemplate eval-score that the operator may read"),
        (EVAL, {"eval-score": RATE}, "is about a rate: give maxRate or maxRatio"),
        (REFUSALS, {"refusals": SCORE}, "is about a score: give maxDrop"),
    ],
)
def test_a_template_that_is_missing_or_unfit_is_said_and_passes_nothing(
    check: dict[str, Any], templates: Templates, said: str
) -> None:
    found = planned(rolling(check, templates=templates), str(check["name"]))
    assert said in found.problem
    assert check_plan(found).metrics == ()


class TestGaps:
    """Templates that could not be read when a plan was made, or were not there."""

    def test_what_could_not_be_read_is_no_word_on_whether_it_is_there(self) -> None:
        world = rolling(EVAL, REFUSALS, templates={})
        for name in ("my-eval", "my-refusals"):
            plan = check_plan(planned(world, name))
            assert (plan.unreadable, plan.metrics) == ("TemplateUnread", ())
            assert "could not be read: that is tried again" in plan.problem
        assert world.condition("EvidenceFeasible") == ("False", "TemplateUnread")
        assert world.condition("PlanDrift") == ("False", "AsPlanned")

    @pytest.mark.parametrize(("before", "reason"), [({}, "TemplateUnread"), (NONE, "TemplateMissing")])
    def test_it_is_filled_as_soon_as_it_can_be(self, before: Templates, reason: str) -> None:
        world = rolling(EVAL, REFUSALS, templates=before)
        assert world.condition("EvidenceFeasible") == ("False", reason)
        assert world.status.rollout
        tests = world.status.rollout.quality.tests
        world.templates = BOTH
        world.run(60)
        assert check_plan(planned(world, "my-eval")).metrics == SCORE.metrics
        assert check_plan(planned(world, "my-refusals")).metrics == RATE.metrics
        assert (planned(world, "my-eval").largest, planned(world, "my-eval").problem) == (100, "")
        assert world.status.rollout.quality.tests == tests
        assert world.condition("PlanDrift") == ("False", "AsPlanned")
        assert world.condition("EvidenceFeasible") != ("False", reason)

    def test_the_remedy_is_said_as_long_as_it_is_one(self) -> None:
        world = rolling(REFUSALS, templates=NONE)
        assert "ClusterCheckTemplate refusals that the operator may read: create it" in world.message(
            "EvidenceFeasible"
        )
        world.templates = {"refusals": SCORE}
        world.tick()
        assert "is about a score: give maxDrop" in world.message("EvidenceFeasible")

    def test_an_edit_of_the_spec_does_not_come_with_it(self) -> None:
        world = rolling(REFUSALS, templates={})
        edited = [ERRORS, REFUSALS | {"maxRate": "9%"}]
        world.update({**world.spec, "quality": {**world.spec["quality"], "checks": edited}})
        world.templates = BOTH
        world.tick()
        found = planned(world, "my-refusals")
        assert (found.max_rate, found.metrics) == ("3%", [*RATE.metrics])
        assert world.condition("PlanDrift") == ("True", "SpecChanged")

    def test_what_is_known_stays_where_it_cannot_be_read_again(self) -> None:
        world = rolling(REFUSALS)
        world.templates = {}
        world.tick()
        assert check_plan(planned(world, "my-refusals")).metrics == RATE.metrics
        assert world.condition("PlanDrift") == ("False", "AsPlanned")
        world.templates = NONE
        world.tick()
        assert check_plan(planned(world, "my-refusals")).metrics == RATE.metrics
        assert world.condition("PlanDrift") == ("True", "SpecChanged")

    @pytest.mark.parametrize("before", [{}, NONE])
    def test_a_first_release_is_verified_once_it_is_there(self, before: Templates) -> None:
        world = established(REFUSALS, templates=before)
        world.judge = if_known
        world.run(400)
        assert world.condition("Verified") != ("True", "BakeTimeOver")
        assert "ClusterCheckTemplate refusals" in world.message("Verified")
        world.templates = BOTH
        world.run(400)
        assert world.condition("Verified") == ("True", "BakeTimeOver")

    def test_so_is_one_that_was_promoted_while_it_could_not_be_read(self) -> None:
        world = rolling(REFUSALS)
        world.judge = passing
        world.templates = {}
        world.until("Serving")
        world.tick()
        assert world.status.bake
        assert world.status.bake.watch
        assert problem_of(world.status.bake.watch.checks[1])
        world.templates = BOTH
        world.judge = if_known
        world.run(400)
        assert world.condition("Verified") == ("True", "BakeTimeOver")

    def test_the_window_after_the_bake_is_filled_too(self) -> None:
        world = rolling(REFUSALS)
        world.judge = passing
        world.until("Serving")
        world.run(200)
        world.templates = {}
        world.run(200)
        assert world.status.watch
        assert problem_of(world.status.watch.quality.checks[1])
        world.templates = BOTH
        world.tick(60)
        assert world.status.watch
        assert check_plan(world.status.watch.quality.checks[1]).metrics == RATE.metrics


def if_known(pool: str, check: str, asked: Question) -> tuple[Verdict, str]:
    """A source that has good data of every check of which the question says where they are."""
    plan = next(one for one in asked.checks if one.name == check)
    return (Verdict.INCONCLUSIVE, plan.unreadable) if plan.problem else (Verdict.PASSED, "")


def test_each_check_of_a_template_shares_the_error() -> None:
    world = rolling(EVAL, REFUSALS)
    assert world.status.rollout
    assert world.status.rollout.quality.tests == 2 * 3


def judged(**verdicts: Verdict) -> Any:
    def judge(pool: str, check: str, asked: Question) -> tuple[Verdict, str]:
        return verdicts.get(check.replace("-", "_"), Verdict.PASSED), ""

    return judge


def test_a_check_decides_unless_it_only_reports() -> None:
    deciding, reporting = rolling(EVAL), rolling(EVAL | {"mode": "Report"})
    for world in (deciding, reporting):
        world.judge = judged(my_eval=Verdict.FAILED)
        world.run(30)
    assert deciding.status.history[0].result == "RolledBack"
    assert reporting.status.stage == "Progressing"
    shown = {one.name: one.verdict for one in reporting.status.pools[0].checks}
    assert shown == {"errors": "Passed", "replay-audit": "Passed", "my-eval": "Failed"}
    assert reporting.status.pools[0].verdict == "Passed"
    reporting.until("Serving")
    assert reporting.status.history[0].result == "Promoted"


def test_what_only_reports_takes_no_share_of_the_error() -> None:
    world = rolling(EVAL | {"mode": "Report"})
    assert world.status.rollout
    assert world.status.rollout.quality.tests == 2


def test_the_sentence_tells_scores_as_scores() -> None:
    world = rolling(EVAL)
    looks = {}
    for pool in ("cpu-a", "cpu-b"):
        looks[pool, "my-eval"] = CheckLook(
            pool, "my-eval", Verdict.FAILED, "", 40, 0, float("nan"), 0.2, 7.0, 6.68, max_drop=0.02, drop=0.11
        )
    evidence = Evidence(True, looks=looks, fresh={"cpu-a": True, "cpu-b": True})
    status = decide(world.meta, world.spec, world.status, world.observe(), evidence, world.now).status
    assert status.rollout
    assert status.rollout.failure
    assert "check my-eval scored 11% lower than stable, over 40 runs (limit 2%, " in status.rollout.failure.message
    worst = status.pools[0].worst_check
    assert worst
    assert (worst.drop, worst.max_drop, worst.checked) == ("11%", "2%", 40)


def test_scores_in_a_pool_that_stable_has_not_are_said_at_once() -> None:
    world = rolling(EVAL)
    more = copy.deepcopy(world.spec)
    more["pools"].append({**more["pools"][0], "name": "cpu-c", "image": image("c")})
    more["strategy"]["waves"] = [["cpu-a", "cpu-b"], ["cpu-c"]]
    world.update(more)
    world.run(120)
    assert world.condition("EvidenceFeasible") == ("False", "NothingToCompare")
    assert "scores are only compared with stable, which has no such pool" in world.message("EvidenceFeasible")


def test_the_bake_goes_on_beside_scores() -> None:
    world = rolling(EVAL)
    world.judge = passing
    world.until("Serving")

    def alone(pool: str, check: str, asked: Question) -> tuple[Verdict, str]:
        return (Verdict.INCONCLUSIVE, "NothingToCompare") if check == "my-eval" else (Verdict.PASSED, "")

    world.judge = alone
    world.run(400)
    assert world.condition("Verified") == ("True", "BakeTimeOver")


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"checkedMetric": "a"},
        {"gauge": "a"},
        {"checkedMetric": "a", "badMetric": "a"},
        {"checkedMetric": "a", "badMetric": "b", "gauge": "c", "runsMetric": "d"},
        {"gauge": "sum(rate(x[5m]))", "runsMetric": "b"},
        {"gauge": "a", "runsMetric": "b", "largest": 0},
        {"histogram": "a"},
        {"slowerThan": "2s"},
        {"histogram": "a", "slowerThan": "2h"},
        {"histogram": "a", "slowerThan": "2s", "gauge": "a", "runsMetric": "b"},
        {"gauge": "a", "runsMetric": "b", "query": "c"},
        None,
        "a",
    ],
)
def test_a_template_that_breaks_its_rules_is_none(raw: object) -> None:
    assert read_template(raw) is None


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("2.5s", 2.5), ("120s", 120.0)])
def test_a_histogram_s_bound_is_the_templates(text: str, seconds: float) -> None:
    template = CheckTemplate(histogram="vllm:took", slowerThan=text)
    check = {"name": "slow-answers", "template": "slow", "maxRatio": "2"}
    plan = check_plan(planned(rolling(check, templates={"slow": template}), "slow-answers"))
    assert (plan.metrics, plan.slower_than) == (("vllm:took_count", "vllm:took_bucket"), seconds)
    wrong = planned(rolling(EVAL, templates={"eval-score": template}), "my-eval")
    assert "is about a rate: give maxRate or maxRatio" in wrong.problem


@pytest.mark.parametrize("text", ["", "2", "2h", "1e3s", "-1s", "ms"])
def test_what_a_stranger_wrote_for_a_bound_is_not_asked(text: str) -> None:
    found = CheckSpec(name="x", max_rate="1%", template="slow", metrics=["a", "b"], slower_than=text)
    if text:
        with pytest.raises(ValueError, match="not a time"):
            check_plan(found)
    else:
        assert check_plan(found).slower_than == 0.0


def test_names_are_read_from_whatever_a_spec_is() -> None:
    assert named_templates({"quality": {"checks": [{"template": "b"}, {"template": "a"}, {}, 7]}}) == ["a", "b"]
    for odd in ({}, {"quality": 3}, {"quality": {"checks": 4}}, {"quality": {"checks": [{"template": 5}]}}):
        assert named_templates(odd) == []
