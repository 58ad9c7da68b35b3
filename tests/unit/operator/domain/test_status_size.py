"""Whatever happens, a status can be stored: etcd takes 1.5 MiB of an object."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sampler_rollouts.crd import definition
from sampler_rollouts.domain import limits
from sampler_rollouts.domain.births import Birth, WithBirths, grouped
from sampler_rollouts.domain.decision import question
from sampler_rollouts.domain.plan import Bake, Rollout, Watch
from sampler_rollouts.domain.preflight import ScoredPrompt
from sampler_rollouts.domain.resource import SpecError, parse_spec
from sampler_rollouts.domain.status import Status

from tests.unit.operator.domain.story import bad
from tests.unit.operator.domain.world import START, World, established, spec

POOLS = [f"p{number:02}" + "x" * (limits.NAME - 3) for number in range(limits.POOLS)]
NAME = "n" * (limits.CHILD_NAMES - limits.NAME)
FORMER = {key for model in (WithBirths, ScoredPrompt) for key in model.former}


def stored(value: Any) -> int:
    """Bytes of it as the API server stores it."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def full(schema: dict[str, Any]) -> Any:
    """A value that uses every bound of a schema to the full; fails where there is none."""
    kind = schema["type"]
    if "enum" in schema:
        return max(schema["enum"], key=len)
    if kind == "object":
        members = schema.get("properties", {})
        return {name: full(member) for name, member in members.items() if name not in FORMER}
    if kind == "array":
        return [full(schema["items"]) for _ in range(schema["maxItems"])]
    if kind == "string":
        return START.isoformat() if schema.get("format") == "date-time" else "x" * schema["maxLength"]
    return 2**53 if kind == "integer" and "maximum" not in schema else schema.get("maximum", False)


def most_births() -> list[Birth]:
    """As many pods as may be, half of them replaced ones, with the longest names that a Deployment gives."""
    return [
        Birth(
            f"{NAME}-{(pool := POOLS[number % limits.POOLS])}-0123456789-abcdefghij"[:58] + f"{number:05}",
            pool,
            START + timedelta(seconds=600 * number),
            number % 2 == 0,
        )
        for number in range(limits.BIRTHS)
    ]


