"""The reference is what the code says."""

from __future__ import annotations

import pytest

from tests.support import pages
from tests.unit.docs.reference import MAKER, PAGE, commands, fields, flags, of_operator, of_samplers, page


def test_the_page_is_what_the_code_says() -> None:
    assert pages.part(PAGE, MAKER) == pages.made(page()), f"run {MAKER}"


@pytest.mark.parametrize("rows", [fields("spec"), of_operator(), flags(), commands()])
def test_everything_is_described(rows: list[tuple[str, ...]]) -> None:
    """`kubectl explain` and `--help` show nothing else. Of status, docs/resource.md explains what people read."""
    assert [row[0] for row in rows if not row[-1]] == []


def test_the_two_metrics_that_make_a_server_rollable_are_told() -> None:
    assert {"`sampler_quality_checked_total`", "`sampler_quality_bad_total`"} <= {row[0] for row in of_samplers()}
