"""Envoy Gateway's own Helm chart and CRDs, out of the Go module of which the program is built."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from local import tools
from local.files import lock, new_directory
from local.settings import Settings
from local.shell import run

MODULE = "github.com/envoyproxy/gateway"
_CHART = "charts/gateway-helm"
# The module has the chart as its release is made of: what a release fills in, the values here say.
_BLANKS = ("${GatewayImagePullPolicy}", "${GatewayImage}")


def folder(settings: Settings) -> Path:
    """The chart, from the module's sources when first needed."""
    home = settings.cache / "charts" / tools.key("gateway")
    with lock(settings.cache / "charts.lock", "the charts"):
        if not home.exists():
            with new_directory(home) as made:
                _copy(_sources() / _CHART, made)
    return home


def crds(chart: Path) -> Path:
    """The CRDs of the Gateway API and of Envoy Gateway: larger than Helm or a client-side apply would take."""
    return chart / "charts" / "crds" / "crds"


def _sources() -> Path:
    line = ["go", "mod", "download", "-json", MODULE]
    env = {**os.environ, "GOWORK": "off", "GOFLAGS": "-mod=mod"}
    remedy = "the Go module proxy must be reachable"
    said = json.loads(run(line, cwd=tools.SOURCES / "gateway", env=env, timeout=600, remedy=remedy))
    return Path(said["Dir"])


def _copy(source: Path, target: Path) -> None:
    # The module cache is read-only, and copies of its folders would be.
    for path in sorted(source.rglob("*")):
        made = target / path.relative_to(source)
        if path.is_dir():
            made.mkdir()
        else:
            shutil.copyfile(path, made)
    template = target / "values.tmpl.yaml"
    text = template.read_text()
    for blank in _BLANKS:
        text = text.replace(blank, '""')
    (target / "values.yaml").write_text(text)


def values(image: str) -> dict[str, Any]:
    """What differs from the chart's defaults: nothing is pulled, and no webhook stands in the way of pods."""
    return {
        "crds": {"enabled": False},
        "topologyInjector": {"enabled": False},
        "global": {"images": {"envoyGateway": {"image": image, "pullPolicy": "Never"}}},
        "config": {"envoyGateway": {"provider": {"kubernetes": {"shutdownManager": {"image": image}}}}},
        "deployment": {"envoyGateway": {"resources": {"requests": {"memory": "64Mi"}}}},
    }
