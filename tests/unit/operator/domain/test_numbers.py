"""Status holds every check's numbers, and is written when a reader would notice a difference."""

from __future__ import annotations

import math
from typing import Any

import pytest
from sampler_rollouts.domain.decision import decide
from sampler_rollouts.domain.decision.numbers import as_said
from sampler_rollouts.domain.evidence.look import CheckLook, Evidence, Traffic, Verdict
from sampler_rollouts.domain.evidence.unaccounted import Account
from sampler_rollouts.domain.status import PoolStatus, Requests, Share, Stage, Status, Unaccounted

from tests.unit.operator.domain.story import rolling
from tests.unit.operator.domain.world import World, pool, spec


def row(**more: Any) -> dict[str, Any]:
    base = {"name": "errors", "verdict": "Inconclusive", "reason": "TooFewRequests", "checked": 1000, "bad": 3}
    return base | {"upperBound": "1.2%", "logE": "-1.5", "logThreshold": "6.68", "detail": "2 Reset"} | more


def status(checks: list[dict[str, Any]] | None = None, **more: Any) -> Status:
    pools = [{"name": "cpu-a", "checks": [row()] if checks is None else checks} | more]
    return Status.load({"stage": "Progressing", "pools": pools})


@pytest.mark.parametrize(
    "found",
    [
        {"checked": 1090, "upperBound": "1.1%"},
        {"logE": "-1.1"},
        {"logE": "-1.9"},
        {"logE": "-4"},
        {"logE": "0.1"},
        {"detail": "3 Reset"},
    ],
)
def test_a_little_more_of_the_same_is_not_written(found: dict[str, Any]) -> None:
    before = status()
    assert as_said(before, status([row(**found)])) is before


@pytest.mark.parametrize(
    "found",
    [
        {"checked": 1120},
        {"checked": 800},
        {"bad": 4},
        {"bad": 0},
        {"logE": "0.7"},
        {"logE": "nan"},
        {"logE": "strange"},
        {"verdict": "Passed", "reason": ""},
        {"reason": "StaleData"},
        {"detail": "2 Reset; stable was bad in 3 of 4"},
        {"name": "other"},
        {"logThreshold": "7"},
    ],
)
def test_what_a_reader_notices_is_written(found: dict[str, Any]) -> None:
    after = status([row(**found)])
    assert as_said(status(), after) is after
    worst = status([], worstCheck=row(**found))
    assert as_said(status([], worstCheck=row()), worst) is worst


@pytest.mark.parametrize(("checked", "written"), [(1900, False), (2100, True)])
def test_of_what_serves_alone_only_what_doubles_is_written(checked: int, written: bool) -> None:
    before, after = status(), status([row(checked=checked)])
    before.stage = after.stage = Stage.SERVING
    assert (as_said(before, after) is after) == written


def test_the_first_bad_one_is_written() -> None:
    after = status([row(bad=1)])
    assert as_said(status([row(bad=0)]), after) is after


def test_a_check_more_or_less_is_written() -> None:
    one, two = status(), status([row(), row(name="other")])
    assert as_said(one, two) is two
    assert as_said(two, one) is one
    assert as_said(status(worstCheck=row()), one) is one


def test_whatever_else_changes_is_written_with_all_numbers() -> None:
    before, after = status(), status([row(checked=1001)], weight=50)
    assert as_said(before, after) is after


@pytest.mark.parametrize(("seen", "written"), [((100, 1000), False), ((108, 1090), False), ((112, 1000), True)])
def test_requests_and_shares_count_as_numbers(seen: tuple[int, int], written: bool) -> None:
    def counted(requests: Requests | None) -> Status:
        found = Share(weight=50, wanted="50%", requests=requests or Requests(), counted_to=requests)
        return Status(stage=Stage.PROGRESSING, pools=[PoolStatus(name="cpu-a", requests=requests, share=found)])

    before, after = counted(Requests(exposed=100, total=1000)), counted(Requests(exposed=seen[0], total=seen[1]))
    assert (as_said(before, after) is after) == written
    assert as_said(counted(None), before) is before


