"""The operator's own metrics: what a whole rollback leaves in them, read as Prometheus reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.errors import ConflictError, UnavailableError
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.domain.decision.stages import FORWARD
from sampler_rollouts.domain.outcome import EventNote, Outcome
from sampler_rollouts.domain.status import Status
from sampler_rollouts.handlers import probes
from sampler_rollouts.handlers.loop import ReconcileLoop
from sampler_rollouts.handlers.telemetry import ROLLED_BACK, SHOWN_SECONDS, Telemetry
from sampler_rollouts.metrics.told import PREFIX
from sampler_rollouts.reconcile.reconciler import Reconciler, Result
from sampler_rollouts.reconcile.sampling import BoundedMetrics

from tests.unit.operator.reconcile.world import KEY, PATH, Inline, World, established, image, spec

ROLLED_BACK_NOTE = (EventNote("Warning", ROLLED_BACK, "for a test"),)
WHOSE = {"namespace": KEY.namespace, "rollout": KEY.name}


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


@pytest.fixture
def world(telemetry: Telemetry) -> World:
    return observed(telemetry)


def observed(telemetry: Telemetry) -> World:
    world = World()
    metrics = BoundedMetrics(world.traffic, ["default"], time_limit=1.0, observer=telemetry)
    metrics._threads = {"": Inline(), "default": Inline()}  # type: ignore[dict-item]
    world.reconciler = Reconciler(KubernetesCluster(world.api), metrics, Inline(), world.clock, telemetry)
    return world


def samples(telemetry: Telemetry) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(telemetry.exposition().decode()):
        for sample in family.samples:
            yield sample.name.removeprefix(f"{PREFIX}_"), sample.labels, sample.value


def value(telemetry: Telemetry, name: str, **labels: str) -> float:
    found = [number for what, has, number in samples(telemetry) if what == name and labels.items() <= has.items()]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def series_of(telemetry: Telemetry) -> int:
    """How many series show what is known of rollouts: those with a rollout's name that are no counters."""
    return sum("rollout" in labels and not name.endswith("_total") for name, labels, _ in samples(telemetry))


async def test_a_rollback_is_counted_with_its_check_and_what_spoke_for_it_is_shown(
    world: World, telemetry: Telemetry
) -> None:
    await rolled_back(world)

    assert value(telemetry, "rollbacks_total", **WHOSE, reason="CheckFailed", check="unexpected-script") == 1
    assert value(telemetry, "decisions_total", type="Warning", reason="RolledBack") == 1
    assert value(telemetry, "rollout_stage", **WHOSE, stage="RollingBack") == 1
    check = {**WHOSE, "pool": "cpu", "check": "unexpected-script"}
    assert value(telemetry, "check_verdict", **check, verdict="Failed") == 1
    assert value(telemetry, "check_evidence_ratio", **check) >= 1
    bad, checked = value(telemetry, "check_bad_requests", **check), value(telemetry, "check_requests", **check)
    assert 0 < bad < checked
    assert bad / checked <= value(telemetry, "check_upper_bound_ratio", **check) <= 1

    await world.settle()
    assert value(telemetry, "check_evidence_ratio", **check) >= 1, "no scrape may have met the look that decided"
    assert value(telemetry, "check_verdict", **check, verdict="Failed") == 1
    assert value(telemetry, "rollbacks_total", **WHOSE) == 1, "a decision is counted once"
    assert value(telemetry, "rollout_condition", **WHOSE, condition="Stalled") == 1
    assert value(telemetry, "pool_weight_wanted_ratio", **WHOSE, pool="cpu") == 1, "stable serves all of it"


def shown(telemetry: Telemetry) -> list[float]:
    return [number for name, labels, number in samples(telemetry) if name == "check_evidence_ratio" and number >= 1]


@pytest.mark.parametrize(("later", "said"), [(SHOWN_SECONDS - 1, 1), (SHOWN_SECONDS, 0)])
async def test_what_decided_is_shown_for_a_while(later: float, said: int) -> None:
    now = [100.0]
    telemetry = Telemetry(lambda: now[0])
    world = observed(telemetry)
    await rolled_back(world)
    now[0] += later
    await world.settle()
    assert len(shown(telemetry)) == said


async def test_what_decided_is_not_shown_of_the_next_release(world: World, telemetry: Telemetry) -> None:
    await rolled_back(world)
    world.declare(spec("c"))
    while world.status["stage"] not in FORWARD:
        await world.turn()
    assert shown(telemetry) == []


