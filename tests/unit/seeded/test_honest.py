"""The honest build is flagged by nothing, over as many tokens as HONEST_TOKENS says: some thousands, or ten million."""

import math
import os

import pytest
from samplerd.model import Model
from samplerd.program import Executables, production_program

from tests.support.fault_table import Traffic

ALL_TOKENS = int(os.environ.get("HONEST_TOKENS", "16000"))
BATCH_SIZES = (8, 32, 64, 128) if "HONEST_TOKENS" in os.environ else (64,)
TOKENS = 96
"""The most of one answer; most end by themselves before."""


@pytest.mark.compiles
@pytest.mark.timeout(36_000)
@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def test_the_honest_build_is_flagged_by_nothing(model: Model, batch_size: int) -> None:
    wanted = ALL_TOKENS // len(BATCH_SIZES)
    executables = Executables(model, production_program(model), batch_sizes=(batch_size,), chunk_sizes=(64,))
    traffic = Traffic(executables, seed=1000 + batch_size)
    while traffic.tokens < wanted:
        traffic.serve(1 + (wanted - traffic.tokens) // TOKENS, TOKENS)
    counted = traffic.counted()
    print(f"batch of {batch_size}: {counted}, bias {counted.bias:+.5f} nats, {counted.sigmas:+.2f} sigmas")  # noqa: T201
    assert counted.audited == traffic.tokens >= wanted
    assert counted.dropped == 0
    assert not counted.mismatches
    assert counted.calibrated > 0.6 * wanted
    assert abs(counted.sigmas) < 4.0
    assert abs(counted.bias) < 0.01 or counted.calibrated < 100_000
    assert counted.checked["errors"] == counted.checked["unexpected-script"] > wanted / TOKENS
    assert counted.bad["errors"] == 0
    assert counted.bad["unexpected-script"] <= 1 + counted.checked["unexpected-script"] / 10_000
    assert math.isfinite(counted.entropy)
