"""What the adapter's tests share: an API server in memory that holds one SamplerRollout."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.kinds import RolloutKey

from tests.support.kube.api import MemoryApi
from tests.unit.operator.cluster import builders
from tests.unit.operator.cluster.builders import ROLLOUT_PATH

Obj = dict[str, Any]


@pytest.fixture
def api() -> MemoryApi:
    api = MemoryApi()
    api.put(f"{ROLLOUT_PATH}/chat", builders.rollout())
    return api


@pytest.fixture
def cluster(api: MemoryApi) -> KubernetesCluster:
    return KubernetesCluster(api)


@pytest.fixture
def rollout(cluster: KubernetesCluster) -> Obj:
    found = cluster.read(RolloutKey("serving", "chat"))
    assert found is not None
    return found
