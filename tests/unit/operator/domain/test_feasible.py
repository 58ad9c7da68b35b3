"""EvidenceFeasible (R16): said at once where it can be, with remedies that hold, and never to and fro."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sampler_rollouts.domain.evidence.look import Evidence, Traffic, Verdict
from sampler_rollouts.domain.evidence.samples import AUDITED, Question

from tests.unit.operator.domain.world import World, image, passing, pool, spec

TYPE = "EvidenceFeasible"
CLEAN = {"designEffect": "1", "checks": [{"name": "errors", "maxRate": "1%"}]}
UNAUDITED = {"auditShare": "0"}


@dataclass
class Counted(World):
    """Looks that count what has arrived since the rollout began, all of it good; the audit sees two tokens each."""

    tokens: float = 2.0
    variance: float = 4.0
    before: dict[datetime, dict[tuple[str, str], float]] = field(default_factory=dict)

    def evidence(self, asked: Question | None) -> Evidence | None:
        seen = super().evidence(asked)
        if asked is None or seen is None or not seen.available:
            return seen
        known = self.before.setdefault(asked.since, dict(self.arrivals.ended))
        gained = {place: count - known.get(place, 0) for place, count in self.arrivals.ended.items()}
        traffic = {
            arm.pool: Traffic(*(int(gained.get((arm.pool, one), 0)) for one in (arm.revision, arm.stable_revision)))
            for arm in asked.arms
        }
        looks = {
            (pool, check): replace(
                look,
                checked=int(traffic[pool].candidate * (self.tokens if check in AUDITED else 1)),
                bad=0,
                variance=self.variance if check == "calibration" else math.nan,
            )
            for (pool, check), look in seen.looks.items()
        }
        return replace(seen, traffic=traffic, looks=looks)


def world(rate: float, quality: Mapping[str, Any] | None = None, **more: Any) -> Counted:
    """A candidate begins where so many requests a second are answered in each of two pools of ten pods."""
    first = spec("a", replicas=10, quality=dict(quality or CLEAN), **more)
    for one in first["pools"]:
        one["sampler"] = UNAUDITED
    found = Counted(first)
    found.arrivals.per_second = rate
    found.until("Serving")
    found.update(_rebuilt(first))
    found.tick()
    assert found.status.stage == "Progressing"
    return found


def _rebuilt(old: Mapping[str, Any]) -> dict[str, Any]:
    new = copy.deepcopy(dict(old))
    for one in new["pools"]:
        one["image"] = image("b")
    return new


def test_nothing_is_said_before_the_traffic_is_known() -> None:
    begun = world(5)
    assert begun.condition(TYPE) == ("Unknown", "Measuring")
    assert "how many requests pool cpu-a has is not known yet" in begun.message(TYPE)
    begun.run(55)
    assert begun.condition(TYPE) == ("Unknown", "Measuring")
    begun.run(10)
    assert begun.condition(TYPE) == ("True", "CanPass")


def test_what_can_pass_says_how_long_and_what_a_fault_takes() -> None:
    begun = world(5)
    begun.run(120)
    said = begun.message(TYPE)
    assert "every check can pass before the deadline of 30m" in said
    assert "errors in pool cpu-a, needs about 320 requests of the candidate: " in said
    assert re.search(r"(2m|3m) from its first step at the 4[.]\d a second seen there", said)
    assert "bad in 2%, twice its limit, fails after about" in said


def test_too_little_traffic_is_named_with_numbers() -> None:
    begun = world(0.1)
    begun.run(600)
    assert begun.condition(TYPE) == ("False", "TooFewRequests")
    said = begun.message(TYPE)
    assert "check errors in pool cpu-a can hardly pass before the deadline of 30m" in said
    assert "needs about 320 requests of the candidate, which gets at most 50% of the 0.0" in said
    assert re.search(r"and has them after (2h|2h30m|1h[45]\dm)[.]", said)


def _with_deadline(said: str, old: dict[str, Any]) -> None:
    (found,) = re.findall(r"strategy\.deadline of (\w+)", said)
    old["strategy"]["deadline"] = found


def _with_weight(said: str, old: dict[str, Any]) -> None:
    (found,) = re.findall(r"a last step of weight (\d+)", said)
    old["strategy"]["steps"].append({"weight": int(found), "minDuration": "0s"})


def _with_margin(said: str, old: dict[str, Any]) -> None:
    (found,) = re.findall(r"maxRate ([\d.]+%) of this check", said)
    old["quality"]["checks"][0]["maxRate"] = found


@pytest.mark.parametrize(
    ("remedy", "rate"), [(_with_deadline, 0.1), (_with_weight, 0.26), (_with_margin, 0.1), (_with_margin, 0.26)]
)
def test_each_remedy_helps_by_itself(remedy: Any, rate: float) -> None:
    begun = world(rate)
    begun.run(600)
    assert begun.condition(TYPE) == ("False", "TooFewRequests"), begun.message(TYPE)
    helped = copy.deepcopy(begun.spec)
    remedy(begun.message(TYPE), helped)
    again = world(rate, helped["quality"], strategy=helped["strategy"])
    again.run(1500)
    assert again.condition(TYPE)[0] != "False", again.message(TYPE)  # type: ignore[index]


def test_no_traffic_at_all() -> None:
    begun = world(0)
    begun.run(70)
    assert begun.condition(TYPE) == ("False", "TooFewRequests")
    assert "which gets at most 50% of the 0 a second seen there. What would help" in begun.message(TYPE)
    (more,) = re.findall(r": ([\d.]+) requests a second more in this pool", begun.message(TYPE))
    again = world(float(more))
    again.run(600)
    assert again.condition(TYPE) == ("True", "CanPass"), again.message(TYPE)


def test_probes_help_where_there_are_no_users() -> None:
    probed = {**CLEAN, "probes": {"requestsPerSecond": "3"}}
    begun = world(0, probed)
    begun.run(70)
    assert begun.condition(TYPE) == ("True", "CanPass"), begun.message(TYPE)
    assert "at the 1.5 a second seen there" in begun.message(TYPE)
    begun = world(0, {**CLEAN, "probes": {"requestsPerSecond": "0"}})
    begun.run(70)
    assert begun.condition(TYPE) == ("False", "TooFewRequests")


def test_a_ratio_without_a_stable_beside_it_is_said_at_once() -> None:
    quality = {"designEffect": "1", "checks": [{"name": "my-check", "maxRatio": "2"}]}
    begun = world(5, quality)
    more = _rebuilt(begun.spec)
    more["pools"].append({**pool("cpu-c", "c", 2), "sampler": UNAUDITED})
    more["strategy"]["waves"] = [["cpu-a", "cpu-b"], ["cpu-c"]]
    begun.update(more)
    begun.run(60)
    assert begun.condition(TYPE) == ("False", "NothingToCompare")
    assert "pool cpu-c can never pass: it is only compared with stable" in begun.message(TYPE)
    assert 'add for example maxRate: "1%"' in begun.message(TYPE)


def test_a_margin_that_nothing_can_show() -> None:
    quality = {"designEffect": "1", "checks": [{"name": "my-check", "maxRatio": "2"}]}
    begun = world(5, quality)
    begun.run(120)
    assert begun.condition(TYPE) == ("Unknown", "Measuring")
    assert "how often stable is bad is not known yet" in begun.message(TYPE)
    assert "not tested" not in begun.message(TYPE)
    begun.judge = passing
    begun.until("Serving")
    begun.run(30)
    assert begun.condition(TYPE) == ("Unknown", "NothingUnderTest")
    assert "without a maxRate not tested once the release serves alone: my-check" in begun.message(TYPE)


def test_all_have_passed() -> None:
    begun = world(5)
    begun.run(100)
    begun.judge = passing
    begun.tick()
    assert begun.condition(TYPE) == ("True", "AllPassed")


def _reporting(world: World) -> None:
    """The plan is one of an earlier version, which took a spec whose checks decide nothing."""
    for check in world.raw_status["rollout"]["quality"]["checks"]:
        check["report"] = True


@pytest.mark.parametrize("readable", [True, False])
def test_where_nothing_decides_nothing_has_passed(readable: bool) -> None:
    found = world(rate=20)
    found.judge = passing
    found.tick()
    _reporting(found)
    if not readable:
        shown = [{"name": "errors", "mode": "Report"}]
        found.update({**found.spec, "quality": {**found.spec["quality"], "checks": shown}})
        found.tick()
        assert "take mode: Report away from one" in found.message("Stalled")
    found.run(60)
    assert found.condition(TYPE) == ("False", "NothingDecides")
    assert "nothing can ever pass there" in found.message(TYPE)
    assert found.status.pools[0].reason == "NothingDecides"
    assert found.status.rollout
    assert found.status.rollout.weight < 100


def test_what_was_said_stands_during_an_outage_and_after_it() -> None:
    begun = world(5)
    begun.run(120)
    said = begun.message(TYPE)
    begun.metrics_up = False
    begun.run(300)
    assert (begun.condition(TYPE), begun.message(TYPE)) == (("True", "CanPass"), said)
    begun.metrics_up = True
    begun.run(100)
    assert begun.message(TYPE) == said


def test_the_audit_counts_once_it_has_tokens() -> None:
    quality = {"designEffect": "1", "checks": [{"name": "errors", "maxRate": "10%"}]}
    audited = spec("a", replicas=10, quality=quality)
    begun = Counted(audited, tokens=0)
    begun.arrivals.per_second = 1.5
    begun.until("Serving")
    begun.update(_rebuilt(audited))
    begun.run(70)
    assert begun.condition(TYPE) == ("Unknown", "Measuring")
    assert "replay-audit in pool cpu-a: how much of the candidate it sees is not known yet" in begun.message(TYPE)
    begun.tokens = 20
    begun.run(30)
    assert begun.condition(TYPE) == ("True", "CanPass")
    assert "replay-audit in pool cpu-a, needs about 160 requests" in begun.message(TYPE)


def _calibrated(margin: str, rate: float, tokens: float) -> Counted:
    checks = [{"name": "errors", "maxRate": "10%"}, {"name": "calibration", "maxBiasNats": margin}]
    audited = spec("a", replicas=10, quality={"designEffect": "1", "checks": checks})
    begun = Counted(audited, tokens=tokens)
    begun.arrivals.per_second = rate
    begun.until("Serving")
    begun.update(_rebuilt(audited))
    return begun


def test_calibration_counts_once_its_tokens_are_known() -> None:
    begun = _calibrated("0.1", rate=1.5, tokens=0)
    begun.run(70)
    assert begun.condition(TYPE) == ("Unknown", "Measuring")
    begun.tokens = 20
    begun.run(30)
    assert begun.condition(TYPE) == ("True", "CanPass")
    assert "the slowest, calibration in pool cpu-a, needs about" in begun.message(TYPE)
    assert "not tested once the release serves alone" not in begun.message(TYPE)


def test_calibration_that_takes_too_long_is_named_without_a_rate() -> None:
    begun = _calibrated("0.02", rate=1, tokens=20)
    begun.run(600)
    assert begun.condition(TYPE) == ("False", "TooFewRequests")
    assert "check calibration in pool cpu-a can hardly pass" in begun.message(TYPE)
    assert "strategy.deadline of" in begun.message(TYPE)
    assert "maxRate" not in begun.message(TYPE)
    assert "ignoreBelow" not in begun.message(TYPE)


def test_a_bias_that_no_tokens_can_show() -> None:
    begun = _calibrated("0.00000001", rate=5, tokens=20)
    begun.run(100)
    assert begun.condition(TYPE) == ("False", "NoMargin")
    assert "raise maxBiasNats" in begun.message(TYPE)


@pytest.mark.parametrize("rate", [0.08, 0.36, 0.4, 0.45])
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_it_does_not_go_to_and_fro(rate: float, seed: int) -> None:
    """Traffic at random, also where it is just enough: the answer turns once at the most, and is seldom reworded."""
    random = np.random.default_rng(seed)
    begun = world(rate)
    answers, sentences = [], []
    for _ in range(200):
        begun.arrivals.per_second = random.poisson(rate * 5) / 5
        begun.tick()
        if begun.status.stage != "Progressing":
            break
        answers.append(begun.condition(TYPE)[0])  # type: ignore[index]
        sentences.append(begun.message(TYPE))
    said = [one for one in answers if one != "Unknown"]
    turns = sum(one != other for one, other in pairwise(said))
    rewordings = sum(one != other for one, other in pairwise(sentences))
    assert turns <= 1, answers
    assert rewordings <= 6, sorted(set(sentences))


def test_deciding_again_changes_nothing() -> None:
    begun = world(5)
    begun.run(120)
    first = begun.decide()
    again = begun.decide(first.status)
    assert again.status.dump() == first.status.dump()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("passConfidence", "often"),
        ("passConfidence", "100%"),
        ("falseRollbackRate", "0"),
        ("designEffect", "0"),
        ("designEffect", "nan"),
        ("designEffect", "inf"),
    ],
)
def test_a_plan_that_cannot_be_read_is_no_reason_to_stop(field: str, value: str) -> None:
    begun = world(5)
    begun.run(120)
    said = begun.message(TYPE)
    begun.raw_status["rollout"]["quality"][field] = value
    begun.tick()
    assert begun.message(TYPE) == said


@pytest.mark.parametrize(
    "check", [{"maxRate": "100%"}, {"maxRate": "0"}, {"maxRatio": "0.5"}, {"maxRatio": "inf"}, {"ignoreBelow": "1"}]
)
def test_nor_is_a_check_that_nobody_could_have_asked_for(check: dict[str, str]) -> None:
    begun = world(5)
    begun.run(120)
    said = begun.message(TYPE)
    begun.raw_status["rollout"]["quality"]["checks"][0] |= check
    begun.tick()
    assert begun.message(TYPE) == said


def test_a_failed_check_is_still_failed() -> None:
    begun = world(0.1)
    begun.run(150)
    begun.judge = lambda pool, check, asked: (Verdict.FAILED, "")
    begun.now += timedelta(seconds=1)
    begun.tick()
    assert begun.status.stage == "RollingBack"
    assert begun.condition(TYPE) == ("Unknown", "NothingUnderTest")
