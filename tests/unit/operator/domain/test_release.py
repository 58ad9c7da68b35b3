"""What makes a release another one, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain.release import child_name, digest, release_hash, revision, revisions
from sampler_rollouts.domain.resource import parse_spec

from tests.unit.operator.domain.world import image, pool, spec


def of(**more: Any) -> str:
    base = pool("cpu-a") | more
    parsed = parse_spec(spec() | {"pools": [base], "strategy": {}})
    return revision(parsed, parsed.pools[0])


@pytest.mark.parametrize(
    "more",
    [
        {"image": image("b")},
        {"sampler": {"auditShare": "2%"}},
        {"sampler": {"vocabShards": 4}},
        {"template": {"args": ["--fast"]}},
        {"template": {"env": [{"name": "A", "value": "1"}]}},
        {"template": {"resources": {"limits": {"cpu": "1"}}}},
    ],
)
def test_what_the_spec_says_of_the_pods_is_in_the_revision(more: dict[str, Any]) -> None:
    assert of(**more) != of()


@pytest.mark.parametrize(
    "more",
    [
        {"replicas": 7},
        {"name": "cpu-b"},
        {"platform": "cpu"},
        {"sampler": {}},
        {"sampler": {"precision": "float32", "vocabShards": 1, "auditShare": "1%"}},
        {"sampler": {"auditShare": "0.01"}},
        {"template": {}},
        {"template": {"env": [], "args": [], "resources": {"limits": {}, "requests": {}}}},
    ],
)
def test_everything_else_is_not(more: dict[str, Any]) -> None:
    assert of(**more) == of()


def test_ratios_count_by_value() -> None:
    assert of(sampler={"auditShare": "50%"}) == of(sampler={"auditShare": "0.5"})


def test_the_order_of_variables_counts() -> None:
    """A later variable may refer to an earlier one."""
    one, two = {"name": "A", "value": "1"}, {"name": "B", "value": "2"}
    assert of(template={"env": [one, two]}) != of(template={"env": [two, one]})


def test_revisions_are_pinned() -> None:
    """These very values stand in clusters: another result here would restart every pod."""
    assert of() == "2f64543654"
    assert release_hash({"cpu-a": "2f64543654", "cpu-b": "2f64543654"}) == "1710ad63b6"


def test_a_release_is_the_set_of_all_pools() -> None:
    both = revisions(parse_spec(spec()))
    assert release_hash(both) == release_hash(dict(reversed(both.items())))
    assert release_hash(both) != release_hash({"cpu-a": both["cpu-a"]})
    assert release_hash(both) != release_hash(both, route="0123456789")


def test_strategy_quality_and_rollback_are_not_part_of_a_release() -> None:
    changed = spec(quality={"passConfidence": "90%"}, rollback={"drainTimeout": "5m"}, strategy={"deadline": "1h"})
    assert revisions(parse_spec(changed)) == revisions(parse_spec(spec()))


def test_digest_is_ten_hex_digits_of_canonical_json() -> None:
    assert digest({"b": 1, "a": "ü"}) == digest({"a": "ü", "b": 1})
    assert len(digest({})) == 10


def test_names_of_children() -> None:
    assert child_name("chat", "cpu-a", "0123456789") == "chat-cpu-a-0123456789"
