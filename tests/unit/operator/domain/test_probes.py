"""The prober beside a rollout: when it runs, whom it asks, by which image, and that it goes."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain import render, render_probes
from sampler_rollouts.domain.decision import question
from sampler_rollouts.domain.resource import SpecError, parse_spec
from sampler_rollouts.domain.status import Status

from tests.unit.operator.domain.world import World, established, failing, image, passing, spec

PROBED: dict[str, Any] = {"designEffect": "1", "probes": {"requestsPerSecond": "0.5"}}


def probed(**quality: Any) -> World:
    world = established(quality={**PROBED, **quality})
    world.run(6)
    return world


def rolling(**quality: Any) -> World:
    world = probed(**quality)
    world.spec = spec("b", quality={**PROBED, **quality})
    world.run(20)
    return world


def prober(world: World) -> dict[str, Any] | None:
    return world.children.get(("Deployment", f"{world.name}-probe"))


def container(world: World) -> dict[str, Any]:
    found = prober(world)
    assert found is not None
    one: dict[str, Any] = found["spec"]["template"]["spec"]["containers"][0]
    return one


def selected(world: World) -> set[tuple[str, str]]:
    """Pool and revision that the targets of the prober stand for."""
    services = {name: body for (kind, name), body in world.children.items() if kind == "Service"}
    targets = [part for part in container(world)["args"] if part.endswith(".svc:9090")]
    found = [services[target.split(".")[0]]["spec"] for target in targets]
    assert all(one["clusterIP"] == "None" for one in found), "a name for all pods, not one address for any of them"
    return {(one["selector"][render.LABEL_POOL], one["selector"][render.LABEL_REVISION]) for one in found}


def test_without_the_block_nobody_probes_and_nobodys_probes_count() -> None:
    world = established()
    world.spec = spec("b")
    world.run(20)
    assert prober(world) is None
    asked = question(world.meta, world.spec, world.status, world.now)
    assert asked is not None
    assert not asked.probes


def test_a_rollouts_prober_asks_both_arms_of_each_pool_by_the_candidates_image() -> None:
    world = rolling()
    old, new = world.revision_of("stable"), world.revision_of("candidate")
    assert container(world)["image"] == image("b")
    assert container(world)["args"][:3] == ["probe", "--rate", "0.5"]
    pools = ("cpu-a", "cpu-b")
    assert selected(world) == {
        (pool, world.revision_of(which, pool)) for pool in pools for which in ("stable", "candidate")
    }
    assert old != new


def test_the_spec_may_name_another_image_for_it() -> None:
    own = "example.com/prober@sha256:" + "9" * 64
    world = rolling(probes={"requestsPerSecond": "0.5", "image": own})
    assert container(world)["image"] == own
    assert "--judge" not in container(world)["args"], "nobody asks what it finds"
    world.judge = failing()
    world.until("RollingBack")
    world.judge = passing
    world.until("Serving")
    world.run(10)
    assert container(world)["image"] == own, "in the bake of stable too, whose image may know no prober"


def test_where_its_findings_are_checks_it_is_told_whose_pods_it_asks_and_stable_last() -> None:
    checks = [{"name": "errors"}, {"name": "probe-equality", "maxRate": "5%"}]
    world = rolling(checks=checks)
    args = container(world)["args"]
    assert "--judge" in args
    named = [part.partition("=")[0] for part in args if ".svc:9090" in part]
    for pool in ("cpu-a", "cpu-b"):
        own = [one for one in named if one.startswith(f"{pool}/")]
        assert own == [f"{pool}/{world.revision_of(which, pool)}" for which in ("candidate", "stable")]


def test_after_the_bake_nobody_asks_what_the_prober_finds() -> None:
    checks = [{"name": "errors"}, {"name": "probe-equality", "maxRate": "5%"}]
    world = rolling(checks=checks)
    world.judge = passing
    world.until("Serving")
    world.run(420)
    assert world.condition("Verified") == ("True", "BakeTimeOver")
    world.run(10)
    assert world.status.watch
    assert [check.name for check in world.status.watch.quality.checks] == ["errors", "replay-audit"]


def test_its_image_is_pulled_by_the_secrets_of_the_release_that_it_is_of() -> None:
    world = probed()
    world.spec = spec("b", quality=PROBED)
    for one in world.spec["pools"]:
        one["template"] = {"pullSecrets": ["registry"]}
    world.run(20)
    found = prober(world)
    assert found is not None
    assert found["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert container(world)["image"] == image("b")
    plain = prober(rolling())
    assert plain is not None
    assert "imagePullSecrets" not in plain["spec"]["template"]["spec"]


def test_its_evidence_is_asked_for_with_twice_the_tests() -> None:
    world, plain = rolling(), established()
    plain.spec = spec("b")
    plain.run(20)
    asked, other = (question(one.meta, one.spec, one.status, one.now) for one in (world, plain))
    assert asked is not None
    assert other is not None
    assert asked.probes
    assert asked.tests == 2 * other.tests


def test_it_runs_through_the_bake_and_goes_with_it() -> None:
    world = rolling()
    world.judge = passing
    world.until("Serving")
    world.run(10)
    assert selected(world) == {(pool, world.revision_of("stable", pool)) for pool in ("cpu-a", "cpu-b")}
    world.run(400)
    assert world.condition("Verified") == ("True", "BakeTimeOver")
    world.run(10)
    assert prober(world) is None
    assert not [name for kind, name in world.children if kind == "Service" and _is_probes(world, name)]


def _is_probes(world: World, name: str) -> bool:
    return render_probes.LABEL_COMPONENT in world.children["Service", name]["metadata"]["labels"]


def test_a_rejected_build_is_probed_no_more() -> None:
    world = rolling()
    world.judge = failing()
    world.until("RollingBack")
    world.judge = passing
    world.until("Serving")
    world.run(10)
    assert container(world)["image"] == image("a"), "the bake of stable goes on, by stable's image"
    assert selected(world) == {(pool, world.revision_of("stable", pool)) for pool in ("cpu-a", "cpu-b")}


def test_at_a_rate_of_nought_probes_count_and_nobody_sends_them() -> None:
    world = rolling(probes={"requestsPerSecond": "0"})
    assert prober(world) is None
    asked = question(world.meta, world.spec, world.status, world.now)
    assert asked is not None
    assert asked.probes


def test_an_image_that_a_stranger_writes_into_status_runs_nowhere() -> None:
    world = rolling()
    status = world.status
    assert status.candidate is not None
    for item in status.candidate.pools:
        item.image = "evil.example.com/x@sha256:" + "e" * 64
    world.raw_status = Status.load(status.model_dump()).dump()
    world.run(6)
    assert container(world)["image"] == image("b")


@pytest.mark.parametrize("rate", ["nan", "inf", "-1", "x", "1e9"])
def test_a_rate_that_a_stranger_writes_into_status_starts_nothing(rate: str) -> None:
    world = rolling()
    status = world.status
    assert status.rollout is not None
    status.rollout.quality.probes = rate
    world.raw_status = status.dump()
    world.run(6)
    world.run(6)
    assert prober(world) is None


def test_no_service_of_users_selects_the_prober_and_nobody_takes_it_for_a_server() -> None:
    world = rolling()
    found = prober(world)
    assert found is not None
    labels = found["spec"]["template"]["metadata"]["labels"]
    for (kind, _), body in world.children.items():
        if kind == "Service":
            assert not body["spec"]["selector"].items() <= labels.items()
    assert render.LABEL_POOL not in labels


def test_the_prober_meets_the_restricted_standard() -> None:
    found = prober(rolling())
    assert found is not None
    pod = found["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_names_fit_even_for_the_longest_rollout() -> None:
    owner, child = render.Owner("ns", "a" * 50, "uid"), render.Child("p", "0123456789")
    service = render_probes.probe_service(owner, child)
    made = render_probes.prober(owner, image("a"), [service], "1")
    assert max(len(one["metadata"]["name"]) for one in (service, made)) <= 63


@pytest.mark.parametrize("rate", ["", "-1", "1000", "1.", "0.0001", "01", 1, "1e3"])
def test_a_rate_that_is_none_is_refused(rate: Any) -> None:
    with pytest.raises(SpecError, match="requestsPerSecond"):
        parse_spec(spec(quality={"designEffect": "1", "probes": {"requestsPerSecond": rate}}))
