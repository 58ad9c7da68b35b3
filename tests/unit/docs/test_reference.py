"""The reference is what the code says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel
from sampler_rollouts.metrics.config import MetricsSources
from samplerd.probing.settings import ProbeSettings
from samplerd.settings import Settings

from tests.support import pages
from tests.unit.docs import reference
from tests.unit.docs.reference import MAKER, PAGE, of_prober, of_samplers, page
from tests.unit.operator.chart import exposed


def test_the_page_is_what_the_code_says() -> None:
    assert pages.part(PAGE, MAKER) == pages.made(page()), f"run {MAKER}"


@pytest.mark.parametrize(
    "rows",
    [
        *(reference.fields(schema()) for schema in (reference.spec, reference.template, reference.configuration)),
        *(reference.of_operator(), of_samplers(), reference.flags(), reference.commands()),
    ],
)
def test_everything_is_described(rows: Iterator[tuple[str, ...]]) -> None:
    """`kubectl explain` and `--help` show nothing else. Of status, docs/resource.md explains what people read."""
    assert [row[0] for row in rows if not row[-1]] == []


def test_it_has_every_field_of_the_operators_configuration() -> None:
    """As the models have them: what the page says is taken from their JSON schema."""

    def names(model: type[BaseModel], before: str) -> Iterator[str]:
        for name, field in model.model_fields.items():
            path = before + (field.alias or name)
            yield path
            (inner,) = [one for one in parts(field.annotation) if issubclass(one, BaseModel)] or (None,)
            if inner:
                yield from names(inner, f"{path}.NAME." if get_origin(field.annotation) is dict else f"{path}.")

    def parts(hint: Any) -> list[type]:
        return (
            [hint] if isinstance(hint, type) and not get_args(hint) else [p for a in get_args(hint) for p in parts(a)]
        )

    told = {row[0].strip("`") for row in reference.fields(reference.configuration())}
    assert {"authors.images", "notifications.receivers.NAME.urlFile"} <= told
    assert told == set(names(MetricsSources, ""))


@pytest.mark.parametrize(("command", "model"), [("serve", Settings), ("probe", ProbeSettings)])
def test_it_has_every_setting_of_samplerd_with_its_variable(command: str, model: type[BaseModel]) -> None:
    text = "\n".join(reference.of_samplerd())
    part = text.partition(f"### `samplerd {command}`")[2].partition("###")[0]
    for name in model.model_fields:
        row = next(line for line in part.splitlines() if f"| `--{name.replace('_', '-')}`" in line)
        assert re.search(r"\| `(SAMPLER_|POD_)[A-Z_]+` \|", row), row


def test_it_has_every_metric_of_the_contract() -> None:
    told = {row[0].strip("`") for row in (*of_samplers(), *of_prober())}
    assert exposed.of_samplers() - {name for name in exposed.of_samplers() if name.endswith("_bucket")} == told
