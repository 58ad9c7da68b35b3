"""TLS: the source is who the CA file says, or nothing is asked of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sampler_rollouts.metrics.config import MetricsSource
from sampler_rollouts.metrics.prometheus import PrometheusSource

from tests.support import loopback
from tests.unit.operator.evidence.build import at, question
from tests.unit.operator.metrics.misbehaving import GENEROUS, Server, matrix, serving

pytestmark = pytest.mark.timeout(30)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return loopback.certificates(tmp_path_factory.mktemp("tls"))


def secure(server: Server, folder: Path) -> str:
    server.secure(folder)
    return server.url.replace("http:", "https:")


@pytest.mark.parametrize(
    ("ca", "reason"), [("right.pem", ""), ("wrong.pem", "SourceUntrusted"), (None, "SourceUntrusted")]
)
def test_only_the_ca_file_is_trusted(ca: str | None, reason: str, certificates: Path) -> None:
    with serving(lambda handler: handler.answer_json(matrix())) as server:
        config = MetricsSource(
            url=secure(server, certificates), ca_file=certificates / ca if ca else None, timeout=GENEROUS
        )
        got = PrometheusSource(config).fetch(question(), at(10))
        assert (got.unavailable, bool(server.asked)) == (reason, not reason)