async def rolled_back(world: World) -> None:
    await established(world)
    world.traffic.bad_images.add(image("b"))
    world.declare(spec("b"))
    while world.status["stage"] != "RollingBack":
        await world.turn()


async def test_weights_are_shares(world: World, telemetry: Telemetry) -> None:
    await established(world)
    world.declare(spec("b"))
    while not world.status.get("rollout") or world.status["rollout"]["weight"] != 50:
        await world.turn()
    await world.turn()

    assert value(telemetry, "pool_weight_wanted_ratio", pool="cpu") == 0.5


async def test_a_source_that_fails_is_down_by_its_reason(world: World, telemetry: Telemetry) -> None:
    await established(world)
    assert value(telemetry, "metrics_source_up", source="default") == 1
    world.traffic.broken = RuntimeError("a bug in the adapter")
    world.declare(spec("b"))
    await world.settle(5)

    assert value(telemetry, "metrics_source_up", source="default") == 0
    assert value(telemetry, "metrics_source_reads_total", source="default", result="SourceError") >= 1
    assert value(telemetry, "rollout_metrics_available", **WHOSE) == 0


async def test_names_that_nobody_configured_make_no_series(world: World, telemetry: Telemetry) -> None:
    """They come from users: each would be one more series for good."""
    await established(world)
    world.declare(spec("b", quality={"designEffect": "1", "metricsSource": "made-up"}))
    await world.settle(5)

    sources = {labels["source"] for _, labels, _ in samples(telemetry) if "source" in labels}
    assert sources == {"default", "unknown"}


async def test_what_is_gone_is_shown_no_more(world: World, telemetry: Telemetry) -> None:
    await established(world)
    assert series_of(telemetry) > 5
    del world.api.objects[PATH]
    await world.reconcile()

    assert series_of(telemetry) == 0


async def test_nor_is_what_was_counted_of_it(world: World, telemetry: Telemetry) -> None:
    """Names come and go: each would be a series for good. What happened stays counted without them."""
    await rolled_back(world)
    other = RolloutKey("serving", "another")
    telemetry.decided(other, replace(Outcome(Status.load(world.status), ()), events=ROLLED_BACK_NOTE), None)
    del world.api.objects[PATH]
    await world.reconcile()

    whose = [labels["rollout"] for name, labels, _ in samples(telemetry) if "rollout" in labels and "total" in name]
    assert whose == ["another"]
    assert value(telemetry, "decisions_total", type="Warning", reason="RolledBack") == 2
    telemetry.forget(RolloutKey("serving", "never-seen"))


async def test_a_status_that_was_not_written_is_no_decision(world: World, telemetry: Telemetry) -> None:
    def edited(write: tuple[str, str]) -> None:
        raise ConflictError("edited")

    world.declare(spec())
    world.api.before_write = edited
    with pytest.raises(ConflictError):
        await world.reconcile()

    assert series_of(telemetry) == 0
    assert not any(name == "decisions_total" for name, _, _ in samples(telemetry))


ENDS = {
    "success": None,
    "conflict": ConflictError("edited"),
    "cluster_error": UnavailableError("down"),
    "error": ValueError("a bug"),
}


@pytest.mark.parametrize("result", ENDS)
async def test_prometheus_reads_how_reconciles_end(result: str, telemetry: Telemetry) -> None:
    async def reconcile(_: RolloutKey) -> Result:
        if error := ENDS[result]:
            raise error
        return Result()

    async def keys() -> list[RolloutKey]:
        return [KEY]

    loop = ReconcileLoop(reconcile, keys, ended=telemetry.ended)
    telemetry.watch(loop)
    runner = await probes.serve(loop, telemetry.exposition, 0, "127.0.0.1")
    running = asyncio.create_task(loop.run())
    try:
        async with asyncio.timeout(20), aiohttp.ClientSession() as session:
            wanted = f'{PREFIX}_reconcile_total{{result="{result}"}} 1.0'
            text = ""
            while wanted not in text:
                async with session.get(f"http://127.0.0.1:{runner.addresses[0][1]}/metrics") as answer:
                    assert answer.headers["Content-Type"].startswith("text/plain; version=")
                    text = await answer.text()
                await asyncio.sleep(0.01)
    finally:
        loop.stop()
        await running
        await runner.cleanup()

    assert value(telemetry, "reconcile_duration_seconds_count") == 1
    assert value(telemetry, "queue_depth") == 1, "it comes back later"
    assert value(telemetry, "reconciles_running") == 0
    assert 0 <= value(telemetry, "last_resync_age_seconds") < 20