@pytest.mark.parametrize(
    ("one", "other", "written"),
    [
        ({"lost": 0, "sent": 900}, {"lost": 0, "sent": 9000}, False),
        ({"lost": 2, "sent": 900}, {"lost": 5, "sent": 900}, False),
        ({"lost": 100, "sent": 900}, {"lost": 125, "sent": 900}, False),
        ({"lost": 0, "sent": 900}, {"lost": 12, "sent": 900}, True),
        ({"lost": 12, "sent": 900}, {"lost": 0, "sent": 900}, True),
        ({"lost": 0, "sent": 900}, {"lost": 0, "sent": 900, "unknown": "NoSamples"}, True),
        ({"lost": 0, "sent": 900}, None, True),
    ],
)
def test_losses_that_come_and_go_by_chance_are_not_written(
    one: dict[str, Any], other: dict[str, Any] | None, written: bool
) -> None:
    """They are counted at two places and times."""
    before, after = status(unaccounted=one), status(unaccounted=other)
    assert (as_said(before, after) is after) == written


def test_what_no_pod_accounts_for_is_in_status() -> None:
    world = rolling()
    accounts = {"cpu-a": Account(900, 12), "cpu-b": Account(unknown="NoSamples")}
    evidence = Evidence(True, looks={}, fresh={"cpu-a": True}, accounts=accounts)
    outcome = decide(world.meta, world.spec, world.status, world.observe(), evidence, world.now)
    found = {pool.name: pool.unaccounted for pool in outcome.status.pools}
    assert found["cpu-a"] == Unaccounted(lost=12, sent=900)
    assert found["cpu-b"] in (None, Unaccounted(unknown="NoSamples"))


def growing(world: World, looks: int) -> int:
    """How often status is written while honest requests come in steadily, at ten a second and a scrape a look."""
    written, requests = 0, 0
    for _ in range(looks):
        requests += 30
        seen = {
            (name, check): CheckLook(
                name, check, Verdict.INCONCLUSIVE, "TooFewRequests", requests, 0, 0.01, 3 / requests, -0.01, 6.68
            )
            for name in ("cpu-a", "cpu-b")
            for check in ("errors", "unexpected-script", "replay-audit")
        }
        traffic = {name: Traffic(requests, requests) for name in ("cpu-a", "cpu-b")}
        fresh = dict.fromkeys(("cpu-a", "cpu-b"), True)
        before = world.status
        outcome = decide(
            world.meta, world.spec, before, world.observe(), Evidence(True, "", "", seen, traffic, fresh), world.now
        )
        written += outcome.status.dump() != world.raw_status
        world.raw_status = outcome.status.dump()
    return written


@pytest.mark.long
def test_evidence_that_grows_is_written_ever_less_often() -> None:
    world = rolling()
    first = growing(world, 1000)
    assert first <= 1.5 * math.log(1000) / math.log(1.1)
    held = world.status.pools[0].checks[0]
    assert 0.9 * 30_000 <= held.checked <= 30_000


@pytest.mark.long
def test_what_is_decided_is_decided_by_the_newest_numbers() -> None:
    world = rolling()
    growing(world, 500)
    newest = 30 * 500 + 1
    failed = CheckLook("cpu-a", "errors", Verdict.FAILED, "", newest, 9, 0.01, 0.2, 7.0, 6.68)
    traffic = {"cpu-a": Traffic(newest, 40_000), "cpu-b": Traffic(0, 0)}
    evidence = Evidence(True, looks={("cpu-a", "errors"): failed}, traffic=traffic, fresh={"cpu-a": True})
    outcome = decide(world.meta, world.spec, world.status, world.observe(), evidence, world.now)
    assert outcome.status.rollout
    assert outcome.status.rollout.failure
    assert f"9 of {newest} checked requests" in outcome.status.rollout.failure.message
    assert f"{newest} of {newest + 40_000} answered requests" in outcome.status.rollout.failure.message


def test_an_outage_leaves_what_was_found() -> None:
    world = rolling()
    world.tick()
    before = world.status.pools[0].checks
    assert [one.name for one in before] == ["errors", "unexpected-script", "replay-audit"]
    world.metrics_up = False
    world.run(60)
    assert world.status.pools[0].checks == before
    assert world.status.pools[0].reason == "SourceUnreachable"


def test_as_many_checks_as_a_spec_may_have_and_the_audit_fit() -> None:
    checks = [{"name": f"check-{number}", "maxRate": "1%"} for number in range(16)]
    world = World(spec("a", quality={"checks": checks}) | {"pools": [pool("cpu-a"), pool("cpu-b")]})
    world.until("Serving")
    world.run(30)
    assert len(world.status.pools[0].checks) == 17
