"""The buckets that the server counts by are those of the contract, which checks may ask for."""

from __future__ import annotations

import pytest
from quality_contract import latency
from samplerd.metrics import Metrics


@pytest.mark.parametrize("check", list(latency.HISTOGRAMS))
def test_every_bound_of_the_contract_is_there_from_the_start(check: str) -> None:
    name, bounds = latency.HISTOGRAMS[check]
    registry = Metrics().registry
    for checked in ("true", "false"):
        for bound in bounds:
            labels = {latency.LABEL_CHECKED: checked, latency.LABEL_BOUND: str(float(bound))}
            assert registry.get_sample_value(name + latency.BUCKET, labels) == 0, bound
        assert registry.get_sample_value(name + latency.COUNT, {latency.LABEL_CHECKED: checked}) == 0


@pytest.mark.parametrize("check", list(latency.HISTOGRAMS))
def test_the_bounds_rise(check: str) -> None:
    bounds = latency.HISTOGRAMS[check].bounds
    assert list(bounds) == sorted(set(bounds))
    assert bounds[0] > 0
