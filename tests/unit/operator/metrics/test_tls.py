"""TLS: the source is who the CA file says, or nothing is asked of it."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from sampler_rollouts.metrics.config import MetricsSource
from sampler_rollouts.metrics.prometheus import PrometheusSource

from tests.unit.operator.evidence.build import at, question
from tests.unit.operator.metrics.misbehaving import GENEROUS, Server, matrix, serving

pytestmark = pytest.mark.timeout(30)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two self-signed certificates for loopback: ``right`` and ``wrong``."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("right", "wrong"):
        files = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        command = ["openssl", "req", "-x509", "-nodes", "-days", "2", *curve, *files, *subject]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def secure(server: Server, folder: Path) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "right.pem", folder / "right.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
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