def longest() -> dict[str, Any]:
    """Every list and text as long as it may be, but for what the domain never has together: see ``invariants``."""
    status = full(definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"])
    del status["watch"], status["bake"]["watch"]
    born = [one.model_dump(mode="json", by_alias=True) for one in grouped(most_births())]
    status["bake"]["born"] = status["rollout"]["born"] = born
    status["rollout"]["waves"] = [[pool] for pool in POOLS]
    for release in status["rollout"]["leftovers"]:
        for pool in release["pools"]:
            pool["image"] = ""
    for pool in status["pools"][limits.POOLS :]:
        del pool["checks"], pool["worstCheck"], pool["unready"], pool["replacing"], pool["blocked"]
    room = limits.SUSPECTS_HELD
    for held in status["failed"]:
        held["suspects"], room = held["suspects"][:room], max(0, room - len(held["suspects"]))
    return status  # type: ignore[no-any-return]


def test_a_status_with_every_list_as_long_as_it_may_be_can_be_stored() -> None:
    """A new list, or a longer one, is counted here without being named."""
    raw = longest()
    assert Status.load(raw).dump().keys() == raw.keys(), "all of it is within its bounds"
    assert stored(raw) < limits.STATUS


def test_all_pods_of_the_largest_rollout_are_remembered() -> None:
    births = most_births()
    found = grouped(births)
    assert len(found) == limits.POOLS
    assert stored([one.model_dump(mode="json", by_alias=True) for one in found]) < limits.BIRTHS_TEXT
    assert WithBirths(born=found).births == sorted(births, key=lambda one: (one.serving, one.at))


def test_of_more_pods_than_there_is_room_for_those_that_serve_are_remembered() -> None:
    births = [Birth(f"{number}-" + "x" * 200, "cpu-a", START, number % 10 == 0) for number in range(2000)]
    found = WithBirths(born=grouped(births)).births
    assert {one.pod for one in births if one.serving} <= {one.pod for one in found}
    assert len(found) < len(births)
    assert stored(WithBirths(born=grouped(births)).model_dump(mode="json")) < 1.1 * limits.BIRTHS_TEXT


PODS = st.builds(
    Birth,
    pod=st.from_regex(r"[a-z0-9]([-.a-z0-9]{0,20}[a-z0-9])?", fullmatch=True),
    pool=st.sampled_from(["cpu-a", "cpu-b"]),
    at=st.integers(0, 10**8).map(lambda seconds: START + timedelta(seconds=seconds)),
    serving=st.booleans(),
)


@given(st.lists(PODS, max_size=12, unique_by=lambda one: one.pod))
def test_births_are_read_as_they_were_written(births: list[Birth]) -> None:
    found = WithBirths.model_validate(WithBirths(born=grouped(births)).model_dump(mode="json", by_alias=True))
    assert sorted(found.births, key=lambda one: one.pod) == sorted(births, key=lambda one: one.pod)
    assert found == WithBirths(born=grouped(found.births)), "and always in the same way"


def test_births_that_a_stranger_has_edited_are_read_as_far_as_they_can_be() -> None:
    group = {"pool": "cpu-a", "prefix": "c-", "since": START.isoformat(), "others": "x+1 +++ y y+ +9999999999 z+2"}
    assert [one.pod for one in WithBirths.model_validate({"born": [group]}).births if one.pod != "c-"] == ["c-x", "c-z"]


@pytest.mark.parametrize("model", [Rollout, Bake, Watch])
def test_what_earlier_versions_stored_is_read(model: type[WithBirths]) -> None:
    """Their lists are in the schema still: the API server would drop them before the operator had read them."""
    births = [{"pod": f"c-{pod}", "pool": "cpu-a", "at": "2026-11-23T12:00:07Z", "serving": pod == "b"} for pod in "ab"]
    world = established()
    world.update(spec("b"))
    world.run(25)
    known = {Rollout: world.status.rollout, Bake: world.status.bake}.get(model)
    rest = {"release": "r", "since": START, "seconds": 1, "quality": world.status.rollout.quality}
    raw = (known.model_dump(by_alias=True) if known else rest) | {"births": [*births, {"pod": 3}]}
    raw.pop("born", None)
    at = START + timedelta(seconds=7)
    assert model.model_validate(raw).births == [Birth("c-a", "cpu-a", at), Birth("c-b", "cpu-a", at, True)]
    schema = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    assert schema[model.__name__.lower()]["properties"]["births"]["items"]["properties"].keys() == births[0].keys()


def test_log_probabilities_of_earlier_versions_are_read() -> None:
    found = ScoredPrompt.model_validate({"prompt": 1, "tokens": "t", "logprobs": ["-1.500000", "nan", "gone"]})
    assert found.logprobs[0] == -1.5
    assert all(one != one for one in found.logprobs[1:])
    again = ScoredPrompt.model_validate(found.model_dump(mode="json", by_alias=True))
    assert (again.nats, "logprobs" in again.model_dump()) == (found.nats, False)
    assert ScoredPrompt(prompt=1, tokens="t", nats="edited").logprobs[0] != -1.5


def test_a_text_is_cut_by_what_it_takes_to_store_it() -> None:
    assert limits.clip("ab", 2) == "ab"
    assert limits.clip("abcde", 4) == "a…"
    assert limits.clip("日本語", 8) == "日…"
    assert all(len(limits.clip("é" * 600, length).encode()) <= length for length in range(3, 1025))


def test_the_suspects_of_old_failures_give_way_to_those_of_new_ones() -> None:
    pools = ("cpu-a", *(f"cpu-{number}" for number in range(7)))
    world = established(pools=pools)
    world.check = None  # told elsewhere, and dear
    for number in range(10):
        named = [{"name": name, "replicas": 2, "image": f"{name}-{number}@sha256:{64 * 'f'}"} for name in pools]
        world.update(spec(pools=pools) | {"pools": named})
        world.until("Progressing")
        world.tick()
        world.judge = bad(world.revision_of("candidate"))
        world.until("Serving")
    failed = world.status.failed
    assert [len(one.suspects) for one in failed] == [8] * 8 + [0] * 2
    assert limits.SUSPECTS_HELD == 64


def test_a_spec_that_leaves_no_room_for_the_status_is_refused_with_the_remedy() -> None:
    env = [{"name": f"A{number}", "value": "x" * 4096} for number in range(48)]
    with pytest.raises(SpecError, match=r"spec: .*bytes.*move"):
        parse_spec(spec() | {"pools": [spec()["pools"][0] | {"template": {"env": env}}], "strategy": {}})
    parse_spec(spec() | {"pools": [spec()["pools"][0] | {"template": {"env": env[:40]}}], "strategy": {}})


def largest(letter: str) -> dict[str, Any]:
    """As many pools, servers and checks as there may be, with the longest names."""
    checks = [{"name": f"c{number:02}" + "x" * (limits.NAME - 3), "maxRate": "1%"} for number in range(limits.CHECKS)]
    path = "example.com/" + "x" * (limits.IMAGE - len("example.com/@sha256:") - 64)
    named = [{"name": name, "replicas": limits.REPLICAS, "image": f"{path}@sha256:{letter * 64}"} for name in POOLS]
    return spec(pools=tuple(POOLS), quality={"checks": checks}) | {"pools": named}


def test_the_largest_rollout_there_may_be_is_decided_and_stored() -> None:
    world = World(largest("a"), name=NAME)
    world.tick()
    world.tick(15)
    assert world.status.stage == "Serving"
    world.update(largest("b"))
    for seconds in (5, 5, 15, 5, 15):
        world.tick(seconds)
    status = world.status
    assert status.stage == "Progressing"
    asked = question(world.meta, world.spec, status, world.now)
    assert asked is not None
    assert sum(len(arm.births) for arm in asked.arms) == limits.POOLS * limits.REPLICAS // 2
    assert all(len(pool.checks) == limits.CHECKS + 1 for pool in status.pools)
    assert stored(world.raw_status) < limits.STATUS // 2
