"""The reference is what the code says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import pages
from tests.unit.docs.reference import MAKER, PAGE, commands, fields, flags, of_operator, of_prober, of_samplers, page
from tests.unit.operator.chart import exposed


def test_the_page_is_what_the_code_says() -> None:
    assert pages.part(PAGE, MAKER) == pages.made(page()), f"run {MAKER}"


@pytest.mark.parametrize("rows", [fields("spec"), of_operator(), of_samplers(), flags(), commands()])
def test_everything_is_described(rows: Iterator[tuple[str, ...]]) -> None:
    """`kubectl explain` and `--help` show nothing else. Of status, docs/resource.md explains what people read."""
    assert [row[0] for row in rows if not row[-1]] == []


def test_it_has_every_metric_of_the_contract() -> None:
    told = {row[0].strip("`") for row in (*of_samplers(), *of_prober())}
    assert exposed.of_samplers() - {name for name in exposed.of_samplers() if name.endswith("_bucket")} == told
