"""Which image references a pool may name: the grammar of the OCI distribution specification."""

from __future__ import annotations

import pytest
from sampler_rollouts.domain.resource import SpecError, parse_spec

from tests.unit.operator.domain.world import pool, spec

DIGEST = "sha256:" + "0" * 64


def parsed(image: str) -> str:
    raw = spec() | {"pools": [pool("cpu-a") | {"image": image}], "strategy": {}}
    return parse_spec(raw).pools[0].image


@pytest.mark.parametrize(
    "name",
    [
        "sampler",
        "team/sampler",
        "localhost/sampler",
        "localhost:5000/sampler",
        "Registry.Example.com/team/sampler",
        "reg:5000/a/b/c",
        "10.0.0.1:5000/sampler",
        "registry.example.com/team_a/sampler--cpu.v2",
        "registry.example.com/sampler:v1.2.3-RC_1",
    ],
)
def test_a_reference_by_digest_is_taken(name: str) -> None:
    assert parsed(f"{name}@{DIGEST}") == f"{name}@{DIGEST}"


@pytest.mark.parametrize(
    "name",
    [
        "UPPER",
        "Reg/sampler",
        "reg.io/UPPER",
        "a//b",
        "/a",
        "a/",
        "a:::/",
        "-a",
        "a-",
        "a..b",
        "a___b",
        "reg.io:port/a",
        "a:",
    ],
)
def test_what_no_registry_knows_is_refused_with_the_form(name: str) -> None:
    with pytest.raises(SpecError, match="must be an image reference such as"):
        parsed(f"{name}@{DIGEST}")
