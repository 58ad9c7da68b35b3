"""Route tables: shares in millionths, and the mix of two of them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sampler_rollouts.domain.tables import WHOLE, exact, mix, parts

from tests.support.examples import examples

POOLS = ("gpu", "tpu", "long", "spare", "old")
tables = st.dictionaries(st.sampled_from(POOLS), st.integers(1, WHOLE), min_size=1)


@pytest.mark.parametrize(
    ("share", "millionths"),
    [("100%", 1_000_000), ("70%", 700_000), ("0.8%", 8_000), ("99.2%", 992_000), ("0.0001%", 1), ("33.3333%", 333_333)],
)
def test_a_share_is_read_exactly(share: str, millionths: int) -> None:
    assert parts(share) == millionths


@settings(max_examples=examples(200), deadline=None)
@given(tables, tables, st.integers(0, 100))
@example({"gpu": WHOLE}, {"gpu": 992_000, "long": 8_000}, 1)
@example({"gpu": 1}, {"tpu": 1}, 0)
@example({"gpu": 999_999, "tpu": 1}, {"gpu": 1, "tpu": 999_999}, 50)
def test_a_mix_is_linear_and_exact(old: dict[str, int], new: dict[str, int], weight: int) -> None:
    mixed = mix(old, new, weight)
    assert sum(sum(arm.values()) for arm in mixed) == WHOLE
    wanted = [
        (arm.get(pool, 0), Fraction(percent, 100) * Fraction(part, sum(table.values())) * WHOLE)
        for arm, table, percent in ((mixed[0], old, 100 - weight), (mixed[1], new, weight))
        for pool, part in table.items()
    ]
    assert all(found >= 1 for found, _ in wanted)
    raised = sum(1 for _, asked in wanted if asked < 1)
    # What the least weights take, one backend gives: the largest.
    off = sorted((abs(found - asked) for found, asked in wanted if asked >= 1), reverse=True)
    assert all(difference < 1 for difference in off[1:])
    assert not off or off[0] < 1 + raised


@settings(max_examples=examples(100), deadline=None)
@given(st.dictionaries(st.sampled_from(POOLS), st.integers(1, WHOLE), min_size=1))
def test_a_table_whose_parts_are_whole_stays_as_it_is(amounts: dict[str, int]) -> None:
    weights = exact(amounts)
    assert sum(weights.values()) == WHOLE
    assert exact(weights) == weights


def test_of_two_tables_one_of_which_nobody_serves_the_other_has_all_but_at_a_weight_of_0() -> None:
    assert exact({}) == {}
    assert mix({}, {}, 50) == ({}, {})
    assert mix({"gpu": 3, "tpu": 1}, {}, 50) == ({"gpu": 750_000, "tpu": 250_000}, {})
    assert mix({}, {"gpu": 3, "tpu": 1}, 1) == ({}, {"gpu": 750_000, "tpu": 250_000})
    assert mix({}, {"gpu": 1}, 0) == ({}, {})
    assert mix({"gpu": 1}, {}, 100) == ({}, {})
