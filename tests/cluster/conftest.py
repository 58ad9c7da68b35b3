"""The chart as Helm renders it: Helm is built if it is not there yet, and needs no cluster."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import tools
from local.settings import load

CHART = Path(__file__).parents[2] / "charts" / "sampler-rollouts"
DIGEST = "sha256:" + "a" * 64
Obj = dict[str, Any]


@pytest.fixture(scope="module")
def helm() -> Path:
    """The local cluster's Helm, built if it is not there yet."""
    return tools.ensure(load(), ["helm"])["helm"]


@pytest.fixture
def render(helm: Path, tmp_path: Path) -> Any:
    """Renders the chart and gives the objects by kind and name."""

    def call(
        fails: str = "", chart: Path = CHART, release: str = "rel", namespace: str = "home", **values: Any
    ) -> dict[str, Obj]:
        given = tmp_path / "values.json"
        given.write_text(json.dumps({"image": {"digest": DIGEST}, **values}))
        environ = {f"HELM_{what}_HOME": str(tmp_path) for what in ("CACHE", "CONFIG", "DATA")}
        line = [helm, "template", release, chart, "-n", namespace, "--kube-version", "1.36", "-f", given]
        done = subprocess.run(line, env=environ, capture_output=True, text=True, check=False, timeout=60)
        if fails:
            assert done.returncode != 0
            assert re.search(fails, done.stderr), done.stderr
            return {}
        assert done.returncode == 0, done.stderr
        return {f"{o['kind']}/{o['metadata']['name']}": o for o in yaml.safe_load_all(done.stdout) if o}

    return call
